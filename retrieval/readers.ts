/** Who reads a retrieval, or waits for something to read, and how long nobody has. */
import { sleep, type Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import type { Asker, RetrievalRequest } from './request.ts'

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

/** What one of them has asked, and whether the origin server has refused him what he asked for. */
interface Asked {
  readonly request: RetrievalRequest
  isRefused: boolean
}

export class Readers implements Asker {
  readonly #clock: Clock
  readonly #events: ReadersEvents
  /** What each of those who are there has asked, the first one first. */
  readonly #asked = new Set<Asked>()
  #request: RetrievalRequest
  #wholeCount = 0
  /** Aborted as soon as somebody comes; absent while nobody is waited for. */
  #calm: AbortController | undefined

  /** @param request what the retrieval was begun for. */
  constructor(request: RetrievalRequest, clock: Clock, events: ReadersEvents) {
    this.#request = request
    this.#clock = clock
    this.#events = events
  }

  get isEmpty(): boolean {
    return this.#asked.size === 0
  }

  /** Of the first one who is there, and was not refused; of the last one, where nobody is. */
  get request(): RetrievalRequest {
    return this.#first?.request ?? this.#request
  }

  get #first(): Asked | undefined {
    const all = [...this.#asked]
    return all.find(({ isRefused }) => !isRefused) ?? all[0]
  }

  /** Whether anybody wants more than a part. */
  get wantWhole(): boolean {
    return this.#wholeCount > 0
  }

  /** @returns what to call when this one has gone or is done; calling it again is harmless. */
  join(want: 'whole' | 'part', request: RetrievalRequest): () => void {
    const asked: Asked = { request, isRefused: false }
    this.#asked.add(asked)
    this.#request = request
    if (want === 'whole') this.#wholeCount++
    this.#calm?.abort(NO_LONGER_NEEDED)
    this.#events.came()
    let isGone = false
    return () => {
      if (isGone) return
      isGone = true
      if (want === 'whole') this.#wholeCount--
      this.#asked.delete(asked)
      if (this.isEmpty) void this.#onLastGone(want)
    }
  }

  askAsAnother(): boolean {
    const refused = this.#first
    if (refused !== undefined) refused.isRefused = true
    return this.#first?.isRefused === false
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
