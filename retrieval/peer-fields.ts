/**
 * What is believed of the fields that come with a peer's copy. They are a stranger's word, also where the bytes are proved: what describes
 * the representation is kept, no type that a browser would run, and for how long it may be used again no longer than heuristics would
 * let it be. A peer passes on what the origin server told it; what shortens that is kept as it is. That a file is not to be stored no peer
 * can say that has it: such files are not shared (cache/semantics/sharing-gate.ts).
 */
import type { EpochMs } from '../core/clock.ts'
import { withoutFields, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import { deltaSeconds, hasDirective, parseCacheControl } from '../cache/semantics/cache-control.ts'
import {
  currentAgeMs,
  expiresLifetimeMs,
  MAX_HEURISTIC_MS,
  type Stored,
} from '../cache/semantics/freshness.ts'

const DESCRIBING = new Set([
  'content-type',
  'etag',
  'last-modified',
  'date',
  'age',
  'cache-control',
  'expires',
])

/** What a copy's fields may say when they come from a peer; everything else is dropped. */
export function describing(fields: Fields): Fields {
  return fields
    .filter(([name]) => DESCRIBING.has(name.toLowerCase()))
    .map(([name, value]) => [name, name.toLowerCase() === 'content-type' ? inertType(value) : value])
}

/** Of those what is believed: of a name that always means the same bytes nothing about freshness. @param now when they came. */
export function believed(fields: Fields, now: EpochMs, { immutable }: Pick<Policy, 'immutable'>): Fields {
  const kept = withoutFields(fields, ['cache-control', 'expires'])
  if (immutable) return kept
  const told = cacheControl({ status: 200, fields, requestTime: now, responseTime: now })
  return told === '' ? kept : [...kept, ['Cache-Control', told]]
}

/** `Expires` says the same as `max-age`, and less where both are there (RFC 9111 5.3). */
function cacheControl(response: Stored): string {
  const directives = parseCacheControl(response.fields)
  const mostSeconds = Math.ceil((currentAgeMs(response, response.responseTime) + MAX_HEURISTIC_MS) / 1000)
  const expiresMs = expiresLifetimeMs(response)
  const expires = expiresMs === undefined ? undefined : Math.floor(expiresMs / 1000)
  const lifetimes = [
    ['max-age', deltaSeconds(directives, 'max-age') ?? expires],
    ['s-maxage', deltaSeconds(directives, 's-maxage')],
  ] as const
  return [
    ...lifetimes.flatMap(([name, seconds]) =>
      seconds === undefined ? [] : [`${name}=${Math.min(seconds, mostSeconds)}`],
    ),
    ...['must-revalidate', 'proxy-revalidate'].filter((name) => hasDirective(directives, name)),
  ].join(', ')
}

/** No peer can turn a file into a page that runs in the origin's name. */
export function inertType(value: string): string {
  const isInert = /^(application\/(?!.*(xml|script|html))|text\/plain|font\/|audio\/|video\/)[\w.+-]*$/i.test(
    value,
  )
  return isInert ? value : 'application/octet-stream'
}
