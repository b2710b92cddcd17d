/** A file on its way to the application that asked for it. */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { deferred } from '../core/deferred.ts'
import { Fault } from '../core/fault.ts'
import { fieldValue, type Fields } from '../core/fields.ts'
import type {
  ByteSource,
  Progress,
  RetrievalLine,
  RetrievalOutcome,
  RetrievedHead,
} from '../service/applications/retrieval-words.ts'
import { OPERATIONS } from '../service/control.ts'
import type { Channel } from './channel.ts'

/** A file that is here, or comes. Read `body` once, or `close` it: until then it is kept for you. */
export interface Retrieved extends AsyncDisposable {
  /** The URL after redirects, or the name of the content. */
  readonly uri: string
  /** Bytes of the file; `undefined`: nobody knows yet. */
  readonly size: number | undefined
  /** From where it begins to come. */
  readonly source: ByteSource
  /** The fields of the response; of a peer's, those that describe the file. */
  readonly fields: Fields
  /** `Content-Type`. */
  readonly type: string | undefined
  /**
   * The bytes, as fast as you read them: what you do not take waits in the node's cache, not in memory.
   * @throws Fault when they break off; what ends without one is whole. Whoever leaves early gives the rest up.
   */
  readonly body: AsyncIterable<Uint8Array>
  /** How it came, when all of `body` has been read. Rejects with what `body` throws. */
  readonly outcome: Promise<RetrievalOutcome>
  /** All of it in memory. @throws Fault as `body`. */
  bytes(): Promise<Uint8Array>
  /** Likewise, as UTF-8. */
  text(): Promise<string>
  /** Gives up what has not been read. */
  close(): void
}

/** What it takes to retrieve. */
export interface Retrieving {
  readonly channel: Channel
  /** Aborts when the session ends. */
  readonly ended: AbortSignal
  readonly question: object
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: Progress) => void) | undefined
}

/** Resolves when the first byte can be read. @throws Fault when there is no file. */
export async function retrieved({
  channel,
  ended,
  question,
  signal,
  onProgress,
}: Retrieving): Promise<Retrieved> {
  const given = new AbortController()
  const all = AbortSignal.any([ended, given.signal, ...(signal === undefined ? [] : [signal])])
  const head = deferred<RetrievedHead & { readonly id: string }>()
  const outcome = deferred<RetrievalOutcome>()
  const follow = async () => {
    let id = ''
    for await (const each of channel.ask(OPERATIONS.retrieve, question, all)) {
      const line = each as RetrievalLine
      switch (line.kind) {
        case 'begun':
          id = line.id
          break
        case 'progress':
          onProgress?.(without(line))
          break
        case 'head':
          head.resolve({ ...without(line), id })
          break
        case 'done':
          return outcome.resolve(without(line))
      }
    }
    throw new Fault('NODE_UNREACHABLE', 'the node ended its answer early')
  }
  void follow().catch((error: unknown) => {
    head.reject(error)
    outcome.reject(error)
  })
  const { id, uri, size, source, fields } = await head.promise
  const body = bodyOf({ bytes: channel.read(id, all), outcome: outcome.promise, given })
  return {
    uri,
    size,
    source,
    fields,
    type: fieldValue(fields, 'content-type'),
    body,
    outcome: outcome.promise,
    bytes: () => collected(body),
    text: async () => Buffer.from(await collected(body)).toString('utf8'),
    close: () => given.abort(NO_LONGER_NEEDED),
    [Symbol.asyncDispose]: async () => given.abort(NO_LONGER_NEEDED),
  }
}

function without<Line extends RetrievalLine>(line: Line): Omit<Line, 'kind'> {
  const { kind: _kind, ...told } = line
  return told
}

function isBrokenOff(error: unknown): boolean {
  return error instanceof Fault && (error.code === 'RESPONSE_INCOMPLETE' || error.code === 'NOT_FOUND')
}

interface Reading {
  readonly bytes: AsyncIterable<Uint8Array>
  readonly outcome: Promise<RetrievalOutcome>
  readonly given: AbortController
}

/** It can be read once: a second reader would get what the first one left, and take it for the whole. */
function bodyOf(reading: Reading): AsyncIterable<Uint8Array> {
  let isTaken = false
  return {
    [Symbol.asyncIterator]() {
      if (isTaken) throw new Fault('BAD_REQUEST', 'the body of a file is read once')
      isTaken = true
      return chunksOf(reading)
    },
  }
}

async function* chunksOf({ bytes, outcome, given }: Reading): AsyncGenerator<Uint8Array> {
  let isWhole = false
  try {
    yield* bytes
    isWhole = true
    await outcome
  } catch (error) {
    // Why the bytes broke off is told on the lines, which end thereby.
    if (isBrokenOff(error)) await outcome
    throw error
  } finally {
    if (!isWhole) given.abort(NO_LONGER_NEEDED)
  }
}

async function collected(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}
