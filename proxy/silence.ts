/** Ends what makes no progress (V§4, exhaustion): Node's server limits how long a request takes, not a response. */
import type { CancelTimer, Clock } from '../core/clock.ts'

export interface SilenceWatch {
  /** Something moved. */
  readonly touch: () => void
  readonly stop: () => void
}

/** A limit that changes while the watch runs is noticed after at most this long. */
const CHECK_EVERY_MS = 5_000

/**
 * Calls `onSilence` once when nothing has been touched for `limitMs()`, which is asked again at every look.
 */
export function watchSilence(clock: Clock, limitMs: () => number, onSilence: () => void): SilenceWatch {
  let last = clock.monotonic()
  let cancel: CancelTimer | undefined
  const look = () => {
    const leftMs = limitMs() - (clock.monotonic() - last)
    if (leftMs <= 0) return onSilence()
    cancel = clock.after(Math.min(leftMs, CHECK_EVERY_MS), look)
  }
  look()
  return {
    touch: () => {
      last = clock.monotonic()
    },
    stop: () => cancel?.(),
  }
}
