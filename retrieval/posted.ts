/** Keeps the responses to POST that later GETs may be answered with. They are small, or they are not kept. */
import type { EpochMs } from '../core/clock.ts'
import type { Policy } from '../core/policy.ts'
import type { GrowingCopy, ResponseHead, Store } from '../core/store.ts'
import { mayStorePosted, type PostRequest } from '../cache/semantics/posted.ts'
import type { StorableResponse } from '../cache/semantics/storable.ts'
import { selectingFields } from '../cache/semantics/vary.ts'
import type { Rules } from './rules.ts'

/** Bytes of the largest such response that is kept; it waits in memory until it is whole. */
export const MAX_POSTED_BYTES = 1024 * 1024

export interface PostedComponents {
  readonly store: Store
  readonly rules: () => Rules
}

/** One exchange, from when the request was made to when the response came (RFC 9111 4.2.3). */
export interface PostExchange {
  readonly request: PostRequest
  readonly response: StorableResponse
  readonly requestTime: EpochMs
  readonly responseTime: EpochMs
}

/** Stores a whole response. @throws Fault of the store. */
export type KeepPosted = (body: Uint8Array) => Promise<void>

/** @returns what to call once the body is whole; `undefined` when it is nothing to keep. */
export function posted({
  store,
  rules,
}: PostedComponents): (exchange: PostExchange) => KeepPosted | undefined {
  return (exchange) => {
    const head = headOf(exchange, rules().policyFor(exchange.request.uri))
    return head && ((body) => keep(store, head, body))
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
  const { fields } = storability
  const kept = { uri, selecting, status: response.status, fields, requestTime, responseTime }
  // What somebody posted for is no file that the LAN shares.
  return { ...kept, source: 'internet', shareable: false }
}

async function keep(store: Store, head: ResponseHead, body: Uint8Array): Promise<void> {
  const copy: GrowingCopy = await store.create(body.length)
  try {
    copy.setSize(body.length)
    await copy.write(0, body)
    await store.commit(copy, head)
  } catch (error) {
    await copy.discard()
    throw error
  }
}
