/**
 * V5's watch for a retry: when an application that verifies for itself asks again for what it was just given, the
 * bytes were probably bad. A pure record; it neither shuns nor fetches.
 */
import type { Monotonic } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'

/** A peer's whole body that reached a user agent without having been verified here. */
export interface UnverifiedDelivery {
  /** The user agent, as far as this node can tell it from others: its address and the name it gives itself. Without spaces. */
  readonly client: string
  readonly uri: TargetUri
  readonly peer: Address
  readonly body: Sha256
  readonly at: Monotonic
}

export interface RetryWatch {
  delivered(delivery: UnverifiedDelivery): void
  /**
   * The delivery that the client now asks for once more, within 10 minutes: its peer is to be shunned, its body to be
   * dropped, and this request to go to the origin server. Says the same until the time is over, so that a broken-off
   * request to the origin server does not lead back to the peer.
   */
  asksAgain(client: string | undefined, uri: TargetUri, now: Monotonic): UnverifiedDelivery | undefined
}

/** How long an application may take to check a file and ask again. */
export const RETRY_WINDOW_MS = 10 * 60_000
/** At most this many deliveries are remembered, about 400 bytes each; the oldest goes first. */
export const MAX_DELIVERIES = 10_000

export function retryWatch(): RetryWatch {
  // In order of delivery: the oldest comes first.
  const deliveries = new Map<string, UnverifiedDelivery>()

  const forget = (now: Monotonic) => {
    for (const [key, { at }] of deliveries) {
      if (deliveries.size <= MAX_DELIVERIES && now - at < RETRY_WINDOW_MS) return
      deliveries.delete(key)
    }
  }

  return {
    delivered(delivery) {
      const key = keyOf(delivery.client, delivery.uri)
      deliveries.delete(key)
      deliveries.set(key, delivery)
      forget(delivery.at)
    },
    asksAgain(client, uri, now) {
      const delivery = deliveries.size === 0 ? undefined : deliveries.get(keyOf(client, uri))
      return delivery && now - delivery.at < RETRY_WINDOW_MS ? delivery : undefined
    },
  }
}

function keyOf(client: string | undefined, uri: TargetUri): string {
  return `${client} ${uri}`
}
