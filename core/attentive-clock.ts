/**
 * Time in which this program could listen.
 *
 * A processor that is shared with others (every machine just after its start) lets a program wait for its turn: then timers
 * are late, and what peers said meanwhile lies unread in the sockets. To give up on them for it would send everybody to the
 * Internet at the very moment when the line is needed most. So short waits are cut into slices, and of each slice no more
 * counts than its length; a slice that ended late is followed by a look at the sockets before the wait is over.
 */
import type { CancelTimer, Clock } from './clock.ts'

/** Of a wait that is cut, in ms. */
const SLICE_MS = 25

/** Longer waits are not for peers, in ms. */
const LONGEST_CUT_MS = 2000

/** Timers have a grain, in ms: later than this is late. */
const GRAIN_MS = 8

/** After a slice that ended late: a turn of the event loop, in which sockets are read. */
const LOOK_MS = 1

/** Looks end late, too, under a load that lasts: after so many in a row, a second or two, the wait is over all the same. */
const MOST_LOOKS = 100

/** Lateness within about this long, in ms, … */
const MEMORY_MS = 1000

/** … of so much in all makes a program busy, in ms. */
const BUSY_MS = 50

export interface AttentiveClock extends Clock {
  /** Whether this program had to wait for its turn lately: who could not listen does not judge others' silence. */
  isBusy(): boolean
}

/** As `clock`, but `after` waits for `delayMs` of the time in which this program could listen. */
export function attentive(clock: Clock): AttentiveClock {
  let lostMs = 0
  let lostAt = clock.monotonic()
  const lost = () => lostMs * Math.exp((lostAt - clock.monotonic()) / MEMORY_MS)
  const wasLate = (byMs: number) => {
    lostMs = lost() + byMs
    lostAt = clock.monotonic()
  }
  return {
    monotonic: () => clock.monotonic(),
    wall: () => clock.wall(),
    after: (delayMs, wake) =>
      delayMs > LONGEST_CUT_MS ? clock.after(delayMs, wake) : cut(clock, delayMs, wake, wasLate),
    isBusy: () => lost() >= BUSY_MS,
  }
}

function cut(clock: Clock, delayMs: number, wake: () => void, wasLate: (byMs: number) => void): CancelTimer {
  let leftMs = Math.max(0, delayMs)
  let looks = 0
  let cancel: CancelTimer | undefined
  const next = () => {
    const sliceMs = Math.min(leftMs, SLICE_MS)
    const begunAt = clock.monotonic()
    cancel = clock.after(sliceMs, () => {
      const elapsedMs = clock.monotonic() - begunAt
      const isLate = elapsedMs > sliceMs + GRAIN_MS
      if (isLate) wasLate(elapsedMs - sliceMs)
      leftMs -= isLate ? sliceMs : elapsedMs
      if (leftMs <= 0 && isLate && looks++ < MOST_LOOKS) leftMs = LOOK_MS
      if (leftMs > 0) next()
      else wake()
    })
  }
  next()
  return () => cancel?.()
}
