/**
 * A question of which every answer counts: who has a resource, without getting it (R11.1). It waits as long as it is told and
 * then says "I found", so that whoever has not answered by then need not.
 */
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import type { Hearing } from './asked-questions.ts'
import { MAX_NOTED, type InquirySender, type PeerDownload, type PeerOffer } from './inquiry.ts'
import type { Extras } from './packets.ts'

/** In the "I need" of a survey, or for a part: nobody has to expect that its asker fetches anything for others (rivals.ts). */
export const FINDING_NAME = 'find'
export const FINDING: Extras = [[FINDING_NAME, 'only']]

/** What a peer says of a resource; all of it is its own claim. */
export type Found =
  | { readonly kind: 'complete'; readonly offer: PeerOffer }
  | { readonly kind: 'downloading'; readonly download: PeerDownload }

export class Survey implements Hearing {
  readonly #clock: Clock
  readonly #sender: InquirySender
  readonly #onFound: (found: Found) => void
  readonly #onOver: () => void
  readonly #heard = new Set<string>()
  #until = 0 as Monotonic
  #cancel: CancelTimer = () => {}
  #isOver = false

  /** @param onFound called once for each peer and state. */
  constructor(clock: Clock, sender: InquirySender, onFound: (found: Found) => void, onOver: () => void) {
    this.#clock = clock
    this.#sender = sender
    this.#onFound = onFound
    this.#onOver = onOver
  }

  start(waitMs: number): void {
    this.#until = (this.#clock.monotonic() + waitMs) as Monotonic
    this.#sender.request()
    this.#cancel = this.#clock.after(waitMs, () => this.abandon())
  }

  lateMs(): number {
    return Math.max(0, this.#clock.monotonic() - this.#until)
  }

  restMs(): number {
    return Math.max(0, this.#until - this.#clock.monotonic())
  }

  heardResponse(offer: PeerOffer): void {
    this.#found(offer.peer, { kind: 'complete', offer })
  }

  heardDownloading(download: PeerDownload): void {
    this.#found(download.peer, { kind: 'downloading', download })
  }

  heardComplete(_: Address, holder: PeerOffer | undefined): void {
    if (holder !== undefined) this.heardResponse(holder)
  }

  heardFailed(): void {}

  /** Ends it; more than once is harmless. */
  abandon(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancel()
    if (this.#heard.size > 0) this.#sender.endRequest()
    this.#onOver()
  }

  #found(peer: Address, found: Found): void {
    const answer = `${found.kind} ${peer}`
    if (this.#isOver || this.#heard.has(answer) || this.#heard.size >= MAX_NOTED) return
    this.#heard.add(answer)
    this.#onFound(found)
  }
}
