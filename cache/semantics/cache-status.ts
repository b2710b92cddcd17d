/** The `Cache-Status` member that tells what this node did (RFC 9211, R6.6). */

/** Why a request went forward (RFC 9211 2.2). */
export type ForwardReason =
  | 'bypass'
  | 'method'
  | 'uri-miss'
  | 'vary-miss'
  | 'miss'
  | 'request'
  | 'stale'
  | 'partial'

interface Remarks {
  /** Remaining freshness in milliseconds; negative when served stale. */
  readonly ttlMs?: number
  /** The cache key, where it says more than the URI that everybody sees. */
  readonly key?: string
  /** Where the bytes came from: `peer`, `in-progress`, `internet`; or any other remark. */
  readonly detail?: string
}

export type CacheStatusEntry = Remarks &
  (
    | { readonly kind: 'hit' }
    /** Answered here, by something else than a stored response; `detail` says why. */
    | { readonly kind: 'refusal' }
    | {
        readonly kind: 'forward'
        readonly reason: ForwardReason
        /** The status code that came back. */
        readonly status?: number
        readonly isStored?: boolean
        readonly isCollapsed?: boolean
      }
  )

/**
 * The member as a structured field (RFC 8941), such as `ihave; fwd=uri-miss; fwd-status=200; stored; detail=peer`.
 * Characters that a structured string cannot hold become "?".
 */
export function cacheStatus(entry: CacheStatusEntry): string {
  const { ttlMs, key, detail } = entry
  let text = `ihave${outcome(entry)}`
  if (ttlMs !== undefined) text += `; ttl=${structuredInteger(ttlMs / 1000)}`
  if (key !== undefined) text += `; key=${structuredString(key)}`
  return detail === undefined ? text : `${text}; detail=${tokenOrString(detail)}`
}

function outcome(entry: CacheStatusEntry): string {
  if (entry.kind === 'hit') return '; hit'
  if (entry.kind === 'refusal') return ''
  const { reason, status, isStored, isCollapsed } = entry
  const came = status === undefined ? '' : `; fwd-status=${structuredInteger(status)}`
  return `; fwd=${reason}${came}${isStored ? '; stored' : ''}${isCollapsed ? '; collapsed' : ''}`
}

const MAX_INTEGER = 999_999_999_999_999

/** RFC 8941 3.3.1; a fraction of a second that is left is not a second. */
function structuredInteger(value: number): string {
  return String(Math.max(-MAX_INTEGER, Math.min(MAX_INTEGER, Math.floor(value))))
}

/** RFC 8941 3.3.4, or else 3.3.3. */
function tokenOrString(text: string): string {
  return /^[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*$/.test(text) ? text : structuredString(text)
}

function structuredString(text: string): string {
  return `"${text.replace(/[^ -~]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
