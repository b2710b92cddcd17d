/** How a response may be kept: by RFC 9111 3 for this node, by the sharing gate (V§3) for the others. */
import { LRUCache } from 'lru-cache'
import { endToEndFieldsOnce, FieldNames, type Fields } from '../core/fields.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import { dated } from '../cache/semantics/http-date.ts'
import { maySharePeerwise } from '../cache/semantics/sharing-gate.ts'
import { isWorthStoring, mayStore } from '../cache/semantics/storable.ts'
import { selectingFields } from '../cache/semantics/vary.ts'
import type { RetrievalRequest } from './request.ts'

export type Admission =
  | {
      readonly kind: 'admitted'
      /** The fields to store, `Date` among them. */
      readonly fields: Fields
      /** The selecting header fields (RFC 9111 4.1). */
      readonly selecting: Fields
      readonly isShareable: boolean
    }
  /** `reason` is for logs and "why". */
  | { readonly kind: 'refused'; readonly reason: string }

export function admit(request: Omit<RetrievalRequest, 'uri' | 'mayAskPeers'>, response: Stored): Admission {
  const { policy, fields, target, isNameable } = request
  if (response.status === 206) return { kind: 'refused', reason: 'status 206' }
  const storability = mayStore({ method: 'GET', fields }, response, policy)
  if (storability.kind === 'no') return { kind: 'refused', reason: storability.reason }
  if (!isWorthStoring(response, policy)) return { kind: 'refused', reason: 'nothing would be fresh' }
  const selecting = selectingFields(fields, response.fields)
  if (selecting === 'never') return { kind: 'refused', reason: 'Vary matches no other request' }
  const asked = { method: 'GET', uri: target, fields }
  const isShareable = isNameable && maySharePeerwise(asked, response, policy, 'none').kind === 'share'
  const stored = dated(storability.fields, response.responseTime)
  return { kind: 'admitted', fields: stored, selecting, isShareable }
}

/**
 * The same for the 200 to an ordinary request: one that is not in somebody's name, for the whole, and without wishes to a
 * cache. Then these fields of the response decide, and few servers say many different things.
 */
export function admitOrdinary(
  request: Parameters<typeof admit>[0],
  response: Stored,
  endToEnd = dated(endToEndFieldsOnce(response.fields), response.responseTime),
): Admission {
  const key = deciding(response.fields, request.policy.store)
  if (key === undefined || response.status !== 200 || request.isNameable) return admit(request, response)
  const known = decided.get(key)
  if (known === 'whole') return { kind: 'admitted', fields: endToEnd, selecting: [], isShareable: false }
  if (known !== undefined) return known
  const admission = admit(request, response)
  const isWhole =
    admission.kind === 'admitted' &&
    admission.fields.length === endToEnd.length &&
    admission.selecting.length === 0
  if (isWhole) decided.set(key, 'whole')
  else if (admission.kind === 'refused') decided.set(key, admission)
  return admission
}

/** `whole`: admitted, with all end-to-end fields, for every request. */
const decided = new LRUCache<string, 'whole' | Extract<Admission, { kind: 'refused' }>>({ max: 256 })

/** What the decision is made from; `undefined` where it depends on the request too, or is rare. */
function deciding(fields: Fields, stores: boolean): string | undefined {
  let key = String(stores)
  for (const [written, value] of fields) {
    if (!DECIDING.has(written)) continue
    switch (written.toLowerCase()) {
      case 'vary':
        return undefined
      case 'cache-control':
        // What it may name differs from response to response.
        if (/private/i.test(value)) return undefined
        key += `\ncache-control: ${value}`
        break
      case 'set-cookie':
      case 'expires':
      case 'pragma':
        key += `\n${written.toLowerCase()}`
        break
    }
  }
  return key.length > MAX_KEY ? undefined : key
}

const DECIDING = new FieldNames(['vary', 'cache-control', 'set-cookie', 'expires', 'pragma'])
const MAX_KEY = 256
