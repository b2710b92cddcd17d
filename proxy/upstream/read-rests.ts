/**
 * A body that comes slower than it can be read comes a segment of 1.4 kB at a time, and each costs a turn of the event loop here, and
 * at every machine to which it is passed on: a file of 2 MB over a line of 20 Mbit/s a quarter of a second of processor time. So between
 * two pieces of such a body nothing is handed on for some ms, while what comes is gathered.
 *
 * From a peer the kernel gathers it: nothing is read. From the Internet it is read at once all the same. What lies unread is acknowledged
 * late, and a sender that measures its line (BBR) has little under way: over 20 Mbit/s it sent 1.7 % less.
 *
 * What is short is not held up: nothing rests before the rate is known, nor longer than the rest of the body takes to come.
 */
import type { Monotonic } from '../../core/clock.ts'

/** The rate is measured over so long, in ms. */
export const WINDOW_MS = 50

/** Bytes that are worth a read; of a long body more, as each piece costs every machine that it comes to. */
const WORTH_BYTES = 32_768
export const WORTH_OF_LONG_BYTES = 61_440

/** All that is read at once, as much as Node reads for its streams: after so many bytes more has come already. */
export const FULL_BYTES = 65_536

/** Nobody waits longer for a byte that has come, in ms; and less than a timer's grain is no rest. */
export const MOST_MS = 12
export const MOST_OF_LONG_MS = 24
const LEAST_MS = 2

/** A body is long as long as what is to come of it takes longer than this, in ms. */
export const LONG_MS = 4000

/** Of one response. */
export class ReadRests {
  #since: Monotonic
  #bytes = 0
  #bytesPerMs: number | undefined

  constructor(at: Monotonic) {
    this.#since = at
  }

  /**
   * Some of the body has come.
   * @param leftBytes how much is still to come.
   * @returns how long nothing more is handed on, in ms; 0: it goes on.
   */
  after(bytes: number, at: Monotonic, leftBytes: number): number {
    this.#bytes += bytes
    const elapsedMs = at - this.#since
    if (elapsedMs >= WINDOW_MS) {
      this.#bytesPerMs = this.#bytes / elapsedMs
      this.#since = at
      this.#bytes = 0
    }
    if (this.#bytesPerMs === undefined || bytes >= FULL_BYTES) return 0
    const isLong = leftBytes > LONG_MS * this.#bytesPerMs
    const [mostMs, worthBytes] = isLong ? [MOST_OF_LONG_MS, WORTH_OF_LONG_BYTES] : [MOST_MS, WORTH_BYTES]
    const restMs = Math.min(mostMs, Math.min(worthBytes, leftBytes) / this.#bytesPerMs)
    return restMs < LEAST_MS ? 0 : restMs
  }
}
