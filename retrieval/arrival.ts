/**
 * The copy as it arrives: the bytes of one resource from whichever source is in use, in one growing copy, and what may
 * be done with them. It does not choose the source (source-in-use.ts) and does not know who reads.
 */
import { isContentName } from '../core/content-name.ts'
import { listeningOf, type CancelTimer, type Monotonic } from '../core/clock.ts'
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
import {
  checkEnd,
  checkFits,
  checkSize,
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
import { OriginLength } from './origin-length.ts'
import { followingRedirects } from './named-source.ts'
import { keptEnd, openBefore, type KeptEnd } from './kept-end.ts'
import { isOvertaken, NOTHING_BEFORE } from './overtaken.ts'
import { behindTheSame } from './same-beginning.ts'
import { growingPace, wholePace } from './pace.ts'
import { SPARE_STALL_MS } from './patience.ts'
import { PeerRoute, type Server } from './peer-route.ts'
import { helped, mayBeHelped, type HelpComponents } from './pieces/help.ts'
import type { SeveralSources } from './pieces/several-sources.ts'
import type { Helper, SupplyEvents } from './pieces/supplier.ts'
import { checkVersion, type OpenedSource } from './peer-source.ts'
import { mayAnswer, releasedBytes, SMALL_GROWING_BYTES, VERIFY_FIRST_MS, type Filling } from './release.ts'
import { RecentRate } from './recent-rate.ts'
import { Provenance } from './provenance.ts'
import type { Asker, RetrievalRequest } from './request.ts'
import { newReport, peerOf, type PeerSource, type RetrievalReport, type Source } from './source.ts'

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

/** One use of one source. */
export interface Attempt {
  readonly source: Source
  /** What the bytes must show, should any of them come from a peer. */
  readonly expectation: Expectation
  readonly signal: AbortSignal
  /** A peer may stay silent, or drip, for this long, in ms. */
  readonly patienceMs: number
  /** Whether a growing copy has a reason to be silent. */
  readonly excuse: () => boolean
  /** Whether this node has to wait for its turn at the processor, and nobody else is to blame. */
  readonly isLate: () => boolean
  /** Whether another peer that has it has answered. */
  readonly hasAnother: () => boolean
}

type Excuses = Pick<Attempt, 'excuse' | 'isLate' | 'hasAnother'>

const never = () => false
const NO_EXCUSE: Excuses = { excuse: never, isLate: never, hasAnother: never }

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
  readonly #originLength: OriginLength
  /** When the source in use began, and what was held by then. */
  #filling: { readonly since: Monotonic; readonly heldBytes: number }
  /** Of what this fills itself. */
  readonly #rate: RecentRate
  /** Whether the origin server may have gone on with another file than it began. */
  #isDoubted = false
  /** Whether applications were answered before the whole was verified. */
  #isStreaming = false
  /** Where the origin server went on behind a beginning of peers that no application has seen. */
  #rest: { readonly from: number; readonly fields: Fields } | undefined
  /** The same of a whole that proved wrong, and what can be given back when its end was read. */
  #end: KeptEnd | undefined
  #spent: GrowingCopy | undefined
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
    this.#originLength = new OriginLength(request, components)
  }

  get copy(): GrowingCopy | undefined {
    return this.#copy
  }

  get #contributors(): ReadonlySet<Address> {
    return this.provenance.contributors
  }

  /** Whether the name says what the bytes are: then no origin server is believed without a proof. */
  get #isNamed(): boolean {
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
    const isBegun = this.#isStreaming || this.#isNamed || this.#end !== undefined
    if (attempt.source.kind !== 'internet') this.#keepNoEnd()
    this.provenance.sourceBegins()
    await this.#dropSpent()
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
    this.#filling = { since: this.#components.clock.monotonic(), heldBytes: this.heldBytes }
    this.#rate.begin()
    if (opened.size !== undefined) copy.setSize(opened.size)
    const several = this.#severalSources(copy, opened, attempt)
    await this.#pump(copy, several?.watching(opened) ?? opened, attempt, several)
    if (several?.hasTakenOver === true) await this.#takeFromAll(several, copy, attempt)
    if (attempt.signal.aborted) return { kind: 'aborted' }
    await this.#dropSpent()
    if (copy.size === undefined) copy.setSize(this.heldBytes)
    return { kind: 'filled' }
  }

  /** What came from peers is verified, and content that was asked for by its name. @throws Fault VERIFICATION_FAILED; STORE_FAILED when it cannot be read. */
  async verify(expectation: Expectation): Promise<void> {
    const copy = this.#copy
    if (copy === undefined || (this.isUndoubted && !this.#isNamed)) return
    const digest: GrowingCopy['digest'] = (algorithm) => copy.digest(algorithm)
    const read: Candidate['read'] = (span) => copy.read(span, undefined, 'held')
    const candidate = { size: copy.size ?? 0, sha256: await this.sha256(), digest, read }
    const verdict = await this.#components.verifier.verify(expectation, candidate)
    if (verdict.kind === 'verified') {
      this.#rest = undefined
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
    return this.#rest !== undefined
  }

  /** The origin server is to go on behind bytes of peers that no application has seen. */
  goOn(): void {
    this.#rest = { from: this.heldBytes, fields: [] }
  }

  /** Forgets every byte, and the length: nobody has seen one. */
  async reset(): Promise<void> {
    this.#forget()
    await this.#copy?.reset()
  }

  /** Forgets the bytes of peers, and those of the origin server as well that cannot be kept. */
  async resetBeginning(): Promise<void> {
    const { from = 0, fields = [] } = this.#rest ?? {}
    const copy = this.#copy
    if (copy !== undefined && from > 0) this.#end = keptEnd(copy, from, fields, this.#components.clock.wall())
    if (this.#end !== undefined) this.#copy = undefined
    await this.reset()
  }

  #forget(): void {
    this.provenance.forget()
    this.#isDoubted = false
    this.#rest = undefined
    this.#head.forget()
    this.report.source = undefined
    this.report.status = undefined
  }

  /** A copy that nobody waits for any more when it is there is given back at once. */
  async #create(
    { size }: OpenedSource,
    { source, expectation, signal }: Attempt,
  ): Promise<GrowingCopy | undefined> {
    const copy = await this.#components.store.create(roomAtFirst(size, source, expectation), size)
    if (!signal.aborted) return (this.#copy = copy)
    await copy.discard()
    return undefined
  }

  /** Nobody reads it any more: what may be gone on with later is kept, everything else goes. */
  letGo(): void {
    void this.#dropSpent()
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
    void this.#dropSpent()
    this.#copy = undefined
    this.#opened = undefined
    this.#head.forget(reason)
    this.provenance.forget()
    this.#unstorable = reason
    opened?.use.leave()
    if (opened === undefined) await copy?.discard()
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
    this.#filling = { since: this.#components.clock.monotonic(), heldBytes: this.heldBytes }
    this.#isStreaming = true
    this.#components.onAnswerable()
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
    if (this.#end !== undefined) return this.#openBefore(this.#end, attempt.signal)
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
    const isUnseen = from > 0 && this.#contributors.size > 0 && !this.#isStreaming
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
    const upstream = this.#isNamed ? followingRedirects(origin) : origin
    const opened = await openRest(upstream, target, fields, rest, signal)
    if (opened.status === 200) this.#repeatedBytes += from
    if (from === 0) this.#forgetPeers(opened)
    else if (this.isMixed) this.#rest = { from, fields: opened.fields }
    return opened
  }

  /** What peers had begun was wrong, and only that is fetched anew. Whatever hinders it, the whole can be. */
  async #openBefore(end: KeptEnd, signal: AbortSignal): Promise<OpenedSource | ArrivalOutcome> {
    this.#end = undefined
    this.#spent = end.copy
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

  /** A peer goes on: what follows is not the origin server's alone any more. */
  #keepNoEnd(): void {
    if (this.isMixed) this.#rest = { from: 0, fields: [] }
    this.#spent ??= this.#end?.copy
    this.#end = undefined
  }

  async #dropSpent(): Promise<void> {
    const spent = this.#spent
    this.#spent = undefined
    await spent?.discard()
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
    this.#head.fromOrigin(fields, this.#isNamed)
  }

  #severalSources(copy: GrowingCopy, opened: OpenedSource, attempt: Attempt): SeveralSources | undefined {
    const { source, expectation, signal, patienceMs } = attempt
    if (source.kind !== 'peer' || !mayBeHelped(opened, expectation)) return undefined
    const wrote: SupplyEvents['wrote'] = (helper, bytes, isStated) => {
      this.report.bytes[helper === undefined ? 'internet' : 'peer'] += bytes
      this.#rate.note(bytes)
      if (helper !== undefined && isStated) this.provenance.comesFrom(helper.peer, helper.location)
      this.#release(copy, attempt)
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
    this.#release(copy, attempt)
    let at = opened.from
    const stopWaiting = this.#streamAfterAll(copy, attempt)
    try {
      for await (const chunk of gathered(opened.body, () => copy.readers, this.#components.clock)) {
        if (signal.aborted) return
        this.#checkTold(copy)
        this.report.bytes[source.kind] += chunk.length
        checkEnd(at + chunk.length, copy.size, peer)
        await copy.write(at, chunk)
        this.#rate.note(chunk.length)
        at += chunk.length
        this.#release(copy, attempt)
      }
    } finally {
      stopWaiting()
    }
    if (!signal.aborted && several?.hasTakenOver !== true) checkWhole(at, copy.size, peer)
  }

  /** What takes long is released when it does, also where just then nothing comes. */
  #streamAfterAll(copy: GrowingCopy, attempt: Attempt): CancelTimer {
    const mayBeStreamed = !this.#isStreaming && (copy.size ?? 0) >= SMALL_GROWING_BYTES
    if (!mayBeStreamed) return () => {}
    const release = () => void (!attempt.signal.aborted && this.#release(copy, attempt))
    // A timer may come a moment early.
    return this.#components.clock.after(VERIFY_FIRST_MS + 1, release)
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

  /** @throws Fault PEER_FAILED where the origin server has a file of another length. */
  #checkTold({ size }: GrowingCopy): void {
    if (!this.#isStreaming && this.#originLength.isOther(size)) checkSize(size, this.#originLength.size)
  }

  /** Whether applications may be answered with what is only said to be so large. */
  #mayStream(copy: GrowingCopy, attempt: Attempt): boolean {
    const { source, expectation, signal } = attempt
    const isUnproved = expectation.kind === 'digest' && expectation.size === undefined
    const isOnlyTold = isUnproved && isAnybodysWord(source)
    if (!isOnlyTold || this.#isStreaming) return true
    const onAnswer = () => void (!signal.aborted && this.#release(copy, attempt))
    return this.#originLength.isSettled(onAnswer) && !this.#originLength.isOther(copy.size)
  }

  /** Raises what applications may have, and says so as soon as they may be answered; not before what is mixed was judged. */
  #release(copy: GrowingCopy, attempt: Attempt): void {
    if (this.isMixed) return
    const { source, expectation } = attempt
    const filling: Filling = {
      heldBytes: copy.heldUntil(0),
      size: copy.size,
      mustBeProved: !this.isUndoubted || source.kind !== 'internet' || this.#isNamed,
      isGrowing: source.kind === 'in-progress' && !isAnybodysWord(source) && !this.isBegunByOthers,
      isStreaming: this.#isStreaming,
      expectation,
      elapsedMs: this.#components.clock.monotonic() - this.#filling.since,
      verifyFirstUpTo: this.#settings.verifyFirstUpTo,
    }
    if (mayAnswer(filling) && !this.#mayStream(copy, attempt)) return
    copy.release(releasedBytes(filling))
    if (!mayAnswer(filling)) return
    this.#isStreaming = true
    this.#components.onAnswerable()
  }
}

/** Only the application will know whether the whole is right (V5). */
function isUnprovable({ kind }: Expectation): boolean {
  return kind === 'updater'
}

/** Who was heard to ask for the file fetches it, most likely: a crowd does not ask the origin server once more each. */
function isAnybodysWord(source: Source): boolean {
  return source.kind === 'peer' || (source.kind === 'in-progress' && source.download.hasAsked !== true)
}

function forwardedFor(opened: Opened): RetrievalReport['forwarded'] {
  if (opened.validating !== undefined || opened.kind === 'direct') return opened.validating
  return opened.how === 'resumed' ? 'partial' : undefined
}
