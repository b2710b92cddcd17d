/** From what a peer says to what its packet's source allows it to say. */
import type { Address } from '../core/transport.ts'
import type { PeerDownload, PeerOffer } from './inquiry.ts'
import type { DownloadCompletePacket, DownloadingPacket, ResponsePacket, ServicePacket } from './packets.ts'

/**
 * Whether the packet points to another host than the one that sent it: then somebody would send this node wherever
 * they like (V§4: the location offered is the packet's source).
 */
export function claimsForeignPlace(packet: ServicePacket, from: Address): boolean {
  if (!('location' in packet) || packet.location === undefined) return false
  return !URL.canParse(packet.location) || new URL(packet.location).hostname !== from
}

export function offerOf(
  packet: Pick<ResponsePacket | DownloadCompletePacket, 'node' | 'size' | 'digest'> & {
    readonly location: string
  },
  from: Address,
): PeerOffer {
  return {
    peer: from,
    node: packet.node,
    location: packet.location,
    size: packet.size,
    digest: packet.digest,
  }
}

export function downloadOf(packet: DownloadingPacket, from: Address): PeerDownload {
  const { node, location, receivedBytes, totalBytes, bytesPerSecond } = packet
  return {
    peer: from,
    node,
    location,
    readable: location !== undefined,
    receivedBytes,
    totalBytes,
    bytesPerSecond,
  }
}
