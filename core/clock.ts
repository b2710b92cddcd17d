/**
 * The `Clock` seam: the only place where the product reads time or waits.
 *
 * Two kinds of time never mix: `Monotonic` for waiting and measuring, `EpochMs` for dates and ages.
 */

import { NO_LONGER_NEEDED } from './ended.ts'

/** Milliseconds on a clock that never jumps; its zero means nothing. For delays, time-outs and durations. */
export type Monotonic = number & { readonly brand: 'Monotonic' }

/** Milliseconds since 1970-01-01T00:00Z on the machine's calendar, which may jump. For dates and ages. */
export type EpochMs = number & { readonly brand: 'EpochMs' }

/** Takes a timer back; harmless when it has already fired. */
export type CancelTimer = () => void

export interface Clock {
  monotonic(): Monotonic
  wall(): EpochMs
  /** Calls `wake` once, `delayMs` from now (never early by more than the timer's grain). */
  after(delayMs: number, wake: () => void): CancelTimer
}

/** The times of whoever waits for others. */
export interface Clocks {
  readonly clock: Clock
  /** Time in which this program could listen (attentive-clock.ts): what others may cost is measured in it; absent: `clock`. */
  readonly listening?: Clock
}

export function listeningOf({ clock, listening = clock }: Clocks): Clock {
  return listening
}

/** Each use of the global of this name is a call of its getter. */
const { performance } = globalThis

/** The machine's clock. Timers do not keep the process alive. */
export const systemClock: Clock = {
  monotonic: () => performance.now() as Monotonic,
  wall: () => Date.now() as EpochMs,
  after(delayMs, wake) {
    const timer = setTimeout(wake, Math.max(0, delayMs))
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** The longest that a timer of Node can wait, in ms. */
const LONG_MS = 2 ** 31 - 1

/** Keeps the process alive, which timers of the clock do not. @returns what ends that. */
export function keepProcess(): () => void {
  const timer = setInterval(() => {}, LONG_MS)
  return () => clearInterval(timer)
}

/** Waits `delayMs` on `clock`; ends early, without an error, when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const end = () => {
      cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(delayMs, end)
    signal?.addEventListener('abort', end, { once: true })
  })
}

/**
 * Lets `work` go on until it is over, well or not, but no longer than `mostMs` on `clock`, nor when `signal` has aborted. Its own signal aborts
 * at the end in any case. Never rejects.
 */
export async function atMost(
  clock: Clock,
  mostMs: number,
  work: (signal: AbortSignal) => Promise<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  const over = new AbortController()
  const isOver = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  await Promise.race([work(isOver).catch(() => {}), sleep(clock, mostMs, isOver)])
  over.abort(NO_LONGER_NEEDED)
}
