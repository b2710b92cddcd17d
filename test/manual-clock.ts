import type { Clock, EpochMs, Monotonic } from '../core/clock.ts'

export interface ManualClock extends Clock {
  /** Moves both times on and wakes, in order, whoever's time has come. */
  advance(ms: number): void
  /** Timers that have neither fired nor been taken back. */
  readonly waiting: number
}

/** A clock that stands still until the test moves it. */
export function manualClock(): ManualClock {
  let now = 0
  const timers = new Map<object, { readonly at: number; readonly wake: () => void }>()
  const next = (until: number) =>
    [...timers].filter(([, { at }]) => at <= until).toSorted(([, one], [, other]) => one.at - other.at)[0]
  return {
    monotonic: () => now as Monotonic,
    wall: () => (1_700_000_000_000 + now) as EpochMs,
    after(delayMs, wake) {
      const id = {}
      timers.set(id, { at: now + delayMs, wake })
      return () => void timers.delete(id)
    },
    advance(ms) {
      const until = now + ms
      for (let due = next(until); due; due = next(until)) {
        timers.delete(due[0])
        now = due[1].at
        due[1].wake()
      }
      now = until
    },
    get waiting() {
      return timers.size
    },
  }
}
