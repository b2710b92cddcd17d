/** What the LAN is told of a retrieval from the Internet: that it runs, that it can be read, how it ended (FIG. 7). */
import type { AnnouncedDownload } from '../peering/peering.ts'

export class Announcement {
  readonly #announce: () => AnnouncedDownload
  #announced: AnnouncedDownload | undefined

  constructor(announce: () => AnnouncedDownload) {
    this.#announce = announce
  }

  get isMade(): boolean {
    return this.#announced !== undefined
  }

  /** "I am downloading" (216A). @returns whether it had not been said. */
  make(): boolean {
    if (this.isMade) return false
    this.#announced = this.#announce()
    return true
  }

  /** The growing copy can be read by peers (216B). */
  readable(): void {
    this.#announced?.readable()
  }

  complete(): void {
    this.#announced?.complete()
  }

  /** It is no download that peers may wait for any more. */
  end(): void {
    this.#announced?.failed()
    this.#announced = undefined
  }
}
