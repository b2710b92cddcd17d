/**
 * Time in which this program could listen.
 *
 * A processor that is shared with others (every machine just after its start) lets a program wait for its turn: then timers
 * are late, and what peers said meanwhile lies unread in the sockets. To give up on them for it would send everybody to the
 * Internet at the very moment when the line is needed most. So short waits are cut into slices, and of each slice no more
 * counts than its length; a slice that ended late is followed by a look at the sockets before the wait is over.
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

/** Where looks end late, too, so many follow each other at most: under a load that lasts every wait would last as long. */
const MOST_LOOKS = 10

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
  const slices = new Slices(clock, wasLate)
  return {
    monotonic: () => clock.monotonic(),
    wall: () => clock.wall(),
    after: (delayMs, wake) =>
      delayMs > LONGEST_CUT_MS ? clock.after(delayMs, wake) : slices.after(Math.max(0, delayMs), wake),
    isBusy: () => lost() >= BUSY_MS,
  }
}

interface Wait {
  /** In listened time, in ms. */
  readonly due: number
  readonly wake: () => void
}

/** All waits share their slices, and so one timer: each transfer has several waits, and a storm many transfers. */
class Slices {
  readonly #clock: Clock
  readonly #wasLate: (byMs: number) => void
  readonly #waits = new Set<Wait>()
  /** Time in which this program could listen, in ms, up to the slice that runs. */
  #listenedMs = 0
  /** Of the slice that runs; between two there is no timer. */
  #begunAt = 0 as Monotonic
  #sliceMs = 0
  #cancel: CancelTimer | undefined
  #isWaking = false
  /** Slices in a row that ended late with somebody due. */
  #looks = 0

  constructor(clock: Clock, wasLate: (byMs: number) => void) {
    this.#clock = clock
    this.#wasLate = wasLate
  }

  after(delayMs: number, wake: () => void): CancelTimer {
    if (this.#cancel !== undefined && this.#isLate(this.#elapsedMs)) this.#cutShort()
    // Between two slices nothing is listened to.
    const elapsedMs = this.#cancel === undefined ? 0 : this.#elapsedMs
    const wait = { due: this.#listenedMs + elapsedMs + delayMs, wake }
    this.#waits.add(wait)
    if (this.#cancel !== undefined && wait.due < this.#listenedMs + this.#sliceMs) this.#cutShort()
    else if (this.#cancel === undefined && !this.#isWaking) this.#begin()
    return () => {
      this.#waits.delete(wait)
      if (this.#waits.size === 0) this.#stop()
    }
  }

  #stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Since the slice began. */
  get #elapsedMs(): number {
    return this.#clock.monotonic() - this.#begunAt
  }

  #isLate(elapsedMs: number): boolean {
    return elapsedMs > this.#sliceMs + GRAIN_MS
  }

  /** @param leastMs of the slice: in so long the sockets are looked at. */
  #begin(leastMs = 0): void {
    let due = Infinity
    for (const wait of this.#waits) due = Math.min(due, wait.due)
    this.#begunAt = this.#clock.monotonic()
    this.#sliceMs = Math.max(leastMs, Math.min(due - this.#listenedMs, SLICE_MS))
    this.#cancel = this.#clock.after(this.#sliceMs, () => this.#over())
  }

  /** It is late, or somebody is to be woken sooner. */
  #cutShort(): void {
    this.#cancel?.()
    this.#begin(this.#end() ? LOOK_MS : 0)
  }

  /** @returns whether the slice was late. */
  #end(): boolean {
    const elapsedMs = this.#elapsedMs
    const isLate = this.#isLate(elapsedMs)
    if (isLate) this.#wasLate(elapsedMs - this.#sliceMs)
    // Of a slice that is late no more counts than its length.
    this.#listenedMs += isLate ? this.#sliceMs : elapsedMs
    return isLate
  }

  #over(): void {
    const isLate = this.#end()
    this.#cancel = undefined
    this.#isWaking = true
    try {
      if (!this.#isLookedFor(isLate)) this.#wakeDue()
    } finally {
      this.#isWaking = false
      if (this.#waits.size > 0) this.#begin(isLate ? LOOK_MS : 0)
    }
  }

  /** Whether the sockets are looked at before those are woken that are due. */
  #isLookedFor(isLate: boolean): boolean {
    const isDue = () => [...this.#waits].some((wait) => wait.due <= this.#listenedMs)
    this.#looks = isLate && this.#looks < MOST_LOOKS && isDue() ? this.#looks + 1 : 0
    return this.#looks > 0
  }

  #wakeDue(): void {
    const due = [...this.#waits].filter((wait) => wait.due <= this.#listenedMs)
    // Whoever is woken may take back the wait of another one.
    for (const wait of due.toSorted((one, other) => one.due - other.due))
      if (this.#waits.delete(wait)) wait.wake()
  }
}
