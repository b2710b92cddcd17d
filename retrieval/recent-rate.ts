/**
 * How fast bytes come just now, for people who watch: an average over all the time since a source began shows a speed where nothing
 * comes any more.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import { BytePeriods } from './byte-periods.ts'

/** Bytes are counted in periods of so many ms… */
const PERIOD_MS = 1000

/** …of which so many count, the one that runs included. */
const PERIODS = 4

export class RecentRate {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #periods: BytePeriods
  #since: Monotonic

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
    this.#periods = new BytePeriods(clock, PERIOD_MS, PERIODS)
    this.#since = clock.monotonic()
  }

  /** Another source begins: what came before is not its. */
  begin(): void {
    this.#periods.clear()
    this.#since = this.#clock.monotonic()
  }

  note(bytes: number): void {
    this.#periods.add(bytes)
  }

  /** Of the last few seconds, a whole number; 0 when nothing came in them. `undefined` in the moment of the beginning. */
  bytesPerSecond(): number | undefined {
    const oldest = (this.#periods.turn() - PERIODS + 1) * PERIOD_MS
    const ms = this.#clock.monotonic() - Math.max(oldest, this.#since)
    return ms <= 0 ? undefined : Math.round((this.#periods.sum() * 1000) / ms)
  }
}
