/** Whoever sends less than a least rate is endless rather than slow: a byte every half minute would hold up a run for days. */
import type { CancelTimer, Clock } from '../../core/clock.ts'

/** How long a pause may last: connections of a busy line come and go. */
export const WINDOW_MS = 60_000

/**
 * Calls `onSlow` once, at the end of the first window that brought fewer than `leastBytesPerS`; 0 demands nothing.
 * @param received bytes so far. @returns what ends the watch
 */
export function keepPace(
  clock: Pick<Clock, 'after'>,
  leastBytesPerS: number,
  received: () => number,
  onSlow: () => void,
): CancelTimer {
  const least = (leastBytesPerS * WINDOW_MS) / 1000
  let before = received()
  const look = () => {
    const now = received()
    if (now - before < least) return onSlow()
    before = now
    cancel = clock.after(WINDOW_MS, look)
  }
  let cancel: CancelTimer = clock.after(WINDOW_MS, look)
  return () => cancel()
}
