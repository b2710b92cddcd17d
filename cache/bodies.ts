/** Where a store keeps whole bodies: on the disk (cache/body-files.ts) or in memory (cache/memory-store.ts). */
import type { Sha256 } from '../core/digest.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Allocate } from '../core/store.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import type { Place, StoredBody } from './place.ts'
import type { FreedBody } from './response-index.ts'

/** Memory for a whole small body. */
export interface ReservedBytes {
  /** @param bytes lent until it resolves. @throws Fault STORE_FULL, STORE_FAILED. */
  keep(name: Sha256, bytes: Uint8Array): Promise<Place | undefined>
  /** They are kept, or will not be. */
  giveBack(): void
}

export interface Bodies {
  /** @throws Fault STORE_FAILED. */
  start(): Promise<void>
  /** Nothing goes on by itself any more, and nothing asks the index. */
  quiesce(): Promise<void>
  stop(): Promise<void>
  /** Room for the bytes of a new growing copy. @throws Fault STORE_FULL, STORE_FAILED. */
  grow(): Promise<GrowingBytes>
  /** Room in memory for a body of `size` bytes that comes at once; `undefined` where there is none, or it is not small. */
  reserve(size: number): ReservedBytes | undefined
  /** The bytes of a partial copy that a former process left under this name; `undefined` when they are gone. */
  regrow(name: string): GrowingBytes | undefined
  /**
   * Cuts what a former process left under this name to its first `end` bytes.
   * @returns bytes that it takes on the disk then; `undefined` when it is gone.
   */
  cutLeft(name: string, end: number): number | undefined
  /**
   * The bytes of `span`, which lies within the body, checked before they are handed over.
   * @throws Fault STORE_CORRUPT; STORE_FAILED when they cannot be read just now, or (with that as its cause) are missing.
   */
  read(body: StoredBody, span: ByteSpan, allocate?: Allocate): AsyncIterable<Uint8Array>
  /** The whole body when it is in memory, checked, as one run of bytes. */
  held(digest: Sha256, size: number): Uint8Array | undefined
  /** The whole body as `read` does it, but checked now, whatever was found right before; stays in no memory. */
  readAnew(body: StoredBody): AsyncIterable<Uint8Array>
  /** A body that was kept is in the index, or will not be: until then its place was not taken away. */
  settle(place: Place): void
  /** Its name is free again when this returns, its space when the promise resolves. Never fails. */
  remove(body: FreedBody): Promise<void>
  /** The bodies that must go, those at `place` among them, before its space is free. */
  neighbours(place: Place): readonly FreedBody[]
  /** The index was opened, or has lost bodies. */
  recount(): void
  /** Bytes of the quota that are taken by no body and no growing copy. */
  readonly overheadBytes: number
  /** Bytes that may still be written: what is free, without the reserve; negative when the reserve is touched. */
  freeBytes(): Promise<number>
  /** Makes bodies and index agree: removes bodies that nobody has, and names those that are missing. */
  sweep(view: SweepView, signal: AbortSignal): Promise<void>
}

/** What the sweep knows of the index. */
export interface SweepView {
  /** Is a body of this name stored in a file of its own, or just being stored? */
  isWanted(digest: Sha256): boolean
  /** Are these the bytes of a partial copy? */
  isPartial(name: string): boolean
  /** See `ResponseIndex.bodiesFrom`. */
  bodiesFrom(prefix: string): readonly Omit<FreedBody, 'size'>[]
  /** The index has this body, but here it is not. */
  missing(body: Omit<FreedBody, 'size'>): void
}
