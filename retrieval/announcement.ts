/** What the LAN is told of a retrieval from the Internet: that it runs, that it can be read, how it ended (FIG. 7). */
import type { CancelTimer, Clock } from '../core/clock.ts'
import type { AnnouncedDownload } from '../peering/peering.ts'

/**
 * Nobody reads a growing copy without an end, but most responses without a length are short: so long it is left open after such a
 * response has begun whether it is whole in a moment, in ms. Who waits for a promise waits 600 ms (`PROMISE_MS` in peering/machines/inquiry.ts).
 */
export const SOON_WHOLE_MS = 500

export class Announcement {
  readonly #clock: Clock
  readonly #announce: () => AnnouncedDownload
  #announced: AnnouncedDownload | undefined
  #cancelEnd: CancelTimer | undefined

  constructor(clock: Clock, announce: () => AnnouncedDownload) {
    this.#clock = clock
    this.#announce = announce
  }

  get isMade(): boolean {
    return this.#announced !== undefined
  }

  /** Whether those who wait cannot read it, and are to have it when it is whole. */
  get isSoonWhole(): boolean {
    return this.isMade && this.#cancelEnd !== undefined
  }

  /** "I am downloading" (216A). @returns whether it had not been said. */
  make(): boolean {
    if (this.isMade) return false
    this.#announced = this.#announce()
    return true
  }

  /** The growing copy can be read by peers (216B). */
  readable(): void {
    this.#stopWaiting()
    this.#announced?.readable()
  }

  /** It cannot be read while it grows, and is to end within `SOON_WHOLE_MS`, or peers wait for it no longer. */
  soonWhole(): void {
    if (this.isMade) this.#cancelEnd ??= this.#clock.after(SOON_WHOLE_MS, () => this.end())
  }

  complete(): void {
    this.#stopWaiting()
    this.#announced?.complete()
  }

  /** It is no download that peers may wait for any more. */
  end(): void {
    this.#stopWaiting()
    this.#announced?.failed()
    this.#announced = undefined
  }

  #stopWaiting(): void {
    this.#cancelEnd?.()
    this.#cancelEnd = undefined
  }
}
