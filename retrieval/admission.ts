/** How a response may be kept: by RFC 9111 3 for this node, by the sharing gate (V§3) for the others. */
import type { Fields } from '../core/fields.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import { maySharePeerwise } from '../cache/semantics/sharing-gate.ts'
import { isWorthStoring, mayStore } from '../cache/semantics/storable.ts'
import { selectingFields } from '../cache/semantics/vary.ts'
import type { RetrievalRequest } from './request.ts'

export type Admission =
  | {
      readonly kind: 'admitted'
      /** The fields to store. */
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
  return { kind: 'admitted', fields: storability.fields, selecting, isShareable }
}
