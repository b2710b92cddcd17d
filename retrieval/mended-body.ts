/**
 * Stored bytes that prove damaged (R7.3), or a growing copy for which the room has come to its end, while an application already has
 * the bytes before: the origin server sends the rest, where it says that it still has the very same representation (RFC 9110
 * 13.1.5). The copy has gone from the store by then, or will; the next request begins anew.
 */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { Fault, type FaultCode } from '../core/fault.ts'
import { withField, withoutFields, SELECTING_A_PART } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { StoredResponse } from '../core/store.ts'
import type { Upstream } from '../core/upstream.ts'
import { hasDirective, parseRequestDirectives } from '../cache/semantics/cache-control.ts'
import { continuingValidator } from './continuing-validator.ts'
import { continuedBy, rangeField } from './part-source.ts'
import type { ResourceRequest } from './resource.ts'

export interface Mending {
  readonly response: Pick<StoredResponse, 'status' | 'fields' | 'responseTime' | 'size'>
  readonly request: Pick<ResourceRequest, 'target' | 'received' | 'forwarded' | 'signal'>
  readonly policy: Pick<Policy, 'immutable'>
  readonly origin: Upstream
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

  async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return this.#passed(await this.#chunks.next())
    } catch (error) {
      if (this.#isMended || !isStoreLoss(error) || !this.#mayMend()) throw error
      return this.#goOn(error)
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    await this.#chunks.return?.()
    this.#stop.abort(NO_LONGER_NEEDED)
    return { done: true, value: undefined }
  }

  #passed(step: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> {
    if (step.done !== true) this.#position += step.value.length
    return step
  }

  async #goOn(loss: Fault): Promise<IteratorResult<Uint8Array>> {
    this.#isMended = true
    const rest = await this.#rest().catch(() => undefined)
    if (rest === undefined) throw loss
    this.#chunks = rest[Symbol.asyncIterator]()
    return this.#passed(await this.#chunks.next())
  }

  /** `undefined` where nobody may be asked, or nothing tells whether it would be the same representation. */
  async #rest(): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { response, request, policy, origin } = this.#mending
    const { size, fields: known, responseTime } = response
    const span = { start: this.#position, end: this.#end }
    const validator = continuingValidator(known, responseTime)
    const mayAsk = !hasDirective(parseRequestDirectives(request.received), 'only-if-cached')
    if (!mayAsk || response.status !== 200 || (validator === undefined && !policy.immutable)) return undefined
    const whole = withoutFields(request.forwarded, SELECTING_A_PART)
    const ranged = withField(whole, 'Range', rangeField(span, Number.isFinite(size) ? size : undefined))
    const fields = validator === undefined ? ranged : withField(ranged, 'If-Range', validator)
    const signal = AbortSignal.any([request.signal, this.#stop.signal])
    const answer = await origin.request({ method: 'GET', uri: request.target, fields, signal })
    const brought = continuedBy(answer, span, Number.isFinite(size) ? size : undefined, known)
    const end = Number.isFinite(span.end) ? span.end : brought.end
    return exactly(answer.body, brought.start, { ...span, end }, this.#stop)
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
