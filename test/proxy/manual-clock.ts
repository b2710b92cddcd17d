/** A clock that stands still until it is told to go on. */
import type { Clock, EpochMs, Monotonic } from '../../core/clock.ts'

export interface ManualClock extends Clock {
  /** Moves time on and wakes what was waiting for it, in order. */
  advance(ms: number): void
}

export function manualClock(): ManualClock {
  let now = 0
  const timers = new Set<{ readonly at: number; readonly wake: () => void }>()
  const nextUntil = (end: number) =>
    [...timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0]
  return {
    monotonic: () => now as Monotonic,
    wall: () => now as EpochMs,
    after(delayMs, wake) {
      const timer = { at: now + delayMs, wake }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(ms) {
      const end = now + ms
      for (let timer = nextUntil(end); timer; timer = nextUntil(end)) {
        timers.delete(timer)
        now = timer.at
        timer.wake()
      }
      now = end
    },
  }
}
