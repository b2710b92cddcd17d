/** Status codes, as far as caching depends on them. */
import type { Directives } from './cache-control.ts'
import { hasDirective } from './cache-control.ts'

/** May be stored, and be fresh by heuristics, without the origin server saying so (RFC 9110 15.1). */
export const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
])

/**
 * Never stored: what answers the conditions, the range or the credentials of one request (407, 412, 416, 417), and what
 * RFC 6585 forbids (428, 429, 431, 511). 206 and 304 have ways of their own.
 */
const NEVER_STORED: ReadonlySet<number> = new Set([304, 407, 412, 416, 417, 428, 429, 431, 511])

/** Whether the status alone forbids to store a response (RFC 9111 3): not final, not for others, or none at all. */
export function isUnstorable(status: number): boolean {
  return status < 200 || status > 599 || NEVER_STORED.has(status)
}

/** Whether this status comes with the representation that the URI names, so that a rule's word about that applies. */
export function isRepresentation(status: number): boolean {
  return status === 200 || status === 206
}

/** Whether conditions count: they are about successful answers only (RFC 9110 13.2.1). */
export function isSuccessful(status: number): boolean {
  return status >= 200 && status <= 299
}

/** Whether a GET that ends with this status has content (RFC 9110 15.3.5, 15.4.5). */
export function hasContent(status: number): boolean {
  return status !== 204 && status !== 304
}

/** The status codes whose caching requirements this cache knows (RFC 9111 3). */
const UNDERSTOOD: ReadonlySet<number> = new Set([...HEURISTICALLY_CACHEABLE, 302, 303, 307])

/**
 * Whether a response's directives forbid to store it: `no-store`; with `must-understand`, only a status that
 * this cache does not know, and `no-store` is then for others (RFC 9111 5.2.2.3).
 */
export function forbidsStoring(directives: Directives, status: number): boolean {
  if (hasDirective(directives, 'must-understand')) return !UNDERSTOOD.has(status)
  return hasDirective(directives, 'no-store')
}
