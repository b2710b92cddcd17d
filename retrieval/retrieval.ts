/**
 * One resource on its way here, for however many requests wait for it (R4.6).
 *
 * Every source writes into one growing copy and every application reads from it, so a source can be replaced by the next
 * at the byte where it stopped without any application noticing (R4.4, R5.3). Which source comes next is the inquiry
 * machine's decision (FIGS. 4A, 4B); moving and releasing the bytes is the arrival's work; this class keeps the two and
 * the readers together.
 *
 *   start ──► inquiry ──retrieve / follow / retrieveFromInternet──► arrival.take ──► verify ──► commit
 *                ▲                                                       │ failed
 *                └────────────────────── source failed ◄─────────────────┘
 */
import { isContentName } from '../core/content-name.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { sleep, type Monotonic } from '../core/clock.ts'
import { deferred } from '../core/deferred.ts'
import { describe, Fault } from '../core/fault.ts'
import type { Fields } from '../core/fields.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingCopy, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import type { UpstreamResponse } from '../core/upstream.ts'
import type { Expectation } from '../core/verifier.ts'
import { mayReuseUnasked } from '../cache/semantics/decision.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import type { Inquiry, InquiryOwner, PeerDownload, PeerOffer } from '../peering/inquiry.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import type { NodeId } from '../peering/packets.ts'
import type { AnnouncedDownload } from '../peering/peering.ts'
import type { ShunReason, SuspectBody } from '../verify/shunned-peers.ts'
import { Announcement } from './announcement.ts'
import { Arrival, type ArrivalComponents, type ArrivalSettings, type ArrivalOutcome } from './arrival.ts'
import { Blame } from './blame.ts'
import { endingBody } from './body-end.ts'
import { isResumable } from './origin-source.ts'
import { Patience, STALL_MS } from './patience.ts'
import { NO_EXPECTATION, Proofs } from './proofs.ts'
import { Readers } from './readers.ts'
import type { RetrievalRequest } from './request.ts'
import { NEAR_BYTES, SlowLine } from './slow-line.ts'
import { peerOf, type RetrievalReport, type Source } from './source.ts'
import { Yielding, type YieldingOwner } from './yielding.ts'

/** What an application can be answered with. */
export type Head =
  /** A 200 whose body is read from the growing copy. */
  | { readonly kind: 'growing'; readonly response: Stored; readonly copy: GrowingCopy }
  /** Whatever else the origin server said, or a 200 that is not stored: for one application, read once. */
  | { readonly kind: 'direct'; readonly response: UpstreamResponse; readonly reason: string }

export interface RetrievalSettings extends ArrivalSettings {
  /** What came is kept for this long when every application has gone, in ms. */
  readonly lingerMs: number
}

/** What happens to a retrieval as a whole; its owner keeps the list of those that run. */
export interface RetrievalEvents {
  /** The node is fetching this from the Internet, and says so. */
  announce(retrieval: Retrieval): AnnouncedDownload
  shun(peer: Address, reason: ShunReason, detail: string, suspect?: SuspectBody): void
  /** Bytes that turned out wrong had been delivered: the next request goes to the origin server. */
  poisoned(uri: TargetUri): void
  /** Peers were asked, and none has it. */
  absent(uri: TargetUri): void
  stored(response: StoredResponse, unverified: UnverifiedCopy | undefined): void
  /** The last byte has come, also of a response that was only passed on. */
  ended(report: RetrievalReport): void
  log(message: string, detail: Record<string, unknown>): void
  over(retrieval: Retrieval): void
}

/** A copy of which only the application can tell whether it is right (V5). */
export interface UnverifiedCopy {
  /** The one that it came from, or that began it. */
  readonly peer: Address
  readonly clients: readonly string[]
}

export interface RetrievalComponents extends Omit<
  ArrivalComponents,
  'onAnswerable' | 'onHelperFailure' | 'isReadAlong'
> {
  /** Whether a peer is known that could answer a question. */
  readonly isAnybodyThere: () => boolean
  /** Whether this node had to wait for its turn at the processor lately; absent: never. */
  readonly isBusy?: () => boolean
  readonly inquire: (resource: string, waitForDownloads: boolean, owner: InquiryOwner) => Inquiry
  readonly events: RetrievalEvents
}

/** Between "download failed" and the end of what peers read, in ms: the packet comes first. */
const FAREWELL_MS = 5

/** A retrieval that nobody waits for is finished all the same when no more than this is missing. */
const WORTH_FINISHING_BYTES = 1024 * 1024

/** In place of an attempt: to abort it changes nothing. */
const NONE_YET = new AbortController()

export class Retrieval implements InquiryOwner {
  readonly request: RetrievalRequest
  readonly #settings: RetrievalSettings
  readonly #components: RetrievalComponents
  readonly #arrival: Arrival
  readonly #head = deferred<Head>()
  readonly #storing = deferred<void>()
  #isStoring = false
  #isOutdated = false
  readonly #startedAt: Monotonic
  readonly #clients = new Set<string>()
  readonly #proofs: Proofs
  readonly #patience: Patience
  readonly #blame: Blame
  readonly #slowLine: SlowLine
  readonly #yielding: Yielding
  #inquiry: Inquiry | undefined
  readonly #announcement: Announcement
  #current: Source | undefined
  #attempt = NONE_YET
  /** Aborted when peers that read along are to ask again: what was here is forgotten, or a peer feeds it from now on. */
  #begunAnew = new AbortController()
  #lastFault: Fault | undefined
  /** From which byte on the source in use is in use. */
  #usedFrom = 0
  readonly #readers: Readers
  /** Peers that read the copy now. */
  #peersReading = 0
  /** Aborted, with the reason, when nothing more comes for those who read. */
  readonly #failed = new AbortController()
  /** It was a fetcher, and those who read it do not know yet that it goes on from a peer. */
  #isToCut = false
  #isAnswered = false
  #state: 'running' | 'paused' | 'handed-over' | 'over' = 'running'

  constructor(request: RetrievalRequest, settings: RetrievalSettings, components: RetrievalComponents) {
    this.request = request
    this.#isOutdated = request.begun?.isOutdated === true
    this.#settings = settings
    this.#components = components
    this.#startedAt = components.clock.monotonic()
    this.#proofs = new Proofs(request, components.verifier)
    this.#patience = new Patience(components.clock)
    this.#slowLine = new SlowLine(components.clock)
    const onAnswerable = () => this.#answer()
    const onHelperFailure = (peer: Address | undefined, fault: Fault) => this.#onHelperFailure(peer, fault)
    const isReadAlong = () => this.#peersReading > 0
    this.#arrival = new Arrival(request, settings, {
      ...components,
      onAnswerable,
      onHelperFailure,
      isReadAlong,
    })
    const shun: RetrievalEvents['shun'] = (...shunned) => components.events.shun(...shunned)
    this.#blame = new Blame(request, { ...components, proofs: this.#proofs, shun })
    this.#yielding = new Yielding(components.clock, this.#yieldingOwner())
    this.#announcement = new Announcement(() => components.events.announce(this))
    this.#readers = new Readers(components.clock, {
      came: () => this.#state === 'paused' && this.#resume(),
      mayComeBack: () => this.#state === 'running' && this.#current?.kind !== 'internet' && this.#isAnswered,
      gone: () => this.#onLastReaderGone(),
    })
  }

  #yieldingOwner(): YieldingOwner {
    return {
      heldBytes: () => this.heldBytes,
      isFetcher: () => this.isFetcher,
      mayLeave: () => this.#mayLeaveInternet,
      hasPatience: () => this.#patience.leftMs() > 0,
      progress: () => this.progress(),
      expectationFor: (source) => this.#proofs.of(source, () => this.heldBytes > 0),
      look: (source, signal) =>
        this.#arrival.look(source, STALL_MS, AbortSignal.any([signal, this.#attempt.signal])),
      leave: (to, isTried) => this.#leaveInternet(to, isTried),
      sayAgain: () => this.#announceCopy(),
    }
  }

  /** Resolves when applications can be answered. @throws Fault of the last source when every one failed. */
  head(): Promise<Head> {
    return this.#head.promise
  }

  /** The head of a copy from a peer; `undefined` when none has it, so that a part is for the origin server to send. */
  async peerHead(): Promise<Extract<Head, { kind: 'growing' }> | undefined> {
    const head = await this.head().catch(() => undefined)
    return head?.kind === 'growing' && !this.isFromOrigin ? head : undefined
  }

  get report(): RetrievalReport {
    const { report } = this.#arrival
    for (const peer of this.#inquiry?.answered ?? []) report.answered.add(peer)
    return report
  }

  /** The growing copy, while it can be read. */
  get copy(): GrowingCopy | undefined {
    return this.#state === 'over' ? undefined : this.#arrival.copy
  }

  get fields(): Fields {
    return this.#arrival.fields
  }

  /**
   * Whether peers may read it while it grows, whoever it comes from: they verify it themselves (V§2). What no application
   * here wants any more is not fetched for others, and nobody takes a copy without an end.
   */
  get isShareable(): boolean {
    const { admission, copy } = this.#arrival
    const isComing = this.#state === 'running' && copy?.size !== undefined && !this.#isOutdated
    return isComing && admission.kind === 'admitted' && admission.isShareable
  }

  /** Whether it comes from the origin server, or is about to: then peers wait for this node. */
  get isFetcher(): boolean {
    return this.#state === 'running' && this.#current?.kind === 'internet'
  }

  /** Whether it comes from a peer, or is about to. */
  get isRelay(): boolean {
    return this.#state === 'running' && this.#current !== undefined && !this.isFetcher
  }

  /** The nodes over which its bytes come, this one first. */
  get path(): readonly NodeId[] {
    return [this.#settings.node, ...(this.isFetcher ? [] : this.#arrival.path)]
  }

  /** Bytes held without a gap from the start. */
  get heldBytes(): number {
    return this.#arrival.heldBytes
  }

  /** Whether the origin server has been asked, on behalf of the LAN too, and has not answered. */
  get isFetching(): boolean {
    return this.isFetcher && this.#announcement.isMade && !this.#isAnswered
  }

  /** Whether the response will be stored when it is whole. */
  get willBeStored(): boolean {
    return this.#arrival.admission.kind === 'admitted' && !this.#isOutdated
  }

  /** An unsafe request has changed the resource meanwhile: nothing of this is kept (RFC 9111 4.4). */
  outdate(): void {
    this.#isOutdated = true
  }

  /** Resolves when what is being stored now is stored, or is not; `undefined` when nothing is. */
  get storing(): Promise<void> | undefined {
    return this.#isStoring ? this.#storing.promise : undefined
  }

  /**
   * Whether a request that comes now may wait for this too. Once the response is known, it is reused like a stored one
   * (RFC 9111 4); a paused one asks the origin server again before it goes on.
   */
  mayBeJoined(received: Fields): boolean {
    if (this.#isOutdated) return false
    if (!this.#isAnswered || this.#state === 'paused') return true
    const now = this.#components.clock.wall()
    return mayReuseUnasked({ fields: received }, this.#arrival.response, this.request.policy, now)
  }

  /** What the response depends on; `undefined` when that is not known, or nothing is stored. */
  get selecting(): Fields | undefined {
    const { admission } = this.#arrival
    return admission.kind === 'admitted' ? admission.selecting : undefined
  }

  /**
   * The growing copy for peers, who verify it themselves: also what applications here must wait for. It breaks off when the
   * bytes turn out wrong.
   */
  openForPeers(): (span: ByteSpan, signal: AbortSignal) => AsyncIterable<Uint8Array> {
    const begunAnew = this.#begunAnew.signal
    return (span, signal) => this.#readForPeers(span, signal, begunAnew)
  }

  async *#readForPeers(
    span: ByteSpan,
    signal: AbortSignal,
    begunAnew: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const { copy } = this.#arrival
    if (copy !== undefined && this.isShareable) {
      this.#peersReading++
      try {
        yield* copy.read(span, AbortSignal.any([signal, begunAnew]), 'held')
      } finally {
        this.#peersReading--
      }
    }
    if (copy === undefined || begunAnew.aborted)
      throw new Fault('STOPPING', 'the download has begun anew, or goes on from a peer')
  }

  /** The bytes of `span` for an application, as they come. @throws Fault why they do not. */
  read(copy: GrowingCopy, span: ByteSpan, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const failed = this.#failed.signal
    return endingBody(copy.read(span, AbortSignal.any([signal, failed])), (how) => {
      if (how === 'complete' && failed.aborted) throw failed.reason
    })
  }

  /** Whether it comes from the origin server alone: then any part of it can be had there. */
  get isFromOrigin(): boolean {
    return this.#arrival.isFromOrigin
  }

  /** What comes from the origin server alone, and will be stored and may be shared when it is whole. */
  get fetching(): { readonly fields: Fields; readonly size: number } | undefined {
    const size = this.copy?.size
    const isIts = this.isFetcher && this.isFromOrigin && this.isShareable && this.#isFile
    return isIts && size !== undefined ? { fields: this.fields, size } : undefined
  }

  /** Which source feeds it now, for people who watch. */
  get current(): Source | undefined {
    return this.#current
  }

  progress(): DownloadProgress {
    return this.#arrival.progress()
  }

  async start(): Promise<void> {
    const { clock, inquire } = this.#components
    const { uri, policy, mayAskPeers } = this.request
    if (!mayAskPeers) return this.retrieveFromInternet()
    // Proof is looked for when there is somebody to answer. It does not delay the question; none at all makes it pointless.
    const pending = sleep(clock, 0).then(() => undefined)
    const early = this.#components.isAnybodyThere()
      ? await Promise.race([this.#proofs.known(), pending])
      : undefined
    if (this.#state !== 'running') return
    if (early?.kind === 'none') return this.retrieveFromInternet()
    if (this.#inquiry !== undefined) return // paused and resumed meanwhile: the other start has asked
    this.report.asked = true
    const inquiry = inquire(uri, policy.waitForDownloads, this)
    this.#inquiry = inquiry
    // Nobody is likely to have it: the handshake with the origin server goes on while the LAN is asked.
    const place = isContentName(uri) ? this.request.target : uri
    const isPlace = !isContentName(place)
    if (isPlace && inquiry.state === 'waiting' && !inquiry.mayBeFound)
      this.#components.origin.prepare?.(place)
    // Where nobody is known it has named the Internet already, and a part does not wait for late answers.
    if (this.#isOver()) inquiry.abandon()
  }

  /** One more application (or peer) reads this, or a part. @returns what to call when it has gone or is done. */
  join(want: 'whole' | 'part' = 'whole'): () => void {
    return this.#readers.join(want)
  }

  /** Notes who is given the bytes, for the watch that V5 asks for. */
  deliveredTo(client: string): void {
    this.#clients.add(client)
  }

  /** Ends it at once: the node stops. */
  stop(): void {
    this.#giveUp(new Fault('STOPPING', 'the node is stopping'))
  }

  // What the inquiry machine commands (InquiryOwner).

  retrieve(offer: PeerOffer): void {
    this.#use({ kind: 'peer', offer })
  }

  follow(download: PeerDownload): void {
    const { location } = download
    if (location !== undefined) this.#use({ kind: 'in-progress', download: { ...download, location } })
  }

  retrieveFromInternet(): void {
    // A name, and no place where it would be.
    if (isContentName(this.request.target)) return this.#giveUp(new Fault('NOT_FOUND', 'no peer has it'))
    if (this.#readers.wantWhole || this.#isAnswered) return this.#use({ kind: 'internet' })
    this.#components.events.absent(this.request.uri)
    this.#giveUp(new Fault('RESPONSE_INCOMPLETE', 'no peer has it'))
  }

  lateOffer(offer: PeerOffer): void {
    this.#yielding.lateOffer(offer)
  }

  secondFetcher(download: PeerDownload): void {
    const { location } = download
    if (location === undefined) this.#giveWay(download)
    else this.#yielding.secondFetcher({ ...download, location })
  }

  /** The other one has asked the origin server as well, and neither has an answer: who comes later in rank withdraws. */
  #giveWay({ isAhead, peer }: PeerDownload): void {
    if (!isAhead || !this.isFetcher || this.#isAnswered) return
    this.#attempt.abort(NO_LONGER_NEEDED)
    this.#announcement.end()
    this.#current = undefined
    this.#inquiry?.changeOver(peer)
  }

  /** What would be fetched anew, were it this node's turn to fetch, is no lead. */
  isFurther({ receivedBytes }: PeerDownload): boolean {
    return !this.#wouldStartAfresh && this.heldBytes > receivedBytes + NEAR_BYTES
  }

  heardProgress(download: PeerDownload): void {
    this.report.peerProgress = download
    this.#slowLine.told(download.receivedBytes)
  }

  failed(): void {
    this.#giveUp(this.#lastFault ?? new Fault('RESPONSE_INCOMPLETE', 'no source is left'))
  }

  /** Whether the origin server feeds a copy that a peer could go on with: nobody continues the page of an error. */
  get #mayLeaveInternet(): boolean {
    const isFed = this.#current?.kind === 'internet' && this.#state === 'running'
    return isFed && this.#isFile && this.#arrival.mayChangeOver
  }

  #leaveInternet(to: Address, isTried: boolean): void {
    if (!this.#arrival.detach()) return
    if (isTried) this.#patience.trust()
    this.#inquiry?.changeOver(to)
  }

  #use(source: Source): void {
    this.#attempt.abort(NO_LONGER_NEEDED)
    this.#attempt = new AbortController()
    if (source.kind !== 'internet') this.#leaveLan()
    this.#patience.uses(source.kind)
    this.#usedFrom = this.heldBytes
    this.#current = source
    if (this.report.source === undefined)
      this.report.waitedMs = Math.round(this.#components.clock.monotonic() - this.#startedAt)
    void this.#try(source, this.#attempt.signal)
  }

  /**
   * It is no download from the Internet any more that peers may wait for. Those who read it were told that it comes from there:
   * they are to hear of the peer before they are given its bytes.
   */
  #leaveLan(): void {
    this.#announcement.end()
    this.#isToCut ||= this.isFetcher
  }

  /** A moment after "download failed", which tells them that this is no failure. */
  async #takeLeave(): Promise<void> {
    if (!this.#isToCut) return
    this.#isToCut = false
    await sleep(this.#components.clock, FAREWELL_MS)
    this.#cutPeers()
  }

  #cutPeers(): void {
    this.#begunAnew.abort(NO_LONGER_NEEDED)
    this.#begunAnew = new AbortController()
  }

  async #try(source: Source, signal: AbortSignal): Promise<void> {
    let began = this.#components.clock.monotonic()
    const patienceMs = this.#patience.leftMs()
    try {
      const expectation = await this.#expectationFor(source)
      if (signal.aborted) return
      began = this.#components.clock.monotonic()
      const isVain = expectation.kind === 'none' || !this.#isFile || !this.#arrival.mayChangeOver
      if (source.kind !== 'internet' && isVain) return this.#inquiry?.enough()
      if (source.kind !== 'internet' && patienceMs <= 0) return this.#outOfPatience()
      const peer = peerOf(source)
      if (peer !== undefined && this.#components.isShunned(peer)) return this.#next()
      await this.#takeLeave()
      if (signal.aborted) return
      if (source.kind === 'internet') await this.#startAfresh()
      if (signal.aborted) return
      if (source.kind === 'internet') this.#announce()
      const outcome = await this.#arrival.take(
        { source, signal, patienceMs, excuse: () => this.#isExcused(source) },
        expectation,
      )
      if (!signal.aborted) await this.#conclude(outcome, expectation)
    } catch (error) {
      if (!signal.aborted && this.#state === 'running')
        await this.#onFailure(source, error, began, patienceMs)
    }
  }

  /** The application has waited nearly long enough for peers: the last of its patience is for finding one that fetches. */
  #outOfPatience(): void {
    const agreeingMs = this.#patience.beginAgreeing()
    if (agreeingMs === undefined) this.#inquiry?.enough()
    else this.#inquiry?.agree(agreeingMs)
  }

  /** Where peers have failed already there may be several that lie: only one that was agreed on is excused then. */
  #isExcused(source: Source): boolean {
    const isIts = source.kind === 'in-progress' && this.report.peerProgress?.peer === source.download.peer
    const isReporting = isIts && this.#slowLine.isReporting(this.#patience.usedAt)
    const mayBe = this.#patience.hasAgreed || (this.#patience.isWhole && isReporting)
    return mayBe && this.#slowLine.isExcused(this.heldBytes)
  }

  /**
   * What peers left behind when the origin server's turn comes: as long as no application has seen a byte of it, it is not
   * worth the doubt. A wrong beginning would spoil the whole, and hold the right bytes back until the end.
   */
  async #startAfresh(): Promise<void> {
    if (this.#wouldStartAfresh) await this.#beginAnew()
  }

  get #wouldStartAfresh(): boolean {
    return !this.#isAnswered && this.#arrival.contributors.size > 0
  }

  #beginAnew(): Promise<void> {
    this.#cutPeers()
    return this.#arrival.reset()
  }

  /** A proof that is still being looked up keeps nobody waiting where it is not needed. */
  async #expectationFor(source: Source): Promise<Expectation> {
    const isOriginAlone = source.kind === 'internet' && this.#arrival.contributors.size === 0
    if (isOriginAlone && !isContentName(this.request.uri)) return NO_EXPECTATION
    return this.#proofs.of(source, () => this.heldBytes > 0)
  }

  async #conclude(outcome: ArrivalOutcome, expectation: Expectation): Promise<void> {
    switch (outcome.kind) {
      case 'aborted':
        return
      case 'direct':
        if (this.#isAnswered) throw new Fault('RESPONSE_CHANGED', `expected the file, got ${outcome.reason}`)
        await this.#arrival.abandonCopy(outcome.reason)
        return this.#handOver(outcome)
      case 'filled':
        await this.#arrival.verify(expectation)
        return this.#finish(expectation)
    }
  }

  /** Whole and verified: the applications have it all at once, the store and the LAN right after. */
  async #finish(expectation: Expectation): Promise<void> {
    this.#arrival.copy?.release(Infinity)
    this.#answer()
    this.#inquiry?.retrieved()
    this.#isStoring = this.willBeStored
    try {
      const response = this.#isOutdated ? undefined : await this.#arrival.commit()
      if (response && this.#isOutdated) this.#components.store.remove(response.uri)
      else if (response) this.#components.events.stored(response, this.#unverified(expectation))
    } catch (error) {
      const { uri } = this.request
      if (this.#isOver()) return
      this.#components.events.log('a copy could not be kept', { uri, reason: describe(error) })
    }
    this.#announcement.complete()
    this.#end()
    if (this.#readers.isEmpty) this.#arrival.letGo()
  }

  #unverified(expectation: Expectation): UnverifiedCopy | undefined {
    const [peer] = this.#arrival.contributors
    return peer !== undefined && expectation.kind === 'updater'
      ? { peer, clients: [...this.#clients] }
      : undefined
  }

  #handOver({ response, reason }: Extract<ArrivalOutcome, { kind: 'direct' }>): void {
    this.report.source = 'internet'
    this.#isAnswered = true
    this.#state = 'handed-over'
    this.#inquiry?.abandon()
    this.#announcement.end()
    this.#head.resolve({
      kind: 'direct',
      response: { ...response, body: this.#counted(response.body) },
      reason,
    })
    this.#leaveList()
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      this.report.bytes.internet += chunk.length
      yield chunk
    }
  }

  #answer(): void {
    const { copy, response } = this.#arrival
    if (copy === undefined || this.#isAnswered) return
    this.#isAnswered = true
    this.#head.resolve({ kind: 'growing', response, copy })
    this.#announceCopy()
    this.#yielding.answered()
  }

  async #onFailure(source: Source, error: unknown, began: Monotonic, patienceMs: number): Promise<void> {
    const attempt = this.#attempt
    attempt.abort(NO_LONGER_NEEDED)
    const fault =
      error instanceof Fault ? error : new Fault('RESPONSE_INCOMPLETE', describe(error), { cause: error })
    const peer = peerOf(source)
    this.report.failures.push(`${peer ?? 'Internet'}: ${fault.message}`)
    if (peer === undefined) this.#lastFault = fault
    else if (!this.#isOnlyLate(fault)) this.#patience.waste(began, fault)
    if (fault.blame === 'node') return this.#onStoreFailure(fault)
    if (fault.code === 'VERIFICATION_FAILED') await this.#onWrongBytes(fault)
    else if (peer !== undefined && !this.#isBlameless(source, fault, patienceMs))
      this.#blame.failed(peer, fault)
    // Meanwhile it may have been paused and resumed: then another attempt runs already.
    if (this.#attempt === attempt) this.#next(fault)
  }

  /** Nothing has come of it, to a node that is too busy itself to judge: it may be used again. */
  #isOnlyLate({ code }: Fault): boolean {
    return (
      code === 'PEER_STALLED' && this.heldBytes === this.#usedFrom && this.#components.isBusy?.() === true
    )
  }

  /**
   * Nobody is to blame for a lost way, nor one that said that its download ends here before it broke off, nor one that was
   * given little time because others had used up the rest: so could liars have honest peers shunned.
   */
  #isBlameless(source: Source, fault: Fault, patienceMs: number): boolean {
    const isTakenBack = source.kind === 'in-progress' && this.#inquiry?.state !== 'awaiting'
    const isHurried = fault.code === 'PEER_STALLED' && (patienceMs < STALL_MS || this.#isOnlyLate(fault))
    return fault.code === 'PEER_BUSY' || fault.code === 'PEER_LOST' || isTakenBack || isHurried
  }

  #next(fault?: Fault): void {
    if (this.#state !== 'running') return
    const isLost = fault !== undefined && (fault.code === 'PEER_LOST' || this.#isOnlyLate(fault))
    if (this.#inquiry === undefined) this.failed()
    else if (isLost) this.#inquiry.sourceLost()
    else this.#inquiry.sourceFailed(fault?.code === 'PEER_STALLED' || fault?.code === 'PEER_BUSY')
  }

  /** Without a place for a copy the application is answered straight from the origin server, if that still can be. */
  async #onStoreFailure(fault: Fault): Promise<void> {
    const { uri } = this.request
    this.#components.events.log('the cache failed', { uri, reason: fault.message })
    // What must be proved has to lie somewhere until it is.
    if (this.#isAnswered || isContentName(uri)) return this.#giveUp(fault)
    await this.#arrival.abandonCopy(fault.message)
    this.#inquiry?.abandon()
    this.#inquiry = undefined
    if (this.#state === 'running') this.retrieveFromInternet()
  }

  async #onWrongBytes(fault: Fault): Promise<void> {
    await this.#blame.wrongBytes(this.#arrival, fault)
    if (!this.#isAnswered) return this.#beginAnew()
    this.#components.events.poisoned(this.request.uri)
    this.#giveUp(fault)
  }

  /** Who helped out was of no use; the application does not notice. */
  #onHelperFailure(peer: Address | undefined, fault: Fault): void {
    this.report.failures.push(`${peer ?? 'Internet'}: ${fault.message}`)
    if (peer !== undefined) this.#blame.helperFailed(peer, fault)
  }

  /** Whether it is what peers could have too: they cannot continue the page of an error. */
  get #isFile(): boolean {
    return this.#arrival.response.status === 200
  }

  /** Says to the LAN that this node is fetching it (FIG. 7, 216A); a resumed or taken-over copy can be read at once. */
  #announce(): void {
    if (this.report.asked && this.#announcement.make() && this.#isAnswered) this.#announceCopy()
  }

  /** Now that the response is known, its growing copy can be read by peers, or never will be. */
  #announceCopy(): void {
    if (this.isShareable) return this.#announcement.readable()
    if (this.#current?.kind === 'internet') this.#announcement.end()
  }

  #onLastReaderGone(): void {
    if (this.#state === 'handed-over') {
      this.#attempt.abort(NO_LONGER_NEEDED)
      this.#components.events.ended(this.report)
    }
    if (this.#state === 'running' && !this.#isWorthFinishing()) this.#pause()
    // What was stored stays; what was not has been read to its end.
    if (this.#state === 'over') this.#arrival.letGo()
  }

  #isWorthFinishing(): boolean {
    const { totalBytes, receivedBytes } = this.progress()
    return totalBytes !== undefined && totalBytes - receivedBytes <= WORTH_FINISHING_BYTES
  }

  /** Nobody reads: what is here stays for a while, and the uplink does not work for nobody (field note 12). */
  #pause(): void {
    // A file that could have changed meanwhile is not continued later: two versions are never joined. And what the origin
    // server alone has sent is kept for whoever comes, without this.
    const { status, fields } = this.#arrival.response
    const mayResume = status === 200 && (this.request.policy.immutable || isResumable(fields))
    if (!mayResume || this.#arrival.isFromOrigin)
      return this.#giveUp(new Fault('ABORTED', 'every application has gone'))
    this.#state = 'paused'
    this.#attempt.abort(NO_LONGER_NEEDED)
    this.#inquiry?.abandon()
    this.#announcement.end()
    void this.#linger()
  }

  async #linger(): Promise<void> {
    const isOverdue = !this.#isAnswered || (await this.#readers.nobodyFor(this.#settings.lingerMs))
    if (this.#state === 'paused' && isOverdue)
      this.#giveUp(new Fault('ABORTED', 'every application has gone'))
  }

  #resume(): void {
    this.#state = 'running'
    this.#inquiry = undefined
    void this.start()
  }

  #giveUp(fault: Fault): void {
    if (this.#isOver()) return
    this.#attempt.abort(NO_LONGER_NEEDED)
    this.#announcement.end()
    this.#inquiry?.abandon()
    this.#head.reject(fault)
    this.#failed.abort(fault)
    this.#arrival.fail(fault)
    if (this.#state !== 'handed-over') this.#end()
  }

  #isOver(): boolean {
    return this.#state === 'over'
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#isStoring = false
    this.#storing.resolve()
    this.#components.events.ended(this.report)
    this.#leaveList()
  }

  #leaveList(): void {
    this.#components.events.over(this)
  }
}
