/** Where a growing copy keeps its bytes: a file (cache/growing-file.ts) or memory (cache/memory-store.ts). */
import type { Sha256 } from '../core/digest.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Place } from './place.ts'

export interface GrowingBytes {
  /**
   * The name by which a later process finds them, as long as they are neither kept nor removed; empty when none does.
   * @throws Fault STORE_FULL, STORE_FAILED.
   */
  named(): Promise<string>
  /**
   * Held bytes from the start of `span`: at least one, at most all of it. The caller must not change them.
   * @throws Fault STORE_FAILED when they cannot be read.
   */
  read(span: ByteSpan): Promise<Uint8Array>
  /** All of `span`, which is held, when that needs no waiting. */
  readNow(span: ByteSpan): Uint8Array | undefined
  /** The caller leaves its array as it is afterwards: readers may be handed it. @throws Fault STORE_FULL, STORE_FAILED. */
  write(offset: number, bytes: Uint8Array): Promise<void>
  /** Writes what is held and was not written yet. @throws Fault STORE_FULL, STORE_FAILED: it is still held. */
  settle(): Promise<void>
  /** Forgets every byte. */
  clear(): Promise<void>
  /**
   * They are complete: makes them the stored body of this name, in one step and lasting. Whenever a reader of the
   * growing copy is at work from now on, the body is in use: `pin` says so, and what it returns ends it.
   * @returns where it is, `undefined` for a body with a file of its own.
   * @throws Fault STORE_FULL, STORE_FAILED.
   */
  keep(name: Sha256, pin: () => () => void): Promise<Place | undefined>
  /** Nobody needs them just now: costs no file handle and no memory until the next use. */
  rest(): Promise<void>
  /** Lets go of everything that is not kept. More than once is harmless. */
  remove(): Promise<void>
  /** A reader begins; what is returned says that it has ended. */
  hold(): () => void
}
