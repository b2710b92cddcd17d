/**
 * What follows when a source fails: who is to blame, what of its bytes goes, and who is next. Which source that is the inquiry machine
 * decides (FIGS. 4A, 4B); an application notices nothing of it (R4.4).
 */
import { asFault, type Fault, type FaultCode } from '../core/fault.ts'
import type { Address } from '../core/transport.ts'
import type { Beginning } from './beginning.ts'
import { LostLine } from './lost-line.ts'
import type { RetrievalParts } from './retrieval-parts.ts'
import { peerOf, type PeerSource } from './source.ts'
import type { Failure, SourceInUse } from './source-in-use.ts'

export interface FailoverOwner {
  /** The bytes have no place here. */
  storeFailed(fault: Fault): Promise<void>
  /** Nobody is left to ask. */
  noSourceLeft(): void
  giveUp(fault: Fault): void
}

export class Failover {
  readonly #parts: RetrievalParts
  readonly #beginning: Beginning
  readonly #inUse: SourceInUse
  readonly #owner: FailoverOwner
  readonly #lostLine: LostLine
  #lastFault: Fault | undefined
  /** Who is read from the start now, because others may have begun it wrong. */
  #readAgain: Address | undefined

  constructor(parts: RetrievalParts, beginning: Beginning, inUse: SourceInUse, owner: FailoverOwner) {
    this.#parts = parts
    this.#beginning = beginning
    this.#inUse = inUse
    this.#owner = owner
    this.#lostLine = new LostLine(parts.components.clock)
  }

  /** Of the origin server, whose word counts where every source has failed. */
  get lastFault(): Fault | undefined {
    return this.#lastFault
  }

  async failed(failure: Failure): Promise<void> {
    try {
      await this.#changeSource(failure)
    } catch (error) {
      // The copy could not be emptied of wrong bytes.
      if (this.#parts.isRunning()) await this.#owner.storeFailed(asFault(error, 'STORE_FAILED'))
    }
  }

  /** @param isRelays the source itself has done nothing wrong. */
  next(fault?: Fault, isRelays = false): void {
    if (!this.#parts.isRunning()) return
    const inquiry = this.#parts.inquiry()
    const patientMs = () => this.#parts.tolerance.leftInAllMs()
    if (inquiry === undefined) this.#owner.noSourceLeft()
    else if (isRelays || fault?.code === 'PEER_LOST') inquiry.sourceLost(patientMs())
    else inquiry.sourceFailed(this.#isSilence(fault), patientMs())
  }

  async #changeSource(failure: Failure): Promise<void> {
    const { source, error } = failure
    const { answer, arrival } = this.#parts
    const isStill = this.#inUse.end()
    const fault = asFault(error, 'RESPONSE_INCOMPLETE')
    const peer = peerOf(source)
    arrival.report.failures.push(`${peer ?? 'Internet'}: ${fault.message}`)
    if (source.kind !== 'internet' && this.#mayBeOthers(peerOf(source), fault))
      return this.#readAlone(source, fault, isStill)
    this.#judge(failure, fault)
    const isRelays = this.#isRelays(peer, fault)
    if (fault.code === 'STOPPING') return this.#owner.giveUp(fault)
    if (STORE_FAULTS.has(fault.code)) return this.#owner.storeFailed(fault)
    const isInVain = source.kind === 'internet' && this.#beginning.isUnseen
    if (fault.code === 'VERIFICATION_FAILED') await this.#onWrongBytes(fault, isInVain)
    if (isInVain) return this.#fetchAnew(isStill)
    if (source.kind === 'internet' && answer.isGiven) {
      if (this.#isAnotherByName(fault)) return this.#inUse.use(source)
      const isProvable = this.#isProvable && this.#parts.inquiry() !== undefined
      const mayComeBack = this.#lostLine.mayComeBack(fault, arrival.heldBytes, isProvable)
      if (this.#mayGoOn && mayComeBack) return this.#goOnLater(isStill)
    }
    // Meanwhile it may have been paused and resumed: then another attempt runs already.
    if (isStill()) this.next(fault, isRelays)
  }

  /** Whether nothing came, which may pass. Whoever gives up fetching for another one's copy breaks off, and reads that one. */
  #isSilence(fault: Fault | undefined): boolean {
    const code = fault?.code
    if (code === 'PEER_SLOW') return !this.#parts.tolerance.hasSent
    if (code === 'RESPONSE_INCOMPLETE') return this.#inUse.current?.kind === 'in-progress'
    return code === 'PEER_STALLED' || code === 'PEER_BUSY'
  }

  #judge({ source, began, patienceMs, lagMs }: Failure, fault: Fault): void {
    if (source.kind === 'internet') return void (this.#lastFault = fault)
    this.#inUse.distrust(peerOf(source))
    const { arrival, tolerance } = this.#parts
    const isTakenBack = this.#parts.inquiry()?.state !== 'awaiting'
    const { relay } = arrival
    tolerance.failed(source, fault, { began, patienceMs, isTakenBack, lagMs, relay })
  }

  /** Whether it was not this peer that failed, but one to whom it had sent on: that one was slow, or has other bytes than it should. */
  #isRelays(peer: Address | undefined, { code }: Fault): boolean {
    const { provenance, relay } = this.#parts.arrival
    const { contributors } = provenance
    if (code === 'PEER_SLOW') return relay !== undefined
    return (
      code === 'VERIFICATION_FAILED' && peer !== undefined && contributors.size > 0 && !contributors.has(peer)
    )
  }

  /** Whether the whole is wrong, and others have begun it, who failed: they are more likely to have lied than who has sent the rest. */
  #mayBeOthers(peer: Address, { code }: Fault): boolean {
    const { answer, arrival } = this.#parts
    const isUnseen = code === 'VERIFICATION_FAILED' && !answer.isGiven
    return isUnseen && arrival.isBegunByOthers && peer !== this.#readAgain
  }

  /** The peer in use is given the chance to show that it sends the right bytes: should the whole be wrong again, they were its own. */
  async #readAlone(source: PeerSource, fault: Fault, isStill: () => boolean): Promise<void> {
    this.#readAgain = peerOf(source)
    const { others, provenance } = this.#parts.arrival
    if (!provenance.isPassedOn) this.#parts.blame.beganWrong(others, provenance, fault)
    await this.#beginning.beginAnew()
    if (isStill() && this.#parts.isRunning()) this.#inUse.use(source)
  }

  /** @param isInVain whether the origin server went on with them, and is asked for what they should have been. */
  async #onWrongBytes(fault: Fault, isInVain: boolean): Promise<void> {
    const { request, components, answer, arrival, blame } = this.#parts
    await blame.wrongBytes(arrival, fault)
    if (isInVain) return
    if (!answer.isGiven) return this.#beginning.beginAnew()
    components.events.poisoned(request.uri)
    this.#owner.giveUp(fault)
  }

  /**
   * The origin server has gone on behind what peers had sent, and it came to nothing. Others may be where this node is: where
   * there is time for it they agree on one that asks it for what peers had sent.
   */
  async #fetchAnew(isStill: () => boolean): Promise<void> {
    const { arrival, announcement, peerReaders, tolerance } = this.#parts
    peerReaders.cut()
    await arrival.resetBeginning()
    if (!isStill() || !this.#parts.isRunning()) return
    announcement.end()
    const patientMs = tolerance.leftInAllMs()
    // Others may have it by now: one of them is tried, whatever was lost before.
    tolerance.oneMore()
    const inquiry = this.#parts.inquiry()
    if (inquiry === undefined) this.#inUse.use({ kind: 'internet' })
    else inquiry.inVain(patientMs)
  }

  /**
   * Whether the origin server has what it calls another version, as its neighbours behind one name do of the same file, while a name or
   * an index that does not change says what the bytes are (V1, V2): then those decide, before the application is given the last of them.
   */
  #isAnotherByName({ code }: Fault): boolean {
    return code === 'RESPONSE_CHANGED' && this.#isProvable && this.#parts.arrival.doubt()
  }

  get #isProvable(): boolean {
    const { request, components } = this.#parts
    return components.verifier.knownDigest(request.uri, request.policy) !== undefined
  }

  /**
   * Whether the rest can be asked for later: of what range readers have bytes, too, not by this alone; and where nothing tells whether it
   * would be of the same version, only a peer may go on.
   */
  get #mayGoOn(): boolean {
    const { mayChangeOver, isContinuable } = this.#parts.arrival
    return mayChangeOver && (isContinuable || this.#parts.inquiry() !== undefined)
  }

  /** Peers are asked once more, too: they have gone on meanwhile. Whoever reads along is not to wait for that. */
  async #goOnLater(isStill: () => boolean): Promise<void> {
    const { arrival, announcement, tolerance } = this.#parts
    announcement.end()
    await this.#lostLine.wait(arrival.heldBytes)
    if (!isStill() || !this.#parts.isRunning()) return
    tolerance.oneMore()
    const inquiry = this.#parts.inquiry()
    if (inquiry?.state === 'retrieving') inquiry.inVain(tolerance.leftInAllMs())
    else this.#inUse.use({ kind: 'internet' })
  }
}

/** Without a place for a copy the origin server's response can still be passed on. */
const STORE_FAULTS: ReadonlySet<FaultCode> = new Set(['STORE_FAILED', 'STORE_FULL', 'STORE_CORRUPT'])
