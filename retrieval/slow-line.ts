/**
 * A downloader that says itself that nothing new has come to it has a slow line, and it is everybody's: to fetch once more would
 * make it slower. So its word excuses its silence, for a while.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import { EXCUSED_MS } from './pace.ts'
import { HOLD_BACK_BYTES } from './release.ts'

/** Bytes that a downloader may have and others not yet: they are on their way. */
export const NEAR_BYTES = 128 * 1024

/** Less is no lead, in bytes, however little the other has. */
const LEAST_LEAD_BYTES = 16 * 1024

/** The lead of one that has `aheadBytes` of a file of `totalBytes` counts beyond this: what is half of all that it has is no chance. */
export function nearBytes(aheadBytes: number, totalBytes = Infinity): number {
  return Math.min(NEAR_BYTES, totalBytes / 8, Math.max(LEAST_LEAD_BYTES, aheadBytes / 2))
}

/** A downloader's word about itself counts for so long, in ms: it says it every half second. */
export const FRESH_PROGRESS_MS = 600

/** Within this it has said it once to each of its readers, in ms. */
export const FIRST_REPORT_MS = 560

/**
 * So long a downloader is waited for on its own word, in ms; again when it has sent more. One that was not heard to ask for the file,
 * as whoever fetches does, is believed for a moment only.
 */
export const MOST_EXCUSED_MS = 2000
export const STRANGER_EXCUSED_MS = 300

/** And no longer where so much would have come meanwhile, in bytes, as the line was until then: it is no slow line that is silent… */
const MISSED_BYTES = 4 * NEAR_BYTES
/** …but so long in any case, in ms: lines stutter. */
export const LEAST_EXCUSED_MS = 400

/** How long the silence of one is excused that has brought so many bytes per second until then, in ms. */
export function excusedMs(bytesPerSecond: number): number {
  return Math.min(Math.max(LEAST_EXCUSED_MS, (MISSED_BYTES * 1000) / bytesPerSecond), MOST_EXCUSED_MS)
}

/** And so long one that was agreed on when peers had cost all that they may (patience.ts), in ms: it may lie as well. */
export const AGREED_EXCUSED_MS = 150

/** What takes the origin server less than this is not left to a peer, in ms: to change over takes time too. */
const LEAST_SAVED_MS = 500

/**
 * Whether a peer should go on with what comes from the origin server: a peer's last bytes are held back until all is verified, so
 * that an application would wait; but what is small on a quick line is much on a slow one, and everybody shares that.
 */
export function isWorthLeaving({ totalBytes, receivedBytes, bytesPerSecond }: DownloadProgress): boolean {
  if (totalBytes === undefined) return false
  const missing = totalBytes - receivedBytes
  return missing > 2 * HOLD_BACK_BYTES || missing > ((bytesPerSecond ?? Infinity) * LEAST_SAVED_MS) / 1000
}

export class SlowLine {
  readonly #clock: Clock
  #toldAt = -Infinity
  #toldBytes = 0
  #excusedMs = 0
  /** Bytes that were held when it began to count. */
  #excusedAt = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The downloader says how much it has. */
  told(receivedBytes: number): void {
    this.#toldAt = this.#clock.monotonic()
    this.#toldBytes = receivedBytes
  }

  /**
   * Whether it tells its progress to one who has read it since `at`. What it said before excuses it only until its first report
   * must have come.
   */
  isReporting(at: Monotonic): boolean {
    return this.#toldAt >= at || this.#clock.monotonic() - at <= FIRST_REPORT_MS
  }

  /** How much the downloader had, by its last word. */
  get toldBytes(): number {
    return this.#toldBytes
  }

  /** How long it has been excused since so much came that its time began anew, in ms. */
  get excusedMs(): number {
    return this.#excusedMs
  }

  /** Whether there is a reason that nothing has come after `heldBytes`; asked again every `EXCUSED_MS`. */
  isExcused(heldBytes: number, mostMs = MOST_EXCUSED_MS): boolean {
    const isFresh = this.#clock.monotonic() - this.#toldAt <= FRESH_PROGRESS_MS
    if (!isFresh || this.#toldBytes > heldBytes + NEAR_BYTES) return false
    if (heldBytes >= this.#excusedAt + NEAR_BYTES) {
      this.#excusedAt = heldBytes
      this.#excusedMs = 0
    }
    this.#excusedMs += EXCUSED_MS
    return this.#excusedMs <= mostMs
  }
}
