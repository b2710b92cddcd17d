/**
 * A request for what is not here, answered on the shortest way there is: the origin server's bytes go to the application
 * and, when they are whole, to the store, without a growing copy, a stream or a promise between. Whatever turns out to be
 * more than that takes the path of a resource, with what has come: then this only passes bytes on.
 *
 *   asking ──a small response that may be stored──► receiving ──whole──► storing ──► over
 *      │                                                │ somebody else wants it
 *      │ anything else                                  ▼
 *      └──────────────► passed to the path          shared with the path
 */
import type { Clock, EpochMs } from '../core/clock.ts'
import { deferred } from '../core/deferred.ts'
import { asFault, describe, Fault } from '../core/fault.ts'
import { endToEndFieldsOnce, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import { PushedBody } from '../core/pushed-body.ts'
import type { Reservation, ResponseHead, Store } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import type {
  Call,
  CallingUpstream,
  OnInformation,
  ResponseTaker,
  UpstreamResponse,
} from '../core/upstream.ts'
import { dated } from '../cache/semantics/http-date.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import { admitOrdinary } from './admission.ts'
import { Begun } from './begun.ts'
import type { Moment } from './changes.ts'
import type { LentMemory } from './lent-memory.ts'
import { isOvertaken, storedFor, type StoredBefore } from './overtaken.ts'
import { contentLength } from './peer-source.ts'
import { wholeFields } from './representation.ts'
import { fetchedTrace, type Resource, type ResourceRequest, type Trace } from './resource.ts'
import type { Retrievals } from './retrievals.ts'
import { newReport } from './source.ts'

/** The application that asked. */
export interface MissTaker {
  readonly onInformation: OnInformation
  readonly onAnswer: (head: { readonly status: number; readonly fields: Fields }, trace: Trace) => void
  /** The array is lent for the call. */
  readonly onData: (bytes: Uint8Array) => void
  readonly onEnd: () => void
  /** There is no answer, or no end of it. */
  readonly onFailure: (fault: Fault) => void
  /** The answer comes by the path of a resource, which is to be given this. Nothing else is told. */
  readonly onPath: (begun: Begun) => void
}

export type MissRequest = Omit<ResourceRequest, 'signal' | 'onInformation' | 'allocate' | 'begun'>

export interface MissComponents {
  readonly clock: Clock
  readonly store: Pick<Store, 'lookup' | 'reserve'>
  /** The path of a resource. */
  readonly get: (request: ResourceRequest) => Promise<Resource>
  readonly retrievals: Pick<Retrievals, 'changes' | 'ended' | 'log' | 'plain' | 'stored' | 'unshared'>
  /** Memory for bodies. */
  readonly memory: LentMemory
}

type State = 'asking' | 'receiving' | 'storing' | 'passed' | 'shared' | 'continued' | 'over'

export class PlainMiss implements ResponseTaker, Call {
  readonly request: MissRequest
  readonly #policy: Policy
  readonly #taker: MissTaker
  readonly #components: MissComponents
  readonly #requestTime: EpochMs
  readonly #began: Moment
  readonly #report = newReport(NOBODY)
  #call: Call | undefined
  #state: State = 'asking'
  #isLeft = false
  /** Set when others wait for what becomes of it. */
  #waiting: ReturnType<typeof deferred<void>> | undefined
  /** How many of them have not gone. */
  #waitingCount = 0
  #head: ResponseHead | undefined
  #response: Omit<UpstreamResponse, 'body'> | undefined
  #room: Reservation | undefined
  #storedBefore: StoredBefore | undefined
  #memory: Uint8Array = NOTHING
  #body: Uint8Array = NOTHING
  /** Bytes of the body that have come. */
  #length = 0
  #pushed: PushedBody | undefined

  constructor(request: MissRequest, policy: Policy, taker: MissTaker, components: MissComponents) {
    this.request = request
    this.#policy = policy
    this.#taker = taker
    this.#components = components
    this.#requestTime = components.clock.wall()
    this.#began = components.retrievals.changes.now()
  }

  get uri(): TargetUri {
    return this.request.uri
  }

  /** How far it is, for people who watch. It is small, and keeps no account of its speed. */
  shown(): DownloadProgress {
    const totalBytes = this.#head === undefined ? undefined : this.#body.length
    return { receivedBytes: this.#length, totalBytes, bytesPerSecond: undefined }
  }

  /** The name of the rule that it falls under. */
  get rule(): string {
    return this.#policy.rule
  }

  /** @throws Fault when the request must not be made. */
  start(origin: CallingUpstream): void {
    const { target: uri, forwarded: fields } = this.request
    this.#report.source = 'internet'
    this.#call = origin.call({ method: 'GET', uri, fields }, this)
  }

  /**
   * Somebody else wants the same. Resolves when it is stored, or on the path of a resource, or came to nothing.
   * @param signal aborts when that one has gone.
   */
  join(signal: AbortSignal): Promise<void> {
    this.#waiting ??= deferred()
    const { promise } = this.#waiting
    this.#waitingCount += 1
    const gone = () => {
      this.#waitingCount -= 1
      this.#giveUpUnwanted()
    }
    if (signal.aborted) gone()
    else signal.addEventListener('abort', gone, { once: true })
    if (this.#state === 'receiving') this.#share()
    return promise
  }

  /** The application has gone. What is small and has begun is read to its end. */
  leave(): void {
    this.#isLeft = true
    this.#giveUpUnwanted()
  }

  // What the origin server sends (ResponseTaker).

  onInformation(status: number, fields: Fields): void {
    if (!this.#isLeft) this.#taker.onInformation(status, fields)
  }

  onHead(response: Omit<UpstreamResponse, 'body'>): void {
    this.#response = response
    const isPlain = response.status === 200 && !this.#isLeft && !this.#isOutdated && !this.#waiting
    if (!isPlain || !this.#admits(response)) this.#pass(response)
  }

  onData(lent: Uint8Array): void {
    this.#report.bytes.internet += this.#state === 'receiving' ? lent.length : 0
    if (this.#state === 'passed') return this.#pushed?.push(Buffer.from(lent))
    const start = this.#length
    this.#length += lent.length
    this.#body.set(lent, start)
    this.#pushed?.push(this.#body.subarray(start, this.#length))
    if (!this.#isLeft) this.#taker.onData(lent)
  }

  onEnd(): void {
    const state = this.#state
    this.#pushed?.end('complete')
    if (state !== 'passed' && !this.#isLeft) this.#taker.onEnd()
    if (state === 'receiving') void this.#store()
    else this.#end()
  }

  onFailure(fault: Fault): void {
    const state = this.#state
    if (state === 'receiving') this.#share()
    this.#pushed?.end(fault)
    // The path of a resource knows how to go on behind the bytes that came.
    if (state === 'receiving' || state === 'shared') return void (this.#state = 'continued')
    this.#end()
    if (state !== 'asking') return
    this.#components.retrievals.ended(this.#report)
    if (!this.#isLeft) this.#taker.onFailure(fault)
  }

  // What whoever reads the pushed body needs (Call).

  pause(): void {
    this.#call?.pause()
  }

  resume(): void {
    this.#call?.resume()
  }

  giveUp(): void {
    // Whoever reads it would else wait for ever, and what was to come would count as under way.
    this.#pushed?.end(new Fault('ABORTED', 'the request was given up'))
    this.#pushed = undefined
    // The application that asked may still be given bytes.
    if (this.#state === 'passed') this.#call?.giveUp()
  }

  /** Where nothing has come, and all who asked have gone: whoever asks next is not to wait for a server that may never answer this. */
  #giveUpUnwanted(): void {
    if (this.#state !== 'asking' || !this.#isLeft || this.#waitingCount > 0) return
    this.#call?.giveUp()
    this.#end()
  }

  /** Begins the answer, if the response is one that this way is for. */
  #admits(response: Omit<UpstreamResponse, 'body'>): boolean {
    const { clock, store } = this.#components
    const { uri, target, forwarded } = this.request
    const { status, fields } = response
    const size = contentLength(fields)
    if (size === undefined) return false
    const requestTime = this.#requestTime
    const responseTime = clock.wall()
    const asked = { target, fields: forwarded, policy: this.#policy, isNameable: false }
    const endToEnd = dated(endToEndFieldsOnce(fields), responseTime)
    const admission = admitOrdinary(asked, { status, fields, requestTime, responseTime }, endToEnd)
    this.#room = admission.kind === 'admitted' ? store.reserve(size) : undefined
    if (admission.kind !== 'admitted' || this.#room === undefined) return false
    const { fields: stored, selecting, isShareable: shareable } = admission
    const source = 'internet'
    this.#head = { uri, selecting, status, fields: stored, requestTime, responseTime, source, shareable }
    this.#storedBefore = storedFor(store, uri)
    this.#memory = this.#components.memory.take(size)
    this.#body = this.#memory.subarray(0, size)
    this.#state = 'receiving'
    const answered = wholeFields({ status, size, fields: endToEnd })
    this.#taker.onAnswer({ status, fields: answered }, this.#trace(selecting))
    return true
  }

  #trace(selecting: Fields): Trace {
    if (selecting.length > 0) return fetchedTrace(SAID, this.request.uri, selecting, this.#report)
    return { how: 'internet', cacheStatus: STORED, retrieval: this.#report }
  }

  /** All of it is for the path of a resource. */
  #pass(response: Omit<UpstreamResponse, 'body'>): void {
    const begun = this.#beginPath(response)
    if (this.#waiting !== undefined) this.#heed(response)
    this.#state = 'passed'
    this.#components.retrievals.plain.delete(this)
    if (this.#isLeft) this.#inBackground(begun)
    else this.#taker.onPath(begun)
    this.#waiting?.resolve()
  }

  /** Who waits for it is to know at once whether to wait for others again. */
  #heed({ status, fields }: Omit<UpstreamResponse, 'body'>): void {
    const { clock, retrievals } = this.#components
    const { uri, target, forwarded } = this.request
    const asked = { uri, target, fields: forwarded, policy: this.#policy, isNameable: false }
    const times = { requestTime: this.#requestTime, responseTime: clock.wall() }
    retrievals.unshared.heed(asked, { status, fields, ...times })
  }

  /** Others want it, and read along: from now on the path of a resource has it, and keeps it. */
  #share(): void {
    if (this.#response === undefined) return
    const begun = this.#beginPath(this.#response)
    this.#state = 'shared'
    this.#components.retrievals.plain.delete(this)
    this.#inBackground(begun)
    this.#waiting?.resolve()
  }

  /** Whoever waited goes on: it is stored now, or must be asked for again. */
  #end(): void {
    this.#state = 'over'
    this.#components.retrievals.plain.delete(this)
    this.#waiting?.resolve()
  }

  #beginPath(response: Omit<UpstreamResponse, 'body'>): Begun {
    const body = new PushedBody(this)
    if (this.#length > 0) body.push(this.#body.subarray(0, this.#length))
    this.#pushed = body
    this.#room?.giveBack()
    const begun = { requestTime: this.#requestTime, response: { ...response, body } }
    return new Begun(
      begun,
      () => this.#isOutdated,
      () => this.giveUp(),
    )
  }

  /** For others than the application that asked; it is read to its end, as whatever is small is. */
  #inBackground(begun: Begun): void {
    this.#readPath(begun).catch((error: unknown) => {
      // Others who wait hear of it themselves.
      if (this.#state === 'continued' && !this.#isLeft)
        this.#taker.onFailure(asFault(error, 'RESPONSE_INCOMPLETE'))
    })
  }

  async #readPath(begun: Begun): Promise<void> {
    const { signal } = new AbortController()
    const { answer } = await this.#components.get({ ...this.request, signal, begun })
    let position = 0
    for await (const bytes of answer.body ?? []) {
      const known = Math.max(0, this.#length - position)
      position += bytes.length
      if (this.#state === 'continued' && known < bytes.length) this.#continue(begun, bytes.subarray(known))
    }
    if (this.#state !== 'continued') return
    if (this.#length !== this.#body.length)
      throw new Fault('RESPONSE_CHANGED', 'the rest is of another length')
    this.#state = 'over'
    if (!this.#isLeft) this.#taker.onEnd()
  }

  /** What the path of a resource has behind the bytes at which the response broke off. */
  #continue(begun: Begun, bytes: Uint8Array): void {
    this.#length += bytes.length
    // Two versions are never joined (RFC 9110 15.3.7.3).
    if (!begun.isTaken || this.#length > this.#body.length)
      throw new Fault('RESPONSE_CHANGED', 'the rest is of something else')
    if (!this.#isLeft) this.#taker.onData(bytes)
  }

  /** An unsafe request has changed the resource meanwhile: nothing of this is kept (RFC 9111 4.4). */
  get #isOutdated(): boolean {
    return this.#components.retrievals.changes.hasChangedSince(this.request.uri, this.#began)
  }

  async #store(): Promise<void> {
    const { retrievals, memory } = this.#components
    this.#state = 'storing'
    const head = this.#headToKeep()
    if (head === undefined) this.#room?.giveBack()
    try {
      const response = head && (await this.#room?.keep(this.#body, head, () => !this.#isOutdated))
      if (response !== undefined && !this.#isOutdated) retrievals.stored(response)
    } catch (error) {
      retrievals.log('a copy could not be kept', { uri: this.request.uri, reason: describe(error) })
    }
    memory.give(this.#memory)
    retrievals.ended(this.#report)
    this.#end()
  }

  #headToKeep(): ResponseHead | undefined {
    const head = this.#head
    const before = this.#storedBefore
    const isVain = !head || !before || isOvertaken(this.#components.store, head, before) || this.#isOutdated
    return isVain ? undefined : head
  }
}

const NOTHING = new Uint8Array()
const SAID = { reason: 'uri-miss', status: 200, isStored: true, isCollapsed: false } as const
/** The same object for all that have no key of their own: what it says is put together once. */
const STORED = { kind: 'forward', ...SAID, detail: 'internet' } as const
const NOBODY = new Set<Address>()
