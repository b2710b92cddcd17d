/**
 * What comes by way of peers that are fetching at this moment, all their growing copies together: it comes over the line that
 * everybody shares. Six files at once come at a sixth of the line's speed each, and none of them is slow.
 */
import type { Monotonic } from '../core/clock.ts'

/** What counts is what came in the last so many ms. */
export const USE_WINDOW_MS = 500

interface Came {
  readonly at: Monotonic
  readonly bytes: number
}

export class LineUse {
  #came: readonly Came[] = []

  note(at: Monotonic, bytes: number): void {
    this.#came = [...this.#within(at), { at, bytes }]
  }

  bytesPerSecond(at: Monotonic): number {
    const bytes = this.#within(at).reduce((sum, each) => sum + each.bytes, 0)
    return (bytes * 1000) / USE_WINDOW_MS
  }

  #within(at: Monotonic): readonly Came[] {
    return this.#came.filter((each) => at - each.at <= USE_WINDOW_MS)
  }
}
