/** A clock that stands still until it is told to go on. */
import type { Clock, EpochMs, Monotonic } from '../core/clock.ts'

export interface ManualClock extends Clock {
  /** Moves time on and wakes what was waiting for it, in order. */
  advance(ms: number): void
  /** Timers that are set now. */
  pending(): number
}

interface Timer {
  readonly at: number
  readonly wake: () => void
}

export function manualClock(): ManualClock {
  let now = 0
  const timers = new Set<Timer>()
  const nextUntil = (end: number): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers) if (timer.at <= end && timer.at < (first?.at ?? Infinity)) first = timer
    return first
  }
  return {
    monotonic: () => now as Monotonic,
    wall: () => (1_700_000_000_000 + now) as EpochMs,
    after(delayMs, wake) {
      const timer = { at: now + Math.max(0, delayMs), wake }
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
    pending: () => timers.size,
  }
}
