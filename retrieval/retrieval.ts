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
import { listeningOf, sleep, type Clock, type Monotonic } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { asFault, describe, Fault } from '../core/fault.ts'
import { hasContentCoding, type Fields } from '../core/fields.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingCopy, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import type { Expectation } from '../core/verifier.ts'
import { mayReuseUnasked } from '../cache/semantics/decision.ts'
import type { Inquiry, InquiryOwner, PeerDownload, PeerOffer } from '../peering/inquiry.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import type { NodeId } from '../peering/packets.ts'
import type { AnnouncedDownload } from '../peering/peering.ts'
import type { ShunReason, Suspicion } from '../verify/shunned-peers.ts'
import { Answer, type Head } from './answer.ts'
import { Announcement } from './announcement.ts'
import { Arrival, type ArrivalComponents, type ArrivalSettings, type ArrivalOutcome } from './arrival.ts'
import { Blame } from './blame.ts'
import { toldSize } from './body-length.ts'
import { isWorthGoingOn } from './go-on.ts'
import { Keeping, type UnverifiedCopy } from './keeping.ts'
import type { LineUse } from './line-use.ts'
import type { OriginTrials } from './origin-trial.ts'
import type { RangeSupport } from './range-support.ts'
import { STALL_MS } from './patience.ts'
import { LostLine } from './lost-line.ts'
import type { Helper } from './pieces/supplier.ts'
import { PlainWait } from './plain-wait.ts'
import { PeerReaders, type SharedCopy } from './peer-readers.ts'
import { NO_EXPECTATION, Proofs } from './proofs.ts'
import { Readers } from './readers.ts'
import type { RetrievalRequest } from './request.ts'
import { FRESH_PROGRESS_MS, NEAR_BYTES, nearBytes } from './slow-line.ts'
import { SlowPeerWatch, type Progressing } from './slow-peer-watch.ts'
import { soundOut } from './sounding.ts'
import { peerOf, type PeerSource, type RetrievalReport, type Source } from './source.ts'
import { Tolerance } from './tolerance.ts'
import { whenUnread } from './unread.ts'
import { Yielding, type YieldingOwner } from './yielding.ts'
import { counted } from '../core/counted-body.ts'

/** Longer than this the origin server is not kept waiting for a peer that is being tried, in ms. */
const TRIED_MS = 300

export interface RetrievalSettings extends ArrivalSettings {
  /** What came is kept for this long when every application has gone, in ms. */
  readonly lingerMs: number
}

/** What happens to a retrieval as a whole; its owner keeps the list of those that run. */
export interface RetrievalEvents {
  /** The node is fetching this from the Internet, and says so. */
  announce(retrieval: Retrieval): AnnouncedDownload
  shun(peer: Address, reason: ShunReason, detail: string, suspect?: Suspicion): void
  /** Bytes that turned out wrong had been delivered: the next request goes to the origin server. */
  poisoned(uri: TargetUri): void
  /** Peers were asked, and none has it. */
  absent(uri: TargetUri): void
  stored(response: StoredResponse, unverified: UnverifiedCopy | undefined): void
  /** The origin server has sent other bytes than a name or a trusted index says: they were not stored. */
  contradicted(uri: TargetUri, body: Sha256): void
  /** The last byte has come, also of a response that was only passed on. */
  ended(report: RetrievalReport): void
  log(message: string, detail: Record<string, unknown>): void
  over(retrieval: Retrieval): void
}

export interface RetrievalComponents extends Omit<
  ArrivalComponents,
  'onAnswerable' | 'onHelperFailure' | 'isReadAlong'
> {
  /** Whether a peer is known that could answer a question. */
  readonly isAnybodyThere: () => boolean
  /** Whether this node had to wait for its turn at the processor lately; absent: never. */
  readonly isBusy?: () => boolean
  /** How fast origin servers would be at this moment. */
  readonly trials: OriginTrials
  readonly rangeSupport: RangeSupport
  /** What comes over the line that everybody shares. */
  readonly lineUse: LineUse
  readonly inquire: (resource: string, waitForDownloads: boolean, owner: InquiryOwner) => Inquiry
  /** Calls `ask`, which inquires, in a moment, with what others ask meanwhile (peering/gathering.ts); absent: at once. */
  readonly gather?: (ask: () => void) => void
  readonly events: RetrievalEvents
}

const askAtOnce = (ask: () => void) => ask()

/** In place of an attempt: to abort it changes nothing. */
const NONE_YET = new AbortController()

export class Retrieval implements InquiryOwner {
  readonly request: RetrievalRequest
  readonly #settings: RetrievalSettings
  readonly #components: RetrievalComponents
  readonly #listening: Clock
  readonly #arrival: Arrival
  readonly #answer = new Answer()
  readonly #keeping: Keeping
  readonly #startedAt: Monotonic
  readonly #proofs: Proofs
  readonly #blame: Blame
  readonly #tolerance: Tolerance
  readonly #yielding: Yielding
  readonly #plainWait: PlainWait
  #inquiry: Inquiry | undefined
  readonly #announcement: Announcement
  #current: Source | undefined
  #attempt = NONE_YET
  #lastFault: Fault | undefined
  /** Who has shown that it sends, although it is left aside, until it fails. */
  #tried: Address | undefined
  /** Who is read from the start now, because others may have begun it wrong. */
  #readAgain: Address | undefined
  readonly #lostLine: LostLine
  readonly #readers: Readers
  readonly #peerReaders: PeerReaders
  #state: 'running' | 'paused' | 'handed-over' | 'over' = 'running'

  constructor(request: RetrievalRequest, settings: RetrievalSettings, components: RetrievalComponents) {
    this.request = request
    this.#settings = settings
    this.#components = components
    this.#listening = listeningOf(components)
    this.#startedAt = components.clock.monotonic()
    this.#proofs = new Proofs(request, components.verifier)
    const onAnswerable = () => this.#giveAnswer()
    const onHelperFailure = (helper: Helper | undefined, fault: Fault) => this.#onHelperFailure(helper, fault)
    const isReadAlong = () => !this.#peerReaders.isEmpty
    this.#arrival = new Arrival(request, settings, {
      ...components,
      onAnswerable,
      onHelperFailure,
      isReadAlong,
    })
    this.#peerReaders = new PeerReaders(components.clock, () => this.#forPeers())
    this.#keeping = this.#keepingOf(request.begun?.isOutdated === true)
    const shun: RetrievalEvents['shun'] = (...shunned) => components.events.shun(...shunned)
    this.#blame = new Blame(request, { ...components, proofs: this.#proofs, shun })
    this.#tolerance = new Tolerance({
      ...components,
      clock: this.#listening,
      blame: this.#blame,
      heldBytes: () => this.heldBytes,
      isShared: () => components.lineUse.isShared(),
      isLineFree: () => components.trials.isFree(request),
      knowsRanges: () => components.rangeSupport.known(request),
      askForRanges: () => components.rangeSupport.ask(request),
      isOvertaken: () => this.#isOvertaken,
      ...(components.originBytesPerSecond && { originBytesPerSecond: components.originBytesPerSecond }),
    })
    this.#lostLine = new LostLine(components.clock)
    this.#plainWait = new PlainWait({ ...components, request, node: settings.node })
    this.#yielding = new Yielding(components.clock, this.#yieldingOwner())
    this.#announcement = new Announcement(components.clock, () => components.events.announce(this))
    this.#readers = new Readers(components.clock, {
      came: () => this.#state === 'paused' && this.#resume(),
      mayComeBack: () =>
        this.#state === 'running' && this.#current?.kind !== 'internet' && this.#answer.isGiven,
      gone: () => this.#onLastReaderGone(),
    })
  }

  #keepingOf(isOutdated: boolean): Keeping {
    const { store, events } = this.#components
    return new Keeping(this.#arrival, isOutdated, store, (...stored) => events.stored(...stored))
  }

  #yieldingOwner(): YieldingOwner {
    return {
      heldBytes: () => this.heldBytes,
      isFetcher: () => this.isFetcher,
      mayLeave: () => this.#mayLeaveInternet,
      isUnanswered: () => this.isFetcher && !this.#answer.isGiven && this.#arrival.fields.length === 0,
      isStuck: (download) => this.#tolerance.isStuck(download),
      hasPatience: () => this.#tolerance.leftMs() > 0,
      isLate: () => this.#components.isBusy?.() === true,
      progress: () => this.progress(),
      expectationFor: (source) => this.#proofs.of(source, () => this.heldBytes > 0),
      look: (source, signal) =>
        this.#arrival.look(source, STALL_MS, AbortSignal.any([signal, this.#attempt.signal])),
      leave: (to, isTried) => this.#leaveInternet(to, isTried),
      // What is not to be shown yet, because peers have begun it, is no failure: it is said when it can be read.
      sayAgain: () => void (this.isShareable && this.#announcement.readable()),
    }
  }

  /** Resolves when applications can be answered. @throws Fault of the last source when every one failed. */
  head(): Promise<Head> {
    return this.#answer.head()
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
   * here wants any more is not fetched for others, and nobody takes a copy without an end; or one whose beginning may be a liar's,
   * while this node would seem to have made it.
   */
  get isShareable(): boolean {
    return this.#isForOthers && this.#arrival.copy?.size !== undefined
  }

  /** The same of what may have no end yet: then they may have it when it is whole. */
  get #isForOthers(): boolean {
    const { admission, copy, isMixed } = this.#arrival
    const isComing = this.#state === 'running' && copy !== undefined && !this.#keeping.isOutdated
    return isComing && !isMixed && admission.kind === 'admitted' && admission.isShareable
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

  /** Whether another source was in use before this one. */
  get isTakeOver(): boolean {
    return this.report.failures.length > 0
  }

  /** Bytes held without a gap from the start. */
  get heldBytes(): number {
    return this.#arrival.heldBytes
  }

  /** Whether the origin server has been asked, on behalf of the LAN too, and has not answered, or with what is soon whole. */
  get isFetching(): boolean {
    const { isMade, isSoonWhole } = this.#announcement
    return this.isFetcher && isMade && (!this.#answer.isGiven || isSoonWhole)
  }

  /** Whether the response will be stored when it is whole. */
  get willBeStored(): boolean {
    return this.#keeping.willBeStored
  }

  /** An unsafe request has changed the resource meanwhile: nothing of this is kept (RFC 9111 4.4). */
  outdate(): void {
    this.#keeping.outdate()
    if (this.#announcement.isSoonWhole) this.#announcement.end()
  }

  /** Resolves when what is being stored now is stored, or is not; `undefined` when nothing is. */
  get storing(): Promise<void> | undefined {
    return this.#keeping.storing
  }

  /**
   * Whether a request that comes now may wait for this too. Once the response is known, it is reused like a stored one
   * (RFC 9111 4); a paused one asks the origin server again before it goes on.
   */
  mayBeJoined(received: Fields): boolean {
    if (this.#keeping.isOutdated) return false
    if (!this.#answer.isGiven || this.#state === 'paused') return true
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
    return this.#peerReaders.open()
  }

  #forPeers(): SharedCopy {
    return { copy: this.#arrival.copy, isShareable: this.isShareable }
  }

  /** The bytes of `span` for an application, as they come. @throws Fault why they do not. */
  read(copy: GrowingCopy, span: ByteSpan, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#answer.read(copy, span, signal)
  }

  /** Whether it comes from the origin server alone: then any part of it can be had there. */
  get isFromOrigin(): boolean {
    return this.#arrival.isFromOrigin
  }

  /** Whether applications are told what the origin server says of it, whoever sends the bytes. */
  get isOriginsWord(): boolean {
    return this.#arrival.isOriginsWord
  }

  /** What comes from the origin server alone, and will be stored and may be shared when it is whole. */
  get fetching(): { readonly fields: Fields; readonly size: number } | undefined {
    const size = this.copy?.size
    const isIts = this.isFetcher && this.isFromOrigin && this.isShareable && this.#isFile
    return isIts && size !== undefined ? { fields: this.fields, size } : undefined
  }

  /** Whether nobody waits for it and nothing comes: it is kept for a while, for whoever may come back. */
  get isPaused(): boolean {
    return this.#state === 'paused'
  }

  /** Which source feeds it now, for people who watch. */
  get current(): Source | undefined {
    return this.#current
  }

  progress(): DownloadProgress {
    return this.#arrival.progress()
  }

  /** The same for people who watch: its speed is that of the last few seconds, 0 when nothing comes. */
  shown(): DownloadProgress {
    return this.#arrival.shown()
  }

  async start(): Promise<void> {
    const { clock, isAnybodyThere, gather = askAtOnce } = this.#components
    if (!this.request.mayAskPeers) return this.retrieveFromInternet()
    // Proof is looked for when there is somebody to answer. It does not delay the question; none at all makes it pointless.
    if (isAnybodyThere()) {
      const pending = sleep(clock, 0).then(() => undefined)
      const early = await Promise.race([this.#proofs.known(), pending])
      if (this.#state !== 'running') return
      if (early?.kind === 'none') return this.retrieveFromInternet()
    }
    gather(() => this.#ask())
  }

  #ask(): void {
    const { inquire } = this.#components
    const { uri, policy } = this.request
    // Paused meanwhile, and perhaps resumed: the other start has asked.
    if (this.#state !== 'running' || this.#inquiry !== undefined) return
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
  deliveredTo(client: string | undefined): void {
    this.#keeping.deliveredTo(client)
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
    if (this.#readers.wantWhole || this.#answer.isGiven) return this.#use({ kind: 'internet' })
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
    if (!isAhead || !this.isFetcher || this.#answer.isGiven) return
    this.#attempt.abort(NO_LONGER_NEEDED)
    this.#announcement.end()
    this.#current = undefined
    this.#inquiry?.changeOver(peer)
  }

  /** What would be fetched anew, were it this node's turn to fetch, is no lead. */
  isFurther({ receivedBytes }: PeerDownload): boolean {
    const near = nearBytes(this.heldBytes, this.progress().totalBytes)
    return !this.#isUnseen && this.heldBytes > receivedBytes + near
  }

  /** Whether another download has told as lately as one that runs does that it has more than may just be on its way here. */
  get #isOvertaken(): boolean {
    const { totalBytes } = this.progress()
    const others = this.#inquiry?.othersWithin(FRESH_PROGRESS_MS) ?? []
    return others.some(
      ({ receivedBytes }) => receivedBytes > this.heldBytes + nearBytes(receivedBytes, totalBytes),
    )
  }

  heardProgress(download: PeerDownload): void {
    this.report.peerProgress = download
    this.#tolerance.heard(download)
    this.#plainWait.heard(download)
  }

  waitsForPlain(): void {
    if (this.#inquiry !== undefined) this.#plainWait.begin(this.#inquiry)
  }

  patientMs(): number {
    return this.#tolerance.leftInAllMs(this.#lagMs)
  }

  /** What a peer has cost, in ms, that is in use and has not failed. */
  get #lagMs(): number {
    const isInUse = this.isRelay && !this.#attempt.signal.aborted
    return isInUse ? this.#tolerance.lagMs() : 0
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
    if (isTried) {
      this.#tolerance.trust()
      this.#tried = to
    }
    this.#inquiry?.changeOver(to)
  }

  #use(source: Source): void {
    const vainMs = (this.#inquiry?.takeVainMs() ?? 0) + this.#lagMs
    const keptMs = this.#inquiry?.takeKeptMs() ?? 0
    this.#attempt.abort(NO_LONGER_NEEDED)
    this.#attempt = new AbortController()
    if (source.kind !== 'internet') this.#leaveLan()
    const backlogBytes = source.kind === 'in-progress' ? source.download.receivedBytes : 0
    this.#tolerance.uses(source.kind, vainMs, keptMs, backlogBytes)
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
    if (this.isFetcher) this.#peerReaders.owesFarewell()
  }

  async #try(source: Source, signal: AbortSignal): Promise<void> {
    let began = this.#listening.monotonic()
    const patienceMs = this.#tolerance.leftMs(source.kind)
    const using = new AbortController()
    try {
      const expectation = await this.#expectationFor(source)
      if (signal.aborted) return
      if (source.kind === 'internet' && this.#arrival.isDoubted && expectation.kind !== 'digest')
        throw new Fault('RESPONSE_CHANGED', 'the file has changed, and nothing proves what it should be')
      began = this.#listening.monotonic()
      if (source.kind !== 'internet' && !this.#mayTakeFrom(source, expectation, patienceMs)) return
      await this.#peerReaders.takeLeave()
      if (signal.aborted) return
      if (source.kind === 'internet') await this.#beginOrGoOn(expectation)
      else if (this.#isBehind(source, expectation)) await this.#beginAnew()
      if (signal.aborted) return
      if (source.kind === 'internet') {
        this.#announce()
        await this.#soundOut(signal)
        if (signal.aborted) return
      } else this.#watch(source, expectation, AbortSignal.any([signal, using.signal]), began, patienceMs)
      const excuse = () => this.#tolerance.isExcused(source)
      const isLate = () => this.#tolerance.isLate()
      const hasAnother = () => this.#inquiry?.hasAnother === true
      const attempt = { source, expectation, signal, patienceMs, excuse, isLate, hasAnother }
      const outcome = await this.#arrival.take(attempt).finally(() => using.abort(NO_LONGER_NEEDED))
      if (!signal.aborted) await this.#conclude(outcome, expectation)
    } catch (error) {
      if (!signal.aborted && this.#state === 'running')
        await this.#onFailure(source, error, began, patienceMs)
    }
  }

  /**
   * Where another node fetches it as well and has nothing yet, the origin server is not sent for it twice without need (sounding.ts). Not
   * where peers have failed already: among liars each round trip is one too many.
   */
  async #soundOut(signal: AbortSignal): Promise<void> {
    const isWaitedFor = this.#inquiry?.isFetchedElsewhere === true && this.report.failures.length === 0
    if (!isWaitedFor || this.heldBytes > 0 || this.#answer.isGiven) return
    const { origin, clock } = this.#components
    await soundOut(origin, this.request, clock, signal)
    if (signal.aborted) return
    await Promise.race([this.#yielding.tried(), sleep(clock, TRIED_MS, signal)])
  }

  /** Leaves the peer when the Internet would have been much quicker. */
  #watch(
    source: PeerSource,
    expectation: Expectation,
    signal: AbortSignal,
    began: Monotonic,
    patienceMs: number,
  ): void {
    const components = { ...this.#components, clock: this.#listening, request: this.request }
    const leave = (fault: Fault, lagMs: number) => {
      if (this.#state === 'running') void this.#onFailure(source, fault, began, patienceMs, lagMs)
    }
    const progressing = this.#progressing(source, expectation)
    new SlowPeerWatch(source.kind, progressing, signal, components, leave).watch()
  }

  #progressing(source: PeerSource, expectation: Expectation): Progressing {
    const { bytes } = this.#arrival.report
    return {
      receivedBytes: () => bytes.peer + bytes['in-progress'] + bytes.internet,
      originBytes: () => bytes.internet,
      heldBytes: () => this.heldBytes,
      size: () => this.progress().totalBytes ?? toldSize(source),
      isUnseen: () => !this.#answer.isGiven,
      wouldStartAfresh: () => !this.#answer.isGiven && !this.#wouldGoOn(expectation),
      wastedMs: () => this.#tolerance.wastedMs(),
      isAwaited: () => !this.#readers.isEmpty,
      knowsRanges: () => this.#components.rangeSupport.known(this.request),
      isSentAgain: () => this.#tolerance.isSentAgain(source),
      isFirst: () => this.#inquiry?.comesFirstBut(peerOf(source)) === true,
    }
  }

  /** Whether bytes of this peer are of use. Where they are not, the machine has been told, and names what is next. */
  #mayTakeFrom(source: PeerSource, expectation: Expectation, patienceMs: number): boolean {
    const isVain = expectation.kind === 'none' || !this.#isFile || !this.#arrival.mayChangeOver
    if (isVain) this.#inquiry?.enough()
    else if (patienceMs <= 0) this.#outOfPatience()
    else if (this.#isShunned(source) || this.#isTooLarge(source)) this.#next()
    else return true
    return false
  }

  #isShunned(source: PeerSource): boolean {
    const { peer, location } = source.kind === 'peer' ? source.offer : source.download
    return peer !== this.#tried && this.#components.isShunned(peer, this.request.uri, location)
  }

  /** It says so itself: who asks it nevertheless could only blame it for that. */
  #isTooLarge(source: PeerSource): boolean {
    const size = toldSize(source)
    return size !== undefined && !this.#components.store.mayHold(size)
  }

  /** The application has waited nearly long enough for peers: the last of its patience is for finding one that fetches. */
  #outOfPatience(): void {
    const agreeingMs = this.#tolerance.beginAgreeing()
    if (agreeingMs === undefined) this.#inquiry?.enough()
    else this.#inquiry?.agree(agreeingMs)
  }

  /** Where peers have left bytes behind that no application has seen, the origin server goes on or begins anew (go-on.ts). */
  async #beginOrGoOn(expectation: Expectation): Promise<void> {
    if (!this.#isUnseen) return
    if (!this.#isNearlyHere(expectation)) return this.#beginAnew()
    this.#peerReaders.cut()
    this.#arrival.goOn()
  }

  /** Whether the origin server would only be asked for the rest, were another peer slow besides those that have cost time before. */
  #wouldGoOn(expectation: Expectation): boolean {
    return this.#tolerance.wastedMs() > 0 && this.#isNearlyHere(expectation)
  }

  #isNearlyHere(expectation: Expectation): boolean {
    const missingBytes = (this.progress().totalBytes ?? Infinity) - this.heldBytes
    const speed = this.#components.trials.recent(this.request)?.bytesPerSecond
    const known = this.#components.originBytesPerSecond?.()
    return isWorthGoingOn(expectation, this.heldBytes, missingBytes, speed ?? known)
  }

  /** Whether there are bytes of peers, and no application has seen one. */
  get #isUnseen(): boolean {
    return !this.#answer.isGiven && this.#arrival.contributors.size > 0
  }

  /**
   * Whether it has less than others have left behind here, who failed and may have lied: what it has is given to applications sooner
   * than it would come to where they stopped, and shows that it sends. To wait until it is so far would look like a silence. Of a
   * stranger, who may have nothing, that is said only where much is missing and the origin server would not soon have sent it.
   */
  #isBehind(source: PeerSource, expectation: Expectation): boolean {
    if (source.kind !== 'in-progress' || !this.#isUnseen) return false
    const { hasAsked, receivedBytes } = source.download
    if (hasAsked === true) return this.heldBytes > receivedBytes
    return this.heldBytes > receivedBytes + NEAR_BYTES && !this.#isNearlyHere(expectation)
  }

  #beginAnew(): Promise<void> {
    this.#peerReaders.cut()
    return this.#arrival.reset()
  }

  /** A proof that is still being looked up keeps nobody waiting where it is not needed. */
  async #expectationFor(source: Source): Promise<Expectation> {
    const isOriginAlone = source.kind === 'internet' && this.#arrival.isUndoubted
    if (isOriginAlone && !isContentName(this.request.uri)) return NO_EXPECTATION
    return this.#proofs.of(source, () => this.heldBytes > 0)
  }

  async #conclude(outcome: ArrivalOutcome, expectation: Expectation): Promise<void> {
    switch (outcome.kind) {
      case 'aborted':
        return
      case 'direct':
        if (this.#answer.isGiven)
          throw new Fault('RESPONSE_CHANGED', `expected the file, got ${outcome.reason}`)
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
    this.#giveAnswer()
    this.#inquiry?.retrieved()
    this.#announcement.whole()
    let isKept = false
    try {
      isKept = await this.#keeping.keep(expectation)
    } catch (error) {
      const { uri } = this.request
      if (this.#isOver()) return
      this.#components.events.log('a copy could not be kept', { uri, reason: describe(error) })
    }
    this.#announcement.complete(isKept)
    this.#end()
    if (this.#readers.isEmpty) this.#arrival.letGo()
  }

  #handOver({ response, reason }: Extract<ArrivalOutcome, { kind: 'direct' }>): void {
    this.report.source = 'internet'
    this.#state = 'handed-over'
    this.#inquiry?.abandon()
    this.#announcement.end()
    const note = (bytes: number) => void (this.report.bytes.internet += bytes)
    const noted = { ...response, body: counted(response.body, note) }
    this.#answer.give({ kind: 'direct', response: noted, reason })
    this.#leaveList()
  }

  #giveAnswer(): void {
    const { copy, response } = this.#arrival
    if (copy === undefined || this.#answer.isGiven) return
    this.#answer.give({ kind: 'growing', response, copy })
    this.#announceCopy()
    this.#yielding.answered()
  }

  /** @param lagMs what a peer has cost, in ms, where that was measured. */
  async #onFailure(
    source: Source,
    error: unknown,
    began: Monotonic,
    patienceMs: number,
    lagMs?: number,
  ): Promise<void> {
    try {
      await this.#changeSource(source, error, began, patienceMs, lagMs)
    } catch (failed) {
      // The copy could not be emptied of wrong bytes.
      if (this.#state === 'running') await this.#onStoreFailure(asFault(failed, 'STORE_FAILED'))
    }
  }

  async #changeSource(
    source: Source,
    error: unknown,
    began: Monotonic,
    patienceMs: number,
    lagMs?: number,
  ): Promise<void> {
    const attempt = this.#attempt
    attempt.abort(NO_LONGER_NEEDED)
    const fault = asFault(error, 'RESPONSE_INCOMPLETE')
    const peer = peerOf(source)
    this.report.failures.push(`${peer ?? 'Internet'}: ${fault.message}`)
    if (source.kind !== 'internet' && this.#mayBeOthers(peerOf(source), fault))
      return this.#readAlone(source, fault, attempt)
    this.#judge(source, fault, began, patienceMs, lagMs)
    const isRelays = this.#isRelays(peer, fault)
    if (fault.blame === 'node') return this.#onStoreFailure(fault)
    const isInVain = source.kind === 'internet' && this.#isUnseen
    if (fault.code === 'VERIFICATION_FAILED') await this.#onWrongBytes(fault, isInVain)
    if (isInVain) return this.#fetchAnew(attempt)
    if (source.kind === 'internet' && this.#answer.isGiven) {
      if (this.#isAnotherByName(fault)) return this.#use(source)
      const isProvable = this.#isProvable && this.#inquiry !== undefined
      const mayComeBack = this.#lostLine.mayComeBack(fault, this.heldBytes, isProvable)
      if (this.#mayGoOn && mayComeBack) return this.#goOnLater(attempt)
    }
    // Meanwhile it may have been paused and resumed: then another attempt runs already.
    if (this.#attempt === attempt) this.#next(fault, isRelays)
  }

  /** Whether it was not this peer that failed, but one to whom it had sent on: that one was slow, or has other bytes than it should. */
  #isRelays(peer: Address | undefined, { code }: Fault): boolean {
    const { contributors, relay } = this.#arrival
    if (code === 'PEER_SLOW') return relay !== undefined
    return (
      code === 'VERIFICATION_FAILED' && peer !== undefined && contributors.size > 0 && !contributors.has(peer)
    )
  }

  /** Whether the whole is wrong, and others have begun it, who failed: they are more likely to have lied than who has sent the rest. */
  #mayBeOthers(peer: Address | undefined, { code }: Fault): boolean {
    const isUnseen = code === 'VERIFICATION_FAILED' && !this.#answer.isGiven
    return isUnseen && this.#arrival.isBegunByOthers && peer !== this.#readAgain
  }

  /** The peer in use is given the chance to show that it sends the right bytes: should the whole be wrong again, they were its own. */
  async #readAlone(source: PeerSource, fault: Fault, attempt: AbortController): Promise<void> {
    this.#readAgain = peerOf(source)
    const { others, places, isPassedOn } = this.#arrival
    if (!isPassedOn) this.#blame.beganWrong(others, places, fault)
    await this.#beginAnew()
    if (this.#attempt === attempt && this.#state === 'running') this.#use(source)
  }

  /**
   * The origin server has gone on behind what peers had sent, and it came to nothing. Others may be where this node is: where
   * there is time for it they agree on one that asks it for what peers had sent.
   */
  async #fetchAnew(attempt: AbortController): Promise<void> {
    this.#peerReaders.cut()
    await this.#arrival.resetBeginning()
    if (this.#attempt !== attempt || this.#state !== 'running') return
    this.#announcement.end()
    const patientMs = this.#tolerance.leftInAllMs()
    // Others may have it by now: one of them is tried, whatever was lost before.
    this.#tolerance.oneMore()
    if (this.#inquiry === undefined) this.#use({ kind: 'internet' })
    else this.#inquiry.inVain(patientMs)
  }

  /**
   * Whether the origin server has what it calls another version, as its neighbours behind one name do of the same file, while a name or
   * an index that does not change says what the bytes are (V1, V2): then those decide, before the application is given the last of them.
   */
  #isAnotherByName({ code }: Fault): boolean {
    return code === 'RESPONSE_CHANGED' && this.#isProvable && this.#arrival.doubt()
  }

  get #isProvable(): boolean {
    const { uri, policy } = this.request
    return this.#components.verifier.knownDigest(uri, policy) !== undefined
  }

  /**
   * Whether the rest can be asked for later: of what range readers have bytes, too, not by this alone; and where nothing tells whether it
   * would be of the same version, only a peer may go on.
   */
  get #mayGoOn(): boolean {
    const { mayChangeOver, isContinuable } = this.#arrival
    return mayChangeOver && (isContinuable || this.#inquiry !== undefined)
  }

  /** Peers are asked once more, too: they have gone on meanwhile. Whoever reads along is not to wait for that. */
  async #goOnLater(attempt: AbortController): Promise<void> {
    this.#announcement.end()
    await this.#lostLine.wait(this.heldBytes)
    if (this.#attempt !== attempt || this.#state !== 'running') return
    this.#tolerance.oneMore()
    if (this.#inquiry?.state === 'retrieving') this.#inquiry.inVain(this.#tolerance.leftInAllMs())
    else this.#use({ kind: 'internet' })
  }

  #judge(source: Source, fault: Fault, began: Monotonic, patienceMs: number, lagMs?: number): void {
    if (source.kind === 'internet') return void (this.#lastFault = fault)
    if (peerOf(source) === this.#tried) this.#tried = undefined
    const isTakenBack = this.#inquiry?.state !== 'awaiting'
    const { relay } = this.#arrival
    this.#tolerance.failed(source, fault, { began, patienceMs, isTakenBack, lagMs, relay })
  }

  /** @param isRelays the source itself has done nothing wrong. */
  #next(fault?: Fault, isRelays = false): void {
    if (this.#state !== 'running') return
    if (this.#inquiry === undefined) this.failed()
    else if (isRelays || fault?.code === 'PEER_LOST') this.#inquiry.sourceLost(this.#tolerance.leftInAllMs())
    else this.#inquiry.sourceFailed(isSilence(fault), this.#tolerance.leftInAllMs())
  }

  /** Without a place for a copy the application is answered straight from the origin server, if that still can be. */
  async #onStoreFailure(fault: Fault): Promise<void> {
    const { uri } = this.request
    this.#components.events.log('the cache failed', { uri, reason: fault.message })
    // What must be proved has to lie somewhere until it is.
    if (this.#answer.isGiven || isContentName(uri)) return this.#giveUp(fault)
    await this.#arrival.abandonCopy(fault.message)
    this.#inquiry?.abandon()
    this.#inquiry = undefined
    if (this.#state === 'running') this.retrieveFromInternet()
  }

  /** @param isInVain whether the origin server went on with them, and is asked for what they should have been. */
  async #onWrongBytes(fault: Fault, isInVain: boolean): Promise<void> {
    await this.#blame.wrongBytes(this.#arrival, fault)
    if (isInVain) return
    if (!this.#answer.isGiven) return this.#beginAnew()
    this.#components.events.poisoned(this.request.uri)
    this.#giveUp(fault)
  }

  /** Who helped out was of no use; the application does not notice. */
  #onHelperFailure(helper: Helper | undefined, fault: Fault): void {
    this.report.failures.push(`${helper?.peer ?? 'Internet'}: ${fault.message}`)
    if (helper !== undefined) this.#blame.helperFailed(helper.peer, fault, helper.location)
  }

  /** Whether it is what peers could have too: they cannot continue the page of an error. */
  get #isFile(): boolean {
    return this.#arrival.response.status === 200
  }

  /** Says to the LAN that this node is fetching it (FIG. 7, 216A); a resumed or taken-over copy can be read at once. */
  #announce(): void {
    if (this.report.asked && this.#announcement.make() && this.#answer.isGiven) this.#announceCopy()
  }

  /** Now that the response is known, its growing copy can be read by peers, or never will be. */
  #announceCopy(): void {
    if (this.isShareable) return this.#announcement.readable()
    if (this.#current?.kind !== 'internet') return
    if (this.#isForOthers && !hasContentCoding(this.fields)) this.#announcement.soonWhole()
    else this.#announcement.end()
  }

  #onLastReaderGone(): void {
    if (this.#state === 'handed-over') {
      this.#attempt.abort(NO_LONGER_NEEDED)
      this.#components.events.ended(this.report)
    }
    if (this.#state === 'running') this.#onUnread()
    // What was stored stays; what was not has been read to its end.
    if (this.#state === 'over') this.#arrival.letGo()
  }

  #onUnread(): void {
    const { response, isFromOrigin } = this.#arrival
    const isImmutable = this.request.policy.immutable
    switch (whenUnread({ progress: this.progress(), response, isImmutable, isFromOrigin })) {
      case 'finish':
        return
      case 'give-up':
        return this.#giveUp(new Fault('ABORTED', 'every application has gone'))
      case 'pause':
        return this.#pause()
    }
  }

  #pause(): void {
    this.#state = 'paused'
    this.#attempt.abort(NO_LONGER_NEEDED)
    this.#attempt = new AbortController()
    this.#inquiry?.abandon()
    this.#announcement.end()
    void this.#linger()
  }

  async #linger(): Promise<void> {
    const isOverdue = !this.#answer.isGiven || (await this.#readers.nobodyFor(this.#settings.lingerMs))
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
    this.#answer.fail(fault)
    this.#arrival.fail(fault)
    if (this.#state !== 'handed-over') this.#end()
  }

  #isOver(): boolean {
    return this.#state === 'over'
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#keeping.end()
    this.#components.events.ended(this.report)
    this.#leaveList()
  }

  #leaveList(): void {
    this.#components.events.over(this)
  }
}

/** Nothing came, which may pass. */
function isSilence(fault: Fault | undefined): boolean {
  return fault?.code === 'PEER_STALLED' || fault?.code === 'PEER_BUSY'
}
