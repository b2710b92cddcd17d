/**
 * One request of this node's own to a server, and its response, for who waits for it: a promise and a body to iterate. No
 * stream stands between, because a stream costs more than the bytes of a small file.
 */
import { Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import type { Call, ResponseTaker, UpstreamRequest, UpstreamResponse } from '../../core/upstream.ts'

/** Bytes that wait for the reader before the server is made to wait. */
const MAX_WAITING_BYTES = 256 * 1024

type Chunk = IteratorResult<Uint8Array, undefined>

interface Waiting {
  readonly resolve: (chunk: Chunk) => void
  readonly reject: (error: Fault) => void
}

const DONE: Chunk = { done: true, value: undefined }

export class AwaitedResponse implements ResponseTaker, AsyncIterableIterator<Uint8Array> {
  readonly response: Promise<UpstreamResponse>
  readonly #request: Pick<UpstreamRequest, 'signal' | 'onInformation'>
  readonly #answer: Pick<PromiseWithResolvers<UpstreamResponse>, 'resolve' | 'reject'>
  #call: Call | undefined
  #chunks: Uint8Array[] = []
  #waitingBytes = 0
  #isPaused = false
  #reader: Waiting | undefined
  #end: Fault | 'complete' | undefined

  constructor(request: Pick<UpstreamRequest, 'signal' | 'onInformation'>) {
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>()
    promise.catch(() => {}) // who waits for it hears of it all the same
    this.response = promise
    this.#answer = { resolve, reject }
    this.#request = request
  }

  /** @param make makes the request. @throws what it throws. */
  begin(make: (taker: ResponseTaker) => Call): void {
    const { signal } = this.#request
    if (signal.aborted) return this.#finish(givenUp())
    const call = make(this)
    this.#call = call
    if (this.#end === undefined) signal.addEventListener('abort', this.#giveUp, { once: true })
  }

  onInformation(status: number, fields: Fields): void {
    this.#request.onInformation?.(status, fields)
  }

  onHead(head: Omit<UpstreamResponse, 'body'>): void {
    this.#answer.resolve({ ...head, body: this })
  }

  onData(lent: Uint8Array): void {
    const chunk = Buffer.from(lent)
    const reader = this.#reader
    this.#reader = undefined
    if (reader !== undefined) return reader.resolve({ done: false, value: chunk })
    this.#chunks.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#pause(true)
  }

  onEnd(): void {
    this.#finish('complete')
  }

  onFailure(fault: Fault): void {
    this.#finish(fault)
  }

  // The body (`UpstreamResponse.body`).

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Chunk> {
    const value = this.#chunks.shift()
    if (value !== undefined) {
      this.#waitingBytes -= value.length
      if (this.#isPaused && this.#waitingBytes <= MAX_WAITING_BYTES / 2) this.#pause(false)
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
    this.#giveUp()
    this.#chunks = []
    return Promise.resolve(DONE)
  }

  #pause(isPaused: boolean): void {
    if (this.#end !== undefined) return
    this.#isPaused = isPaused
    if (isPaused) this.#call?.pause()
    else this.#call?.resume()
  }

  readonly #giveUp = (): void => {
    if (this.#end !== undefined) return
    this.#finish(givenUp())
    this.#call?.giveUp()
  }

  #finish(end: Fault | 'complete'): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#request.signal.removeEventListener('abort', this.#giveUp)
    const reader = this.#reader
    this.#reader = undefined
    if (end === 'complete') return reader?.resolve(DONE)
    reader?.reject(end)
    this.#answer.reject(end)
  }
}

function givenUp(): Fault {
  return new Fault('ABORTED', 'the request was given up')
}
