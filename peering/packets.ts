/**
 * Service packets as typed values (R2.4; patent A, "Service Functionality and Service Packet Format").
 *
 * What travels is one XML element; `codec.ts` turns it into these and back, `docs/protocol.md` is its specification.
 * Every number is whole and not negative; fractions are rounded when a packet is encoded.
 */
import type { Digest } from '../core/digest.ts'
import type { Edition } from './own-summary.ts'
import type { ResourceKey } from './summary.ts'

/** No service packet is longer: it always fits one unfragmented datagram (V§5). */
export const MAX_PACKET_BYTES = 1200

/** Our requests are padded to this, so that an answer never has to be longer than its question (V§4). */
export const MIN_REQUEST_BYTES = 420

/** No request is padded beyond this: padding may come out a little longer. */
export const MAX_PADDED_BYTES = 1190

/** Who sends: 128 random bits as 32 lower-case hexadecimal digits (R2.2). */
export type NodeId = string & { readonly brand: 'NodeId' }

/** The unguessable path of a local alias on port 6515: 64 lower-case hexadecimal digits (R1.3). */
export type LocalAlias = string & { readonly brand: 'LocalAlias' }

/** Ties answers to their request: 32 bits, unique on the originating node only (R2.2). */
export type RequestId = number & { readonly brand: 'RequestId' }

/** Key-value pairs that we do not know, in the order in which they came (R2.2). */
export type Extras = readonly (readonly [name: string, value: string])[]

/** What every packet carries. */
interface Common {
  readonly id: RequestId
  /** Absent from the plain packets of the patents. */
  readonly node: NodeId | undefined
  /** 32 hexadecimal digits that the asker chose and every answer repeats; absent from plain packets. */
  readonly nonce: string | undefined
  readonly extras: Extras
}

/** "I need": a peering client asks everybody for a resource (FIG. 4A, 142). Broadcast. */
export interface RequestPacket extends Common {
  readonly type: 'request'
  /** The URL or URI asked for. */
  readonly href: string
  readonly method: 'get'
  readonly acceptProtocol: 'http'
  /** The asker wants what is held, and nothing to be fetched for it (R2.3). */
  readonly cachedOnly: boolean
  /** The longest delay response period that the asker waits for; absent: the patents' 2000. */
  readonly maxDelayMs: number | undefined
  /** How well the asker can fetch it for others who ask, in per cent (peering/ability.ts); absent: 100. */
  readonly ability?: number | undefined
  /** What the same node asks at the same moment. */
  readonly more: readonly FurtherQuestion[]
}

/** A question in the packet of another one, with which it shares all but this. */
export interface FurtherQuestion {
  readonly id: RequestId
  readonly href: string
}

/** "I found": the asker needs no further answers (FIG. 4A, 146). Broadcast. */
export interface EndRequestPacket extends Common {
  readonly type: 'end-request'
  readonly href: string | undefined
  /** Questions that are over as well. */
  readonly more: readonly RequestId[]
}

/** "I have": a peering server offers its copy (FIG. 3, 130). Unicast to the asker. */
export interface ResponsePacket extends Common {
  readonly type: 'response'
  /** `http` URL of the local alias on the sender's file port. */
  readonly location: string
  /** Bytes of the body. */
  readonly size: number | undefined
  readonly digest: Digest | undefined
  /** The validators as the origin server sent them (RFC 9110 8.8). */
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** Current age (RFC 9111 4.2.3) when the packet was sent. */
  readonly ageSeconds: number | undefined
  /** The version identifier of the content, in its publisher's words (R2.3). */
  readonly version: string | undefined
  /** Answers to other questions of the same packet. */
  readonly more: readonly FurtherOffer[]
}

/** A copy on the same port, for another question. */
export interface FurtherOffer {
  readonly id: RequestId
  readonly alias: LocalAlias
  readonly size: number | undefined
}

/** "I am downloading", and every progress report after it (FIG. 7, 216B and 216C). Unicast to those who wait. */
export interface DownloadingPacket extends Common {
  readonly type: 'downloading'
  /** The URL that is being fetched. */
  readonly resource: string
  /** `http` URL of the growing copy, where it can be read (R5.4). */
  readonly location: string | undefined
  readonly receivedBytes: number
  readonly totalBytes: number | undefined
  readonly bytesPerSecond: number | undefined
  /** As in its question. */
  readonly ability?: number | undefined
  /** Answers to other questions of the same packet. */
  readonly more: readonly FurtherDownload[]
}

/** Another download of the same node; it can be read only where the first one can. */
export interface FurtherDownload {
  readonly id: RequestId
  readonly alias: LocalAlias | undefined
  readonly receivedBytes: number
  readonly totalBytes: number | undefined
  readonly bytesPerSecond: number | undefined
}

/** "Download complete": the wait is over (FIG. 4B, 156; R5.3). */
export interface DownloadCompletePacket extends Common {
  readonly type: 'download-complete'
  readonly resource: string
  /** `http` URL of the local alias. */
  readonly location: string | undefined
  readonly size: number | undefined
  readonly digest: Digest | undefined
}

/** The downloader gives up, so that nobody has to wait for its silence (R5.3). */
export interface DownloadFailedPacket extends Common {
  readonly type: 'download-failed'
  readonly resource: string
  /** What the origin server answers is for each who asks, and nothing that one could get for the others. */
  readonly isForEach?: boolean
}

/** Who is there: for the count of live peers and the round-trip times that the adaptive delay needs. */
export interface PresencePacket extends Common {
  readonly type: 'presence'
  /** Presence without an identity says nothing. */
  readonly node: NodeId
  /** TCP port of the sender's peering server (6515). */
  readonly filePort: number
  /** Asks whoever hears it to say the same. */
  readonly reply: boolean
  /** The last word of a node that stops. */
  readonly leaving: boolean
  /** Where the sender's summary of what it holds stands; absent: it has none. */
  readonly summary: Edition | undefined
}

/** "Advertise": the sender has new copies that peers may have (R4.3). Broadcast. */
export interface AdvertisePacket extends Common {
  readonly type: 'advertise'
  readonly node: NodeId
  /** Where its summary stands now that these are in it. */
  readonly summary: Edition
  readonly keys: readonly ResourceKey[]
}

/** Any type that an application defined for itself (R2.2); its own attributes are the extras. */
export interface ApplicationPacket extends Common {
  readonly type: 'application'
  /** The `type` attribute as sent; never one of the types above. */
  readonly name: string
}

export type ServicePacket =
  | RequestPacket
  | EndRequestPacket
  | ResponsePacket
  | DownloadingPacket
  | DownloadCompletePacket
  | DownloadFailedPacket
  | PresencePacket
  | AdvertisePacket
  | ApplicationPacket
