/**
 * Peers that read the growing copy. They verify it themselves, so they get what applications here must still wait for; and they
 * are cut off, so that they ask again, when what they read is forgotten or goes on from a peer.
 */
import { sleep, type Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingCopy } from '../core/store.ts'

/** Between "download failed" and the end of what peers read, in ms: the packet comes first. */
const FAREWELL_MS = 5

/** What the retrieval has for peers at this moment. */
export interface SharedCopy {
  readonly copy: GrowingCopy | undefined
  readonly isShareable: boolean
}

export class PeerReaders {
  readonly #clock: Clock
  readonly #now: () => SharedCopy
  #count = 0
  /** Aborted when they are to ask again. */
  #begunAnew = new AbortController()
  /** They were told that it comes from the Internet, and do not know yet that it goes on from a peer. */
  #isToCut = false

  constructor(clock: Clock, now: () => SharedCopy) {
    this.#clock = clock
    this.#now = now
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** The copy as it is now: who reads it is cut off when it begins anew, also when that was before the first read. */
  open(): (span: ByteSpan, signal: AbortSignal) => AsyncIterable<Uint8Array> {
    const begunAnew = this.#begunAnew.signal
    return (span, signal) => this.#read(span, signal, begunAnew)
  }

  async *#read(span: ByteSpan, signal: AbortSignal, begunAnew: AbortSignal): AsyncIterable<Uint8Array> {
    const { copy, isShareable } = this.#now()
    if (copy !== undefined && isShareable) {
      this.#count++
      try {
        yield* copy.read(span, AbortSignal.any([signal, begunAnew]), 'held')
      } finally {
        this.#count--
      }
    }
    if (copy === undefined || begunAnew.aborted)
      throw new Fault('STOPPING', 'the download has begun anew, or goes on from a peer')
  }

  /** They are to hear of the peer that it goes on from before they are given its bytes. */
  owesFarewell(): void {
    this.#isToCut = true
  }

  /** Cuts them off if that is owed, a moment after "download failed", which tells them that this is no failure. */
  async takeLeave(): Promise<void> {
    if (!this.#isToCut) return
    this.#isToCut = false
    await sleep(this.#clock, FAREWELL_MS)
    this.cut()
  }

  /** Ends what all of them read. */
  cut(): void {
    this.#begunAnew.abort(NO_LONGER_NEEDED)
    this.#begunAnew = new AbortController()
  }
}
