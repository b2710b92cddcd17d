/**
 * Copies that applications announce (R11.1): a file of theirs becomes one of the cache's, under the name of its content, and
 * peers are offered it under that name and the one that the application gives. What is here already is not sent again.
 */
import type { Clock } from '../../core/clock.ts'
import { contentName } from '../../core/content-name.ts'
import { deferred, type Deferred } from '../../core/deferred.ts'
import type { Sha256 } from '../../core/digest.ts'
import { asFault, Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import type { Random } from '../../core/random.ts'
import type { GrowingCopy, Store, StoredResponse } from '../../core/store.ts'
import { parseTargetUri } from '../../core/target-uri.ts'
import { formatHttpDate } from '../../cache/semantics/http-date.ts'
import { linkContent } from '../../retrieval/content.ts'
import { inertType } from '../../retrieval/peer-fields.ts'
import type { Lan } from '../assembly.ts'
import { digestText, isUri, namedContent, sha256From } from './content-uri.ts'

/** A copy that an application has. */
export interface AnnounceQuestion {
  /** What peers call it: any URL or URI. Absent: only the name of its content. */
  readonly uri?: string
  /** `sha-256:` and 64 hexadecimal digits. Where it is given, bytes that have another are refused. */
  readonly digest?: string
  /** Bytes of the file. */
  readonly size?: number
  /** Its media type. */
  readonly type?: string
}

/** A copy that peers are offered. */
export interface AnnouncedCopy {
  /** The name of its content, by which everybody can get it. */
  readonly name: string
  readonly digest: string
  readonly size: number
}

export type AnnounceLine =
  /** Its bytes are to be sent, to this name. */
  { readonly kind: 'needed'; readonly id: string } | ({ readonly kind: 'announced' } & AnnouncedCopy)

export interface WithdrawQuestion {
  readonly digest: string
  readonly uri?: string
}

export interface CopiesComponents {
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly lan: Lan
}

export interface Copies {
  /** @throws Fault BAD_REQUEST, VERIFICATION_FAILED, STORE_FULL, STORE_FAILED. */
  announce(question: unknown, signal: AbortSignal): AsyncIterable<AnnounceLine>
  /**
   * Takes the bytes of an announcement. @returns `undefined` when none waits for bytes under that name.
   * @throws Fault what becomes of the announcement.
   */
  put(id: string, bytes: AsyncIterable<Uint8Array>): Promise<void> | undefined
  /** @throws Fault BAD_REQUEST, NOT_FOUND. */
  withdraw(question: unknown): void
}

interface Announcing {
  readonly uri: string | undefined
  readonly sha256: Sha256 | undefined
  readonly size: number | undefined
  readonly type: string
}

interface Waiting {
  readonly announcing: Announcing
  readonly stored: Deferred<StoredResponse>
  readonly signal: AbortSignal
}

export function copies(components: CopiesComponents): Copies {
  const waiting = new Map<string, Waiting>()
  return {
    async *announce(question, signal) {
      const announcing = announcingFrom(question)
      const known = here(announcing, components)
      if (known !== undefined) return yield announced(announcing, known, components)
      const id = components.random.hex(16)
      const stored = deferred<StoredResponse>()
      const onGone = () => stored.reject(new Fault('ABORTED', 'given up by its caller'))
      signal.addEventListener('abort', onGone, { once: true })
      waiting.set(id, { announcing, stored, signal })
      try {
        yield { kind: 'needed', id }
        yield announced(announcing, await stored.promise, components)
      } finally {
        waiting.delete(id)
        signal.removeEventListener('abort', onGone)
      }
    },
    put(id, bytes) {
      const wanted = waiting.get(id)
      waiting.delete(id)
      return wanted && taken(wanted, bytes, components)
    },
    withdraw: (question) => withdraw(question, components),
  }
}

const MEDIA_TYPE = /^[\w.+-]{1,60}\/[\w.+-]{1,60}(?:; ?[\w.+=-]{1,60})*$/

/** @throws Fault BAD_REQUEST */
function announcingFrom(question: unknown): Announcing {
  const asked = (question ?? {}) as Partial<Record<keyof AnnounceQuestion, unknown>>
  const { uri, size, type = 'application/octet-stream' } = asked
  const isSize = size === undefined || (Number.isSafeInteger(size) && (size as number) >= 0)
  if (!isSize) throw new Fault('BAD_REQUEST', 'size: expected a number of bytes')
  if (typeof type !== 'string' || !MEDIA_TYPE.test(type))
    throw new Fault('BAD_REQUEST', 'type: expected a media type')
  const named = uriFrom(uri)
  const sha256 = sha256From(asked.digest) ?? namedContent(named ?? '')?.sha256
  return { uri: named, sha256, size: size as number | undefined, type }
}

function uriFrom(uri: unknown): string | undefined {
  if (uri === undefined) return undefined
  if (typeof uri === 'string' && isUri(uri)) return parseTargetUri(uri) ?? uri
  throw new Fault('BAD_REQUEST', 'uri: expected an absolute URI of at most 1000 characters')
}

/** The copy, where nothing has to be sent: what was for everybody, or was announced before. */
function here({ sha256 }: Announcing, { store, clock }: CopiesComponents): StoredResponse | undefined {
  if (sha256 === undefined) return undefined
  const own = store.lookup(contentName(sha256)).find(({ digest }) => digest === sha256)
  if (own?.shareable === true) return own
  const body = store.findByDigest(sha256)
  return body?.shareable === true ? linkContent(body, true, { store, clock }) : undefined
}

/** The bytes into the store. @throws Fault what the announcement is told too. */
async function taken(
  { announcing, stored, signal }: Waiting,
  bytes: AsyncIterable<Uint8Array>,
  components: CopiesComponents,
): Promise<void> {
  const { store } = components
  let copy: GrowingCopy | undefined
  try {
    copy = await store.create(announcing.size)
    const sha256 = await filled(copy, bytes, announcing, signal)
    stored.resolve(await store.commit(copy, headOf(sha256, announcing, components)))
  } catch (error) {
    await copy?.discard()
    const fault = asFault(error, 'RESPONSE_INCOMPLETE')
    stored.reject(fault)
    throw fault
  }
}

async function filled(
  copy: GrowingCopy,
  bytes: AsyncIterable<Uint8Array>,
  { size, sha256: expected }: Announcing,
  signal: AbortSignal,
): Promise<Sha256> {
  let at = 0
  if (size !== undefined) copy.setSize(size)
  for await (const chunk of bytes) {
    if (signal.aborted) throw new Fault('ABORTED', 'given up by its caller')
    if (size !== undefined && at + chunk.length > size) throw wrongSize(size, at + chunk.length)
    await copy.write(at, chunk)
    at += chunk.length
  }
  if (size !== undefined && at < size) throw wrongSize(size, at)
  copy.setSize(at)
  const sha256 = (await copy.digest('sha-256')) as Sha256
  if (expected === undefined || expected === sha256) return sha256
  throw new Fault('VERIFICATION_FAILED', `expected sha-256 ${expected}, got ${sha256}`, {
    blame: 'user-agent',
  })
}

function wrongSize(expected: number, got: number): Fault {
  return new Fault('BAD_REQUEST', `expected ${expected} bytes, got ${got > expected ? 'more' : got}`)
}

function headOf(sha256: Sha256, { type }: Announcing, { clock }: CopiesComponents) {
  const now = clock.wall()
  const fields: Fields = [
    ['Content-Type', inertType(type)],
    ['Date', formatHttpDate(now)],
  ]
  const times = { requestTime: now, responseTime: now }
  const uri = contentName(sha256)
  return { uri, selecting: [], status: 200, fields, ...times, source: 'internet', shareable: true } as const
}

function announced(
  { uri }: Announcing,
  { digest, size }: StoredResponse,
  { lan }: CopiesComponents,
): AnnounceLine {
  const name = contentName(digest)
  if (uri !== undefined && namedContent(uri) === undefined) lan.announce(uri, digest)
  return { kind: 'announced', name, digest: digestText({ algorithm: 'sha-256', hex: digest }), size }
}

/** The name goes, and without one the copy: elsewhere it may be stored still, as what a server sent. */
function withdraw(question: unknown, { lan, store }: CopiesComponents): void {
  const { digest, uri } = (question ?? {}) as Partial<Record<keyof WithdrawQuestion, unknown>>
  const sha256 = sha256From(digest)
  if (sha256 === undefined) throw new Fault('BAD_REQUEST', 'expected { "digest", "uri"? }')
  const named = uriFrom(uri)
  if (named !== undefined && namedContent(named) === undefined) lan.withdraw(named, sha256)
  else if (store.remove(contentName(sha256)) === 0) throw new Fault('NOT_FOUND', 'there is no such copy')
}
