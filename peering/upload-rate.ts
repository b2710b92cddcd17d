/** How fast this node sends files to peers, all transfers together (R3.5): the rest of its connection is its user's. */
import { sleep, type Clock, type Monotonic } from '../core/clock.ts'

/** Nothing that is sent at once takes longer than this, in ms: whoever reads it would take the silence before it for a stall… */
const PART_MS = 50
/** …and nothing is cut into less, in bytes. */
const LEAST_PART_BYTES = 4096

/** What was not sent in a quiet moment may be made up for within this, in ms. */
const BURST_MS = 250

export class UploadRate {
  readonly #clock: Clock
  readonly #bytesPerSecond: number
  /** When everything that was let through has had its time. */
  #paidUntil = 0 as Monotonic

  /** @param bytesPerSecond `Infinity`: no limit. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
  }

  /** The chunks of `body`, each when its time has come. Ends early, without an error, when `signal` aborts. */
  paced(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#bytesPerSecond === Infinity ? body : this.#paced(body, signal)
  }

  async *#paced(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array> {
    for await (const chunk of body)
      for (const part of this.#parts(chunk)) {
        const waitMs = this.#charge(part.length)
        if (waitMs > 0) await sleep(this.#clock, waitMs, signal)
        if (signal.aborted) return
        yield part
      }
  }

  *#parts(chunk: Uint8Array): Generator<Uint8Array> {
    const bytes = Math.max(LEAST_PART_BYTES, Math.floor((this.#bytesPerSecond * PART_MS) / 1000))
    for (let at = 0; at < chunk.length; at += bytes) yield chunk.subarray(at, at + bytes)
  }

  /** @returns how long these bytes have to wait, in ms. */
  #charge(bytes: number): number {
    const now = this.#clock.monotonic()
    const from = Math.max(this.#paidUntil, now - BURST_MS)
    this.#paidUntil = (from + (bytes / this.#bytesPerSecond) * 1000) as Monotonic
    return Math.max(0, from - now)
  }
}
