/**
 * One question to the origin server, and what its answer is made into: a copy that others may join, or a response for
 * one application alone.
 */
import type { Clock, EpochMs } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import {
  fieldValue,
  hasField,
  SELECTING_A_PART,
  withField,
  withoutFields,
  type Fields,
} from '../core/fields.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { PartialResponse } from '../core/store.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import { mayAnswerWaiting, type Decision } from '../cache/semantics/decision.ts'
import { conditionalFields, notModifiedApplies } from '../cache/semantics/validation.ts'
import { continuingValidator } from './continuing-validator.ts'
import { admit } from './admission.ts'
import { endingBody } from './body-end.ts'
import { OriginCopy, type OriginHead } from './origin-copy.ts'
import { broughtBy, enclosedIn, firstRange, isSuffix, type Brought } from './part-source.ts'
import { alone, type Asker, type RetrievalRequest } from './request.ts'
import { newReport, type RetrievalReport } from './source.ts'
import type { Unshared } from './unshared.ts'

/** Somebody wants bytes from the origin server. */
export interface Ask {
  readonly request: RetrievalRequest
  /** Who asks for more of it later, when whoever has asked first may have gone; absent: nobody else. */
  readonly asker?: Asker
  /** `part`: the request has a `Range` of bytes, and no other field that selects a part but `If-Range`. */
  readonly want: 'whole' | 'part'
  readonly signal: AbortSignal
  readonly report: RetrievalReport
  /** Why nothing may be kept. */
  readonly unstorable?: string
  /**
   * `Range` for what is missing of a part that is here, where nothing tells whether more would be of the same version: an
   * origin server that then sends the whole has answered the question, and of every other answer nothing is used.
   */
  readonly rest?: string | undefined
}

/** Not to be kept: for one application, as the origin server sent it. */
export interface Direct {
  readonly kind: 'direct'
  readonly response: UpstreamResponse
  readonly reason: string
  readonly validating?: Validating
}

/** Why the origin server was asked about what was here (RFC 9211 2.2); `undefined`: nothing was, or it did for this. */
export type Validating = 'stale' | 'request' | undefined

/** What a response was made into. */
export type Led =
  | {
      readonly kind: 'copy'
      readonly how: 'begun' | 'validated'
      readonly copy: OriginCopy
      readonly validating?: Validating
    }
  | Direct

/** Bytes that are here. */
export interface Candidate {
  readonly decision: Extract<Decision, { readonly response: unknown }>
  /** Without asking the origin server whether it still holds. */
  readonly mayBeUsed: boolean
  readonly head: PartialResponse
  /** Bytes of the whole; 0 when nobody knows. */
  readonly size: number
  /** Takes it into use; `undefined` when somebody else was quicker. */
  readonly take: () => OriginCopy | undefined
}

export interface LeadingComponents {
  readonly clock: Clock
  readonly origin: Upstream
  readonly unshared: Unshared
  /** A new copy; a string says why there can be none. */
  readonly create: (
    request: RetrievalRequest,
    brought: Brought,
    head: OriginHead,
  ) => Promise<OriginCopy | string>
}

export class Leading {
  readonly #components: LeadingComponents

  constructor(components: LeadingComponents) {
    this.#components = components
  }

  /**
   * @param stop ends the request, as long as nobody else has taken that over.
   * @param candidate what is to be validated.
   * @param isFirst whether bytes of it are neither here nor coming.
   * @throws Fault when the origin server does not answer.
   */
  async ask(
    ask: Ask,
    stop: AbortController,
    candidate: Candidate | undefined,
    isFirst = false,
  ): Promise<Led> {
    const led = await this.#led(ask, stop, candidate, isFirst)
    // It stays why the origin server was asked, whatever that led to.
    return candidate === undefined ? led : { ...led, validating: reasonOf(candidate) }
  }

  async #led(
    ask: Ask,
    stop: AbortController,
    candidate: Candidate | undefined,
    isFirst: boolean,
  ): Promise<Led> {
    const { clock, origin } = this.#components
    const { target: uri, onInformation } = ask.request
    const { fields, range, isOther } = wordingOf(ask, candidate)
    const begun = ask.request.begun?.take(stop.signal)
    const requestTime = begun?.requestTime ?? clock.wall()
    const response =
      begun?.response ??
      (await origin.request({ method: 'GET', uri, fields, signal: stop.signal, onInformation }))
    if (candidate !== undefined && response.status === 304) {
      const isConfirmed = notModifiedApplies(response.fields, candidate.head)
      const copy = isConfirmed ? candidate.take() : undefined
      copy?.renew(response, requestTime, ask.request)
      // Somebody else was quicker with what was here, or it is about something else.
      return copy === undefined ? this.ask(ask, stop, undefined) : { kind: 'copy', how: 'validated', copy }
    }
    if (ask.rest !== undefined && response.status !== 200) {
      await giveUp(response)
      return this.ask({ ...ask, rest: undefined }, stop, candidate)
    }
    const brought = broughtBy(response, range)
    // Who asked for the last bytes is sent what came, and whoever asks for just these bytes later has them from here.
    const isOtherPart = brought === undefined && isFirst && !isOther && isSuffix(range)
    const enclosed = isOtherPart ? enclosedIn(response.fields) : brought
    const kept = await this.#kept(ask, response, enclosed, requestTime, candidate)
    if (kept instanceof OriginCopy && enclosed !== undefined) {
      kept.begin({ status: response.status, brought: enclosed, body: response.body, stop })
      if (brought !== undefined) return { kind: 'copy', how: 'begun', copy: kept }
      return { kind: 'direct', response: { ...response, body: passing(kept, enclosed, ask) }, reason: '' }
    }
    // What the application wrote was changed for the sake of the copy; the answer to that is none to it.
    return isOther
      ? this.#askAgain(ask, stop)
      : { kind: 'direct', response, reason: kept instanceof OriginCopy ? '' : kept }
  }

  /** In the application's own words, and for it alone. */
  async #askAgain({ request, signal }: Ask, stop: AbortController): Promise<Led> {
    stop.abort(NO_LONGER_NEEDED)
    const { target: uri, fields, onInformation } = request
    const response = await this.#components.origin.request({
      method: 'GET',
      uri,
      fields,
      signal,
      onInformation,
    })
    return { kind: 'direct', response, reason: 'not to be kept' }
  }

  /** The copy that a response is a part of; a string says why there is none. */
  async #kept(
    { request, want, unstorable }: Ask,
    response: UpstreamResponse,
    brought: Brought | undefined,
    requestTime: EpochMs,
    candidate: Candidate | undefined,
  ): Promise<OriginCopy | string> {
    const responseTime = this.#components.clock.wall()
    const { status } = response
    const described =
      brought === undefined ? response : { status: status === 206 ? 200 : status, fields: brought.fields }
    const head = { status: described.status, fields: described.fields, requestTime, responseTime }
    const admission = admit(request, head)
    const { unshared } = this.#components
    const isForOne = admission.kind === 'refused' || !mayAnswerWaiting(head, request.policy, responseTime)
    if (isForOne || unshared.isForEach(request.uri)) unshared.heed(request, head)
    if (unstorable !== undefined) return unstorable
    if (admission.kind === 'refused') return admission.reason
    // An error or a redirect has no part that was asked for: it is passed on as it came.
    if (brought === undefined || (want === 'part' && head.status !== 200)) return `status ${status}`
    const same = candidate && isSameVersion(candidate, brought, responseTime) ? candidate.take() : undefined
    same?.renew({ status, fields: brought.fields }, requestTime, request)
    if (same !== undefined) return same
    return this.#components.create(request, brought, { ...head, admission })
  }
}

function reasonOf({ decision }: Candidate): Validating {
  if (decision.kind === 'validate') return decision.reason
  return decision.ttlMs > 0 ? 'request' : 'stale'
}

async function giveUp({ body }: UpstreamResponse): Promise<void> {
  await body[Symbol.asyncIterator]().return?.()
}

/** The bytes of a part for one application, while they are kept. */
function passing(copy: OriginCopy, span: ByteSpan, { request, signal }: Ask): AsyncIterable<Uint8Array> {
  const use = copy.use(alone(request), newReport())
  const leave = () => use.leave()
  use.want([span])
  if (signal.aborted) leave()
  else signal.addEventListener('abort', leave, { once: true })
  return endingBody(use.read(span, signal), leave)
}

/** What the origin server is asked. */
interface Wording {
  readonly fields: Fields
  /** The one range that is asked for. */
  readonly range: string | undefined
  /** Whether the application asked for something that only looks alike. */
  readonly isOther: boolean
}

/** A part is asked for by one range and without `If-Range`: the response can then stand for the representation. */
function wordingOf({ request, want, unstorable, rest }: Ask, candidate: Candidate | undefined): Wording {
  const whole = withoutFields(request.fields, SELECTING_A_PART)
  if (rest !== undefined) return { fields: withField(whole, 'Range', rest), range: undefined, isOther: false }
  const conditions = candidate === undefined ? [] : conditionalFields(candidate.head.fields)
  const asked = fieldValue(request.fields, 'range') ?? ''
  const range = want === 'part' && unstorable === undefined ? firstRange(asked) : undefined
  if (range === undefined) {
    const fields = candidate === undefined ? request.fields : [...whole, ...conditions]
    return { fields, range, isOther: false }
  }
  const isOther = hasField(request.fields, 'if-range') || asked.includes(',')
  return { fields: [...withField(whole, 'Range', range), ...conditions], range, isOther }
}

/** Whether what came goes together with what is here (RFC 9110 15.3.7.3). */
function isSameVersion({ head }: Candidate, brought: Brought, responseTime: EpochMs): boolean {
  const validator = continuingValidator(head.fields, head.responseTime)
  const isSame = validator !== undefined && validator === continuingValidator(brought.fields, responseTime)
  return isSame && head.size === brought.size
}
