/** A bounded memory: what was remembered first goes first. */
import type { Clock, Monotonic } from '../core/clock.ts'

export class Expiring<Key, Value> {
  readonly #clock: Clock
  readonly #most: number
  readonly #entries = new Map<Key, { readonly value: Value; readonly until: Monotonic }>()

  /** @param most entries that are remembered */
  constructor(clock: Clock, most: number) {
    this.#clock = clock
    this.#most = most
  }

  get(key: Key): Value | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.until > this.#clock.monotonic() ? entry.value : undefined
  }

  set(key: Key, value: Value, forMs: number): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, until: (this.#clock.monotonic() + forMs) as Monotonic })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest)
  }
}
