/** Whether a provider is there: what FIG. 9 ends with, before the function itself is asked for. */
import type { Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import type { Upstream } from '../core/upstream.ts'
import { PEER_FIELD } from '../peering/peer-answer.ts'
import { addressOf } from './place.ts'

/** A provider on the LAN that says nothing for so long does not work, in ms. */
export const CONTACT_MS = 1500

/** Any answer but a server's failure is one. Never fails. @param node who asks. */
export async function answers(
  peers: Upstream,
  location: string,
  node: string,
  clock: Clock,
): Promise<boolean> {
  if (addressOf(location) === undefined) return false
  const end = new AbortController()
  const cancel = clock.after(CONTACT_MS, () => end.abort(NO_LONGER_NEEDED))
  try {
    const { status } = await peers.request({
      method: 'HEAD',
      uri: location,
      fields: [[PEER_FIELD, node]],
      signal: end.signal,
    })
    return status < 500
  } catch {
    return false // the provider's fault, and no more than a sign that it is gone
  } finally {
    cancel()
    end.abort(NO_LONGER_NEEDED)
  }
}
