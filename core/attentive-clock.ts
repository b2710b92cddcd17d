/**
 * Time in which this program could listen.
 *
 * A processor that is shared with others (every machine just after its start) lets a program wait for its turn: then timers
 * are late, and what peers said meanwhile lies unread in the sockets. To give up on them for it would send everybody to the
 * Internet at the very moment when the line is needed most. So short waits are cut into slices, and of each slice no more
 * counts than its length; a slice that ended late is followed by a look at the sockets before the wait is over. And what is
 * measured between two moments is measured in the same time (`listening`).
 */
import type { CancelTimer, Clock, Monotonic } from './clock.ts'

/** Of a wait that is cut, in ms. */
const SLICE_MS = 25

/** Longer waits are not for peers, in ms. */
const LONGEST_CUT_MS = 2000

/** Timers have a grain, in ms: later than this is late. */
const GRAIN_MS = 8

/** After a slice that ended late: a turn of the event loop, in which sockets are read. */
const LOOK_MS = 1

/**
 * Looks end late, too, under a load that lasts: after so many in a row the wait is over all the same. Node reads up to 32 datagrams of a
 * socket at each, and others may wait for what this program does then.
 */
const MOST_LOOKS = 3

/**
 * Who waits for its turn all the time is not one that has just started: so much of what is lost is forgiven at once, in ms, and from then on
 * a tenth of the time.
 */
const MOST_LOST_MS = 10_000
const LOST_SHARE = 0.1

/** Lateness within about this long, in ms, … */
const MEMORY_MS = 1000

/** … of so much in all makes a program busy, in ms. */
const BUSY_MS = 50

export interface AttentiveClock extends Clock {
  /** Whether this program had to wait for its turn lately: who could not listen does not judge others' silence. */
  isBusy(): boolean
  /**
   * The same waits, and a time that stands still while this program has to wait for its turn. What peers may cost is measured in it:
   * a second in which nobody here could listen is no second of silence. It never goes back. Where nobody waits it goes on: that a
   * program did nothing then does not show that it could not. And it goes on where ten seconds have been lost, but for a tenth.
   */
  readonly listening: Clock
}

/** As `clock`, but `after` waits for `delayMs` of the time in which this program could listen. */
export function attentive(clock: Clock): AttentiveClock {
  const listened = new ListenedTime(clock)
  let lostMs = 0
  let lostAt = clock.monotonic()
  const lost = () => lostMs * Math.exp((lostAt - clock.monotonic()) / MEMORY_MS)
  const onSlice = (lateMs: number) => {
    listened.now()
    if (lateMs === 0) return
    lostMs = lost() + lateMs
    lostAt = clock.monotonic()
  }
  const after: Clock['after'] = (delayMs, wake) => {
    if (delayMs > LONGEST_CUT_MS) return clock.after(delayMs, wake)
    const over = listened.wait()
    const cancel = cut(clock, delayMs, () => (over(), wake()), onSlice)
    return () => (over(), cancel())
  }
  return {
    monotonic: () => clock.monotonic(),
    wall: () => clock.wall(),
    after,
    isBusy: () => lost() >= BUSY_MS,
    listening: { monotonic: () => listened.now(), wall: () => clock.wall(), after },
  }
}

/**
 * While somebody waits this program has a turn at least as often as a slice ends, or a timer's grain later. What lies between two turns
 * beyond a slice is lost.
 */
class ListenedTime {
  readonly #clock: Clock
  #waits = 0
  #turnAt: Monotonic
  #lostMs = 0
  #forgivableMs = MOST_LOST_MS

  constructor(clock: Clock) {
    this.#clock = clock
    this.#turnAt = clock.monotonic()
  }

  /** Somebody waits, in slices. @returns what ends that, called as often as one likes. */
  wait(): () => void {
    this.now()
    this.#waits += 1
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.now()
      this.#waits -= 1
    }
  }

  now(): Monotonic {
    const at = this.#clock.monotonic()
    const sinceMs = at - this.#turnAt
    this.#turnAt = at
    this.#forgivableMs = Math.min(MOST_LOST_MS, this.#forgivableMs + sinceMs * LOST_SHARE)
    if (this.#waits > 0 && sinceMs > SLICE_MS + GRAIN_MS) this.#lose(sinceMs - SLICE_MS)
    return (at - this.#lostMs) as Monotonic
  }

  #lose(ms: number): void {
    const forgivenMs = Math.min(ms, this.#forgivableMs)
    this.#forgivableMs -= forgivenMs
    this.#lostMs += forgivenMs
  }
}

/** @param onSlice told at the end of each slice by how much it was late, in ms. */
function cut(
  clock: Clock,
  delayMs: number,
  wake: () => void,
  onSlice: (lateMs: number) => void,
): CancelTimer {
  let leftMs = Math.max(0, delayMs)
  let looks = 0
  let cancel: CancelTimer | undefined
  const next = () => {
    // Whole ones, as timers have them: a smaller step might be none.
    const sliceMs = Math.min(Math.ceil(leftMs), SLICE_MS)
    const begunAt = clock.monotonic()
    cancel = clock.after(sliceMs, () => {
      const elapsedMs = clock.monotonic() - begunAt
      const isLate = elapsedMs > sliceMs + GRAIN_MS
      onSlice(isLate ? elapsedMs - sliceMs : 0)
      leftMs -= isLate ? sliceMs : elapsedMs
      if (leftMs <= 0 && isLate && looks++ < MOST_LOOKS) leftMs = LOOK_MS
      if (leftMs > 0) next()
      else wake()
    })
  }
  next()
  return () => cancel?.()
}
