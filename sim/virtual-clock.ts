/**
 * Virtual time: a `Clock` that stands still while anybody computes, and jumps to the next event when nobody does.
 *
 * The product waits by promises alone (no real input or output happens in a simulation), so one turn of Node's event
 * loop after each event lets everything run that the event set off.
 */
import { sleep, type CancelTimer, type Clock, type EpochMs, type Monotonic } from '../core/clock.ts'
import { EventQueue } from './event-queue.ts'

/** 2026-01-01T00:00Z: where the calendar of every simulation begins. */
const EPOCH_MS = Date.UTC(2026, 0, 1)

/** How a machine's clock differs from the true time. */
export interface ClockSkew {
  /** Its calendar is ahead by this, in ms; negative: behind. */
  readonly offsetMs: number
  /** Its clock runs faster by this share: 0.001 is a millisecond more in each second. */
  readonly drift: number
}

/** More events at one moment are one that plans the next without end: time does not get on. */
const MAX_AT_ONCE = 100_000

const TRUE_TIME: ClockSkew = { offsetMs: 0, drift: 0 }

/** The part of one incarnation of a node: when it ends, its timers never fire and no new ones are taken. */
export interface LeasedClock extends Clock {
  /** The node has crashed. */
  end(): void
}

export class VirtualClock implements Clock {
  readonly #queue = new EventQueue()
  #now = 0
  #happened = 0
  #atOnce = 0

  monotonic(): Monotonic {
    return this.#now as Monotonic
  }

  wall(): EpochMs {
    return (EPOCH_MS + this.#now) as EpochMs
  }

  after(delayMs: number, wake: () => void): CancelTimer {
    const event = this.#queue.plan(this.#now + Math.max(0, delayMs), wake)
    return () => {
      event.isCanceled = true
    }
  }

  /** For scenarios: resolves when this much virtual time has passed. */
  sleep(delayMs: number): Promise<void> {
    return sleep(this, delayMs)
  }

  /** Events so far: what a simulation costs. */
  get happened(): number {
    return this.#happened
  }

  /**
   * Lets time pass until `work` is done.
   * @returns what `work` came to. @throws what it threw; an `Error` that says when everything stood still, when nothing
   * was left to happen, `patienceMs` had passed, or time got on no more, while `work` was still waiting. One run at a time.
   */
  async run<T>(work: Promise<T>, patienceMs: number): Promise<T> {
    const giveUpAt = this.#now + patienceMs
    const progress = { isDone: false }
    void work
      .catch(() => {})
      .finally(() => {
        progress.isDone = true
      })
    for (await settled(); !progress.isDone; await settled()) {
      const next = this.#queue.take()
      if (next === undefined) throw new Error(`stuck at ${this.#now} ms: nothing is left to happen`)
      if (next.at > giveUpAt) throw new Error(`stuck: not done after ${patienceMs} virtual ms`)
      this.#happen(next)
      if (this.#atOnce > MAX_AT_ONCE)
        throw new Error(`stuck at ${this.#now} ms: ${MAX_AT_ONCE} events, and no end`)
    }
    return work
  }

  /** A clock that can be taken away from its node, and that may run apart from the others. */
  lease({ offsetMs, drift }: ClockSkew = TRUE_TIME): LeasedClock {
    const rate = 1 + drift
    let hasEnded = false
    return {
      monotonic: () => (this.#now * rate) as Monotonic,
      wall: () => (EPOCH_MS + offsetMs + this.#now * rate) as EpochMs,
      after: (delayMs, wake) => (hasEnded ? () => {} : this.after(delayMs / rate, () => hasEnded || wake())),
      end: () => {
        hasEnded = true
      },
    }
  }

  #happen({ at, happen }: { readonly at: number; readonly happen: () => void }): void {
    this.#atOnce = at > this.#now ? 1 : this.#atOnce + 1
    this.#now = at
    this.#happened++
    happen()
  }
}

/** One turn of the event loop: every promise that can settle now has settled when it is over. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
