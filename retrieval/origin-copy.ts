/**
 * A representation as the origin server alone sends it, whole or in parts, in one growing copy (docs/architecture.md,
 * "Ranges and sparse copies"). Any number of uses want bytes of it; each byte is asked for once, by whoever needs it first.
 *
 * It does not know how it was begun, nor where it stays when nobody uses it: origin-copies.ts does.
 */
import type { Clock, EpochMs } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { isMissing } from '../core/error-code.ts'
import { describe, Fault, type FaultCode } from '../core/fault.ts'
import { SELECTING_A_PART, withField, withoutFields, type Fields } from '../core/fields.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingCopy, MayKeep, ResponseHead, Store, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import type { Verifier } from '../core/verifier.ts'
import { isSameSelection } from '../cache/semantics/vary.ts'
import { freshened } from '../cache/semantics/validation.ts'
import { continuingValidator } from './continuing-validator.ts'
import { admit, type Admission } from './admission.ts'
import { CopyUse } from './copy-use.ts'
import { Flight } from './flight.ts'
import { gathered } from './gathered.ts'
import { continuedBy, rangeField, type Brought } from './part-source.ts'
import { CONTRADICTED, isContradicted } from './contradicted.ts'
import { EndsThere, isIncomplete } from './origin-source.ts'
import { isOvertaken, storedFor, type StoredBefore } from './overtaken.ts'
import { isWorthSkipping } from './plan.ts'
import { RecentRate } from './recent-rate.ts'
import type { Asker, RetrievalRequest } from './request.ts'
import type { RetrievalReport } from './source.ts'

export interface OriginCopyComponents {
  readonly clock: Clock
  readonly store: Pick<Store, 'commit' | 'lookup' | 'record'>
  readonly origin: Upstream
  readonly verifier: Pick<Verifier, 'knownDigest'>
  /** The copy is whole and was stored. */
  readonly stored: (response: StoredResponse) => void
  /** The copy is whole, and not what its name or a trusted index says: it was not stored. */
  readonly contradicted: (uri: TargetUri, body: Sha256) => void
  readonly log: (message: string, detail: Record<string, unknown>) => void
  /** Nobody wants a byte of it, and none is on its way. */
  readonly idle: (copy: OriginCopy) => void
  /** There is no room for all of it. */
  readonly noRoom: () => void
}

/** The response that the copy stands for. */
export interface OriginHead {
  readonly status: number
  readonly fields: Fields
  readonly admission: Extract<Admission, { kind: 'admitted' }>
  readonly requestTime: EpochMs
  readonly responseTime: EpochMs
}

/** A response whose body is a part of the copy. */
export interface Opening {
  readonly status: number
  readonly brought: Brought
  readonly body: AsyncIterable<Uint8Array>
  /** Ends the request. */
  readonly stop: AbortController
}

/** A response is read to its end, although nobody wants the rest, when no more than this is missing, in bytes… */
const WORTH_FINISHING_BYTES = 1024 * 1024
/** …and the whole from an origin server that does not know ranges, which would send everything again. */
const WORTH_FINISHING_WHOLE_BYTES = 64 * 1024 * 1024

/** Faults after which the copy is of no use to anybody. */
const SPOILING: ReadonlySet<FaultCode> = new Set(['VERIFICATION_FAILED', 'STORE_FAILED', 'STORE_CORRUPT'])

/** What is held is written down whenever so much has come, in bytes. */
const RECORD_BYTES = 16 * 1024 * 1024

export class OriginCopy {
  readonly request: RetrievalRequest
  readonly copy: GrowingCopy
  /** How fast bytes of it come, whoever asked for them. */
  readonly rate: RecentRate
  readonly #components: OriginCopyComponents
  #head: OriginHead
  readonly #uses = new Set<CopyUse>()
  readonly #flights = new Set<Flight>()
  /** Bytes of it were, or may be, given out from anywhere: then no peer may go on with it (V§2). */
  #isSparse: boolean
  /** It began as a part. */
  #isPart = false
  #isOver = false
  /** It is another file than was asked for, whoever sent it, or can be kept no more: nothing of it may be gone on with. */
  #isWrong = false
  /** Somebody has wanted bytes of it, or never will. */
  #isClaimed = false
  #unclaimedBytes = 0
  #isCommitting = false
  #endFault: Fault | undefined
  #isRefused = false
  #sinceRecord = 0
  /** Where the last response that brought the whole broke off, in bytes. */
  #wholeEndedAt: number | undefined
  /** What was stored when the response came that began it. */
  readonly #storedBefore: StoredBefore
  #isOutdated = false
  #committed: Promise<StoredResponse | undefined> | undefined
  #sentStatus: number | undefined

  constructor(
    request: RetrievalRequest,
    copy: GrowingCopy,
    head: OriginHead,
    isSparse: boolean,
    components: OriginCopyComponents,
  ) {
    this.request = request
    this.copy = copy
    this.#head = head
    this.#isSparse = isSparse
    this.#components = components
    this.rate = new RecentRate(components.clock)
    this.#storedBefore = storedFor(components.store, request.uri)
    this.#release()
  }

  get head(): OriginHead {
    return this.#head
  }

  /** What the origin server said last that brought bytes of it, or confirmed it. */
  get sentStatus(): number | undefined {
    return this.#sentStatus
  }

  get flights(): readonly Flight[] {
    return [...this.#flights]
  }

  get uses(): number {
    return this.#uses.size
  }

  /** It takes no more uses: it was put away, or proved to be another version, or wrong, or damaged. */
  get isOver(): boolean {
    return this.#isOver || this.#isWrong || this.copy.hasFailed
  }

  /** Whether missing bytes may be asked for later: something tells whether they are of the same version. */
  get isContinuable(): boolean {
    const { status, fields, responseTime } = this.#head
    const isTold = this.request.policy.immutable || continuingValidator(fields, responseTime) !== undefined
    return status === 200 && isTold
  }

  /** Bytes that came when those who had asked for them had gone. */
  get unclaimedBytes(): number {
    return this.#unclaimedBytes
  }

  /** Whether it may stay here when nobody uses it: also a part that nothing can be joined to, for who asks for it again. */
  get isWorthKeeping(): boolean {
    return (this.isContinuable || this.#isPart) && !this.#isRefused && !this.copy.hasFailed
  }

  get storedHead(): ResponseHead {
    const { status, admission, requestTime, responseTime } = this.#head
    return {
      uri: this.request.uri,
      selecting: admission.selecting,
      status,
      fields: admission.fields,
      requestTime,
      responseTime,
      source: 'internet',
      shareable: admission.isShareable,
    }
  }

  /** Parts of it that applications wait for, and have not got yet. */
  parts(): readonly CopyUse[] {
    return [...this.#uses].filter(({ isForPart, isComing }) => isForPart && isComing)
  }

  /** One more application wants bytes of it. @param report counts what is asked for on its behalf. @param isForPart see `CopyUse`. */
  use(asker: Asker, report: RetrievalReport, isForPart = false): CopyUse {
    const use = new CopyUse(this, asker, report, isForPart)
    this.#uses.add(use)
    // What came before the first one was there is his.
    if (!this.#isClaimed) report.bytes.internet += this.#unclaimedBytes
    if (!this.#isClaimed) this.#unclaimedBytes = 0
    this.#isClaimed = true
    return use
  }

  /** Everybody for whom it was begun has gone. */
  unclaimed(): void {
    this.#isClaimed = true
    this.reconsider()
  }

  /** There is a newer version: it is read to its end by those who have it, and not kept. */
  refuse(): void {
    this.#isRefused = true
  }

  /** An unsafe request has changed the resource meanwhile: nothing of this is kept (RFC 9111 4.4). */
  outdate(): void {
    this.#isRefused = true
    this.#isOutdated = true
  }

  /** Bytes are wanted that do not follow on what is here: from now on everything is given out as it comes. */
  spread(): void {
    this.#isSparse = true
    this.#release()
  }

  /** A use has ended, or wants something else. */
  reconsider(): void {
    for (const flight of this.#flights) if (this.#isPointless(flight)) flight.stop.abort(NO_LONGER_NEEDED)
    this.#endIfIdle()
  }

  left(use: CopyUse): void {
    this.#uses.delete(use)
    this.reconsider()
  }

  /** The body of the response that began it. */
  begin(opening: Opening): void {
    const { start, end, size } = opening.brought
    this.#sentStatus = opening.status
    this.#isPart ||= size !== undefined && end - start < size
    const flight = this.#flight(opening.brought, opening.stop)
    flight.accepted.resolve()
    void this.#fly(flight, async () => opening, undefined)
  }

  /** Asks the origin server for `span`. */
  fetch(span: ByteSpan, use: CopyUse): Flight {
    if (!this.isContinuable)
      throw new Fault('RESPONSE_INVALID', 'nothing tells whether other bytes are of the same version')
    const flight = this.#flight(span, new AbortController())
    void this.#fly(flight, () => this.#open(span, flight, use.asker.request), use)
    return flight
  }

  /**
   * The origin server confirmed the head (RFC 9111 4.3.4), or sent more of the same version with these fields (3.4).
   * @param request what it was asked.
   */
  renew(
    said: Pick<UpstreamResponse, 'status' | 'fields'>,
    requestTime: EpochMs,
    request: RetrievalRequest,
  ): void {
    const { status, admission: before } = this.#head
    this.#sentStatus = said.status
    const responseTime = this.#components.clock.wall()
    const news = freshened(this.#head.fields, withoutFields(said.fields, ['accept-ranges']))
    const response = { status, fields: news, requestTime, responseTime }
    const admission = admit(request, response)
    const isSame = admission.kind === 'admitted' && isSameSelection(admission.selecting, before.selecting)
    // What was admitted before may be given to those who wait for it, and to nobody later.
    if (!isSame) return this.refuse()
    const isShareable = before.isShareable && admission.isShareable
    this.#head = { ...response, fields: admission.fields, admission: { ...admission, isShareable } }
  }

  /**
   * Keeps it when it is whole.
   * @param mayKeep what whoever is the first to ask has to say to that.
   * @returns `undefined` when it is not, or may not be kept.
   */
  commit(mayKeep: MayKeep = always): Promise<StoredResponse | undefined> {
    const { copy } = this
    if (copy.size === undefined || copy.missing({ start: 0, end: copy.size }).length > 0)
      return Promise.resolve(undefined)
    this.#committed ??= this.#commit(mayKeep)
    return this.#committed
  }

  /** Whether somebody else may fill it: as long as one use has it, and it was only read from its start. */
  get isDetachable(): boolean {
    return !this.#isSparse && this.#uses.size === 1 && !this.#isOver
  }

  /** Takes the copy out, for somebody else to fill. */
  detach(): GrowingCopy | undefined {
    if (!this.isDetachable) return undefined
    this.#isOver = true
    this.#stopFlights()
    return this.copy
  }

  /** No byte comes any more, and no new use. */
  end(fault: Fault): void {
    this.#isOver = true
    this.#endFault = fault
    this.#stopFlights()
  }

  /** @throws Fault when nothing more may be asked for. */
  mustGoOn(): void {
    if (this.#endFault !== undefined) throw this.#endFault
  }

  async #commit(mayKeep: MayKeep): Promise<StoredResponse | undefined> {
    const { copy, request } = this
    const { store, stored, verifier, log } = this.#components
    this.#isCommitting = true
    try {
      await copy.recall({ start: 0, end: Infinity })
      if (copy.heldUntil(0) !== copy.size || this.#isRefused) return (this.#committed = undefined)
      if (isOvertaken(store, this.storedHead, this.#storedBefore)) return undefined
      if (await isContradicted(verifier, request, copy)) {
        await this.#onContradicted()
        return undefined
      }
      const response = await store.commit(copy, this.storedHead, () => mayKeep() && !this.#isRefused)
      if (response === undefined) this.refuse()
      if (response === undefined || this.#isOutdated) return undefined
      stored(response)
      return response
    } catch (error) {
      log('a copy could not be kept', { uri: request.uri, reason: describe(error) })
      return undefined
    } finally {
      this.#isCommitting = false
      this.#endIfIdle()
    }
  }

  /** An application has been given it, and may want it; whoever asks next is answered by the origin server. */
  async #onContradicted(): Promise<void> {
    const { uri } = this.request
    this.#isWrong = true
    this.refuse()
    this.#components.log(CONTRADICTED, { uri })
    this.#components.contradicted(uri, (await this.copy.digest('sha-256')) as Sha256)
  }

  #flight(span: ByteSpan, stop: AbortController): Flight {
    const flight = new Flight(span, (offset) => this.copy.heldUntil(offset), stop)
    this.#flights.add(flight)
    return flight
  }

  async #fly(flight: Flight, open: () => Promise<Opening>, use: CopyUse | undefined): Promise<void> {
    try {
      const { brought, body } = await open()
      flight.accepted.resolve()
      await this.#pump(flight, brought, body, use)
    } catch (error) {
      if (error instanceof Fault && SPOILING.has(error.code)) {
        this.#isWrong = true
        this.refuse()
      }
      if (takesNoMore(error)) this.#components.noRoom()
      if (flight.stop.signal.aborted) flight.accepted.reject(error)
      else flight.fail(this.#whereItEnds(flight, error))
    } finally {
      flight.stop.abort(NO_LONGER_NEEDED)
      this.#flights.delete(flight)
      flight.conclude()
    }
    // An error is kept by whoever gives it out: something older may rather stand in for it (RFC 5861 4).
    if (this.#head.status === 200) await this.commit()
    this.#endIfIdle()
  }

  /** Lines break off here and there. Where the whole breaks off at the same byte twice, there is no more of it, whatever its length is said to be. */
  #whereItEnds({ position, broughtBytes }: Flight, error: unknown): unknown {
    const isWhole = broughtBytes === position && position > 0
    if (!isWhole || !isIncomplete(error)) return error
    const isAgain = this.#wholeEndedAt === position
    this.#wholeEndedAt = position
    return isAgain ? new EndsThere(position, error) : error
  }

  async #open(span: ByteSpan, flight: Flight, request: RetrievalRequest): Promise<Opening> {
    const { clock, origin } = this.#components
    const { target: uri, fields: asked } = request
    const { fields: known, responseTime } = this.#head
    const requestTime = clock.wall()
    const ranged = withField(
      withoutFields(asked, SELECTING_A_PART),
      'Range',
      rangeField(span, this.copy.size),
    )
    const validator = continuingValidator(known, responseTime)
    const fields = validator === undefined ? ranged : withField(ranged, 'If-Range', validator)
    const response = await origin.request({ method: 'GET', uri, fields, signal: flight.stop.signal })
    const brought = continuedBy(response, span, this.copy.size, known)
    const { status } = response
    this.renew({ status, fields: brought.fields }, requestTime, request)
    return { status, brought, body: response.body, stop: flight.stop }
  }

  async #pump(
    flight: Flight,
    { start, end, size, isWholeInstead }: Brought,
    body: AsyncIterable<Uint8Array>,
    use: CopyUse | undefined,
  ): Promise<void> {
    const { copy } = this
    if (size !== undefined) copy.setSize(size)
    flight.begin(start, end, isWholeInstead ? WORTH_FINISHING_WHOLE_BYTES : WORTH_FINISHING_BYTES)
    for await (const chunk of gathered(body, () => copy.readers, this.#components.clock)) {
      if (flight.stop.signal.aborted) return
      this.#count(chunk.length, use)
      if (flight.position + chunk.length > end)
        throw new Fault('RESPONSE_INCOMPLETE', `expected ${end - start} bytes, the body goes on after them`)
      await copy.write(flight.position, chunk)
      this.rate.note(chunk.length)
      flight.advance(flight.position + chunk.length)
      this.#release()
      this.#record(chunk.length)
      // Who sends the whole in place of a part would send it again: what is here of it is passed over.
      const isToSkip = !isWholeInstead && this.#isBroughtAlready(flight)
      if (flight.position < end && (isToSkip || this.#isPointless(flight))) return
    }
    if (flight.stop.signal.aborted || flight.position === end) return
    if (end === Infinity) return copy.setSize(flight.position)
    throw new Fault(
      'RESPONSE_INCOMPLETE',
      `expected ${end - start} bytes, the body ended after ${flight.position - start}`,
    )
  }

  /** Nobody wants what is still to come, and it is too much to be read for nobody (field note 12). */
  #isPointless({ position: at, end, worthFinishingBytes }: Flight): boolean {
    if (!this.#isClaimed || end - at <= worthFinishingBytes) return false
    for (const use of this.#uses) if (use.wants({ start: at, end })) return false
    return true
  }

  #isBroughtAlready(flight: Flight): boolean {
    const { position, end } = flight
    if (this.#flights.size === 1 && this.copy.heldUntil(position) === position) return false
    const [hole] = this.copy.missing({ start: position, end })
    const others = this.flights.filter((other) => other !== flight && other.position > position)
    return isWorthSkipping(position, hole?.start ?? end, others)
  }

  /** Each byte is counted once, for one of those who are there. */
  #count(bytes: number, asking: CopyUse | undefined): void {
    const use = asking?.hasLeft === false ? asking : this.#uses.values().next().value
    if (use === undefined) this.#unclaimedBytes += bytes
    else use.report.bytes.internet += bytes
  }

  #release(): void {
    this.copy.release(this.#isSparse ? Infinity : this.copy.heldUntil(0))
  }

  #record(bytes: number): void {
    this.#sinceRecord += bytes
    if (this.#sinceRecord < RECORD_BYTES || !this.isWorthKeeping) return
    this.#sinceRecord = 0
    void this.#components.store.record(this.copy, this.storedHead)
  }

  #stopFlights(): void {
    for (const flight of this.#flights) flight.stop.abort(NO_LONGER_NEEDED)
  }

  #endIfIdle(): void {
    const isIdle = this.#isClaimed && this.#uses.size === 0 && this.#flights.size === 0
    if (!isIdle || this.#isOver || this.#isCommitting) return
    this.#isOver = true
    this.#components.idle(this)
  }
}

const always = () => true

/** Whether the disk takes no more of it, for want of space or because it fails: what comes next is passed on. A file that was removed can be made anew. */
function takesNoMore(error: unknown): boolean {
  if (!(error instanceof Fault)) return false
  return error.code === 'STORE_FULL' || (error.code === 'STORE_FAILED' && !isMissing(error.cause))
}
