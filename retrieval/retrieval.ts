/**
 * One resource on its way here, for however many requests wait for it (R4.6).
 *
 * Every source writes into one growing copy and every application reads from it, so a source can be replaced by the next
 * at the byte where it stopped without any application noticing (R4.4, R5.3). Which source comes next is the inquiry
 * machine's decision (FIGS. 4A, 4B); to use it is the work of `SourceInUse`, to move and release its bytes the arrival's, and what
 * follows when it fails the failover's; this class keeps them and the readers together.
 *
 *   start ──► inquiry ──retrieve / follow / retrieveFromInternet──► source in use ──► arrival.take ──► verify ──► commit
 *                ▲                                                                     │ failed
 *                └──────────────────────────── failover ◄──────────────────────────────┘
 */
import { isContentName } from '../core/content-name.ts'
import { listeningOf, sleep, type Clock } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import { hasContentCoding, type Fields } from '../core/fields.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingCopy } from '../core/store.ts'
import type { Address } from '../core/transport.ts'
import type { Expectation } from '../core/verifier.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import { mayReuseUnasked } from '../cache/semantics/decision.ts'
import type { Inquiry, InquiryOwner, PeerDownload, PeerOffer } from '../peering/inquiry.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import type { NodeId } from '../peering/packets.ts'
import { Announcement } from './announcement.ts'
import { Answer, type Head } from './answer.ts'
import { Arrival, type ArrivalOutcome } from './arrival.ts'
import { Beginning } from './beginning.ts'
import { Blame } from './blame.ts'
import { Failover } from './failover.ts'
import { Keeping } from './keeping.ts'
import { STALL_MS } from './patience.ts'
import type { Helper } from './pieces/supplier.ts'
import { isPassing } from './origin-source.ts'
import { PlainWait } from './plain-wait.ts'
import { PeerReaders, type SharedCopy } from './peer-readers.ts'
import { Proofs } from './proofs.ts'
import { Readers } from './readers.ts'
import type { RetrievalRequest } from './request.ts'
import type {
  RetrievalComponents,
  RetrievalEvents,
  RetrievalParts,
  RetrievalSettings,
} from './retrieval-parts.ts'
import { FRESH_PROGRESS_MS, nearBytes } from './slow-line.ts'
import { peerOf, type PeerSource, type RetrievalReport, type Source } from './source.ts'
import { SourceInUse } from './source-in-use.ts'
import { Tolerance } from './tolerance.ts'
import { whenUnread } from './unread.ts'
import { Yielding, type YieldingOwner } from './yielding.ts'

const askAtOnce = (ask: () => void) => ask()

export class Retrieval implements InquiryOwner {
  readonly request: RetrievalRequest
  readonly #settings: RetrievalSettings
  readonly #components: RetrievalComponents
  readonly #listening: Clock
  readonly #arrival: Arrival
  readonly #answer = new Answer()
  readonly #keeping: Keeping
  readonly #proofs: Proofs
  readonly #blame: Blame
  readonly #tolerance: Tolerance
  readonly #yielding: Yielding
  readonly #plainWait: PlainWait
  #inquiry: Inquiry | undefined
  readonly #announcement: Announcement
  readonly #beginning: Beginning
  readonly #inUse: SourceInUse
  readonly #failover: Failover
  readonly #readers: Readers
  readonly #peerReaders: PeerReaders
  /** Peers were told that what the origin server answers is for each who asks. */
  #isForEach = false
  #state: 'running' | 'paused' | 'handed-over' | 'over' = 'running'

  constructor(request: RetrievalRequest, settings: RetrievalSettings, components: RetrievalComponents) {
    this.request = request
    this.#settings = settings
    this.#components = components
    this.#listening = listeningOf(components)
    this.#proofs = new Proofs(request, components.verifier)
    this.#readers = new Readers(request, components.clock, {
      came: () => this.#state === 'paused' && this.#resume(),
      mayComeBack: () =>
        this.#state === 'running' && this.#inUse.current?.kind !== 'internet' && this.#answer.isGiven,
      gone: () => this.#onLastReaderGone(),
    })
    const onAnswerable = () => this.#giveAnswer()
    const onHelperFailure = (helper: Helper | undefined, fault: Fault) => this.#onHelperFailure(helper, fault)
    const isReadAlong = () => !this.#peerReaders.isEmpty
    this.#arrival = new Arrival(request, settings, {
      ...components,
      onAnswerable,
      onHelperFailure,
      isReadAlong,
      asker: this.#readers,
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
      askForRanges: () => components.rangeSupport.ask(this.#readers.request),
      isOvertaken: () => this.#isOvertaken,
      ...(components.originBytesPerSecond && { originBytesPerSecond: components.originBytesPerSecond }),
    })
    this.#plainWait = new PlainWait({ ...components, request, node: settings.self.node })
    this.#yielding = new Yielding(components.clock, this.#yieldingOwner())
    this.#announcement = new Announcement(components.clock, () => components.events.announce(this))
    const parts = this.#parts()
    this.#beginning = new Beginning(parts)
    this.#inUse = new SourceInUse(parts, this.#beginning, {
      announce: () => this.#announce(),
      conclude: (outcome, expectation) => this.#conclude(outcome, expectation),
      failed: (failure) => this.#failover.failed(failure),
      unusable: () => this.#failover.next(),
    })
    this.#failover = new Failover(parts, this.#beginning, this.#inUse, {
      storeFailed: (fault) => this.#onStoreFailure(fault),
      noSourceLeft: () => this.failed(),
      giveUp: (fault) => this.#giveUp(fault),
    })
  }

  #parts(): RetrievalParts {
    return {
      request: this.request,
      components: this.#components,
      listening: this.#listening,
      arrival: this.#arrival,
      answer: this.#answer,
      proofs: this.#proofs,
      blame: this.#blame,
      tolerance: this.#tolerance,
      yielding: this.#yielding,
      announcement: this.#announcement,
      readers: this.#readers,
      peerReaders: this.#peerReaders,
      isRunning: () => this.#state === 'running',
      inquiry: () => this.#inquiry,
    }
  }

  #keepingOf(isOutdated: boolean): Keeping {
    const { store, events } = this.#components
    return new Keeping(this.#arrival, isOutdated, store, (...stored) => events.stored(...stored))
  }

  #yieldingOwner(): YieldingOwner {
    return {
      heldBytes: () => this.heldBytes,
      isFetcher: () => this.isFetcher,
      mayLeave: () => this.#inUse.mayLeaveInternet,
      isUnanswered: () => this.isFetcher && !this.#answer.isGiven && this.#arrival.fields.length === 0,
      isStuck: (download) => this.#tolerance.isStuck(download),
      stuck: (download) => this.#tolerance.stuck(download),
      hasPatience: () => this.#tolerance.leftMs() > 0,
      isLate: () => this.#components.isBusy?.() === true,
      progress: () => this.progress(),
      expectationFor: (source) => this.#proofs.of(source, () => this.heldBytes > 0),
      look: (source, signal) =>
        this.#arrival.look(source, STALL_MS, AbortSignal.any([signal, this.#inUse.signal])),
      leave: (source, isTried) => this.#leaveInternet(source, isTried),
      // What is not to be shown yet, because peers have begun it, is no failure: it is said when it can be read.
      sayAgain: () => void (this.isShareable && this.#announcement.readable()),
    }
  }

  /** Resolves when applications can be answered. @throws Fault of the last source when every one failed. */
  head(): Promise<Head> {
    return this.#answer.head()
  }

  /** Whether the response is known. */
  get isAnswered(): boolean {
    return this.#answer.isGiven
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

  /** What applications are answered with, as far as reuse depends on it. */
  get response(): Stored {
    return this.#arrival.response
  }

  /**
   * Whether peers may read it while it grows, whoever it comes from: they verify it themselves (V§2). What no application
   * here wants any more is not fetched for others, and nobody takes a copy without an end; or one whose beginning may be a liar's,
   * while this node would seem to have made it.
   */
  get isShareable(): boolean {
    return this.#isForOthers && this.#arrival.copy?.size !== undefined
  }

  /** The same of what may have no end yet: then they may have it when it is whole. What is coded for one application is for no other. */
  get #isForOthers(): boolean {
    const { admission, copy, fields, isMixed } = this.#arrival
    const isComing = this.#state === 'running' && copy !== undefined && !this.#keeping.isOutdated
    const isAdmitted = admission.kind === 'admitted' && admission.isShareable
    return isComing && !isMixed && isAdmitted && !hasContentCoding(fields)
  }

  /** Whether it comes from the origin server, or is about to: then peers wait for this node. */
  get isFetcher(): boolean {
    return this.#inUse.isInternet
  }

  /** Whether it comes from a peer, or is about to. */
  get isRelay(): boolean {
    return this.#inUse.isPeer
  }

  /** The nodes over which its bytes come, this one first. */
  get path(): readonly NodeId[] {
    return [this.#settings.self.node, ...(this.isFetcher ? [] : this.#arrival.path)]
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
  get fetching(): (Stored & { readonly size: number }) | undefined {
    const size = this.copy?.size
    const isIts = this.isFetcher && this.isFromOrigin && this.isShareable && this.#arrival.isFile
    return isIts && size !== undefined ? { ...this.response, size } : undefined
  }

  /** Whether nobody waits for it and nothing comes: it is kept for a while, for whoever may come back. */
  get isPaused(): boolean {
    return this.#state === 'paused'
  }

  /** Which source feeds it now, for people who watch. */
  get current(): Source | undefined {
    return this.#inUse.current
  }

  /** The machine that sends it now: the peer that was named, or one that it has sent this node on to. */
  get sender(): Address | undefined {
    const { current } = this
    const peer = current && peerOf(current)
    return peer && (this.#arrival.relay?.server ?? peer)
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
    const isForPart = !this.#readers.wantWhole && !this.#answer.isGiven
    const inquiry = inquire(uri, policy.waitForDownloads, this, isForPart)
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
  join(want: 'whole' | 'part' = 'whole', request = this.request): () => void {
    return this.#readers.join(want, request)
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
    this.#inUse.use({ kind: 'peer', offer })
  }

  follow(download: PeerDownload): void {
    const { location } = download
    if (location !== undefined) this.#inUse.use({ kind: 'in-progress', download: { ...download, location } })
  }

  retrieveFromInternet(isForEach = false): void {
    this.#isForEach = isForEach
    // A name, and no place where it would be.
    if (isContentName(this.request.target)) return this.#giveUp(new Fault('NOT_FOUND', 'no peer has it'))
    if (this.#readers.wantWhole || this.#answer.isGiven) return this.#inUse.use({ kind: 'internet' })
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
    if (!isAhead || !this.isFetcher || this.#answer.isGiven || this.#isForEach) return
    this.#inUse.withdraw()
    this.#announcement.end()
    this.#inquiry?.changeOver(peer)
  }

  /** What would be fetched anew, were it this node's turn to fetch, is no lead. */
  isFurther({ receivedBytes }: PeerDownload): boolean {
    const near = nearBytes(this.heldBytes, this.progress().totalBytes)
    return !this.#beginning.isUnseen && this.heldBytes > receivedBytes + near
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
    return this.#tolerance.leftInAllMs(this.#inUse.lagMs)
  }

  failed(): void {
    this.#giveUp(this.#failover.lastFault ?? new Fault('RESPONSE_INCOMPLETE', 'no source is left'))
  }

  #leaveInternet(source: PeerSource, isTried: boolean): void {
    if (!this.#arrival.detach()) return
    const to = peerOf(source)
    if (isTried) this.#inUse.trust(to)
    this.#inquiry?.changeOver(to, isTried && source.kind === 'in-progress' ? source.download : undefined)
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
    this.#announcement.end(!isPassing(response.status))
    const note = (bytes: number) => void (this.report.bytes.internet += bytes)
    const body = this.#components.passedOn.body(this.request.uri, response, note)
    const noted = { ...response, body }
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

  /** Who helped out was of no use; the application does not notice. */
  #onHelperFailure(helper: Helper | undefined, fault: Fault): void {
    this.report.failures.push(`${helper?.peer ?? 'Internet'}: ${fault.message}`)
    if (helper !== undefined) this.#blame.helperFailed(helper.peer, fault, helper.location)
  }

  /** Says to the LAN that this node is fetching it (FIG. 7, 216A); a resumed or taken-over copy can be read at once. */
  #announce(): void {
    if (!this.report.asked || this.#isForEach) return
    if (this.#announcement.make() && this.#answer.isGiven) this.#announceCopy()
  }

  /** Now that the response is known, its growing copy can be read by peers, or never will be. */
  #announceCopy(): void {
    if (this.isShareable) return this.#announceReadable()
    if (this.#inUse.current?.kind !== 'internet') return
    if (this.#isForOthers) this.#announcement.soonWhole()
    else this.#announcement.end(!this.#arrival.isMixed)
  }

  /** What was said to be for each is not: who fetches it as well is to find out. */
  #announceReadable(): void {
    if (this.#isForEach && this.isFetcher) this.#announcement.make()
    this.#announcement.readable()
  }

  #onLastReaderGone(): void {
    if (this.#state === 'handed-over') {
      this.#inUse.end()
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
    this.#inUse.cancel()
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
    this.#inUse.end()
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
