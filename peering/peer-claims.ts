/** From what a peer says to what its packet's source allows it to say. */
import type { Address } from '../core/transport.ts'
import type { PeerDownload, PeerOffer } from './inquiry.ts'
import type { Rival } from './rivals.ts'
import type { DownloadCompletePacket, DownloadingPacket, ResponsePacket, ServicePacket } from './packets.ts'

/**
 * Whether the packet points to another host than the one that sent it: then somebody would send this node wherever
 * they like (V§4: the location offered is the packet's source).
 */
export function claimsForeignPlace(packet: ServicePacket, from: Address): boolean {
  if (!('location' in packet) || packet.location === undefined) return false
  if (isPlainlyAt(packet.location, from)) return false
  return !URL.canParse(packet.location) || new URL(packet.location).hostname !== from
}

const SCHEME = 'http://'
/** A path, behind the port that nearly every location has: up to four digits are one. */
const PORT_AND_PATH = /^(?::[1-9]\d{0,3})?\//

/** Nearly every location is written so that it need not be parsed. */
function isPlainlyAt(location: string, host: Address): boolean {
  const isThere = location.startsWith(host, SCHEME.length) && location.startsWith(SCHEME)
  return isThere && PORT_AND_PATH.test(location.slice(SCHEME.length + host.length))
}

export function offerOf(
  packet: Pick<ResponsePacket | DownloadCompletePacket, 'node' | 'size' | 'digest'> & {
    readonly location: string
  },
  from: Address,
  hasAsked: boolean,
): PeerOffer {
  return {
    peer: from,
    node: packet.node,
    hasAsked,
    location: packet.location,
    size: packet.size,
    digest: packet.digest,
  }
}

export function downloadOf(
  packet: DownloadingPacket,
  from: Address,
  { isAhead, hasAsked }: Pick<PeerDownload, 'isAhead' | 'hasAsked'>,
): PeerDownload {
  const { node, location, receivedBytes, totalBytes, bytesPerSecond } = packet
  const readable = location !== undefined
  const figures = { receivedBytes, totalBytes, bytesPerSecond }
  // Our own kind says where as soon as its origin server has told a length, or half a second later that there will be none; the patents'
  // nodes only when they are complete.
  const isPromise = !readable && node !== undefined
  return {
    peer: from,
    node,
    location,
    readable,
    isAhead,
    ...(hasAsked === undefined ? {} : { hasAsked }),
    ...figures,
    ...(isPromise ? { silenceMs: PROMISE_MS } : {}),
  }
}

/** Who has asked for the same and comes first, as the downloader that it is about to be. */
export function downloadByRival({ peer, node }: Rival): PeerDownload {
  const figures = { receivedBytes: 0, totalBytes: undefined, bytesPerSecond: undefined }
  return {
    peer,
    node,
    location: undefined,
    readable: false,
    isAhead: true,
    isExpected: true,
    hasAsked: true,
    silenceMs: RIVAL_MS,
    ...figures,
  }
}

/** How long "I am downloading" without a place is waited for, in ms: an origin server's usual time to answer. */
const PROMISE_MS = 900

/** How long a rival may take to say "I am downloading", in ms: it says so at once, when its own wait is over. */
const RIVAL_MS = 300
