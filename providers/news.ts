/** What happens to functions: told to whoever listens, and counted. */
import type { Clock } from '../core/clock.ts'
import { Listeners } from '../core/listeners.ts'
import type { FunctionEvent } from './functions.ts'
import { Recollection } from './recollection.ts'

/** Refusals of the same kind from the same node are told once in so long, in ms. */
const TELL_AGAIN_MS = 60_000

export class News {
  readonly #listeners = new Listeners<FunctionEvent>()
  readonly #told: Recollection
  /** What was said, heard and refused, by kind and reason. */
  readonly counters = new Map<string, number>()

  constructor(clock: Clock) {
    this.#told = new Recollection(clock)
  }

  /** @returns takes the listener away. */
  subscribe(listener: (event: FunctionEvent) => void): () => void {
    return this.#listeners.subscribe(listener)
  }

  tell(event: FunctionEvent): void {
    this.#listeners.tell(event)
  }

  count(what: string): void {
    this.counters.set(what, (this.counters.get(what) ?? 0) + 1)
  }

  /** Somebody's word is not believed. */
  refuse(name: string, from: string, reason: string): void {
    this.count(`refused: ${reason}`)
    const key = `${from} ${reason}`
    if (this.#told.holds(key)) return
    this.#told.note(key, TELL_AGAIN_MS)
    this.tell({ kind: 'function-refused', function: name, from, reason })
  }
}
