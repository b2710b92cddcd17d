/** Bytes that came lately, counted in periods: no list of what came when, and no timer. */
import type { Clock } from '../core/clock.ts'

export class BytePeriods {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #periodMs: number
  /** Of the last periods, the one that runs included. */
  readonly #bytes: number[]
  #last: number

  /** @param periodMs the length of one, in ms. @param periods how many count. */
  constructor(clock: Pick<Clock, 'monotonic'>, periodMs: number, periods: number) {
    this.#clock = clock
    this.#periodMs = periodMs
    this.#bytes = Array.from({ length: periods }, () => 0)
    this.#last = this.#now()
  }

  add(bytes: number): void {
    const at = this.turn() % this.#bytes.length
    this.#bytes[at] = (this.#bytes[at] ?? 0) + bytes
  }

  sum(): number {
    this.turn()
    return this.#bytes.reduce((sum, each) => sum + each, 0)
  }

  clear(): void {
    this.#bytes.fill(0)
  }

  /** Forgets the periods that are over for too long. @returns the number of the one that runs. */
  turn(): number {
    const now = this.#now()
    const { length } = this.#bytes
    for (let each = Math.max(this.#last + 1, now - length + 1); each <= now; each += 1)
      this.#bytes[each % length] = 0
    this.#last = now
    return now
  }

  #now(): number {
    return Math.floor(this.#clock.monotonic() / this.#periodMs)
  }
}
