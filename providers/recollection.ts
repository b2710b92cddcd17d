/** Keys that hold for some time: candidates that broke their word, functions that nobody performs, refusals that were told. */
import type { Clock } from '../core/clock.ts'

/** Keys that are remembered; the one that was noted first is forgotten first. */
export const MAX_KEYS = 256

export class Recollection {
  readonly #clock: Clock
  /** Until when each holds, on the monotonic clock. */
  readonly #until = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  holds(key: string): boolean {
    return this.#clock.monotonic() < (this.#until.get(key) ?? 0)
  }

  note(key: string, forMs: number): void {
    this.#until.delete(key)
    this.#until.set(key, this.#clock.monotonic() + forMs)
    const [oldest] = this.#until.keys()
    if (this.#until.size > MAX_KEYS && oldest !== undefined) this.#until.delete(oldest)
  }

  forget(key: string): void {
    this.#until.delete(key)
  }
}
