/** How old a stored response is, and for how long it is fresh (RFC 9111 4.2), in a shared cache. */
import type { EpochMs } from '../../core/clock.ts'
import { fieldValues } from '../../core/fields.ts'
import type { Policy } from '../../core/policy.ts'
import type { StoredResponse } from '../../core/store.ts'
import type { Directives } from './cache-control.ts'
import {
  deltaSeconds,
  hasDirective,
  isUnqualified,
  parseCacheControl,
  parseDeltaSeconds,
} from './cache-control.ts'
import { parseHttpDate } from './http-date.ts'
import { forbidsStoring, HEURISTICALLY_CACHEABLE, isRepresentation } from './statuses.ts'

/** What freshness depends on; every `StoredResponse` is one. */
export type Stored = Pick<StoredResponse, 'status' | 'fields' | 'requestTime' | 'responseTime'>

const SECOND_MS = 1000
const DAY_MS = 24 * 60 * 60 * SECOND_MS

/** For how long a name that always means the same bytes is fresh (R6.3, "immutable"). */
export const IMMUTABLE_LIFETIME_MS = 365 * DAY_MS

/** The usual tenth of the time since the last modification (RFC 9111 4.2.2)… */
const HEURISTIC_FRACTION = 0.1
/** …but a day at most: an archive that slept for years may still be updated tomorrow. */
export const MAX_HEURISTIC_MS = DAY_MS

/**
 * The freshness lifetime in milliseconds (RFC 9111 4.2.1): `s-maxage`, else `max-age`, else `Expires`, else
 * heuristics where they are allowed. A file whose name the policy calls immutable is fresh for a year from when the
 * response came, whatever the fields say, unless they refuse reuse altogether; that it is not there is no such file.
 */
export function freshnessLifetimeMs(response: Stored, policy: Pick<Policy, 'immutable'>): number {
  const directives = parseCacheControl(response.fields)
  const isImmutable = policy.immutable && isRepresentation(response.status)
  if (isImmutable && !refusesReuse(directives, response.status)) {
    return currentAgeMs(response, response.responseTime) + IMMUTABLE_LIFETIME_MS
  }
  const seconds = deltaSeconds(directives, 's-maxage') ?? deltaSeconds(directives, 'max-age')
  if (seconds !== undefined) return seconds * SECOND_MS
  return expiresLifetimeMs(response) ?? heuristicLifetimeMs(response, directives)
}

/** The current age in milliseconds (RFC 9111 4.2.3). A clock that was set back makes nothing younger than it was when it came. */
export function currentAgeMs(response: Stored, now: EpochMs): number {
  const apparentAgeMs = Math.max(0, response.responseTime - dateOf(response))
  const responseDelayMs = Math.max(0, response.responseTime - response.requestTime)
  const correctedAgeMs = ageValueMs(response) + responseDelayMs
  const residentTimeMs = Math.max(0, now - response.responseTime)
  return Math.max(apparentAgeMs, correctedAgeMs) + residentTimeMs
}

/** How stale a response is of which nobody can tell: as old as an age can be said to be (RFC 9111 1.2.2). */
const UNKNOWN_MS = 2 ** 31 * SECOND_MS
/** Clocks are kept right by steps back of this much, and nothing follows from that. */
const CLOCK_STEP_MS = SECOND_MS

/**
 * For how many more milliseconds the response is fresh; 0 or less: for how long it has been stale. What came at a
 * time that is still to come was stored under another clock. It could be years old, and would stay fresh for years;
 * so it is not fresh, unless it can never change.
 */
export function remainingFreshnessMs(
  response: Stored,
  policy: Pick<Policy, 'immutable'>,
  now: EpochMs,
): number {
  if (isOfAnotherClock(response, now) && !policy.immutable) return -UNKNOWN_MS
  return freshnessLifetimeMs(response, policy) - currentAgeMs(response, now)
}

/** Whether it came at a time that is still to come: the clock was wrong then, or is now. */
export function isOfAnotherClock({ responseTime }: Stored, now: EpochMs): boolean {
  return now < responseTime - CLOCK_STEP_MS
}

/** The value of `Age` in what is sent now (RFC 9111 5.1). */
export function ageField(response: Stored, now: EpochMs): string {
  return String(Math.floor(currentAgeMs(response, now) / SECOND_MS))
}

/** Fresh: the freshness lifetime is greater than the current age (RFC 9111 4.2). */
export function isFresh(response: Stored, policy: Pick<Policy, 'immutable'>, now: EpochMs): boolean {
  return remainingFreshnessMs(response, policy, now) > 0
}

/** When the origin server made the response: `Date`, else when it came (RFC 9110 6.6.1). */
export function dateOf(response: Pick<Stored, 'fields' | 'responseTime'>): EpochMs {
  return dateField(response, 'date') ?? response.responseTime
}

/**
 * How long before it came the file changed, by the clocks of the origin server and of caches on the way alone (`Age`), in ms; `undefined`:
 * it does not say, or says what cannot be (RFC 9110 8.8.2.1).
 */
export function modifiedAgoMs(response: Stored): number | undefined {
  const [sent, modified] = [dateField(response, 'date'), dateField(response, 'last-modified')]
  if (sent === undefined || modified === undefined || modified > sent) return undefined
  return sent - modified + ageValueMs(response)
}

/** These say: ask me every time, or do not keep this. Then no policy of ours knows better. */
function refusesReuse(directives: Directives, status: number): boolean {
  return (
    isUnqualified(directives, 'no-cache') ||
    isUnqualified(directives, 'private') ||
    forbidsStoring(directives, status)
  )
}

/** An invalid `Expires`, "0" above all, is in the past (RFC 9111 5.3); so are two that contradict each other. */
export function expiresLifetimeMs(response: Stored): number | undefined {
  const [first, ...others] = fieldValues(response.fields, 'expires')
  if (first === undefined) return undefined
  const expires = parseHttpDate(first, response.responseTime)
  if (expires === undefined || others.some((other) => other !== first)) return 0
  return Math.max(0, expires - dateOf(response))
}

function heuristicLifetimeMs(response: Stored, directives: Directives): number {
  const mayGuess = HEURISTICALLY_CACHEABLE.has(response.status) || hasDirective(directives, 'public')
  const lastModified = dateField(response, 'last-modified')
  if (!mayGuess || lastModified === undefined) return 0
  const unchangedMs = Math.max(0, dateOf(response) - lastModified)
  return Math.min(unchangedMs * HEURISTIC_FRACTION, MAX_HEURISTIC_MS)
}

/** Of a list the first member counts; an invalid age is ignored (RFC 9111 5.1). */
function ageValueMs(response: Stored): number {
  const [first = ''] = (fieldValues(response.fields, 'age')[0] ?? '').split(',')
  return (parseDeltaSeconds(first.trim()) ?? 0) * SECOND_MS
}

function dateField(response: Pick<Stored, 'fields' | 'responseTime'>, name: string): EpochMs | undefined {
  return parseHttpDate(fieldValues(response.fields, name)[0] ?? '', response.responseTime)
}
