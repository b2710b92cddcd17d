/**
 * When what comes from the Internet is left to a peer: a holder answered late (R4.4), or another node turned out to fetch the same
 * (R5.4), because packets were lost or the LAN had fallen apart.
 *
 * Who has lost its patience with peers cannot afford to stop what flows for one that may be as silent as the others were. There
 * the peer is tried beside the Internet first: when its bytes come, it goes on, and the Internet ends. So a LAN that was in pieces
 * comes back to one fetcher however much it has cost, and a peer that is no better than its word costs the application nothing.
 * The same for a peer that is left aside because it was silent for a moment: else two that think so of each other fetch to the end. And
 * for what is heard by a node that was away itself: those words have waited in its sockets, and what they tell of may be no more.
 */
import type { Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import type { Expectation } from '../core/verifier.ts'
import type { PeerDownload, PeerOffer } from '../peering/inquiry.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import { REPORT_INTERVAL_MS } from '../peering/machines/download.ts'
import type { OpenedSource } from './peer-source.ts'
import { STALL_MS } from './patience.ts'
import { isWorthLeaving, nearBytes } from './slow-line.ts'
import type { PeerSource } from './source.ts'

/** A peer that is tried must send this much, or all that is left. */
export const TRIAL_BYTES = 16 * 1024

/** So often one retrieval goes over to a peer that it has tried; each may cost a stall afterwards (V§2). */
export const MAX_TRIED = 8

/** After one that was of no use nobody is tried for so long, in ms; then whoever was to be tried meanwhile. */
export const TRIAL_PAUSE_MS = 1000

/** What the retrieval knows and does. */
export interface YieldingOwner {
  heldBytes(): number
  isFetcher(): boolean
  /** Whether the origin server feeds a copy at this moment that a peer could go on with. */
  mayLeave(): boolean
  /** Whether the origin server has been asked and has sent nothing yet. */
  isUnanswered(): boolean
  /** Whether that download fell silent before, and has got nothing since. */
  isStuck(download: PeerDownload): boolean
  /** Nothing comes from that one, as far as it is now. */
  stuck(download: PeerDownload): void
  /** Whether peers may cost the application more time. */
  hasPatience(): boolean
  /** Whether this node could not listen lately: what it hears now may have waited for long, and be no more. */
  isLate(): boolean
  progress(): DownloadProgress
  /** What could prove the peer's bytes: only what can be proved is taken from one. */
  expectationFor(source: PeerSource): Promise<Expectation>
  /** The peer's bytes from the first missing one on, without taking them, as long as the Internet feeds it. @throws Fault of that peer */
  look(source: PeerSource, signal: AbortSignal): Promise<OpenedSource>
  /** The Internet ends here, and the peer goes on; `isTried`: it has shown that it sends. */
  leave(source: PeerSource, isTried: boolean): void
  sayAgain(): void
}

interface Candidate {
  readonly source: PeerSource
  /** Nothing has come from the Internet lately. */
  readonly isSilent: boolean
}

export class Yielding {
  readonly #owner: YieldingOwner
  readonly #clock: Clock
  /** A late offer that came before the origin server's response. */
  #early: PeerOffer | undefined
  #saidAgainAt = -Infinity
  #tried = 0
  #isPausing = false
  /** Resolves at the end of the trial that runs. */
  #trial: Promise<boolean> | undefined
  /** Who was to be tried last, when that could not be: it may say again only after seconds that it is there. */
  #next: Candidate | undefined
  /** Whom the Internet was not worth leaving for, with what was held then: what little is left may not come. */
  #later: { readonly source: PeerSource; readonly heldBytes: number } | undefined

  constructor(clock: Clock, owner: YieldingOwner) {
    this.#clock = clock
    this.#owner = owner
  }

  /** The origin server's response is known. */
  answered(): void {
    if (this.#early) this.lateOffer(this.#early)
  }

  /** Resolves when no peer is tried, and `leave` has been called where one was of use; at once where none is. */
  async tried(): Promise<void> {
    await this.#trial
  }

  /** A holder answered after the Internet was asked: worth changing over to when enough is missing. */
  lateOffer(offer: PeerOffer): void {
    if (!this.#owner.mayLeave()) return
    if (offer.hasAsked === true && this.#owner.isUnanswered())
      return void this.#followIfProvable({ kind: 'peer', offer })
    const { totalBytes } = this.#owner.progress()
    // Before the origin server has said how long it is, nothing is known that speaks for the peer.
    if (totalBytes === undefined) return void (this.#early = offer)
    if (offer.size !== undefined && offer.size !== totalBytes) return
    this.#leaveFor({ kind: 'peer', offer })
  }

  /**
   * Two nodes fetch the same. Who is far behind gives up; where none is, who comes later in rank. The other one is told of
   * this copy, and decides the same. Whom the origin server has not answered yet is behind: when a server thinks for longer
   * than peers are waited for, all have asked it in the end, and only the first one is to be sent the file.
   */
  secondFetcher(download: PeerDownload & { readonly location: string }): void {
    if (this.#owner.isUnanswered()) {
      if (!this.#owner.isStuck(download)) void this.#followIfProvable({ kind: 'in-progress', download })
      return
    }
    const { totalBytes } = this.#owner.progress()
    if (!this.#owner.isFetcher() || totalBytes === undefined) return
    const heldBytes = this.#owner.heldBytes()
    const leadBytes = download.receivedBytes - heldBytes
    const near = nearBytes(Math.max(download.receivedBytes, heldBytes), totalBytes)
    const isAhead = Math.abs(leadBytes) > near ? leadBytes > 0 : download.isAhead
    if (isAhead && !this.#owner.isStuck(download)) this.#leaveFor({ kind: 'in-progress', download })
    else this.#sayAgain()
  }

  /** Two that disagree about who is ahead do not answer each other without end. */
  #sayAgain(): void {
    const now = this.#clock.monotonic()
    if (now - this.#saidAgainAt < REPORT_INTERVAL_MS) return
    this.#saidAgainAt = now
    this.#owner.sayAgain()
  }

  #leaveFor(source: PeerSource): void {
    if (this.#mayLeave) void this.#leaveIfProvable(source)
    else if (this.#owner.mayLeave()) this.#leaveLater(source)
  }

  /** What is left should come before a peer's would. Where it does not, nobody may be there any more who says again that he has it. */
  #leaveLater(source: PeerSource): void {
    const isWaiting = this.#later !== undefined
    this.#later = { source, heldBytes: this.#later?.heldBytes ?? this.#owner.heldBytes() }
    if (!isWaiting) this.#clock.after(STALL_MS, () => this.#reconsider())
  }

  #reconsider(): void {
    const later = this.#later
    this.#later = undefined
    if (later === undefined || !this.#owner.mayLeave()) return
    if (later.heldBytes === this.#owner.heldBytes()) void this.#leaveIfProvable(later.source, true)
    else this.#leaveFor(later.source)
  }

  /** @param isSilent nothing has come from the Internet lately: it is left however little is missing. */
  async #leaveIfProvable(source: PeerSource, isSilent = false): Promise<void> {
    // What members vouch for, say, are whole copies.
    const expectation = await this.#owner.expectationFor(source)
    // What only a signature proves comes whole or not at all: whoever reads already would have to wait for all of it.
    const isVain = expectation.kind === 'none' || expectation.kind === 'signature'
    if (isVain || !this.#mayLeaveWhere(isSilent)) return
    // What it said a while ago may be no more: it may have changed over to this node meanwhile, or be whole, under another alias.
    const isOld = isSilent || this.#owner.isLate()
    const isDoubtful = source.kind === 'in-progress' && (isOld || source.download.isLeftAside === true)
    if (this.#owner.hasPatience() && !isDoubtful) this.#owner.leave(source, false)
    else await this.#try(source, isSilent)
  }

  /** Never without a trial: the origin server has thought for a while, and would have to begin anew. */
  async #followIfProvable(source: PeerSource): Promise<void> {
    const { kind } = await this.#owner.expectationFor(source)
    if (kind !== 'none') await this.#try(source)
  }

  #mayLeaveWhere(isSilent: boolean): boolean {
    return isSilent ? this.#owner.mayLeave() : this.#mayLeave
  }

  get #mayLeave(): boolean {
    if (this.#owner.isUnanswered()) return true
    return this.#owner.mayLeave() && isWorthLeaving(this.#owner.progress())
  }

  async #try(source: PeerSource, isSilent = false): Promise<void> {
    if (this.#trial !== undefined || this.#isPausing) return void (this.#next = { source, isSilent })
    if (this.#tried >= MAX_TRIED) return
    this.#trial = this.#sends(source)
    const isOfUse = await this.#trial
    this.#trial = undefined
    if (!isOfUse) return this.#pause(source)
    if (!this.#mayLeaveWhere(isSilent)) return
    this.#tried += 1
    this.#owner.leave(source, true)
  }

  #pause(vain: PeerSource): void {
    this.#isPausing = true
    if (vain.kind === 'in-progress') this.#owner.stuck(vain.download)
    this.#clock.after(TRIAL_PAUSE_MS, () => {
      const next = this.#next
      this.#isPausing = false
      this.#next = undefined
      if (next && this.#isWorthTrying(next)) void this.#try(next.source, next.isSilent)
    })
  }

  /** While an origin server is away, nobody gets on, and to ask them all in turn would be in vain. */
  #isWorthTrying({ source, isSilent }: Candidate): boolean {
    const isStuck = source.kind === 'in-progress' && this.#owner.isStuck(source.download)
    return this.#mayLeaveWhere(isSilent) && !isStuck
  }

  async #sends(source: PeerSource): Promise<boolean> {
    const looking = new AbortController()
    try {
      const { body } = await this.#owner.look(source, looking.signal)
      let bytes = 0
      for await (const chunk of body) if ((bytes += chunk.length) >= TRIAL_BYTES) break
      return bytes > 0
    } catch {
      return false
    } finally {
      looking.abort(NO_LONGER_NEEDED)
    }
  }
}
