/** Which responses this shared cache may store, and which of their fields (RFC 9111 3). */
import type { Fields } from '../../core/fields.ts'
import { endToEndFields, fieldValue, hasField, withoutFields } from '../../core/fields.ts'
import type { Policy } from '../../core/policy.ts'
import { parseContentRange } from '../../core/ranges.ts'
import type { Directives } from './cache-control.ts'
import {
  deltaSeconds,
  hasDirective,
  isUnqualified,
  parseCacheControl,
  parseRequestDirectives,
  qualifyingFields,
} from './cache-control.ts'
import { freshnessLifetimeMs, type Stored } from './freshness.ts'
import { forbidsStoring, HEURISTICALLY_CACHEABLE, isSuccessful, isUnstorable } from './statuses.ts'
import { conditionalFields } from './validation.ts'
import { selectingFields } from './vary.ts'

/** The request as the user agent made it, before any field was stripped. */
export interface StorableRequest {
  readonly method: string
  readonly fields: Fields
}

export interface StorableResponse {
  readonly status: number
  readonly fields: Fields
}

export type Storability =
  /** `fields`: the end-to-end fields without those that `private` names (RFC 9111 3.1, 5.2.2.7). */
  | { readonly kind: 'store'; readonly fields: Fields }
  /** `reason` is for logs and "why". */
  | { readonly kind: 'no'; readonly reason: string }

/**
 * Whether a response may be stored. It answers for every status, 206 included; whether the body came whole is
 * the caller's to know.
 */
export function mayStore(
  request: StorableRequest,
  response: StorableResponse,
  policy: Pick<Policy, 'store'>,
): Storability {
  const directives = parseCacheControl(response.fields)
  const reason = policy.store
    ? (refusalByRequest(request) ??
      refusalByStatus(response, directives) ??
      refusalByFields(request, response, directives))
    : 'the rule does not store'
  if (reason !== undefined) return { kind: 'no', reason }
  const fields = withoutFields(endToEndFields(response.fields), qualifyingFields(directives, 'private'))
  return { kind: 'store', fields }
}

/**
 * Whether a response that may be stored could ever be used again: it is fresh for a while, or can be validated. Files
 * are kept all the same, because peers may ask for them.
 */
export function isWorthStoring(response: Stored, policy: Pick<Policy, 'immutable'>): boolean {
  const { status, fields } = response
  if (status === 200 || freshnessLifetimeMs(response, policy) > 0) return true
  return isSuccessful(status) && conditionalFields(fields).length > 0
}

/** `no-store` of a request: no part of its response is stored (RFC 9111 5.2.1.5). It says nothing of what is stored already. */
export function wantsNoneStored(requestFields: Fields): boolean {
  return hasDirective(parseRequestDirectives(requestFields), 'no-store')
}

function refusalByRequest(request: StorableRequest): string | undefined {
  if (request.method !== 'GET') return `method ${request.method}`
  if (wantsNoneStored(request.fields)) return 'the request says no-store'
  return undefined
}

function refusalByStatus(response: StorableResponse, directives: Directives): string | undefined {
  const { status, fields } = response
  if (isUnstorable(status)) return `status ${status} is for one request`
  if (status === 206 && parseContentRange(fieldValue(fields, 'content-range') ?? '') === undefined)
    return 'status 206 without a readable Content-Range'
  if (!HEURISTICALLY_CACHEABLE.has(status) && !isMarkedCacheable(fields, directives))
    return `status ${status} without an explicit lifetime`
  return undefined
}

function refusalByFields(
  request: StorableRequest,
  response: StorableResponse,
  directives: Directives,
): string | undefined {
  const { status, fields } = response
  if (forbidsStoring(directives, status)) return 'the response says no-store'
  if (isUnqualified(directives, 'private')) return 'the response says private'
  if (selectingFields(request.fields, fields) === 'never') return 'Vary matches no other request'
  if (hasField(request.fields, 'authorization') && !permitsAuthorized(directives))
    return 'the request has Authorization'
  if (hasField(fields, 'set-cookie') && !hasLifetime(fields, directives)) return 'the response sets a cookie'
  return undefined
}

/** RFC 9111 3: the last of the conditions. */
function isMarkedCacheable(fields: Fields, directives: Directives): boolean {
  const marks = ['public', 'max-age', 's-maxage']
  return hasField(fields, 'expires') || marks.some((mark) => hasDirective(directives, mark))
}

/**
 * RFC 9111 7.3: a server that gives a cookie together with a lifetime means both. Without one it never thought of caches,
 * and nobody's cookie is handed on by heuristics, or again and again by a 304.
 */
function hasLifetime(fields: Fields, directives: Directives): boolean {
  if (directives.syntaxError) return false
  const seconds = deltaSeconds(directives, 's-maxage') ?? deltaSeconds(directives, 'max-age')
  return (
    hasDirective(directives, 'public') || (seconds === undefined ? hasField(fields, 'expires') : seconds > 0)
  )
}

/** RFC 9111 3.5. */
function permitsAuthorized(directives: Directives): boolean {
  return (
    isForSharedCaches(directives) || (!directives.syntaxError && hasDirective(directives, 'must-revalidate'))
  )
}

/** A permission that stands in something unreadable is none. */
function isForSharedCaches(directives: Directives): boolean {
  return (
    !directives.syntaxError && (hasDirective(directives, 'public') || hasDirective(directives, 's-maxage'))
  )
}
