/** What the LAN is told of a retrieval from the Internet: that it runs, that it can be read, how it ended (FIG. 7). */
import type { CancelTimer, Clock } from '../core/clock.ts'
import type { AnnouncedDownload } from '../peering/peering.ts'

/**
 * Nobody reads a growing copy without an end, but most responses without a length are short: so long after the head of one it is left open
 * whether it is whole in a moment, in ms. Who waits for a promise does so for 600 ms from the end of its question's own wait on
 * (`PROMISES_MS` in peering/machines/inquiry-patience.ts): it is over before that where the origin server thinks for 100 ms at most.
 */
export const SOON_WHOLE_MS = 500

export class Announcement {
  readonly #clock: Clock
  readonly #announce: () => AnnouncedDownload
  #announced: AnnouncedDownload | undefined
  #isSoonWhole = false
  #cancelEnd: CancelTimer = () => {}

  constructor(clock: Clock, announce: () => AnnouncedDownload) {
    this.#clock = clock
    this.#announce = announce
  }

  get isMade(): boolean {
    return this.#announced !== undefined
  }

  /** Whether those who wait cannot read it, and are to have it when it is whole. */
  get isSoonWhole(): boolean {
    return this.#isSoonWhole
  }

  /** "I am downloading" (216A). @returns whether it had not been said. */
  make(): boolean {
    if (this.isMade) return false
    this.#announced = this.#announce()
    return true
  }

  /** The growing copy can be read by peers (216B). */
  readable(): void {
    this.#promiseNothing()
    this.#announced?.readable()
  }

  /** It cannot be read while it grows, and is to be whole within `SOON_WHOLE_MS`, or peers wait for it no longer. */
  soonWhole(): void {
    if (!this.isMade || this.#isSoonWhole) return
    this.#isSoonWhole = true
    this.#cancelEnd = this.#clock.after(SOON_WHOLE_MS, () => this.end(true))
  }

  /** It is being stored: nobody is told of an end meanwhile. */
  whole(): void {
    this.#cancelEnd()
  }

  /** It is over. @param isKept whether others may have it from here: where that is not so, who was promised the whole is told. */
  complete(isKept: boolean): void {
    if (this.#isSoonWhole && !isKept) return this.end(true)
    // Of those who wait for it this node need not know: each hears now where it is.
    if (this.#isSoonWhole) this.readable()
    this.#announced?.complete()
  }

  /**
   * It is no download that peers may wait for any more.
   * @param isForEach because what has come is for this node alone, as it would be for any other.
   */
  end(isForEach = false): void {
    this.#promiseNothing()
    this.#announced?.failed(isForEach)
    this.#announced = undefined
  }

  #promiseNothing(): void {
    this.#cancelEnd()
    this.#isSoonWhole = false
  }
}
