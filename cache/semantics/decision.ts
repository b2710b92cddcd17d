/** What to do with a request: answer it from what is stored, validate that, or fetch (RFC 9111 4). */
import type { EpochMs } from '../../core/clock.ts'
import type { Fields } from '../../core/fields.ts'
import { hasField, withoutFields } from '../../core/fields.ts'
import type { Policy } from '../../core/policy.ts'
import type { StoredResponse } from '../../core/store.ts'
import type { Directives } from './cache-control.ts'
import {
  deltaSeconds,
  hasDirective,
  isUnqualified,
  parseCacheControl,
  parseRequestDirectives,
  qualifyingFields,
} from './cache-control.ts'
import type { ForwardReason } from './cache-status.ts'
import { currentAgeMs, remainingFreshnessMs, type Stored } from './freshness.ts'
import { isRepresentation, isSuccessful } from './statuses.ts'
import { conditionalFields } from './validation.ts'
import { selectedResponse } from './vary.ts'

/** A stored response that may be sent now, without the fields that `no-cache` holds back. */
interface Reuse {
  readonly response: StoredResponse
  readonly ageMs: number
  /** Remaining freshness in milliseconds; negative when it is stale and may be sent all the same. */
  readonly ttlMs: number
}

export type Decision =
  | ({ readonly kind: 'hit' } & Reuse)
  /** Send it, and validate it in the background with `conditional` (RFC 5861 3); empty: fetch it anew. */
  | ({ readonly kind: 'stale-while-revalidate'; readonly conditional: Fields } & Reuse)
  /** Ask the origin server first, with these fields added (RFC 9111 4.3.1). */
  | {
      readonly kind: 'validate'
      readonly response: StoredResponse
      readonly conditional: Fields
      readonly reason: 'stale' | 'request'
    }
  /** `stale` is what is stored and cannot be validated; it may still stand in for an answer that fails. */
  | { readonly kind: 'miss'; readonly reason: ForwardReason; readonly stale?: StoredResponse }
  /** Nothing that may be sent, and the request forbids to go on: 504 (RFC 9111 5.2.1.7). */
  | { readonly kind: 'only-if-cached' }

export interface CacheRequest {
  readonly method: string
  readonly fields: Fields
}

/**
 * Decides about one request. It asks the origin server wherever the fields leave a doubt.
 * @param candidates everything stored for the URI, the most recent first.
 */
export function decide(
  request: CacheRequest,
  candidates: readonly StoredResponse[],
  policy: Pick<Policy, 'immutable'>,
  now: EpochMs,
): Decision {
  if (request.method !== 'GET' && request.method !== 'HEAD') return { kind: 'miss', reason: 'method' }
  const asked = parseRequestDirectives(request.fields)
  const response = selectedResponse(candidates, request.fields)
  const decision =
    response === undefined ? miss(candidates) : reuse(situationOf(asked, response, policy, now))
  const goesForward = decision.kind === 'validate' || decision.kind === 'miss'
  return goesForward && hasDirective(asked, 'only-if-cached') ? { kind: 'only-if-cached' } : decision
}

/** Without a word about it, a response that is stale by more than this does not stand in. */
export const MAX_DISCONNECTED_MS = 7 * 24 * 60 * 60 * 1000

/**
 * Whether a stale response may stand in for an answer that failed: by the response's `stale-if-error` or the request's
 * own (RFC 5861 4); where both are silent, when there was no answer at all (RFC 9111 4.2.4, "disconnected"), unless the
 * request wants it fresh.
 * @param status what the origin server answered; without it, it could not be asked.
 */
export function staleIfErrorAllows(
  request: Pick<CacheRequest, 'fields'>,
  response: Stored,
  policy: Pick<Policy, 'immutable'>,
  now: EpochMs,
  status?: number,
): boolean {
  if (status !== undefined && ![500, 502, 503, 504].includes(status)) return false
  const asked = parseRequestDirectives(request.fields)
  const given = parseCacheControl(response.fields)
  if (forbidsStale(given) || hasDirective(asked, 'no-cache')) return false
  const staleMs = -remainingFreshnessMs(response, policy, now)
  const isSpokenOf = [asked, given].some((each) => hasDirective(each, 'stale-if-error'))
  if (isSpokenOf) return [asked, given].some((each) => allowsStale(each, 'stale-if-error', staleMs))
  const wantsFresh = ['max-age', 'min-fresh', 'max-stale'].some((name) => hasDirective(asked, name))
  return status === undefined && !wantsFresh && staleMs <= MAX_DISCONNECTED_MS
}

/**
 * Whether a response that is still coming may answer one more request, as if it were stored already (RFC 9111 4): it is
 * fresh, and neither side wants the origin server to be asked.
 */
export function mayReuseUnasked(
  request: Pick<CacheRequest, 'fields'>,
  response: Stored,
  policy: Pick<Policy, 'immutable'>,
  now: EpochMs,
): boolean {
  const situation = situationOf(parseRequestDirectives(request.fields), response, policy, now)
  return !mustAskAlways(situation.given) && situation.ttlMs > 0 && !requestRefuses(situation)
}

/**
 * Whether a response may answer a request that came before it: one that waits for the same is given what has just been
 * generated, unless the origin server wants every request to be validated, or nobody to have it stale.
 */
export function mayAnswerWaiting(response: Stored, policy: Pick<Policy, 'immutable'>, now: EpochMs): boolean {
  const given = parseCacheControl(response.fields)
  if (mustAskAlways(given)) return false
  return remainingFreshnessMs(response, policy, now) > 0 || !forbidsStale(given)
}

/**
 * Whether a 304 that one user agent was sent answers the others as well that wait for the same validation: it is not for one of them,
 * and gives nobody a cookie.
 */
export function mayAnswerValidating(fields304: Fields): boolean {
  const given = parseCacheControl(fields304)
  const isForOne = isUnqualified(given, 'private') || hasDirective(given, 'no-store')
  return !isForOne && !hasField(withoutPrivateFields(fields304, given), 'set-cookie')
}

/** `private="…"`: these fields are for the user agent alone that they were sent to (RFC 9111 5.2.2.7). */
export function withoutPrivateFields(fields: Fields, given: Directives = parseCacheControl(fields)): Fields {
  const named = qualifyingFields(given, 'private')
  return named.length === 0 ? fields : withoutFields(fields, named)
}

/** `no-cache`, with field names too: without validation those could not be sent. */
function mustAskAlways(given: Directives): boolean {
  return hasDirective(given, 'no-cache')
}

/** Everything that the decision about one response depends on. */
interface Situation<R extends Stored = Stored> {
  readonly response: R
  readonly ageMs: number
  readonly ttlMs: number
  readonly asked: Directives
  readonly given: Directives
  readonly isImmutable: boolean
}

function situationOf<R extends Stored>(
  asked: Directives,
  response: R,
  policy: Pick<Policy, 'immutable'>,
  now: EpochMs,
): Situation<R> {
  const given = parseCacheControl(response.fields)
  return {
    asked,
    given,
    response,
    isImmutable: (policy.immutable && isRepresentation(response.status)) || hasDirective(given, 'immutable'),
    ageMs: currentAgeMs(response, now),
    ttlMs: remainingFreshnessMs(response, policy, now),
  }
}

function miss(candidates: readonly StoredResponse[]): Decision {
  return { kind: 'miss', reason: candidates.length === 0 ? 'uri-miss' : 'vary-miss' }
}

function reuse(situation: Situation<StoredResponse>): Decision {
  const { asked, given, response, ageMs, ttlMs } = situation
  if (isUnqualified(given, 'no-cache')) return validate(response, 'stale')
  if (requestRefuses(situation)) return validate(response, ttlMs > 0 ? 'request' : 'stale')
  const reusable = { response: withoutHeldBackFields(response, given), ageMs, ttlMs }
  if (ttlMs > 0) return { kind: 'hit', ...reusable }
  if (forbidsStale(given)) return validate(response, 'stale')
  if (acceptsAnyStale(asked) || allowsStale(asked, 'max-stale', -ttlMs)) return { kind: 'hit', ...reusable }
  if (!allowsStale(given, 'stale-while-revalidate', -ttlMs)) return validate(response, 'stale')
  return { kind: 'stale-while-revalidate', ...reusable, conditional: conditionsOf(response) }
}

/** Without a validator there is nothing to ask: the whole response is fetched again. */
function validate(response: StoredResponse, reason: 'stale' | 'request'): Decision {
  const conditional = conditionsOf(response)
  return conditional.length === 0
    ? { kind: 'miss', reason, stale: response }
    : { kind: 'validate', response, conditional, reason }
}

/** An origin server heeds conditions where it would answer with success: it cannot say that a 404 still holds. */
function conditionsOf({ status, fields }: StoredResponse): Fields {
  return isSuccessful(status) ? conditionalFields(fields) : []
}

/**
 * `no-cache`, `max-age` and `min-fresh` of the request (RFC 9111 5.2.1); `max-age=0` always asks. While a response is fresh whose bytes
 * cannot change (RFC 8246, or by rule), only `no-cache` makes us ask: apt sends `max-age=0` for by-hash names.
 */
function requestRefuses({ asked, isImmutable, ageMs, ttlMs }: Situation): boolean {
  if (hasDirective(asked, 'no-cache')) return true
  if (isImmutable && ttlMs > 0) return false
  const maxAgeMs = (deltaSeconds(asked, 'max-age') ?? Infinity) * 1000
  const minFreshMs = (deltaSeconds(asked, 'min-fresh') ?? -Infinity) * 1000
  return ageMs >= maxAgeMs || ttlMs < minFreshMs
}

/** These forbid a shared cache to send a stale response, whatever else is said (RFC 9111 4.2.4). */
function forbidsStale(given: Directives): boolean {
  const strict = ['must-revalidate', 'proxy-revalidate', 's-maxage']
  return isUnqualified(given, 'no-cache') || strict.some((name) => hasDirective(given, name))
}

/** `max-stale` without an argument: however stale it is (RFC 9111 5.2.1.2). */
function acceptsAnyStale(asked: Directives): boolean {
  const isBare = asked.list.some((each) => each.name === 'max-stale' && each.argument === undefined)
  return isBare && !asked.syntaxError
}

/** Whether a directive lets a response be stale by so much; one that is not there allows nothing. */
function allowsStale(
  directives: Directives,
  name: 'max-stale' | 'stale-while-revalidate' | 'stale-if-error',
  staleMs: number,
): boolean {
  const seconds = deltaSeconds(directives, name)
  return seconds !== undefined && staleMs <= seconds * 1000
}

/** `no-cache="…"`: these fields are not sent again before the response was validated (RFC 9111 5.2.2.4). */
export function withoutHeldBackFields<R extends Stored>(
  response: R,
  given: Directives = parseCacheControl(response.fields),
): R {
  const heldBack = qualifyingFields(given, 'no-cache')
  if (heldBack.length === 0) return response
  return { ...response, fields: withoutFields(response.fields, heldBack) }
}
