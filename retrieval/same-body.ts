/**
 * One object under many URLs (field note 6): when the digest of an immutable name is known before anybody is asked (V1, V2)
 * and a body with that digest is stored under another name, it is the answer under this name too.
 *
 * What the origin server of this name would say about it is kept to: only for names that the rule shares and calls
 * immutable, for requests that could be named to the LAN (nobody's in particular), and for bodies that were for everybody.
 * The other name's fields do not come along, but for an inert `Content-Type`: its validators mean something to another
 * server, and its media type could make a page of a file.
 */
import type { Clock } from '../core/clock.ts'
import { fieldValue, hasContentCoding, type FieldLine } from '../core/fields.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import type { Verifier } from '../core/verifier.ts'
import { formatHttpDate } from '../cache/semantics/http-date.ts'
import { inertType } from './peer-fields.ts'
import type { RetrievalRequest } from './request.ts'

export interface SameBodyComponents {
  readonly clock: Clock
  readonly store: Store
  readonly verifier: Pick<Verifier, 'knownDigest' | 'bodyWith'>
}

/** Stores the body under this name as well. @returns whether there is one. */
export function linkSameBody(request: RetrievalRequest, components: SameBodyComponents): boolean {
  const { uri, mayAskPeers } = request
  const { clock, store } = components
  if (!mayAskPeers) return false
  const body = sameBody(request, components)
  if (body === undefined) return false
  const now = clock.wall()
  const type = fieldValue(body.fields, 'content-type')
  const described: FieldLine[] = type === undefined ? [] : [['Content-Type', inertType(type)]]
  try {
    store.link(body, {
      uri,
      selecting: [],
      status: 200,
      fields: [...described, ['Date', formatHttpDate(now)]],
      requestTime: now,
      responseTime: now,
      source: body.source,
      shareable: true,
    })
    return true
  } catch {
    // Gone meanwhile, or there is no room for another row: it is retrieved as if it had not been here.
    return false
  }
}

function sameBody(
  { uri, policy }: RetrievalRequest,
  { store, verifier }: SameBodyComponents,
): StoredResponse | undefined {
  const digest = verifier.knownDigest(uri, policy)
  const sha256 = digest && verifier.bodyWith(digest)
  const body = sha256 && store.findByDigest(sha256)
  const isForAll = body?.shareable === true && body.status === 200
  return isForAll && !hasContentCoding(body.fields) ? body : undefined
}
