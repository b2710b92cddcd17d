/** Keeps the responses to POST that later GETs may be answered with. They are small, or they are not kept. */
import type { EpochMs } from '../core/clock.ts'
import type { Policy } from '../core/policy.ts'
import type { GrowingCopy, MayKeep, ResponseHead, Store } from '../core/store.ts'
import { dated } from '../cache/semantics/http-date.ts'
import { mayStorePosted, type PostRequest } from '../cache/semantics/posted.ts'
import type { StorableResponse } from '../cache/semantics/storable.ts'
import { selectingFields } from '../cache/semantics/vary.ts'
import type { Changes } from './changes.ts'
import type { Rules } from './rules.ts'

/** Bytes of the largest such response that is kept; it waits in memory until it is whole. */
export const MAX_POSTED_BYTES = 1024 * 1024

export interface PostedComponents {
  readonly store: Store
  readonly rules: () => Rules
  readonly changes: Pick<Changes, 'now' | 'hasChangedSince'>
}

/** One exchange, from when the request was made to when the response came (RFC 9111 4.2.3). */
export interface PostExchange {
  readonly request: PostRequest
  readonly response: StorableResponse
  readonly requestTime: EpochMs
  readonly responseTime: EpochMs
}

/** Stores a whole response, unless its resource has changed meanwhile (RFC 9111 4.4). @throws Fault of the store. */
export type KeepPosted = (body: Uint8Array) => Promise<void>

/**
 * To be called with an exchange when all that it has changed itself was noted.
 * @returns what to call once the body is whole; `undefined` when it is nothing to keep.
 */
export function posted({
  store,
  rules,
  changes,
}: PostedComponents): (exchange: PostExchange) => KeepPosted | undefined {
  return (exchange) => {
    const { uri } = exchange.request
    const head = headOf(exchange, rules().policyFor(uri))
    const came = changes.now()
    return head && ((body) => keep(store, head, body, () => !changes.hasChangedSince(uri, came)))
  }
}

function headOf(
  { request, response, requestTime, responseTime }: PostExchange,
  policy: Policy,
): ResponseHead | undefined {
  const storability = mayStorePosted(request, response, policy)
  const selecting = selectingFields(request.fields, response.fields)
  if (storability.kind === 'no' || selecting === 'never') return undefined
  const { uri } = request
  const fields = dated(storability.fields, responseTime)
  const kept = { uri, selecting, status: response.status, fields, requestTime, responseTime }
  // What somebody posted for is no file that the LAN shares.
  return { ...kept, source: 'internet', shareable: false }
}

async function keep(store: Store, head: ResponseHead, body: Uint8Array, mayKeep: MayKeep): Promise<void> {
  const copy: GrowingCopy = await store.create(body.length)
  try {
    copy.setSize(body.length)
    await copy.write(0, body)
    await store.commit(copy, head, mayKeep)
  } finally {
    // Of what was stored there is nothing to discard.
    await copy.discard()
  }
}
