/** What `ihave status` says of the LAN and of what is on its way. */
import { withoutSecrets } from '../core/redaction.ts'
import type { Monotonic } from '../core/clock.ts'
import type { Peering } from '../peering/peering.ts'
import { transfers } from '../retrieval/transfers.ts'
import type { MemberId } from '../site/keys.ts'
import type { PrivateNames } from '../site/private-names.ts'
import type { Site } from '../site/site.ts'
import type { PeeringStatus, PeerStatus, Status } from './status.ts'

/** Where the node is on the LAN. */
export type OwnPlace = Pick<PeeringStatus, 'address' | 'packetPort' | 'filePort'>

export function peeringStatus(place: OwnPlace, peering: Peering, site: Site, now: Monotonic): PeeringStatus {
  const timing = peering.timing()
  const members = new Map(peering.members().map(({ address, member }) => [address, named(member, site)]))
  return {
    ...place,
    waitMs: timing && Math.round(timing.maxDelayMs + timing.transmissionMs),
    peers: reachedFirst(
      peering.livePeers().map(({ address, node, roundTripMs, heardAt, isReached }) => ({
        address,
        node,
        ...(members.has(address) && { member: members.get(address) }),
        roundTripMs,
        heardMsAgo: Math.round(now - heardAt),
        isReached: isReached || members.has(address),
      })),
    ),
  }
}

/** Who invents peers is not to push those out of sight that are there. */
function reachedFirst(peers: readonly PeerStatus[]): readonly PeerStatus[] {
  return peers.toSorted((one, other) => Number(other.isReached) - Number(one.isReached))
}

function named(id: string, site: Site): NonNullable<PeerStatus['member']> {
  return { id, name: site.membership?.passOf(id as MemberId)?.name }
}

export function cautionsStatus(
  peering: Peering | undefined,
  names: Pick<PrivateNames, 'uriOf'>,
  now: Monotonic,
): Status['cautions'] {
  const cautions = peering?.cautions.list(now) ?? []
  return cautions.map(({ peer, member, at, evidence }) => {
    const uri = evidence && names.uriOf(evidence.resource)
    return {
      peer,
      member,
      heardMsAgo: Math.round(now - at),
      ...(uri !== undefined && { uri: withoutSecrets(uri) }),
      ...(evidence !== undefined && { body: evidence.body }),
    }
  })
}

/** Whatever applications wait for; a retrieval for which nobody waits any more, and which only rests, is not among it. */
export function transfersStatus(
  retrievals: Parameters<typeof transfers>[0] | undefined,
): Status['transfers'] {
  const running = retrievals === undefined ? [] : transfers(retrievals)
  return running.map(({ uri, ...transfer }) => ({ uri: withoutSecrets(uri), ...transfer }))
}
