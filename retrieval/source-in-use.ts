/** The source in use: one after the other feeds the growing copy, each until it has brought the rest, is replaced, or fails. */
import { isContentName } from '../core/content-name.ts'
import { sleep, type Monotonic } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { Fault } from '../core/fault.ts'
import type { Address } from '../core/transport.ts'
import type { Expectation } from '../core/verifier.ts'
import type { ArrivalOutcome } from './arrival.ts'
import type { Beginning } from './beginning.ts'
import { toldSize } from './body-length.ts'
import { NO_EXPECTATION } from './proofs.ts'
import type { RetrievalParts } from './retrieval-parts.ts'
import { SlowPeerWatch, type Progressing } from './slow-peer-watch.ts'
import { soundOut } from './sounding.ts'
import { peerOf, type PeerSource, type Source } from './source.ts'

/** How a source failed. */
export interface Failure {
  readonly source: Source
  readonly error: unknown
  readonly began: Monotonic
  /** How long it was allowed to be silent, in ms. */
  readonly patienceMs: number
  /** What a peer has cost, in ms, where that was measured. */
  readonly lagMs?: number
}

export interface SourceInUseOwner {
  /** The origin server is about to be asked. */
  announce(): void
  conclude(outcome: ArrivalOutcome, expectation: Expectation): Promise<void>
  failed(failure: Failure): Promise<void>
  /** The source was not even tried: another one is to be named. */
  unusable(): void
}

/** In place of an attempt: to abort it changes nothing. */
const NONE_YET = new AbortController()

/** Longer than this the origin server is not kept waiting for a peer that is being tried, in ms. */
const TRIED_MS = 300

export class SourceInUse {
  readonly #parts: RetrievalParts
  readonly #beginning: Beginning
  readonly #owner: SourceInUseOwner
  readonly #startedAt: Monotonic
  #current: Source | undefined
  #attempt = NONE_YET
  /** Who has shown that it sends, although it is left aside, until it fails. */
  #tried: Address | undefined

  constructor(parts: RetrievalParts, beginning: Beginning, owner: SourceInUseOwner) {
    this.#parts = parts
    this.#beginning = beginning
    this.#owner = owner
    this.#startedAt = parts.components.clock.monotonic()
  }

  /** The source in use, or the last one. */
  get current(): Source | undefined {
    return this.#current
  }

  /** Whether the bytes come from the origin server, or are about to. */
  get isInternet(): boolean {
    return this.#current?.kind === 'internet' && this.#parts.isRunning()
  }

  /** Whether they come from a peer, or are about to. */
  get isPeer(): boolean {
    return this.#current !== undefined && this.#current.kind !== 'internet' && this.#parts.isRunning()
  }

  /** Whether the origin server feeds a copy that a peer could go on with: nobody continues the page of an error. */
  get mayLeaveInternet(): boolean {
    const { arrival } = this.#parts
    return this.isInternet && arrival.isFile && arrival.mayChangeOver
  }

  /** Aborted when the source is no longer in use. */
  get signal(): AbortSignal {
    return this.#attempt.signal
  }

  /** What a peer has cost, in ms, that is in use and has not failed. */
  get lagMs(): number {
    const isInUse = this.isPeer && !this.signal.aborted
    return isInUse ? this.#parts.tolerance.lagMs() : 0
  }

  /** Ends the use of the source. @returns whether no other use has begun since. */
  end(): () => boolean {
    const attempt = this.#attempt
    attempt.abort(NO_LONGER_NEEDED)
    return () => this.#attempt === attempt
  }

  /** Ends it, and what follows its failure, should that have begun. */
  cancel(): void {
    this.end()
    this.#attempt = new AbortController()
  }

  /** Ends it as if it had never begun. */
  withdraw(): void {
    this.end()
    this.#current = undefined
  }

  /** This peer may be used although it is left aside: it has shown that it sends. */
  trust(peer: Address): void {
    this.#parts.tolerance.trust()
    this.#tried = peer
  }

  /** Not any more. */
  distrust(peer: Address): void {
    if (peer === this.#tried) this.#tried = undefined
  }

  /** From now on the bytes come from here. */
  use(source: Source): void {
    const { arrival, components, tolerance } = this.#parts
    const inquiry = this.#parts.inquiry()
    const vainMs = (inquiry?.takeVainMs() ?? 0) + this.lagMs
    const keptMs = inquiry?.takeKeptMs() ?? 0
    this.cancel()
    if (source.kind !== 'internet') this.#leaveLan()
    const backlogBytes = source.kind === 'in-progress' ? source.download.receivedBytes : 0
    tolerance.uses(source.kind, vainMs, keptMs, backlogBytes)
    this.#current = source
    const { report } = arrival
    if (report.source === undefined)
      report.waitedMs = Math.round(components.clock.monotonic() - this.#startedAt)
    void this.#try(source, this.signal)
  }

  /**
   * It is no download from the Internet any more that peers may wait for. Those who read it were told that it comes from there:
   * they are to hear of the peer before they are given its bytes.
   */
  #leaveLan(): void {
    this.#parts.announcement.end()
    if (this.isInternet) this.#parts.peerReaders.owesFarewell()
  }

  async #try(source: Source, signal: AbortSignal): Promise<void> {
    const { arrival, listening, tolerance } = this.#parts
    let began = listening.monotonic()
    const patienceMs = tolerance.leftMs(source.kind)
    const using = new AbortController()
    try {
      const expectation = await this.#expectationFor(source)
      if (signal.aborted) return
      if (source.kind === 'internet' && arrival.isDoubted && expectation.kind !== 'digest')
        throw new Fault('RESPONSE_CHANGED', 'the file has changed, and nothing proves what it should be')
      began = listening.monotonic()
      if (!(await this.#prepare(source, expectation, patienceMs, signal))) return
      if (source.kind !== 'internet') {
        const isUsed = AbortSignal.any([signal, using.signal])
        const leave = (error: Fault, lagMs: number) =>
          this.#failed({ source, error, began, patienceMs, lagMs })
        this.#watch(source, expectation, isUsed, (...slow) => void leave(...slow))
      }
      const excuse = () => tolerance.isExcused(source)
      const isLate = () => tolerance.isLate()
      const hasAnother = () => this.#parts.inquiry()?.hasAnother === true
      const attempt = { source, expectation, signal, patienceMs, excuse, isLate, hasAnother }
      const outcome = await arrival.take(attempt).finally(() => using.abort(NO_LONGER_NEEDED))
      if (!signal.aborted) await this.#owner.conclude(outcome, expectation)
    } catch (error) {
      if (!signal.aborted) await this.#failed({ source, error, began, patienceMs })
    }
  }

  async #failed(failure: Failure): Promise<void> {
    if (this.#parts.isRunning()) await this.#owner.failed(failure)
  }

  /** @returns whether its bytes may be taken now; where they are of no use the machine has been told, and names what is next. */
  async #prepare(
    source: Source,
    expectation: Expectation,
    patienceMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (source.kind !== 'internet') {
      if (!this.#mayTakeFrom(source, expectation, patienceMs)) return false
      if (!(await this.#hasSpaceFor(source, signal))) return false
    }
    await this.#parts.peerReaders.takeLeave()
    if (signal.aborted) return false
    if (source.kind === 'internet') await this.#beginning.beginOrGoOn(expectation)
    else if (this.#beginning.isAheadOf(source, expectation)) await this.#beginning.beginAnew()
    if (!signal.aborted && source.kind === 'internet') {
      this.#owner.announce()
      await this.#soundOut(signal)
    }
    return !signal.aborted
  }

  /**
   * Where another node fetches it as well and has nothing yet, the origin server is not sent for it twice without need (sounding.ts). Not
   * where peers have failed already: among liars each round trip is one too many.
   */
  async #soundOut(signal: AbortSignal): Promise<void> {
    const { readers, components, arrival, answer, yielding } = this.#parts
    const isFetchedElsewhere = this.#parts.inquiry()?.isFetchedElsewhere === true
    if (!isFetchedElsewhere || arrival.report.failures.length > 0) return
    if (arrival.heldBytes > 0 || answer.isGiven) return
    await soundOut(components.origin, readers.request, components.clock, signal)
    if (signal.aborted) return
    await Promise.race([yielding.tried(), sleep(components.clock, TRIED_MS, signal)])
  }

  /** Leaves the peer when the Internet would have been much quicker. */
  #watch(
    source: PeerSource,
    expectation: Expectation,
    signal: AbortSignal,
    leave: (fault: Fault, lagMs: number) => void,
  ): void {
    const { request, components, listening } = this.#parts
    const progressing = this.#progressing(source, expectation)
    new SlowPeerWatch(
      source.kind,
      progressing,
      signal,
      { ...components, clock: listening, request },
      leave,
    ).watch()
  }

  #progressing(source: PeerSource, expectation: Expectation): Progressing {
    const { request, components, arrival, answer, readers, tolerance } = this.#parts
    const { bytes } = arrival.report
    return {
      receivedBytes: () => bytes.peer + bytes['in-progress'] + bytes.internet,
      originBytes: () => bytes.internet,
      heldBytes: () => arrival.heldBytes,
      size: () => arrival.progress().totalBytes ?? toldSize(source),
      isUnseen: () => !answer.isGiven,
      wouldStartAfresh: () => !answer.isGiven && !this.#beginning.wouldGoOn(expectation),
      wastedMs: () => tolerance.wastedMs(),
      isAwaited: () => !readers.isEmpty,
      knowsRanges: () => components.rangeSupport.known(request),
      isSentAgain: () => tolerance.isSentAgain(source),
      isFirst: () => this.#parts.inquiry()?.comesFirstBut(peerOf(source)) === true,
    }
  }

  /** Whether bytes of this peer are of use. Where they are not, the machine has been told, and names what is next. */
  #mayTakeFrom(source: PeerSource, expectation: Expectation, patienceMs: number): boolean {
    const { arrival } = this.#parts
    const isVain = expectation.kind === 'none' || !arrival.isFile || !arrival.mayChangeOver
    if (isVain) this.#parts.inquiry()?.enough()
    else if (patienceMs <= 0) this.#outOfPatience()
    else if (this.#isShunned(source) || this.#isTooLarge(source)) this.#owner.unusable()
    else return true
    return false
  }

  /** The application has waited nearly long enough for peers: the last of its patience is for finding one that fetches. */
  #outOfPatience(): void {
    const agreeingMs = this.#parts.tolerance.beginAgreeing()
    const inquiry = this.#parts.inquiry()
    if (agreeingMs === undefined) inquiry?.enough()
    else inquiry?.agree(agreeingMs)
  }

  #isShunned(source: PeerSource): boolean {
    const { peer, location } = source.kind === 'peer' ? source.offer : source.download
    const { request, components } = this.#parts
    return peer !== this.#tried && components.isShunned(peer, request.uri, location)
  }

  /** It says so itself: who asks it nevertheless could only blame it for that. */
  #isTooLarge(source: PeerSource): boolean {
    const size = toldSize(source)
    return size !== undefined && !this.#parts.components.store.mayHold(size)
  }

  /** The same of the disk, before the copy is begun: what others fill meanwhile ends it in the middle. */
  async #hasSpaceFor(source: PeerSource, signal: AbortSignal): Promise<boolean> {
    const { arrival, components } = this.#parts
    const size = toldSize(source)
    if (size === undefined || arrival.copy !== undefined) return true
    if (await components.store.hasSpaceFor(size)) return true
    if (!signal.aborted) this.#owner.unusable()
    return false
  }

  /** A proof that is still being looked up keeps nobody waiting where it is not needed. */
  async #expectationFor(source: Source): Promise<Expectation> {
    const { request, arrival, proofs } = this.#parts
    const isOriginAlone = source.kind === 'internet' && arrival.isUndoubted
    if (isOriginAlone && !isContentName(request.uri)) return NO_EXPECTATION
    return proofs.of(source, () => arrival.heldBytes > 0)
  }
}
