/** Status codes, as far as caching depends on them. */
import type { Directives } from './cache-control.ts'
import { hasDirective } from './cache-control.ts'

/** May be stored, and be fresh by heuristics, without the origin server saying so (RFC 9110 15.1). */
export const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
])

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
