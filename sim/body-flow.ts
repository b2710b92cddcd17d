/**
 * One HTTP response on its way between two virtual machines: head, chunks and end arrive in the order in which they
 * were sent, no faster than both machines' connections allow, and with no more than a window of unread bytes between.
 */
import type { Answer } from '../core/answer.ts'
import { deferred } from '../core/deferred.ts'
import { Fault, type FaultCode } from '../core/fault.ts'
import { fieldValue } from '../core/fields.ts'
import type { UpstreamResponse } from '../core/upstream.ts'
import { ChangeSignal } from '../cache/change-signal.ts'
import type { VirtualHost } from './virtual-host.ts'
import type { VirtualLan } from './virtual-lan.ts'

/** Bytes that are under way or unread, at most: the buffers of two systems. */
export const WINDOW_BYTES = 128 * 1024

/** Bytes that take their turn on a shared connection together. */
const SEGMENT_BYTES = 32 * 1024

/** While the machines are cut off from each other, a system sends again after this, in ms, then after twice as long each time (RFC 6298). */
const RETRANSMISSION_MS = 200

export interface FlowEnds {
  readonly lan: VirtualLan
  readonly client: VirtualHost
  readonly server: VirtualHost
  /** Nothing comes for this long: the client gives up, in ms. */
  readonly silenceMs: number
  /** Bytes have left the server. */
  readonly departed: (bytes: number) => void
  /** The server has nothing more to do with it. */
  readonly over: () => void
}

type Item =
  | { readonly kind: 'head'; readonly answer: Answer }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'reset' }

export class BodyFlow {
  readonly #ends: FlowEnds
  readonly #serverLife: VirtualHost['life']
  readonly #clientLife: VirtualHost['life']
  readonly #response = deferred<UpstreamResponse>()
  readonly #change = new ChangeSignal()
  readonly #gone = new AbortController()
  readonly #underWay: Item[] = []
  readonly #arrived: Uint8Array[] = []
  #unreadBytes = 0
  #length: number | undefined
  #end: 'open' | 'complete' | Fault = 'open'
  #isClosed = false
  #isOver = false
  /** Since when nothing passes; absent: what was sent last has arrived. */
  #cutAt: number | undefined

  constructor(ends: FlowEnds) {
    this.#ends = ends
    this.#serverLife = ends.server.life
    this.#clientLife = ends.client.life
    this.#serverLife.signal.addEventListener('abort', this.#serverDied, { once: true })
    this.#clientLife.signal.addEventListener('abort', this.#clientDied, { once: true })
  }

  /** Resolves when the head has come. @throws Fault when the connection breaks before. */
  get response(): Promise<UpstreamResponse> {
    return this.#response.promise
  }

  /** For the server: aborts when the client has gone, as far as the server can know. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** The server begins to answer. */
  async send(answer: Answer): Promise<void> {
    this.#dispatch({ kind: 'head', answer })
    try {
      for await (const chunk of answer.body ?? []) if (!(await this.#sendChunk(chunk))) return
      this.#dispatch({ kind: 'end' })
    } catch {
      this.#dispatch({ kind: 'reset' })
    } finally {
      this.#finish()
    }
  }

  /** The client wants no more. */
  close(code: FaultCode, message: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#fail(new Fault(code, message))
    this.#tellServer()
  }

  /** @returns whether the client still listens. */
  async #sendChunk(chunk: Uint8Array): Promise<boolean> {
    for (let at = 0; at < chunk.length; at += SEGMENT_BYTES) {
      const bytes = chunk.subarray(at, at + SEGMENT_BYTES)
      while (this.#unreadBytes + bytes.length > WINDOW_BYTES && !this.#gone.signal.aborted)
        await this.#change.next(this.#gone.signal)
      if (this.#gone.signal.aborted || this.#serverLife.signal.aborted) return false
      await this.#depart(bytes)
    }
    return !this.#gone.signal.aborted
  }

  #depart(bytes: Uint8Array): Promise<void> {
    const { lan, server, client, departed } = this.#ends
    this.#unreadBytes += bytes.length
    const passMs = lan.passMs(server, client, bytes.length)
    return new Promise((resolve) => {
      this.#serverLife.clock.after(passMs, () => {
        departed(bytes.length)
        this.#dispatch({ kind: 'bytes', bytes })
        resolve()
      })
    })
  }

  #dispatch(item: Item): void {
    this.#underWay.push(item)
    this.#clientLife.clock.after(this.#latencyMs, this.#arrive)
  }

  /** Whichever item's time it is, the first one is the one that arrives. */
  readonly #arrive = (): void => {
    if (this.#isCut()) return void this.#clientLife.clock.after(this.#againMs(), this.#arrive)
    this.#cutAt = undefined
    const item = this.#underWay.shift()
    if (item === undefined || this.#isClosed) return
    switch (item.kind) {
      case 'head':
        return this.#takeHead(item.answer)
      case 'bytes':
        this.#arrived.push(item.bytes)
        return this.#change.raise()
      case 'end':
        if (this.#end === 'open') this.#end = 'complete'
        return this.#change.raise()
      case 'reset':
        return this.#fail(new Fault('RESPONSE_INCOMPLETE', 'the connection was reset'))
    }
  }

  #takeHead({ status, reason = '', fields }: Answer): void {
    const length = fieldValue(fields, 'content-length')
    this.#length = length === undefined ? undefined : Number(length)
    this.#response.resolve({ status, reason, fields, body: this.#receive() })
  }

  /** As HTTP/1.1 reads a body: up to its length, or to the end of the connection where there is none. */
  async *#receive(): AsyncGenerator<Uint8Array> {
    let left = this.#length ?? Infinity
    try {
      while (left > 0) {
        const bytes = this.#arrived.shift()
        if (bytes !== undefined) {
          this.#unreadBytes -= bytes.length
          this.#change.raise()
          const taken = bytes.subarray(0, Math.min(bytes.length, left))
          left -= taken.length
          yield taken
        } else if (this.#end === 'open') await this.#nextArrival()
        else if (this.#end !== 'complete') throw this.#end
        else if (left === Infinity) return
        else throw new Fault('RESPONSE_INCOMPLETE', `the connection ended, ${left} bytes were missing`)
      }
    } finally {
      this.close('RESPONSE_INCOMPLETE', 'nobody reads on')
    }
  }

  async #nextArrival(): Promise<void> {
    const silent = () => this.#fail(new Fault('RESPONSE_TIMEOUT', 'nothing came for too long'))
    const cancel = this.#clientLife.clock.after(this.#ends.silenceMs, silent)
    await this.#change.next()
    cancel()
  }

  #fail(fault: Fault): void {
    if (this.#end === 'open') this.#end = fault
    this.#response.reject(fault)
    this.#change.raise()
  }

  #tellServer(): void {
    const arrive = () => {
      if (this.#isCut()) return void this.#serverLife.clock.after(this.#againMs(), arrive)
      this.#gone.abort()
      this.#finish()
    }
    this.#serverLife.clock.after(this.#latencyMs, arrive)
  }

  readonly #serverDied = (): void => {
    if (this.#ends.server.state === 'process') this.#dispatch({ kind: 'reset' })
    this.#finish()
  }

  readonly #clientDied = (): void => {
    this.#isClosed = true
    if (this.#ends.client.state === 'process') this.#tellServer()
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#serverLife.signal.removeEventListener('abort', this.#serverDied)
    this.#clientLife.signal.removeEventListener('abort', this.#clientDied)
    this.#ends.over()
  }

  /** After how long it is sent again, in ms, what did not arrive. */
  #againMs(): number {
    const now = this.#clientLife.clock.monotonic()
    this.#cutAt ??= now
    return Math.max(RETRANSMISSION_MS, now - this.#cutAt)
  }

  #isCut(): boolean {
    const { lan, client, server } = this.#ends
    return lan.isCut(client.address, server.address)
  }

  get #latencyMs(): number {
    const { lan, client, server } = this.#ends
    return lan.link(client.address, server.address).latencyMs
  }
}
