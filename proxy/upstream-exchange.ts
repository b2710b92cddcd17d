/**
 * One request of this node's own to a server, and its response: an undici handler on one side, a promise and a body to
 * iterate on the other. No stream stands between, because a stream costs more than the bytes of a small file.
 */
import type { Dispatcher } from 'undici'
import { Fault } from '../core/fault.ts'
import { type Fields, fieldsFromRaw } from '../core/fields.ts'
import type { UpstreamRequest, UpstreamResponse } from '../core/upstream.ts'
import { plainReason } from './relay.ts'

/** Bytes that wait for the reader before the server is made to wait. */
const MAX_WAITING_BYTES = 256 * 1024

/** More interim responses than any server sends for one request. */
const MAX_INTERIM_RESPONSES = 64

export interface ExchangeEnds {
  /** The connection is free again, or gone: called once, whatever happened. */
  readonly onDone: () => void
  /** The connection failed before the server said a word. @returns whether the request is made once more. */
  readonly mayTryAgain: (error: Error) => boolean
  /** What a failure is called. */
  readonly faultOf: (error: unknown) => Fault
}

type Chunk = IteratorResult<Uint8Array, undefined>

interface Waiting {
  readonly resolve: (chunk: Chunk) => void
  readonly reject: (error: Fault) => void
}

const DONE: Chunk = { done: true, value: undefined }

export class UpstreamExchange implements Dispatcher.DispatchHandler, AsyncIterableIterator<Uint8Array> {
  readonly response: Promise<UpstreamResponse>
  readonly #request: UpstreamRequest
  readonly #ends: ExchangeEnds
  readonly #answer: Pick<PromiseWithResolvers<UpstreamResponse>, 'resolve' | 'reject'>
  #controller: Dispatcher.DispatchController | undefined
  #chunks: Uint8Array[] = []
  #waitingBytes = 0
  #reader: Waiting | undefined
  #end: Fault | 'complete' | undefined
  #interimResponses = 0
  #hasBegun = false

  constructor(request: UpstreamRequest, ends: ExchangeEnds) {
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>()
    promise.catch(() => {}) // who waits for it hears of it all the same
    this.response = promise
    this.#answer = { resolve, reject }
    this.#request = request
    this.#ends = ends
    request.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Ends it with this error. */
  fail(error: unknown): void {
    this.#finish(this.#ends.faultOf(error))
  }

  // What undici calls.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#end !== undefined) controller.abort(GIVEN_UP)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    reason?: string,
  ): void {
    this.#hasBegun = true
    const fields = fieldsOf(controller.rawHeaders)
    if (status >= 200)
      return this.#answer.resolve({ status, reason: plainReason(reason), fields, body: this })
    this.#interimResponses += 1
    if (this.#interimResponses > MAX_INTERIM_RESPONSES) throw TOO_MANY_INTERIM
    this.#request.onInformation?.(status, fields)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    const reader = this.#reader
    this.#reader = undefined
    if (reader !== undefined) return reader.resolve({ done: false, value: chunk })
    this.#chunks.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes > MAX_WAITING_BYTES) controller.pause()
  }

  onResponseEnd(): void {
    this.#finish('complete')
  }

  onResponseError(_controller: unknown, error: Error): void {
    const isUnheard = !this.#hasBegun && this.#end === undefined
    if (isUnheard && this.#ends.mayTryAgain(error)) return
    this.fail(error)
  }

  // The body (`UpstreamResponse.body`).

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Chunk> {
    const value = this.#chunks.shift()
    if (value !== undefined) {
      this.#waitingBytes -= value.length
      if (this.#controller?.paused && this.#waitingBytes <= MAX_WAITING_BYTES / 2) this.#controller.resume()
      return Promise.resolve({ done: false, value })
    }
    if (this.#end === 'complete') return Promise.resolve(DONE)
    if (this.#end !== undefined) return Promise.reject(this.#end)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  /** Who stops reading has no use for the rest. */
  return(): Promise<Chunk> {
    if (this.#end === undefined) this.#giveUp()
    this.#chunks = []
    return Promise.resolve(DONE)
  }

  readonly #onAbort = (): void => this.#giveUp()

  #giveUp(): void {
    this.#finish(new Fault('ABORTED', 'the request was given up', { cause: GIVEN_UP }))
    this.#controller?.abort(GIVEN_UP)
  }

  #finish(end: Fault | 'complete'): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    const reader = this.#reader
    this.#reader = undefined
    if (end === 'complete') reader?.resolve(DONE)
    else {
      reader?.reject(end)
      this.#answer.reject(end)
    }
    this.#ends.onDone()
  }
}

/** One for all: an error with a stack for each request that ends would cost more than the request. */
const GIVEN_UP = new Error('given up')
const TOO_MANY_INTERIM = new Fault('RESPONSE_INVALID', 'too many interim responses')

/** Undici hands over raw lines as buffers in Node's flat form; field values are octets (RFC 9110 5.5). */
function fieldsOf(raw: Dispatcher.DispatchController['rawHeaders']): Fields {
  if (!Array.isArray(raw)) return []
  return fieldsFromRaw(raw.map((each) => (typeof each === 'string' ? each : each.toString('latin1'))))
}
