/** What peers have left behind here that no application has seen: gone on with, or begun anew (go-on.ts). */
import type { Expectation } from '../core/verifier.ts'
import { isWorthGoingOn } from './go-on.ts'
import type { RetrievalParts } from './retrieval-parts.ts'
import { NEAR_BYTES } from './slow-line.ts'
import type { PeerSource } from './source.ts'

type BeginningParts = Pick<
  RetrievalParts,
  'request' | 'components' | 'arrival' | 'answer' | 'peerReaders' | 'tolerance'
>

export class Beginning {
  readonly #parts: BeginningParts

  constructor(parts: BeginningParts) {
    this.#parts = parts
  }

  /** Whether there are bytes of peers, and no application has seen one. */
  get isUnseen(): boolean {
    const { answer, arrival } = this.#parts
    return !answer.isGiven && arrival.provenance.contributors.size > 0
  }

  /** The origin server's turn: it goes on behind what peers have sent, or begins anew. */
  async beginOrGoOn(expectation: Expectation): Promise<void> {
    if (!this.isUnseen) return
    if (!this.#isNearlyHere(expectation)) return this.beginAnew()
    const { arrival, peerReaders } = this.#parts
    peerReaders.cut()
    arrival.goOn()
  }

  beginAnew(): Promise<void> {
    const { arrival, peerReaders } = this.#parts
    peerReaders.cut()
    return arrival.reset()
  }

  /** Whether the origin server would only be asked for the rest, were another peer slow besides those that have cost time before. */
  wouldGoOn(expectation: Expectation): boolean {
    return this.#parts.tolerance.wastedMs() > 0 && this.#isNearlyHere(expectation)
  }

  /**
   * Whether it has less than others have left behind here, who failed and may have lied: what it has is given to applications sooner
   * than it would come to where they stopped, and shows that it sends. To wait until it is so far would look like a silence. Of a
   * stranger, who may have nothing, that is said only where much is missing and the origin server would not soon have sent it.
   */
  isAheadOf(source: PeerSource, expectation: Expectation): boolean {
    if (source.kind !== 'in-progress' || !this.isUnseen) return false
    const { hasAsked, receivedBytes } = source.download
    const { heldBytes } = this.#parts.arrival
    if (hasAsked === true) return heldBytes > receivedBytes
    return heldBytes > receivedBytes + NEAR_BYTES && !this.#isNearlyHere(expectation)
  }

  #isNearlyHere(expectation: Expectation): boolean {
    const { request, components, arrival } = this.#parts
    const { heldBytes } = arrival
    const missingBytes = (arrival.progress().totalBytes ?? Infinity) - heldBytes
    const speed = components.trials.recent(request)?.bytesPerSecond
    const known = components.originBytesPerSecond?.()
    return isWorthGoingOn(expectation, heldBytes, missingBytes, speed ?? known)
  }
}
