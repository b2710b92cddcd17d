/** What an application says of a file that it wants, and what it is told while the file comes. */
import type { Fields } from '../../core/fields.ts'
import type { SourceKind } from '../../retrieval/source.ts'

/** From where a file may come: `lan` is this machine and its peers, `cache` this machine alone. */
export const ORIGINS = ['anywhere', 'lan', 'cache'] as const
export type Origins = (typeof ORIGINS)[number]

/** A file that an application wants. */
export interface RetrieveQuestion {
  /** A URL, or any other URI. What is no `http:` or `https:` URL needs a digest, in itself or beside it. */
  readonly uri: string
  /** What the bytes must have, whoever sends them: `sha-256:` and 64 hexadecimal digits. */
  readonly digest?: string
  /** Absent: `anywhere`. */
  readonly from?: Origins
  /** More header fields for the origin server. */
  readonly fields?: Fields
  /**
   * Whether the LAN may be asked by the digest, and the copy offered by it. Absent: yes. Without a digest the node's rules
   * decide, by the URL.
   */
  readonly share?: boolean
}

/** Where bytes came from: `cache` is this machine, `in-progress` a peer's running download. */
export type ByteSource = 'cache' | SourceKind

/** How far a file is. */
export interface Progress {
  /** `asking`: for who has it. `receiving`: it comes, or is verified. `delivering`: the application is given its bytes. */
  readonly phase: 'asking' | 'receiving' | 'delivering'
  readonly source?: ByteSource
  /** Bytes that are here; while a peer's download is waited for, bytes that are there (R5.2). */
  readonly receivedBytes: number
  /** Bytes that the application was given. */
  readonly deliveredBytes: number
  readonly totalBytes?: number
  readonly bytesPerSecond?: number
}

/** A file that begins to come. */
export interface RetrievedHead {
  /** The URL after redirects, or the name of the content. */
  readonly uri: string
  /** The fields of the response: of what a peer sent, only those that describe the file. */
  readonly fields: Fields
  /** Bytes of the file; absent: nobody knows yet. */
  readonly size?: number
  readonly source: ByteSource
}

/** How it came. */
export interface RetrievalOutcome {
  readonly deliveredBytes: number
  /** Bytes received for it since it was asked for, wrong ones included; nothing, when it was here. */
  readonly receivedBytes: Readonly<Record<SourceKind, number>>
  readonly source: ByteSource
  /**
   * Why the bytes are right: by a digest or another proof before they counted (`proof`), because the origin server itself sent
   * them (`origin`), or only if the application finds so itself, as the rule says (`none`: `verify: updater`).
   */
  readonly verified: 'proof' | 'origin' | 'none'
}

/** The lines of a retrieval, in this order; a fault may end it at any point. */
export type RetrievalLine =
  /** Its name: the bytes are read by it. When nobody reads these lines any more, the retrieval ends. */
  | { readonly kind: 'begun'; readonly id: string }
  /** Now and then, while the reader keeps up. */
  | ({ readonly kind: 'progress' } & Progress)
  /** The bytes can be read. */
  | ({ readonly kind: 'head' } & RetrievedHead)
  /** All of them were. */
  | ({ readonly kind: 'done' } & RetrievalOutcome)
