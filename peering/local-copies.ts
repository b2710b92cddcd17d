/** What the peering server asks of its node: which resources are here. Declared by its user. */
import type { Digest } from '../core/digest.ts'
import type { Located } from './machines/answer.ts'
import type { LocalAlias } from './packets.ts'

/** A resource that this node can serve from its port for files. */
export interface LocalOffer {
  /** `undefined` while a running download cannot be read yet. */
  readonly alias: LocalAlias | undefined
  /** Bytes of body; `undefined` while the size of a running download is not known. */
  readonly size: number | undefined
  readonly digest: Digest | undefined
  /** How often this node has sent it. */
  readonly sentCopies: number
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** Seconds since the origin server vouched for it. */
  readonly ageSeconds: number | undefined
}

/** How far a running download is: read anew for each packet. */
export interface DownloadProgress {
  readonly receivedBytes: number
  readonly totalBytes: number | undefined
  readonly bytesPerSecond: number | undefined
}

export interface LocalCopies {
  /** Only what may be offered now: shareable, verified, fresh; and nothing while the node is at its upload limit. */
  locate(resource: string): Located<LocalOffer>
}
