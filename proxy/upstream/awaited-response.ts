/** One request of this node's own to a server, and its response, for who waits for it: a promise and a body to iterate. */
import { Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import { PushedBody } from '../../core/pushed-body.ts'
import type { Call, ResponseTaker, UpstreamRequest, UpstreamResponse } from '../../core/upstream.ts'

export class AwaitedResponse implements ResponseTaker, Call {
  readonly response: Promise<UpstreamResponse>
  readonly #request: Pick<UpstreamRequest, 'signal' | 'onInformation'>
  readonly #answer: Pick<PromiseWithResolvers<UpstreamResponse>, 'resolve' | 'reject'>
  readonly #body: PushedBody
  #call: Call | undefined
  #isOver = false

  constructor(request: Pick<UpstreamRequest, 'signal' | 'onInformation'>) {
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>()
    promise.catch(() => {}) // who waits for it hears of it all the same
    this.response = promise
    this.#answer = { resolve, reject }
    this.#request = request
    this.#body = new PushedBody(this)
  }

  /** @param make makes the request. @throws what it throws. */
  begin(make: (taker: ResponseTaker) => Call): void {
    const { signal } = this.#request
    if (signal.aborted) return this.#finish(givenUp())
    this.#call = make(this)
    if (!this.#isOver) signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  onInformation(status: number, fields: Fields): void {
    this.#request.onInformation?.(status, fields)
  }

  onHead(head: Omit<UpstreamResponse, 'body'>): void {
    this.#answer.resolve({ ...head, body: this.#body })
  }

  onData(lent: Uint8Array): void {
    this.#body.push(Buffer.from(lent))
  }

  onEnd(): void {
    this.#finish('complete')
  }

  onFailure(fault: Fault): void {
    this.#finish(fault)
  }

  // What the body's reader needs (`Call`).

  pause(): void {
    this.#call?.pause()
  }

  resume(): void {
    this.#call?.resume()
  }

  giveUp(): void {
    this.#finish(givenUp())
    this.#call?.giveUp()
  }

  readonly #onAbort = (): void => this.giveUp()

  #finish(end: Fault | 'complete'): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    this.#body.end(end)
    if (end !== 'complete') this.#answer.reject(end)
  }
}

function givenUp(): Fault {
  return new Fault('ABORTED', 'the request was given up')
}
