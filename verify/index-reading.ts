/** One index from the store into the records, in small slices of time; whole, or not at all. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fieldValue } from '../core/fields.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import { oneSpelling } from './apt-uri.ts'
import type { DigestRecords, IndexRecording } from './digest-records.ts'
import { claimRow, inOrder, type ClaimRow } from './digest-rows.ts'
import { decodedText, type Decoding } from './metadata/decoding.ts'
import type { FoundIndex } from './metadata/index-kinds.ts'
import type { Mention } from './metadata/mention.ts'
import type { Run } from './run.ts'

export interface IndexReadingComponents {
  readonly maxDecodedBytes: number
  readonly run: Run
  readonly store: Pick<Store, 'read' | 'lookup'>
  readonly records: DigestRecords
  /** What a rule lets this index speak for beyond its own root. */
  readonly grantFor: (index: TargetUri) => Grant
}

/** Files elsewhere for which an index may speak. */
export interface Grant {
  /** Another text for every other grant; empty where there is none. */
  readonly id: string
  readonly includes: (file: TargetUri) => boolean
}

/** What is read of an index depends on its bytes and on what it may speak for. */
export function versionOf({ digest }: Pick<StoredResponse, 'digest'>, { id }: Grant): string {
  return `${digest} ${id}`
}

/** Whether a version was read under this very grant. */
export function isGranted(version: string, { id }: Grant): boolean {
  return version.slice(version.indexOf(' ') + 1) === id
}

export interface IndexCounts {
  readonly digests: number
  /** Files that this index may not speak for. */
  readonly outside: number
}

/** Characters parsed, and digests written, before the event loop gets its turn: a few milliseconds of work. */
const SLICE_CHARACTERS = 65_536
const ROWS_PER_WRITE = 250
/** Rows that are put in order before they are written: half a megabyte of memory. */
const ROWS_IN_ORDER = 2000
const MAX_CONFIG_BYTES = 65_536

/** @throws UnreadableIndex, or what the store throws, when it cannot be read to its end; then nothing of it counts. */
export async function readIndex(
  response: StoredResponse,
  found: FoundIndex,
  components: IndexReadingComponents,
  signal: AbortSignal,
): Promise<IndexCounts> {
  const { records } = components
  const grant = components.grantFor(response.uri)
  const recording = records.begin(response.uri, versionOf(response, grant))
  const claims = new ClaimBuffer(recording, (each) => claimOf(found, each, grant))
  try {
    await parse(response, found, claims, components, signal)
  } catch (error) {
    recording.giveUp()
    throw error
  }
  recording.finish()
  while (records.sweep() && !signal.aborted) await nextTurn()
  const { digests, outside } = claims
  return { digests, outside }
}

async function parse(
  response: StoredResponse,
  found: FoundIndex,
  claims: ClaimBuffer,
  components: IndexReadingComponents,
  signal: AbortSignal,
): Promise<void> {
  const emit = (each: Mention) => claims.add(each)
  const decoding = { ...components, signal }
  const reader = await found.kind.read(emit, found.match, found, (uri) => textOf(uri, decoding))
  if (reader === undefined) throw new Error('what it refers to is not here')
  for await (const text of textIn(response, decoding)) {
    for (let at = 0; at < text.length; at += SLICE_CHARACTERS) {
      reader.push(text.slice(at, at + SLICE_CHARACTERS))
      await claims.write(ROWS_IN_ORDER)
      await nextTurn()
      signal.throwIfAborted()
    }
  }
  reader.end()
  await claims.write(0)
}

function textIn(
  response: StoredResponse,
  { store, ...decoding }: Decoding & Pick<IndexReadingComponents, 'store'>,
): AsyncGenerator<string> {
  const bytes = store.read(response, { start: 0, end: response.size })
  return decodedText(bytes, fieldValue(response.fields, 'content-encoding'), decoding)
}

/** What is said of one file; `undefined` when this index may not say it. */
function claimOf(
  { base, scope }: FoundIndex,
  { reference, digest, size }: Mention,
  grant: Grant,
): ClaimRow | undefined {
  const href = URL.parse(reference, base)?.href
  const uri = href === undefined ? undefined : parseTargetUri(href)
  if (uri === undefined) return undefined
  if (!uri.startsWith(scope) && !grant.includes(uri)) return undefined
  return claimRow(oneSpelling(uri), size === undefined ? { digest } : { digest, size })
}

/** The text of a small stored response that came from the origin server. */
async function textOf(
  uri: string,
  decoding: Decoding & Pick<IndexReadingComponents, 'store'>,
): Promise<string | undefined> {
  const target = parseTargetUri(uri)
  const stored = target === undefined ? [] : decoding.store.lookup(target)
  const response = stored.find(isUsableText)
  if (response === undefined) return undefined
  const pieces: string[] = []
  for await (const piece of textIn(response, { ...decoding, maxDecodedBytes: MAX_CONFIG_BYTES }))
    pieces.push(piece)
  return pieces.join('')
}

function isUsableText({ status, source, size }: StoredResponse): boolean {
  return status === 200 && source === 'internet' && size <= MAX_CONFIG_BYTES
}

/** Claims on their way into the records, a bounded number at a time. */
class ClaimBuffer {
  readonly #recording: IndexRecording
  readonly #understand: (mention: Mention) => ClaimRow | undefined
  #rows: ClaimRow[] = []
  digests = 0
  outside = 0

  constructor(recording: IndexRecording, understand: (mention: Mention) => ClaimRow | undefined) {
    this.#recording = recording
    this.#understand = understand
  }

  add(mention: Mention): void {
    const row = this.#understand(mention)
    if (row === undefined) this.outside += 1
    else {
      this.digests += 1
      this.#rows.push(row)
    }
  }

  /** Writes what has come, where it is more than `most`, and lets others work in between. */
  async write(most: number): Promise<void> {
    if (this.#rows.length <= most) return
    const rows = inOrder(this.#rows)
    this.#rows = []
    for (let at = 0; at < rows.length; at += ROWS_PER_WRITE) {
      this.#recording.add(rows.slice(at, at + ROWS_PER_WRITE))
      await nextTurn()
    }
  }
}
