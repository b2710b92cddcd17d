/** Who reads a retrieval, or waits for something to read, and how long nobody has. */
import { sleep, type Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'

/** Who asks for parts comes back for the next one: a peer's copy goes on for this long without a reader, in ms. */
export const NEXT_PART_MS = 2000

export interface ReadersEvents {
  /** Somebody has come, perhaps after a while in which nobody was there. */
  came(): void
  /** Whether the last reader of a part is waited for to come back. */
  mayComeBack(): boolean
  /** Nobody is left. */
  gone(): void
}

export class Readers {
  readonly #clock: Clock
  readonly #events: ReadersEvents
  #count = 0
  #wholeCount = 0
  /** Aborted as soon as somebody comes; absent while nobody is waited for. */
  #calm: AbortController | undefined

  constructor(clock: Clock, events: ReadersEvents) {
    this.#clock = clock
    this.#events = events
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Whether anybody wants more than a part. */
  get wantWhole(): boolean {
    return this.#wholeCount > 0
  }

  /** @returns what to call when this one has gone or is done; calling it again is harmless. */
  join(want: 'whole' | 'part'): () => void {
    this.#count++
    if (want === 'whole') this.#wholeCount++
    this.#calm?.abort(NO_LONGER_NEEDED)
    this.#events.came()
    let isGone = false
    return () => {
      if (isGone) return
      isGone = true
      if (want === 'whole') this.#wholeCount--
      if (--this.#count === 0) void this.#onLastGone(want)
    }
  }

  /** Resolves after `ms`, or as soon as somebody comes. @returns whether nobody has come. */
  async nobodyFor(ms: number): Promise<boolean> {
    const { signal } = (this.#calm = new AbortController())
    await sleep(this.#clock, ms, signal)
    return !signal.aborted
  }

  async #onLastGone(want: 'whole' | 'part'): Promise<void> {
    const isWaitedFor = want === 'part' && this.#events.mayComeBack()
    if (!isWaitedFor || (await this.nobodyFor(NEXT_PART_MS))) this.#events.gone()
  }
}
