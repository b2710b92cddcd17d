/**
 * Applications that were given what was not proved, and may come back to complain (V§2, V5): then the origin server answers,
 * and the peer that it came from is shunned.
 */
import type { Clock } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import type { Address } from '../core/transport.ts'
import type { RetryWatch } from '../verify/retry-watch.ts'
import type { ShunReason, Suspicion } from '../verify/shunned-peers.ts'
import type { ResourceRequest } from './resource.ts'
import type { Retrievals } from './retrievals.ts'

export interface ComplaintsComponents {
  readonly clock: Clock
  readonly store: Store
  readonly retrievals: Retrievals
  readonly retryWatch: RetryWatch
  /** The peer that a stored body came from when only an application can tell whether it is right (V5). */
  readonly unverifiedPeer: (body: Sha256) => Address | undefined
  readonly shun: (peer: Address, reason: ShunReason, detail: string, suspect?: Suspicion) => void
}

/** Wrong bytes were delivered before the digest was known, or this application asks again for what it could not use (V5). */
export function isComplaint(
  { client, uri, method }: ResourceRequest,
  isForWhole: boolean,
  { retryWatch, clock, shun, store, retrievals }: ComplaintsComponents,
): boolean {
  if (method !== 'GET') return false
  if (retrievals.isPoisoned(uri)) return true
  const delivery = retryWatch.asksAgain(client, uri, clock.monotonic())
  if (delivery === undefined || !isForWhole) return false
  const stored = store.lookup(uri)
  const isBad = stored.some((each) => each.source === 'peer' && each.digest === delivery.body)
  // What has come from the origin server since then settles it; where nothing has, the complaint stands.
  if (stored.length > 0 && !isBad) return false
  shun(delivery.peer, 'asked-again', `${withoutSecrets(uri)}: delivered unverified, and asked for again`, {
    uri,
    body: delivery.body,
    isDoubtful: true,
    givenAgoMs: clock.monotonic() - delivery.at,
  })
  store.remove(uri)
  return true
}

/** V5: whoever is given what only an application can verify may come back to complain. */
export function watchDelivery(
  { digest: body }: StoredResponse,
  { client, uri }: ResourceRequest,
  { unverifiedPeer, retryWatch, clock }: ComplaintsComponents,
): void {
  const peer = client === undefined ? undefined : unverifiedPeer(body)
  if (client !== undefined && peer !== undefined)
    retryWatch.delivered({ client, uri, peer, body, at: clock.monotonic() })
}
