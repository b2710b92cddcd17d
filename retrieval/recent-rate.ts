/**
 * How fast bytes come just now, for people who watch: an average over all the time since a source began shows a speed where nothing
 * comes any more.
 */
import type { Clock, Monotonic } from '../core/clock.ts'

/** Bytes are counted in periods of so many ms… */
const PERIOD_MS = 1000

/** …of which so many count, the one that runs included. */
const PERIODS = 4

export class RecentRate {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #bytes: number[] = Array.from({ length: PERIODS }, () => 0)
  #since: Monotonic
  #period: number

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
    this.#since = clock.monotonic()
    this.#period = periodAt(this.#since)
  }

  /** Another source begins: what came before is not its. */
  begin(): void {
    this.#bytes.fill(0)
    this.#since = this.#clock.monotonic()
  }

  note(bytes: number): void {
    const at = this.#turn(this.#clock.monotonic()) % PERIODS
    this.#bytes[at] = (this.#bytes[at] ?? 0) + bytes
  }

  /** Of the last few seconds, a whole number; 0 when nothing came in them. `undefined` in the moment of the beginning. */
  bytesPerSecond(): number | undefined {
    const now = this.#clock.monotonic()
    const oldest = (this.#turn(now) - PERIODS + 1) * PERIOD_MS
    const ms = now - Math.max(oldest, this.#since)
    if (ms <= 0) return undefined
    return Math.round((this.#bytes.reduce((sum, each) => sum + each, 0) * 1000) / ms)
  }

  /** Forgets the periods that are over for too long. @returns the one that runs */
  #turn(at: Monotonic): number {
    const now = periodAt(at)
    for (let each = Math.max(this.#period + 1, now - PERIODS + 1); each <= now; each += 1)
      this.#bytes[each % PERIODS] = 0
    this.#period = now
    return now
  }
}

const periodAt = (at: Monotonic) => Math.floor(at / PERIOD_MS)
