/**
 * The copy as it arrives: the bytes of one resource from whichever source is in use, in one growing copy, and what may
 * be done with them. It does not choose the source (source-in-use.ts) and does not know who reads.
 */
import { isContentName } from '../core/content-name.ts'
import { listeningOf, type Monotonic } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { Fields } from '../core/fields.ts'
import type { GrowingCopy, MayKeep, Store, StoredResponse } from '../core/store.ts'
import type { Address } from '../core/transport.ts'
import type { UpstreamResponse } from '../core/upstream.ts'
import type { Candidate, Expectation, Verifier } from '../core/verifier.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import type { NodeId } from '../peering/packets.ts'
import type { Self } from '../peering/self.ts'
import type { Admission } from './admission.ts'
import { NO_EXCUSE, type Attempt, type Excuses } from './attempt.ts'
import {
  checkEnd,
  checkFits,
  checkSize,
  checkSpace,
  checkWhole,
  provedSize,
  roomAtFirst,
  toldSize,
} from './body-length.ts'
import { ComingHead } from './coming-head.ts'
import { isContradicted } from './contradicted.ts'
import { counted } from '../core/counted-body.ts'
import { gathered } from './gathered.ts'
import type { Ask } from './leading.ts'
import type { Opened, OpenedCopy, OriginCopies } from './origin-copies.ts'
import { openRest } from './origin-source.ts'
import { openWhole } from './open-copy.ts'
import { followingRedirects } from './named-source.ts'
import { openBefore, type KeptEnd } from './kept-end.ts'
import { isOvertaken, NOTHING_BEFORE } from './overtaken.ts'
import { behindTheSame } from './same-beginning.ts'
import { growingPace, wholePace } from './pace.ts'
import { SPARE_STALL_MS } from './patience.ts'
import { PeerRoute, type Server } from './peer-route.ts'
import { helped, mayBeHelped, type HelpComponents } from './pieces/help.ts'
import type { SeveralSources } from './pieces/several-sources.ts'
import type { Helper, SupplyEvents } from './pieces/supplier.ts'
import { checkVersion, type OpenedSource } from './peer-source.ts'
import { Releasing } from './releasing.ts'
import { RecentRate } from './recent-rate.ts'
import { Provenance } from './provenance.ts'
import type { Asker, RetrievalRequest } from './request.ts'
import { RestBehindPeers } from './rest-behind-peers.ts'
import {
  isAnybodysWord,
  newReport,
  peerOf,
  type PeerSource,
  type RetrievalReport,
  type Source,
} from './source.ts'

export interface ArrivalSettings {
  /** This node, as peers are told. */
  readonly self: Pick<Self, 'node'>
  /** Whole copies from peers up to this are verified before their first byte is released, in bytes. */
  readonly verifyFirstUpTo: number
}

export interface ArrivalComponents extends HelpComponents {
  readonly store: Store
  readonly verifier: Verifier
  /** What comes from the origin server alone. */
  readonly origins: OriginCopies
  /** Whether a node has said that it serves files there. */
  readonly servesFiles: (address: Address, port: number) => boolean
  /** Asks a node of which another one speaks who it is. */
  readonly meet: (address: Address) => void
  /** Who helped out was of no use: a peer, or the origin server. */
  readonly onHelperFailure: (helper: Helper | undefined, fault: Fault) => void
  /** Applications may be answered from the copy now; called more than once. */
  readonly onAnswerable: () => void
  /** On whose behalf the origin server is asked. */
  readonly asker: Asker
}

/** How one source ended. */
export type ArrivalOutcome =
  /** Every byte is held. */
  | { readonly kind: 'filled' }
  /** The origin server's response is not to be kept: it goes to one application as it is. */
  | { readonly kind: 'direct'; readonly response: UpstreamResponse; readonly reason: string }
  | { readonly kind: 'aborted' }

export class Arrival {
  readonly report: RetrievalReport = newReport()
  readonly #request: RetrievalRequest
  readonly #settings: ArrivalSettings
  readonly #components: ArrivalComponents
  readonly provenance = new Provenance()
  #copy: GrowingCopy | undefined
  /** The way of the bytes from the peer in use. */
  #route: PeerRoute | undefined
  /** As long as the origin server alone fills the copy, others may want bytes of it too. */
  #opened: OpenedCopy | undefined
  readonly #head: ComingHead
  readonly #releasing: Releasing
  /** When the source in use began, and what was held by then. */
  #filling: { readonly since: Monotonic; readonly heldBytes: number }
  /** Of what this fills itself. */
  readonly #rate: RecentRate
  /** Whether the origin server may have gone on with another file than it began. */
  #isDoubted = false
  readonly #rest = new RestBehindPeers()
  /** What the origin server has sent again in place of the rest, in bytes. */
  #repeatedBytes = 0
  /** Why nothing can be stored here now. */
  #unstorable: string | undefined

  constructor(request: RetrievalRequest, settings: ArrivalSettings, components: ArrivalComponents) {
    this.#request = request
    this.#settings = settings
    this.#components = components
    this.#filling = { since: components.clock.monotonic(), heldBytes: 0 }
    this.#rate = new RecentRate(components.clock)
    this.#head = new ComingHead(request, components.clock)
    this.#releasing = new Releasing(request, this, { ...settings, ...components })
  }

  get copy(): GrowingCopy | undefined {
    return this.#copy
  }

  get #contributors(): ReadonlySet<Address> {
    return this.provenance.contributors
  }

  /** Whether the name says what the bytes are: then no origin server is believed without a proof. */
  get isNamed(): boolean {
    return isContentName(this.#request.uri)
  }

  /** The fields that came with the first source. */
  get fields(): Fields {
    return this.#opened?.of.head.fields ?? this.#head.fields
  }

  /** What applications are answered with, as far as reuse depends on it. */
  get response(): Stored {
    return this.#opened?.of.head ?? this.#head.response
  }

  /** Whether these fields are the origin server's, whoever sends the bytes. */
  get isOriginsWord(): boolean {
    return this.#opened !== undefined || this.#head.isOrigins
  }

  get admission(): Admission {
    return this.#opened?.of.head.admission ?? this.#head.admission
  }

  /** Whether it comes from the origin server alone, and may be gone on with later, whoever asks. */
  get isFromOrigin(): boolean {
    return this.#opened !== undefined
  }

  /** Whether the origin server may be asked for the rest: not without end where it sends the whole each time. */
  get isContinuable(): boolean {
    return (this.#opened?.of.isContinuable ?? true) && this.#repeatedBytes <= 2 * this.heldBytes
  }

  get isDoubted(): boolean {
    return this.#isDoubted
  }

  /** Whether every byte is the origin server's, and of the same version by its own word. */
  get isUndoubted(): boolean {
    return this.#contributors.size === 0 && !this.#isDoubted
  }

  /**
   * From now on the origin server is asked for the rest whatever it calls its version, and the whole must be proved.
   * @returns whether that is of use: once, and where nobody else has bytes of it.
   */
  doubt(): boolean {
    if (this.#isDoubted || !this.detach()) return false
    return (this.#isDoubted = true)
  }

  /** Whether it is what peers could have too: they cannot continue the page of an error. */
  get isFile(): boolean {
    return this.response.status === 200
  }

  /** Whether a peer may go on with it: nobody else has been given bytes of it before they are verified (V§2). */
  get mayChangeOver(): boolean {
    return this.#opened?.of.isDetachable ?? true
  }

  /** The nodes over which the bytes come, the nearest first; none where the origin server sends them. */
  get path(): readonly NodeId[] {
    return this.#route?.path ?? []
  }

  /** Bytes held without a gap from the start. */
  get heldBytes(): number {
    return this.#copy?.heldUntil(0) ?? 0
  }

  /** When the source in use began. */
  get filledSince(): Monotonic {
    return this.#filling.since
  }

  progress(): DownloadProgress {
    const receivedBytes = this.heldBytes
    const seconds = (this.#components.clock.monotonic() - this.#filling.since) / 1000
    const newBytes = receivedBytes - this.#filling.heldBytes
    const bytesPerSecond = seconds > 0 ? Math.round(newBytes / seconds) : undefined
    return { receivedBytes, totalBytes: this.#copy?.size, bytesPerSecond }
  }

  /** The same for people who watch: its speed is that of the last few seconds, 0 when nothing comes. */
  shown(): DownloadProgress {
    const rate = this.#opened?.of.rate ?? this.#rate
    return { ...this.progress(), bytesPerSecond: rate.bytesPerSecond() }
  }

  /** Takes what `attempt.source` has, from the first missing byte on. @throws Fault of that source, or of the store. */
  async take(attempt: Attempt): Promise<ArrivalOutcome> {
    const isOriginAlone = attempt.source.kind === 'internet' && this.#contributors.size === 0
    const isBegun = this.#releasing.isStreaming || this.isNamed || this.#rest.hasEnd
    if (attempt.source.kind !== 'internet') this.#rest.endsWithPeer()
    this.provenance.sourceBegins()
    await this.#rest.dropSpent()
    if (isOriginAlone && !isBegun) return this.#takeFromOrigin(attempt.signal)
    if (!this.detach())
      throw new Fault('RESPONSE_INCOMPLETE', 'others have bytes of what the origin server began')
    const opened = await this.#open(attempt)
    if ('kind' in opened) return opened
    // From here on the length is a peer's word, whether or not a byte follows.
    if (attempt.source.kind === 'internet') this.#route = undefined
    this.provenance.comesOver(this.#servers)
    this.report.source ??= attempt.source.kind
    checkFits(opened.size, attempt.source, attempt.expectation, this.#components.store)
    const copy = this.#copy ?? (await this.#create(opened, attempt))
    if (copy === undefined) return { kind: 'aborted' }
    this.#sourceBegins()
    this.#rate.begin()
    if (opened.size !== undefined) copy.setSize(opened.size)
    const several = this.#severalSources(copy, opened, attempt)
    await this.#pump(copy, several?.watching(opened) ?? opened, attempt, several)
    if (several?.hasTakenOver === true) await this.#takeFromAll(several, copy, attempt)
    if (attempt.signal.aborted) return { kind: 'aborted' }
    await this.#rest.dropSpent()
    if (copy.size === undefined) copy.setSize(this.heldBytes)
    return { kind: 'filled' }
  }

  /** What came from peers is verified, and content that was asked for by its name. @throws Fault VERIFICATION_FAILED; STORE_FAILED when it cannot be read. */
  async verify(expectation: Expectation): Promise<void> {
    const copy = this.#copy
    if (copy === undefined || (this.isUndoubted && !this.isNamed)) return
    const digest: GrowingCopy['digest'] = (algorithm) => copy.digest(algorithm)
    const read: Candidate['read'] = (span) => copy.read(span, undefined, 'held')
    const candidate = { size: copy.size ?? 0, sha256: await this.sha256(), digest, read }
    const verdict = await this.#components.verifier.verify(expectation, candidate)
    if (verdict.kind === 'verified') {
      this.#rest.forget()
      return
    }
    if (verdict.isUnproved === true) throw new Fault('PEER_FAILED', verdict.reason)
    const blame = this.#contributors.size === 0 ? 'origin-server' : 'peer'
    throw new Fault('VERIFICATION_FAILED', verdict.reason, { blame })
  }

  /** The SHA-256 of the whole body. */
  async sha256(): Promise<Sha256> {
    return ((await this.#copy?.digest('sha-256')) ?? '') as Sha256
  }

  /**
   * Keeps the whole and verified copy. @returns `undefined` when it may not be stored: it is to be discarded when it has been
   * read. @throws Fault of the store.
   */
  async commit(mayKeep: MayKeep): Promise<StoredResponse | undefined> {
    if (this.#opened !== undefined) return this.#opened.of.commit(mayKeep)
    const copy = this.#copy
    const head = this.#head.toStore(this.#contributors.size > 0 ? 'peer' : 'internet')
    if (copy === undefined || head === undefined) return undefined
    const { store, verifier } = this.#components
    if (this.#contributors.size === 0 && (await isContradicted(verifier, this.#request, copy)))
      return undefined
    return isOvertaken(store, head, NOTHING_BEFORE) ? undefined : store.commit(copy, head, mayKeep)
  }

  /** Whether the origin server has gone on behind a beginning of peers that no application has seen. */
  get isMixed(): boolean {
    return this.#rest.isMixed
  }

  /** The origin server is to go on behind bytes of peers that no application has seen. */
  goOn(): void {
    this.#rest.begins(this.heldBytes)
  }

  /** Forgets every byte, and the length: nobody has seen one. */
  async reset(): Promise<void> {
    this.#forget()
    await this.#copy?.reset()
  }

  /** Forgets the bytes of peers, and those of the origin server as well that cannot be kept. */
  async resetBeginning(): Promise<void> {
    if (this.#rest.keep(this.#copy, this.#components.clock.wall())) this.#copy = undefined
    await this.reset()
  }

  #forget(): void {
    this.provenance.forget()
    this.#isDoubted = false
    this.#rest.forget()
    this.#head.forget()
    this.report.source = undefined
    this.report.status = undefined
  }

  /** A copy that nobody waits for any more when it is there is given back at once. */
  async #create(
    { size }: OpenedSource,
    { source, expectation, signal }: Attempt,
  ): Promise<GrowingCopy | undefined> {
    const { store } = this.#components
    await checkSpace(size, source, expectation, store)
    const copy = await store.create(roomAtFirst(size, source, expectation), size)
    if (!signal.aborted) return (this.#copy = copy)
    await copy.discard()
    return undefined
  }

  /** Nobody reads it any more: what may be gone on with later is kept, everything else goes. */
  letGo(): void {
    void this.#rest.dropSpent()
    if (this.#opened !== undefined) this.#opened.use.leave()
    else void this.#copy?.discard()
  }

  /** Ends every reader with this error. */
  fail(fault: Fault): void {
    if (this.#opened === undefined) this.#copy?.fail(fault)
    this.letGo()
  }

  /** Gives up the copy: from now on the origin server's response is passed on without being stored. */
  async abandonCopy(reason: string): Promise<void> {
    const copy = this.#copy
    const opened = this.#opened
    void this.#rest.dropSpent()
    this.#copy = undefined
    this.#opened = undefined
    this.#head.forget(reason)
    this.provenance.forget()
    this.#unstorable = reason
    opened?.use.leave()
    if (opened === undefined) await copy?.discard()
  }

  #sourceBegins(): void {
    this.#filling = { since: this.#components.clock.monotonic(), heldBytes: this.heldBytes }
  }

  /** The whole as the origin server alone sends it, whoever else wants bytes of it. */
  async #takeFromOrigin(signal: AbortSignal): Promise<ArrivalOutcome> {
    await this.#copy?.discard()
    this.#copy = undefined
    const opened = await openWhole(this.#components.origins, this.#askFor(signal))
    this.report.forwarded = forwardedFor(opened)
    if (opened.kind === 'direct') return signal.aborted ? { kind: 'aborted' } : opened
    const { use } = opened
    if (signal.aborted) {
      use.leave()
      return { kind: 'aborted' }
    }
    this.#opened = opened
    this.#copy = opened.of.copy
    this.report.source ??= 'internet'
    this.report.status = opened.of.sentStatus
    this.report.isJoined = opened.how === 'joined'
    this.#sourceBegins()
    this.#releasing.begin()
    await use.filled.promise
    if (signal.aborted) return { kind: 'aborted' }
    if (use.hasLeft)
      throw new Fault('RESPONSE_INCOMPLETE', 'the copy was taken over, and nobody goes on with it')
    return { kind: 'filled' }
  }

  #askFor(signal: AbortSignal): Ask {
    const { asker } = this.#components
    const ask = { request: asker.request, asker, want: 'whole', signal, report: this.report } as const
    return this.#unstorable === undefined ? ask : { ...ask, unstorable: this.#unstorable }
  }

  /** Makes the copy one that peers may go on with. @returns whether it is. */
  detach(): boolean {
    const opened = this.#opened
    if (opened === undefined) return true
    if (this.#components.origins.detach(opened.of) === undefined) return false
    this.#head.takeOver(opened.of.head)
    this.#opened = undefined
    opened.use.leave()
    return true
  }

  async #open(attempt: Attempt): Promise<OpenedSource | ArrivalOutcome> {
    const from = this.heldBytes
    const { source, expectation } = attempt
    const isUnproved = expectation.kind === 'promised' && this.#contributors.size > 0 && from > 0
    if (this.#copy && source.kind === 'internet' && isUnproved)
      return this.#openAgain(this.#copy, from, attempt.signal)
    if (this.#copy && from === this.#copy.size) return { kind: 'filled' }
    if (source.kind !== 'internet') return this.#openPeer(source, from, attempt)
    const end = this.#rest.takeEnd()
    if (end !== undefined) return this.#openBefore(end, attempt.signal)
    // Who has been answered from the copy can be given nothing but the rest of it.
    return this.#openRest(from, expectation, attempt.signal)
  }

  async #openPeer(
    source: PeerSource,
    from: number,
    { expectation, patienceMs, signal, ...excuses }: Attempt,
  ): Promise<OpenedSource> {
    const route = this.#routeTo(source, patienceMs, excuses)
    this.#route = route
    const begun = this.#copy !== undefined && this.#isToCompare(source, from) ? this.#copy : undefined
    const opened = await route.open(begun === undefined ? from : 0, signal)
    this.provenance.isConfirmed &&= opened.isUnconfirmed !== true
    this.provenance.isUnjudged ||= source.kind === 'in-progress'
    this.#checkSize(opened, source, expectation)
    if (this.#request.version !== undefined) checkVersion(opened, this.#request.version)
    if (from > 0 && isUnprovable(expectation)) checkVersion(opened, this.#head.fields)
    if (this.#head.fields.length === 0) this.#head.fromPeer(opened.fields)
    return begun === undefined ? opened : this.#comparing(begun, from, opened, source, signal)
  }

  /**
   * Whether what others have begun is held against what this one has: then it has sent it all, and applications need not wait for the
   * whole, as they would behind bytes of somebody that failed and may have lied before that.
   */
  #isToCompare(source: PeerSource, from: number): boolean {
    const isUnseen = from > 0 && this.#contributors.size > 0 && !this.#releasing.isStreaming
    return isUnseen && !isAnybodysWord(source)
  }

  #comparing(
    copy: GrowingCopy,
    held: number,
    opened: OpenedSource,
    { kind }: PeerSource,
    signal: AbortSignal,
  ): OpenedSource {
    let left = held
    // It sends them all the same: who does is neither silent nor slow.
    const sent = counted(opened.body, (bytes) => {
      const compared = Math.min(left, bytes)
      left -= compared
      this.report.bytes[kind] += compared
    })
    const before = copy.read({ start: 0, end: held }, signal, 'held')
    const body = behindTheSame(before, held, sent, 'the peer', () => this.provenance.sentAllAgain())
    return { ...opened, from: held, body }
  }

  /** What a peer would send from the first missing byte on; nothing of it is taken. @throws Fault of that peer */
  look(source: PeerSource, patienceMs: number, signal: AbortSignal): Promise<OpenedSource> {
    return this.#routeTo(source, patienceMs, NO_EXCUSE, () => {}).open(this.heldBytes, signal)
  }

  /** Who passes on what the peer in use has, if anybody does. */
  get relay(): Server | undefined {
    return this.#route?.relay
  }

  #routeTo(
    source: PeerSource,
    patienceMs: number,
    { excuse, isLate, hasAnother }: Excuses,
    onDetour = () => this.provenance.comesOver(this.#servers),
  ): PeerRoute {
    const { peer, location } = source.kind === 'peer' ? source.offer : source.download
    const isStranger = source.kind === 'in-progress' && source.download.hasAsked !== true
    const relayPace = growingPace(patienceMs, excuse, isStranger)
    const sooner = { ms: SPARE_STALL_MS, isPossible: hasAnother }
    const pace = source.kind === 'peer' ? wholePace(patienceMs, isLate, sooner) : relayPace
    const relay = this.#components.relay(this.#request.uri)
    const settings = { peer, location, node: this.#settings.self.node, relay, pace, relayPace }
    return new PeerRoute(settings, { ...this.#components, clock: listeningOf(this.#components), onDetour })
  }

  #checkSize({ size }: OpenedSource, source: Source, expectation: Expectation): void {
    checkSize(size, this.#copy?.size ?? provedSize(expectation) ?? toldSize(source))
  }

  /**
   * The validators of a copy that a peer began are a stranger's word: the origin server is asked by them only where nothing else tells
   * two versions apart.
   */
  async #openRest(from: number, expectation: Expectation, signal: AbortSignal): Promise<OpenedSource> {
    const { target, fields } = this.#components.asker.request
    const known = this.isUndoubted || isUnprovable(expectation) ? this.#head.fields : []
    const rest = { from, size: this.#copy?.size, fields: known }
    const { origin } = this.#components
    const upstream = this.isNamed ? followingRedirects(origin) : origin
    const opened = await openRest(upstream, target, fields, rest, signal)
    if (opened.status === 200) this.#repeatedBytes += from
    if (from === 0) this.#forgetPeers(opened)
    else if (this.isMixed) this.#rest.begins(from, opened.fields)
    return opened
  }

  /** What peers had begun was wrong, and only that is fetched anew. Whatever hinders it, the whole can be. */
  async #openBefore(end: KeptEnd, signal: AbortSignal): Promise<OpenedSource | ArrivalOutcome> {
    const opened = await openBefore(
      end,
      this.#components.origin,
      this.#components.asker.request,
      signal,
    ).catch(() => undefined)
    if (signal.aborted) return { kind: 'aborted' }
    if (opened === undefined) return this.#takeFromOrigin(signal)
    this.#head.fromOrigin(opened.fields, true)
    return opened
  }

  /**
   * What a member has left behind that did not keep its promise nobody can prove any more but the origin server, by sending it
   * all: its bytes are held against what is here, and go on where that ends.
   */
  async #openAgain(copy: GrowingCopy, held: number, signal: AbortSignal): Promise<OpenedSource> {
    const { target, fields } = this.#components.asker.request
    const rest = { from: 0, size: copy.size, fields: this.#head.fields }
    const opened = await openRest(this.#components.origin, target, fields, rest, signal)
    const before = copy.read({ start: 0, end: held }, signal, 'held')
    const body = behindTheSame(before, held, opened.body, 'the origin server', () =>
      this.#forgetPeers(opened),
    )
    return { ...opened, from: held, body }
  }

  /** Not a byte here is only a peer's word: the origin server's alone counts from here on. */
  #forgetPeers({ fields }: OpenedSource): void {
    this.provenance.forget()
    this.#head.fromOrigin(fields, this.isNamed)
  }

  #severalSources(copy: GrowingCopy, opened: OpenedSource, attempt: Attempt): SeveralSources | undefined {
    const { source, expectation, signal, patienceMs } = attempt
    if (source.kind !== 'peer' || !mayBeHelped(opened, expectation)) return undefined
    const wrote: SupplyEvents['wrote'] = (helper, bytes, isStated) => {
      this.report.bytes[helper === undefined ? 'internet' : 'peer'] += bytes
      this.#rate.note(bytes)
      if (helper !== undefined && isStated) this.provenance.comesFrom(helper.peer, helper.location)
      this.#releasing.release(copy, attempt)
    }
    const failed: SupplyEvents['failed'] = (helper, fault) => this.#components.onHelperFailure(helper, fault)
    const { node } = this.#settings.self
    const terms = { node, first: source.offer, size: opened.size, pace: wholePace(patienceMs), signal, copy }
    return helped(this.#components.asker.request, terms, this.#components, { wrote, failed })
  }

  /** Where the others are lost, the first one goes on alone. */
  async #takeFromAll(several: SeveralSources, copy: GrowingCopy, attempt: Attempt): Promise<void> {
    const ending = await several.finish()
    this.provenance.isStated = ending === 'filled'
    if (ending !== 'unfinished' || this.#route === undefined) return
    const opened = await this.#route.open(this.heldBytes, attempt.signal)
    this.#checkSize(opened, attempt.source, attempt.expectation)
    await this.#pump(copy, opened, attempt)
  }

  async #pump(
    copy: GrowingCopy,
    opened: OpenedSource,
    attempt: Attempt,
    several?: SeveralSources,
  ): Promise<void> {
    const { source, signal } = attempt
    const peer = peerOf(source)
    this.#releasing.release(copy, attempt)
    let at = opened.from
    const stopWaiting = this.#releasing.afterAll(copy, attempt)
    try {
      for await (const chunk of gathered(opened.body, () => copy.readers, this.#components.clock)) {
        if (signal.aborted) return
        this.#releasing.checkTold(copy)
        this.report.bytes[source.kind] += chunk.length
        checkEnd(at + chunk.length, copy.size, peer)
        await copy.write(at, chunk)
        this.#rate.note(chunk.length)
        at += chunk.length
        this.#releasing.release(copy, attempt)
      }
    } finally {
      stopWaiting()
    }
    if (!signal.aborted && several?.hasTakenOver !== true) checkWhole(at, copy.size, peer)
  }

  /** Whether bytes are here of somebody who was in use before: one that failed, and may have lied before that. */
  get isBegunByOthers(): boolean {
    return this.others.size > 0
  }

  /** Those. Who helps out now is none of them. */
  get others(): ReadonlySet<Address> {
    return this.provenance.othersThan(this.#servers)
  }

  /** Over whom the bytes come from the peer in use; nobody where the origin server sends them. */
  get #servers(): readonly Server[] {
    return this.#route?.servers ?? []
  }
}

/** Only the application will know whether the whole is right (V5). */
function isUnprovable({ kind }: Expectation): boolean {
  return kind === 'updater'
}

function forwardedFor(opened: Opened): RetrievalReport['forwarded'] {
  if (opened.validating !== undefined || opened.kind === 'direct') return opened.validating
  return opened.how === 'resumed' ? 'partial' : undefined
}
