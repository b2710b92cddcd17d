/** What the store tells the log: never an error of a request, always something to know about this machine's disk. */
import type { Sha256 } from '../core/digest.ts'

export type StoreLogEvent =
  /** The index could not be used; it was put aside under the name `setAside`, and an empty one begun. */
  | { readonly kind: 'index-rebuilt'; readonly reason: string; readonly setAside: string }
  /** The disk has no room for an index: what is stored from now on is forgotten at the next start. */
  | { readonly kind: 'index-in-memory'; readonly reason: string }
  /** The index can be neither read nor renewed just now: as long as that lasts nothing is known to be stored. */
  | { readonly kind: 'index-unreadable'; readonly reason: string }
  /** A row of the index was not what had been written; it was dropped. */
  | { readonly kind: 'row-corrupt'; readonly id: number }
  /** What is held of a body could not be written down: a restart forgets it. */
  | { readonly kind: 'partial-unrecorded'; readonly reason: string }
  /** A body's bytes did not match their digest, or could not be read; its responses were removed. */
  | { readonly kind: 'body-lost'; readonly digest: Sha256; readonly reason: string }
  /** `files` files that no stored response has were removed: left over from a process that was killed. */
  | { readonly kind: 'leftovers-removed'; readonly files: number }
  /** The comparison of files and index ended early; what is left over stays until the next start. */
  | { readonly kind: 'sweep-failed'; readonly reason: string }
  /** A file, or the end of one, that nobody needs could not be removed. */
  | { readonly kind: 'removal-failed'; readonly path: string; readonly reason: string }
  /** The live bodies of a segment could not be moved; its dead bytes stay for now. */
  | { readonly kind: 'compaction-failed'; readonly segment: number; readonly reason: string }

export type StoreLog = (event: StoreLogEvent) => void
