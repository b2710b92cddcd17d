/**
 * Stored bytes that prove damaged (R7.3), or a growing copy for which the room has come to its end, while an application already has
 * the bytes before: the origin server sends the rest, where its validator says that it still has the very same representation. That
 * is a part like any other: whoever needs it at the same time has it from the same response, and it stays here for the next request.
 */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { Fault, type FaultCode } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { StoredResponse } from '../core/store.ts'
import { hasDirective, parseRequestDirectives } from '../cache/semantics/cache-control.ts'
import { continuingValidator } from './continuing-validator.ts'
import { counted } from '../core/counted-body.ts'
import { endingBody } from './body-end.ts'
import type { Ask, Direct } from './leading.ts'
import { openSpans } from './open-copy.ts'
import type { OpenedCopy } from './origin-copies.ts'
import { continuedBy, rangeField } from './part-source.ts'
import type { RetrievalRequest } from './request.ts'
import type { ResourceRequest } from './resource.ts'
import type { Retrievals } from './retrievals.ts'
import { newReport } from './source.ts'

export interface Mending {
  readonly response: Pick<StoredResponse, 'status' | 'fields' | 'responseTime' | 'size'>
  readonly request: Pick<ResourceRequest, 'received' | 'signal'>
  /** What the origin server is asked for these bytes of it. */
  readonly question: (range: string) => RetrievalRequest
  readonly retrievals: Pick<Retrievals, 'ended' | 'origins'>
}

/** Whether bytes are not in the store any more, are not what they were, or have no room there. */
export function isStoreLoss(error: unknown): error is Fault {
  return error instanceof Fault && LOSSES.has(error.code)
}

const LOSSES: ReadonlySet<FaultCode> = new Set(['STORE_CORRUPT', 'STORE_FAILED', 'STORE_FULL'])

/**
 * @param stored reads the bytes from the store.
 * @param mayMend whether the rest may be joined to what was read: not before the application is answered, when another answer is better,
 *   and not to what nobody has verified.
 * @returns the bytes, from wherever they come. Throws what the store throws where the origin server cannot go on.
 */
export function mendedBody(
  stored: AsyncIterable<Uint8Array>,
  span: ByteSpan,
  mending: Mending,
  mayMend: () => boolean,
): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => new MendedBody(stored, span, mending, mayMend) }
}

/** Not a generator: large files are read through here. */
class MendedBody implements AsyncIterator<Uint8Array> {
  readonly #mending: Mending
  readonly #mayMend: () => boolean
  readonly #end: number
  readonly #stop = new AbortController()
  #chunks: AsyncIterator<Uint8Array>
  #position: number
  #isMended = false

  constructor(stored: AsyncIterable<Uint8Array>, span: ByteSpan, mending: Mending, mayMend: () => boolean) {
    this.#chunks = stored[Symbol.asyncIterator]()
    this.#position = span.start
    this.#end = Math.min(span.end, mending.response.size)
    this.#mending = mending
    this.#mayMend = mayMend
  }

  /** Not an `async` function: each of a crowd of readers takes thousands of turns. */
  next(): Promise<IteratorResult<Uint8Array>> {
    return this.#chunks.next().then(this.#passed, this.#onError)
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#stop.abort(NO_LONGER_NEEDED)
    await this.#chunks.return?.()
    return { done: true, value: undefined }
  }

  readonly #passed = (step: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
    if (step.done !== true) this.#position += step.value.length
    return step
  }

  readonly #onError = (error: unknown): Promise<IteratorResult<Uint8Array>> => {
    if (this.#isMended || !isStoreLoss(error) || !this.#mayMend()) throw error
    return this.#goOn(error)
  }

  async #goOn(loss: Fault): Promise<IteratorResult<Uint8Array>> {
    this.#isMended = true
    const rest = await this.#rest().catch(() => undefined)
    if (rest === undefined) {
      this.#stop.abort(NO_LONGER_NEEDED)
      throw loss
    }
    this.#chunks = rest[Symbol.asyncIterator]()
    return this.#passed(await this.#chunks.next())
  }

  /** `undefined` where nobody may be asked, or nothing tells that it would be the same representation. */
  async #rest(): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { response, request, question, retrievals } = this.#mending
    const span = { start: this.#position, end: this.#end }
    const size = Number.isFinite(response.size) ? response.size : undefined
    const asked = question(rangeField(span, size))
    const mayAsk = !hasDirective(parseRequestDirectives(request.received), 'only-if-cached')
    const isTold = continuingValidator(response.fields, response.responseTime) !== undefined
    if (!mayAsk || response.status !== 200 || !(isTold || asked.policy.immutable)) return undefined
    const report = newReport()
    report.source = 'internet'
    const signal = AbortSignal.any([request.signal, this.#stop.signal])
    const ask: Ask = { request: asked, want: 'part', signal, report }
    const opened = await openSpans(retrievals.origins, ask, () => [span])
    const body =
      opened.kind === 'copy' ? this.#fromCopy(opened, span, ask) : this.#fromResponse(opened, span, ask)
    return body && endingBody(body, () => retrievals.ended(report))
  }

  #fromCopy({ use, of }: OpenedCopy, span: ByteSpan, { signal }: Ask): AsyncIterable<Uint8Array> | undefined {
    if (of.head.status === 200 && this.#isSame(of.head, of.copy.size))
      return endingBody(use.read(span, signal), () => use.leave())
    use.leave()
    return undefined
  }

  /** Of what is not kept, because it may not be or has no room. */
  #fromResponse(
    { response }: Direct,
    span: ByteSpan,
    { report }: Ask,
  ): AsyncIterable<Uint8Array> | undefined {
    const { response: before } = this.#mending
    const size = Number.isFinite(before.size) ? before.size : undefined
    const { start, end, size: told } = continuedBy(response, span, size, before.fields)
    const { fields } = response
    if (!this.#isSame({ fields, responseTime: before.responseTime }, told)) return undefined
    const body = counted(response.body, (bytes) => void (report.bytes.internet += bytes))
    return exactly(body, start, { ...span, end: Math.min(end, span.end) }, this.#stop)
  }

  #isSame(
    { fields, responseTime }: Pick<StoredResponse, 'fields' | 'responseTime'>,
    size: number | undefined,
  ): boolean {
    const { response } = this.#mending
    const known = continuingValidator(response.fields, response.responseTime)
    const isOfThisSize = !Number.isFinite(response.size) || size === response.size
    return isOfThisSize && known === continuingValidator(fields, responseTime)
  }
}

/** Of a body that begins at `start`, the bytes of `span`. @throws Fault RESPONSE_INCOMPLETE when it has not all of them. */
async function* exactly(
  body: AsyncIterable<Uint8Array>,
  start: number,
  span: ByteSpan,
  stop: AbortController,
): AsyncGenerator<Uint8Array> {
  let at = start
  for await (const chunk of body) {
    const wanted = chunk.subarray(Math.max(0, span.start - at), Math.max(0, span.end - at))
    at += chunk.length
    if (wanted.length > 0) yield wanted
    if (at >= span.end) break
  }
  stop.abort(NO_LONGER_NEEDED)
  if (at < span.end && Number.isFinite(span.end))
    throw new Fault('RESPONSE_INCOMPLETE', `the body ended ${span.end - at} bytes early`)
}
