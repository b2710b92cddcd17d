/**
 * One resource on its way here, for however many requests wait for it (R4.6).
 *
 * Every source writes into one growing copy and every application reads from it, so a source can be replaced by the next
 * at the byte where it stopped without any application noticing (R4.4, R5.3). Which source comes next is the inquiry
 * machine's decision (FIGS. 4A, 4B); when bytes may be released is `release.ts`; this class moves bytes.
 *
 *   start ──► inquiry ──retrieve / follow / retrieveFromInternet──► attempt ──► fill ──► conclude ──► commit
 *                ▲                                                     │ failed
 *                └───────────────────── source failed ◄────────────────┘
 */
import { sleep, type Clock, type Monotonic } from '../core/clock.ts'
import { deferred } from '../core/deferred.ts'
import { describe, Fault } from '../core/fault.ts'
import { hasField, withField, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { GrowingCopy, ResponseHead, Store, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import type { Expectation, Verifier } from '../core/verifier.ts'
import type { ShunReason } from '../verify/shunned-peers.ts'
import type { AnnouncedDownload } from '../peering/peering.ts'
import type { Inquiry, InquiryOwner, PeerDownload, PeerOffer } from '../peering/inquiry.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import { keepingPace, within, type Pace } from './pace.ts'
import { contentLength, openPeer, type OpenedSource } from './peer-source.ts'
import { openRest } from './origin-source.ts'
import { mayAnswer, releasedBytes, HOLD_BACK_BYTES, type Filling } from './release.ts'
import { newReport, peerOf, type RetrievalReport, type Source } from './source.ts'

export interface RetrievalRequest {
  readonly uri: TargetUri
  /** The target as the application wrote it: what the origin server is asked for. */
  readonly target: string
  /** What goes to the origin server: end-to-end fields without `Range`; conditional ones only to validate. */
  readonly fields: Fields
  readonly policy: Policy
  /** Whether the LAN may be asked and told (V§3). */
  readonly mayAskPeers: boolean
}

/** What an application can be answered with. */
export type Head =
  /** A 200 whose body is read from the growing copy. */
  | { readonly kind: 'growing'; readonly fields: Fields; readonly copy: GrowingCopy }
  /** Whatever else the origin server said, or a 200 that is not stored: for one application, read once. */
  | { readonly kind: 'direct'; readonly response: UpstreamResponse; readonly reason: string }

export interface RetrievalSettings {
  readonly node: string
  /** Whole copies from peers up to this are verified before their first byte is released, in bytes. */
  readonly verifyFirstUpTo: number
  /** What came is kept for this long when every application has gone, in ms. */
  readonly lingerMs: number
}

/** What happens to a retrieval as a whole; its owner keeps the list of those that run. */
export interface RetrievalEvents {
  /** How the response may be kept, now that its fields are known; `undefined`: not at all. */
  admit(
    request: RetrievalRequest,
    response: { readonly status: number; readonly fields: Fields },
  ): { readonly fields: Fields; readonly selecting: Fields; readonly shareable: boolean } | string
  /** The node is fetching this from the Internet, and may say so. */
  announce(retrieval: Retrieval, progress: () => DownloadProgress): AnnouncedDownload
  shun(peer: Address, reason: ShunReason, detail: string): void
  /** Bytes that turned out wrong had been delivered: the next request goes to the origin server. */
  poisoned(uri: TargetUri): void
  /** Stored; `unverified` names the peer and the clients when only an application can tell whether it is right. */
  stored(
    response: StoredResponse,
    unverified: { readonly peer: Address; readonly clients: readonly string[] } | undefined,
  ): void
  /** The last byte has come, also of a response that was only passed on. */
  ended(report: RetrievalReport): void
  log(message: string, detail: Record<string, unknown>): void
  over(retrieval: Retrieval): void
}

export interface RetrievalComponents {
  readonly clock: Clock
  readonly store: Store
  readonly verifier: Verifier
  readonly origin: Upstream
  readonly peers: Upstream
  readonly inquire: (resource: string, waitForDownloads: boolean, owner: InquiryOwner) => Inquiry
  readonly events: RetrievalEvents
}

/** All peers together may cost an application this much that leads nowhere, in ms. */
export const PEER_PATIENCE_MS = 900

/** One peer may stay silent, or drip, for this long, in ms. */
export const PEER_STALL_MS = 600

/** A growing copy grows as its source does; less than this in a period is a stall. */
const LEAST_GROWING_BYTES = 1024
const LEAST_WHOLE_BYTES = 64 * 1024

/** A retrieval that nobody waits for is finished all the same when no more than this is missing. */
const WORTH_FINISHING_BYTES = 1024 * 1024

/** Why an application is answered `direct`, where the response could not be kept. */
const NO_EXPECTATION: Expectation = { kind: 'none', rung: 'V6' }

export class Retrieval implements InquiryOwner {
  readonly request: RetrievalRequest
  readonly report: RetrievalReport = newReport()
  readonly #settings: RetrievalSettings
  readonly #components: RetrievalComponents
  readonly #head = deferred<Head>()
  readonly #startedAt: Monotonic
  #inquiry: Inquiry | undefined
  #expectation: Promise<Expectation> = Promise.resolve(NO_EXPECTATION)
  #copy: GrowingCopy | undefined
  #fields: Fields = []
  #admitted: { fields: Fields; selecting: Fields; shareable: boolean } | undefined
  #announced: AnnouncedDownload | undefined
  #attempt = new AbortController()
  #current: Source | undefined
  /** Peers whose bytes are in the copy. */
  readonly #contributors = new Set<Address>()
  #fillingSince: Monotonic
  #requestTime
  #responseTime
  #wastedMs = 0
  #readers = 0
  #isAnswered = false
  #isHandedOver = false
  #state: 'running' | 'paused' | 'over' = 'running'
  #stopLingering = new AbortController()

  constructor(request: RetrievalRequest, settings: RetrievalSettings, components: RetrievalComponents) {
    this.request = request
    this.#settings = settings
    this.#components = components
    this.#startedAt = components.clock.monotonic()
    this.#fillingSince = this.#startedAt
    this.#requestTime = components.clock.wall()
    this.#responseTime = this.#requestTime
  }

  /** Resolves when applications can be answered. @throws Fault of the last source when every one failed. */
  head(): Promise<Head> {
    return this.#head.promise
  }

  /** The growing copy, while there is one that others may read. */
  get copy(): GrowingCopy | undefined {
    return this.#state === 'over' ? undefined : this.#copy
  }

  /** The fields that describe the growing copy. */
  get fields(): Fields {
    return this.#fields
  }

  get isShareable(): boolean {
    return this.#admitted?.shareable === true && this.#contributors.size === 0
  }

  /** Whether the response will be stored when it is whole. */
  get willBeStored(): boolean {
    return this.#admitted !== undefined
  }

  /** Notes who was given bytes that only the application can verify (V5, "watch for a retry"). */
  deliveredTo(client: string): void {
    this.#clients.add(client)
  }

  readonly #clients = new Set<string>()

  /** Which source feeds it now, for people who watch. */
  get current(): Source | undefined {
    return this.#current
  }

  progress(): DownloadProgress {
    const receivedBytes = this.#copy?.heldUntil(0) ?? 0
    const seconds = (this.#components.clock.monotonic() - this.#fillingSince) / 1000
    const bytesPerSecond = seconds > 0 ? Math.round(receivedBytes / seconds) : undefined
    return { receivedBytes, totalBytes: this.#copy?.size, bytesPerSecond }
  }

  async start(): Promise<void> {
    const { verifier, clock, inquire } = this.#components
    const { uri, policy, mayAskPeers } = this.request
    if (!mayAskPeers) return this.retrieveFromInternet()
    this.#expectation = verifier.expect(uri, policy)
    this.#expectation.catch(() => {})
    const pending = sleep(clock, 0).then(() => undefined)
    const early = await Promise.race([this.#expectation, pending])
    if (early?.kind === 'none') return this.retrieveFromInternet()
    this.report.asked = true
    this.#inquiry = inquire(uri, policy.waitForDownloads, this)
  }

  /** One more application (or peer) reads this; call the result once when it has gone or is done. */
  join(): () => void {
    this.#readers++
    this.#stopLingering.abort()
    if (this.#state === 'paused') this.#resume()
    let isGone = false
    return () => {
      if (isGone) return
      isGone = true
      if (--this.#readers > 0) return
      if (this.#isHandedOver) this.#attempt.abort()
      else if (this.#state === 'running') this.#pauseUnlessWorthFinishing()
    }
  }

  /** Ends it at once: the node stops. */
  stop(): void {
    this.#giveUp(new Fault('STOPPING', 'the node is stopping'))
  }

  // The inquiry's commands (InquiryOwner).

  retrieve(offer: PeerOffer): void {
    this.#use({ kind: 'peer', offer })
  }

  follow(download: PeerDownload): void {
    const { location } = download
    if (location !== undefined) this.#use({ kind: 'in-progress', download: { ...download, location } })
  }

  retrieveFromInternet(): void {
    this.#use({ kind: 'internet' })
  }

  /** A holder answered late: worth changing over to when enough is missing and its copy can be verified. */
  lateOffer(offer: PeerOffer): void {
    void this.#expectation.then((expectation) => {
      const size = this.#copy?.size
      if (this.#current?.kind !== 'internet' || size === undefined || expectation.kind === 'none') return
      if (offer.size !== undefined && offer.size !== size) return
      if (size - (this.#copy?.heldUntil(0) ?? 0) <= 2 * HOLD_BACK_BYTES) return
      this.#attempt.abort()
      this.#inquiry?.changeOver()
    })
  }

  heardProgress(download: PeerDownload): void {
    this.report.peerProgress = download
  }

  failed(): void {
    const reason = this.report.failures.at(-1) ?? 'no source answered'
    this.#giveUp(this.#lastFault ?? new Fault('RESPONSE_INCOMPLETE', reason))
  }

  #lastFault: Fault | undefined
  /** Why nothing can be stored here now. */
  #unstorable: string | undefined

  #use(source: Source): void {
    this.#attempt.abort()
    const attempt = new AbortController()
    this.#attempt = attempt
    this.#current = source
    if (this.report.source === undefined)
      this.report.waitedMs = Math.round(this.#components.clock.monotonic() - this.#startedAt)
    void this.#try(source, attempt.signal)
  }

  async #try(source: Source, signal: AbortSignal): Promise<void> {
    const began = this.#components.clock.monotonic()
    try {
      if ((await this.#fill(source, signal)) === 'handed-over') return this.#end()
      if (!signal.aborted) await this.#conclude()
    } catch (error) {
      if (signal.aborted || this.#state === 'over') return
      await this.#onFailure(source, error, began)
    }
  }

  async #fill(source: Source, signal: AbortSignal): Promise<'filled' | 'handed-over'> {
    const expectation = await this.#expectation
    const from = this.#copy?.heldUntil(0) ?? 0
    if (this.#copy && from === this.#copy.size) return 'filled'
    const opened =
      source.kind === 'internet'
        ? await this.#openOrigin(from, signal)
        : await this.#openPeer(source, from, expectation, signal)
    if (opened === undefined) return 'handed-over'
    this.report.source ??= source.kind
    const copy = this.#copy ?? (await this.#components.store.create(opened.size))
    this.#copy = copy
    this.#fillingSince = this.#components.clock.monotonic()
    if (opened.size !== undefined) copy.setSize(opened.size)
    if (source.kind === 'internet') this.#announce()
    this.#release(source, expectation)
    await this.#pump(source, opened, expectation, signal)
    if (copy.size === undefined && !signal.aborted) copy.setSize(copy.heldUntil(0))
    return 'filled'
  }

  async #pump(
    source: Source,
    opened: OpenedSource,
    expectation: Expectation,
    signal: AbortSignal,
  ): Promise<void> {
    const copy = this.#copy
    if (!copy) return
    const peer = peerOf(source)
    const body =
      peer === undefined ? opened.body : keepingPace(opened.body, this.#pace(source), this.#components.clock)
    let at = opened.from
    for await (const chunk of body) {
      if (signal.aborted) return
      if (peer !== undefined) this.#contributors.add(peer)
      this.report.bytes[source.kind] += chunk.length
      await copy.write(at, chunk)
      at += chunk.length
      this.#release(source, expectation)
    }
    if (copy.size !== undefined && at < copy.size && !signal.aborted) {
      const code = peer === undefined ? 'RESPONSE_INCOMPLETE' : 'PEER_FAILED'
      throw new Fault(code, `expected ${copy.size} bytes, the body ended after ${at}`)
    }
  }

  async #openPeer(
    source: Exclude<Source, { kind: 'internet' }>,
    from: number,
    expectation: Expectation,
    signal: AbortSignal,
  ): Promise<OpenedSource> {
    if (expectation.kind === 'none') throw new Fault('PEER_FAILED', 'nothing proves a copy from a peer')
    const { clock, peers } = this.#components
    const location = source.kind === 'peer' ? source.offer.location : source.download.location
    const opening = openPeer(peers, location, from, this.#settings.node, signal)
    const opened = await within(opening, this.#patienceMs(), clock, { code: 'PEER_FAILED' })
    this.#checkSize(opened.size, expectation)
    if (this.#fields.length === 0) this.#keepHead(opened.fields)
    return opened
  }

  /** A copy of another length cannot be the right one: known before its first byte is read. */
  #checkSize(size: number | undefined, expectation: Expectation): void {
    const expected = this.#copy?.size ?? (expectation.kind === 'digest' ? expectation.size : undefined)
    if (size !== undefined && expected !== undefined && size !== expected)
      throw new Fault('PEER_FAILED', `expected ${expected} bytes, the peer offers ${size}`)
  }

  /** @returns `undefined` when the response is not to be kept and was handed over as it is. */
  async #openOrigin(from: number, signal: AbortSignal): Promise<OpenedSource | undefined> {
    const { origin, clock } = this.#components
    const { target, fields } = this.request
    if (from > 0) {
      const rest = { from, size: this.#copy?.size, fields: this.#contributors.size === 0 ? this.#fields : [] }
      return openRest(origin, target, fields, rest, signal)
    }
    this.#requestTime = clock.wall()
    const response = await origin.request({ method: 'GET', uri: target, fields, signal })
    this.#responseTime = clock.wall()
    const admitted = this.#unstorable ?? this.#components.events.admit(this.request, response)
    const room =
      typeof admitted === 'string' ? admitted : await this.#makeRoom(contentLength(response.fields))
    if (typeof admitted === 'string' || room !== undefined) {
      this.#handOver(response, room ?? 'it is not stored')
      return undefined
    }
    this.#admitted = admitted
    this.#fields = response.fields
    return {
      status: 200,
      fields: response.fields,
      size: contentLength(response.fields),
      from: 0,
      body: response.body,
    }
  }

  /** A response that finds no room is delivered without being stored. @returns why there is none. */
  async #makeRoom(size: number | undefined): Promise<string | undefined> {
    if (this.#copy) return undefined
    try {
      this.#copy = await this.#components.store.create(size)
      return undefined
    } catch (error) {
      this.#components.events.log('there is no room for a copy', {
        uri: this.request.uri,
        reason: describe(error),
      })
      return describe(error)
    }
  }

  #handOver(response: UpstreamResponse, reason: string): void {
    this.report.source = 'internet'
    this.#isAnswered = true
    this.#isHandedOver = true
    this.#inquiry?.abandon()
    this.#head.resolve({
      kind: 'direct',
      response: { ...response, body: this.#counted(response.body) },
      reason,
    })
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      for await (const chunk of body) {
        this.report.bytes.internet += chunk.length
        yield chunk
      }
    } finally {
      this.#components.events.ended(this.report)
    }
  }

  #keepHead(fields: Fields): void {
    this.#responseTime = this.#components.clock.wall()
    const dated = hasField(fields, 'date')
      ? fields
      : withField(fields, 'Date', new Date(this.#responseTime).toUTCString())
    this.#fields = dated
    const admitted = this.#components.events.admit(this.request, { status: 200, fields: dated })
    this.#admitted = typeof admitted === 'string' ? undefined : admitted
  }

  #announce(): void {
    if (this.#announced || !this.isShareable || !this.request.mayAskPeers) return
    this.#announced = this.#components.events.announce(this, () => this.progress())
  }

  /** Raises what applications may have, and answers them as soon as they may be answered. */
  #release(source: Source, expectation: Expectation): void {
    const copy = this.#copy
    if (!copy) return
    const filling: Filling = {
      heldBytes: copy.heldUntil(0),
      size: copy.size,
      hasPeerBytes: this.#contributors.size > 0 || source.kind !== 'internet',
      isGrowing: source.kind === 'in-progress',
      expectation,
      elapsedMs: this.#components.clock.monotonic() - this.#fillingSince,
      verifyFirstUpTo: this.#settings.verifyFirstUpTo,
    }
    copy.release(releasedBytes(filling))
    if (mayAnswer(filling)) this.#answer(copy)
  }

  #answer(copy: GrowingCopy): void {
    this.#isAnswered = true
    this.#head.resolve({ kind: 'growing', fields: this.#fields, copy })
  }

  /** The copy is whole: verify what came from peers, let the applications have it all, keep it. */
  async #conclude(): Promise<void> {
    const copy = this.#copy
    if (!copy) return
    await this.#verify(copy)
    copy.release(Infinity)
    this.#answer(copy)
    this.#inquiry?.retrieved()
    await this.#commit(copy)
    this.#announced?.complete()
    this.#end()
  }

  async #verify(copy: GrowingCopy): Promise<void> {
    if (this.#contributors.size === 0) return
    const { verifier } = this.#components
    const expectation = await this.#expectation
    const digest = (algorithm: Parameters<GrowingCopy['digest']>[0]) => copy.digest(algorithm)
    const sha256 = (await copy.digest('sha-256')) as StoredResponse['digest']
    const verdict = await verifier.verify(expectation, { size: copy.size ?? 0, sha256, digest })
    if (verdict.kind === 'refused') throw new Fault('VERIFICATION_FAILED', verdict.reason)
  }

  async #commit(copy: GrowingCopy): Promise<void> {
    const admitted = this.#admitted
    if (!admitted) return copy.discard()
    const head: ResponseHead = {
      uri: this.request.uri,
      selecting: admitted.selecting,
      status: 200,
      fields: admitted.fields,
      requestTime: this.#requestTime,
      responseTime: this.#responseTime,
      source: this.#contributors.size > 0 ? 'peer' : 'internet',
      shareable: admitted.shareable,
    }
    try {
      const stored = await this.#components.store.commit(copy, head)
      this.#components.events.stored(stored, await this.#unverified())
    } catch (error) {
      this.#components.events.log('a copy could not be kept', { uri: head.uri, reason: describe(error) })
    }
  }

  async #unverified(): Promise<{ peer: Address; clients: readonly string[] } | undefined> {
    const [peer] = this.#contributors
    if (peer === undefined || (await this.#expectation).kind !== 'updater') return undefined
    return { peer, clients: [...this.#clients] }
  }

  async #onFailure(source: Source, error: unknown, began: Monotonic): Promise<void> {
    const fault =
      error instanceof Fault ? error : new Fault('RESPONSE_INCOMPLETE', describe(error), { cause: error })
    const peer = peerOf(source)
    if (peer === undefined) this.#lastFault = fault
    else this.#wastedMs += this.#components.clock.monotonic() - began
    this.report.failures.push(`${peer ?? 'Internet'}: ${fault.message}`)
    if (fault.blame === 'node') return this.#onStoreFailure(fault)
    if (fault.code === 'VERIFICATION_FAILED') await this.#onWrongBytes(fault)
    else if (peer !== undefined) this.#shunFailed(peer, fault)
    if (this.#state !== 'running') return
    this.#attempt.abort()
    if (this.#inquiry) this.#inquiry.sourceFailed()
    else this.failed()
  }

  /** Without a place for a copy the application is answered straight from the origin server, if that still can be. */
  async #onStoreFailure(fault: Fault): Promise<void> {
    if (this.#isAnswered) return this.#giveUp(fault)
    await this.#copy?.discard()
    this.#copy = undefined
    this.#contributors.clear()
    this.#unstorable = fault.message
    this.#inquiry?.abandon()
    this.#inquiry = undefined
    this.retrieveFromInternet()
  }

  #shunFailed(peer: Address, fault: Fault): void {
    if (fault.message.startsWith('nothing proves')) return
    const reason = fault.message.includes('none came') ? 'stalled' : 'broke-off'
    this.#components.events.shun(peer, reason, `${this.request.uri}: ${fault.message}`)
  }

  /** Which of several peers lied is not known: one alone is shunned for long, several for a moment. */
  async #onWrongBytes(fault: Fault): Promise<void> {
    const reason = this.#contributors.size === 1 ? 'bad-bytes' : 'broke-off'
    for (const peer of this.#contributors)
      this.#components.events.shun(peer, reason, `${this.request.uri}: ${fault.message}`)
    if (this.#isAnswered) {
      this.#components.events.poisoned(this.request.uri)
      return this.#giveUp(fault)
    }
    this.#contributors.clear()
    this.#fields = []
    this.#admitted = undefined
    await this.#copy?.reset()
  }

  #pace(source: Source): Pace {
    const leastBytes = source.kind === 'peer' ? LEAST_WHOLE_BYTES : LEAST_GROWING_BYTES
    return { periodMs: this.#patienceMs(), leastBytes, code: 'PEER_FAILED' }
  }

  #patienceMs(): number {
    return Math.max(0, Math.min(PEER_STALL_MS, PEER_PATIENCE_MS - this.#wastedMs))
  }

  /** Nobody reads any more: what is here stays for a while, the uplink does not work for nobody (field note 12). */
  #pauseUnlessWorthFinishing(): void {
    const { totalBytes, receivedBytes } = this.progress()
    if (totalBytes !== undefined && totalBytes - receivedBytes <= WORTH_FINISHING_BYTES) return
    this.#state = 'paused'
    this.#attempt.abort()
    this.#inquiry?.abandon()
    this.#announced?.failed()
    this.#announced = undefined
    this.#stopLingering = new AbortController()
    void this.#linger(this.#stopLingering.signal)
  }

  async #linger(signal: AbortSignal): Promise<void> {
    if (this.#copy) await sleep(this.#components.clock, this.#settings.lingerMs, signal)
    if (this.#state === 'paused' && this.#readers === 0)
      this.#giveUp(new Fault('ABORTED', 'every application has gone'))
  }

  #resume(): void {
    this.#state = 'running'
    void this.start()
  }

  #giveUp(fault: Fault): void {
    if (this.#state === 'over') return
    this.#attempt.abort()
    this.#announced?.failed()
    this.#inquiry?.abandon()
    this.#head.reject(fault)
    this.#copy?.fail(fault)
    void this.#copy?.discard()
    this.#end()
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    for (const peer of this.#inquiry?.answered ?? []) this.report.answered.add(peer)
    this.#components.events.over(this)
    if (!this.#isHandedOver) this.#components.events.ended(this.report)
  }
}
