/** Origin servers and peers that say what a test tells them to, as undici would hand it over. */
import type { Fields } from '../../core/fields.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../../core/upstream.ts'
import { Fault } from '../../core/fault.ts'

/** A response body that comes when the test says so. */
export class Flow implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = []
  #end: 'open' | 'ended' | 'broken' = 'open'
  #fault = new Fault('RESPONSE_INCOMPLETE', 'the sender broke off')
  #wake = Promise.withResolvers<void>()
  /** Whether its connection is free again: read to the end, given up, or broken. */
  isOver = false

  static of(...chunks: (Uint8Array | string)[]): Flow {
    const flow = new Flow()
    flow.push(...chunks)
    flow.end()
    return flow
  }

  push(...chunks: (Uint8Array | string)[]): this {
    this.#chunks.push(...chunks.map((chunk) => Buffer.from(chunk)))
    return this.#changed()
  }

  end(): this {
    this.#end = 'ended'
    return this.#changed()
  }

  /** The sender breaks off: what was pushed before still comes. */
  breakOff(fault = new Fault('RESPONSE_INCOMPLETE', 'the sender broke off')): this {
    this.#end = 'broken'
    this.#fault = fault
    return this.#changed()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift()
        if (chunk !== undefined) yield chunk
        else if (this.#end === 'ended') return
        else if (this.#end === 'broken') throw this.#fault
        else await this.#wake.promise
      }
    } finally {
      this.isOver = true
    }
  }

  /** As undici does it: an aborted request ends its body with an error, read or not. */
  abortWith(signal: AbortSignal): this {
    const abort = () => {
      this.isOver = true
      this.#chunks.length = 0
      this.#end = 'broken'
      this.#changed()
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    return this
  }

  #changed(): this {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers<void>()
    return this
  }
}

export interface Reply {
  readonly status: number
  readonly fields: Fields
  /** Absent: no content. */
  readonly body?: Flow | Uint8Array | string
}

/** What the test answers to the `n`th request, counted from 1. */
export type Answering = (request: UpstreamRequest, n: number) => Reply | Promise<Reply>

export class FakeUpstream implements Upstream {
  readonly requests: UpstreamRequest[] = []
  /** To which it was told that a request may follow. */
  readonly prepared: string[] = []
  readonly #answer: Answering
  readonly #bodies: Flow[] = []

  constructor(answer: Answering) {
    this.#answer = answer
  }

  /** Bodies that nobody has read to the end and nobody has given up: each holds a connection. */
  get openBodies(): number {
    return this.#bodies.filter((body) => !body.isOver).length
  }

  prepare(uri: string): void {
    this.prepared.push(uri)
  }

  async request(request: UpstreamRequest): Promise<UpstreamResponse> {
    this.requests.push(request)
    const { signal } = request
    const { status, fields, body } = await Promise.race([
      Promise.resolve(this.#answer(request, this.requests.length)),
      aborted(signal),
    ])
    const flow = body instanceof Flow ? body : Flow.of(...(body === undefined ? [] : [body]))
    if (body !== undefined) this.#bodies.push(flow)
    return { status, reason: '', fields, body: flow.abortWith(signal) }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(new Fault('ABORTED', 'the request was aborted'))
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
