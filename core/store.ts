/** The `Store` seam: stored responses with their bodies, and the copies that are still growing. */
import type { EpochMs } from './clock.ts'
import type { DigestAlgorithm, Sha256 } from './digest.ts'
import type { Fields } from './fields.ts'
import type { ByteSpan } from './ranges.ts'
import type { TargetUri } from './target-uri.ts'

/** A complete stored response (RFC 9111 2). Its body lies under its digest, so equal bodies are kept once. */
export interface StoredResponse {
  /** Unique in this store, for as long as the response is stored. */
  readonly id: number
  /** The primary cache key; the method is always GET. */
  readonly uri: TargetUri
  /** The selecting header fields of the request that this response answered (RFC 9111 4.1); empty without `Vary`. */
  readonly selecting: Fields
  readonly status: number
  /** The end-to-end fields as received, `Age` and `Date` included. */
  readonly fields: Fields
  /** When the request was made and the response came (RFC 9111 4.2.3). */
  readonly requestTime: EpochMs
  readonly responseTime: EpochMs
  /** Bytes of body. */
  readonly size: number
  readonly digest: Sha256
  readonly source: 'internet' | 'peer'
  /** It passed the sharing gate (V§3): the LAN may be told of it. */
  readonly shareable: boolean
}

/** What the caller knows when a growing copy is whole; the store adds the rest. */
export type ResponseHead = Omit<StoredResponse, 'id' | 'size' | 'digest'>

/**
 * A body that is still being filled, with readers that follow it: the file is the buffer between one writer
 * and any number of readers of any speed. Bytes may come in any order.
 */
export interface GrowingCopy {
  /** Bytes of the whole body; `undefined` until known. */
  readonly size: number | undefined
  /** Fixes the size, once. @throws Fault RESPONSE_CHANGED when another size was fixed before. */
  setSize(size: number): void
  /** Where the run of held bytes that begins at `offset` ends; `offset` itself when that byte is missing. */
  heldUntil(offset: number): number
  /**
   * Keeps `bytes` at `offset`; resolves when readers can have them. One write at a time. The array must not change
   * afterwards: it may be what they are handed.
   * @throws Fault STORE_FULL, STORE_FAILED; RESPONSE_INVALID when they would go beyond the size.
   */
  write(offset: number, bytes: Uint8Array): Promise<void>
  /** Readers get no byte at or beyond this offset until it is raised (V§2, hold-back). Begins at 0. */
  release(upTo: number): void
  /**
   * The bytes of `span` in order, as they are held and released; waits for what is missing.
   * `span.end` may be `Infinity`: to the end of the body, whatever its size turns out to be.
   * @throws what `fail` was given; ends without an error when `signal` aborts.
   */
  read(span: ByteSpan, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** The digest of the whole body. @throws Fault STORE_FAILED when bytes are missing or cannot be read. */
  digest(algorithm: DigestAlgorithm): Promise<string>
  /** Forgets every byte (they were wrong); the size too. Only while nothing was released. */
  reset(): Promise<void>
  /** Ends every reader with this error, now and later. */
  fail(error: Error): void
  /** Gives the space back. Safe at any moment and more than once; readers end with a fault. */
  discard(): Promise<void>
}

export type StoreEvent =
  | { readonly kind: 'stored'; readonly response: StoredResponse }
  | { readonly kind: 'removed'; readonly response: StoredResponse }

/** What a validation changes of a stored response. */
export type Freshening = Pick<StoredResponse, 'fields' | 'requestTime' | 'responseTime' | 'shareable'>

export interface StoreUsage {
  /** Bytes of bodies on disk, growing copies included; each body counted once. */
  readonly bytes: number
  readonly maxBytes: number
  readonly responses: number
}

export interface Store {
  /** @throws Fault STORE_FAILED with the directory's name when it cannot be used. */
  start(): Promise<void>
  stop(): Promise<void>
  /** The stored responses for this URI, the most recent first. */
  lookup(uri: TargetUri): readonly StoredResponse[]
  /**
   * The bytes of `span`, each checked against its digest before it is handed over; marks the response as used.
   * @throws Fault STORE_CORRUPT, after removing the response; STORE_FAILED when it is gone.
   */
  read(response: StoredResponse, span: ByteSpan): AsyncIterable<Uint8Array>
  /**
   * A new growing copy; `expectedSize` (bytes) reserves room by evicting what was used least recently.
   * @throws Fault STORE_FULL when it can never fit.
   */
  create(expectedSize?: number): Promise<GrowingCopy>
  /**
   * Makes a whole copy a stored response, atomically: after a crash it is there entirely or not at all. It replaces
   * stored responses with the same URI and selecting fields. Readers of the copy go on undisturbed.
   * @throws Fault STORE_FAILED; the copy is then discarded.
   */
  commit(copy: GrowingCopy, head: ResponseHead): Promise<StoredResponse>
  /** Another URI for a body that is already here (the same file under another name). */
  link(body: StoredResponse, head: ResponseHead): StoredResponse
  /** Updates fields and times after a 304 (RFC 9111 4.3.4), which may also take the permission to share back. */
  freshen(response: StoredResponse, update: Freshening): StoredResponse
  findByDigest(digest: Sha256): StoredResponse | undefined
  /** Removes every stored response for the URI. @returns how many there were. */
  remove(uri: TargetUri): number
  /** All stored responses, the most recently used first. */
  list(): Iterable<StoredResponse>
  usage(): StoreUsage
  /** What follows from storing and removing (offers to peers, statistics) subscribes here. */
  subscribe(listener: (event: StoreEvent) => void): () => void
}
