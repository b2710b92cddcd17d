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

/** An incomplete stored response (RFC 9111 3.3): some bytes of a body are here, in any places, for requests to come. */
export interface PartialResponse extends ResponseHead {
  /** Unique among the partial copies of this store. */
  readonly id: number
  /** Bytes of the whole body. */
  readonly size: number
}

/** A partial copy that nobody has in use. */
export interface PartialAtRest extends PartialResponse {
  /** Bytes that are here. */
  readonly heldBytes: number
}

/**
 * A body that is still being filled, with readers that follow it: the file is the buffer between one writer
 * and any number of readers of any speed. Bytes may come in any order.
 */
export interface GrowingCopy {
  /** Bytes of the whole body; `undefined` until known. */
  readonly size: number | undefined
  /** Those who read it now. */
  readonly readers: number
  /** It is of no use any more: it was ended (`fail`), discarded, or what is held of it was damaged or cannot be read. */
  readonly hasFailed: boolean
  /** Fixes the size, once. @throws Fault RESPONSE_CHANGED when another size was fixed before. */
  setSize(size: number): void
  /** Where the run of held bytes that begins at `offset` ends; `offset` itself when that byte is missing. */
  heldUntil(offset: number): number
  /** The parts of `span` that are not here, ascending. What waits to be recalled is here, and yet not held. */
  missing(span: ByteSpan): readonly ByteSpan[]
  /**
   * Checks what a former process left of `span`, or what nobody used for a while: the right bytes are held from then on, wrong ones are
   * missing (R7.3).
   * Ends early, without an error, when `signal` aborts.
   */
  recall(span: ByteSpan, signal?: AbortSignal): Promise<void>
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
   * @param which `held`: also what is not released, for readers that verify it themselves.
   * @throws what `fail` was given, STORE_FAILED when they cannot be read; ends without an error when `signal` aborts.
   */
  read(span: ByteSpan, signal?: AbortSignal, which?: 'released' | 'held'): AsyncIterable<Uint8Array>
  /** The digest of the whole body. @throws Fault STORE_FAILED when bytes are missing or cannot be read. */
  digest(algorithm: DigestAlgorithm): Promise<string>
  /** Forgets every byte (they were wrong); the size too. Only while nothing was released. */
  reset(): Promise<void>
  /** Ends every reader with this error, now and later. */
  fail(error: Error): void
  /** Gives the space back. Safe at any moment and more than once; readers end with a fault. */
  discard(): Promise<void>
}

/**
 * Whether a response may still be kept; asked in the very turn in which it becomes a row, so that nothing comes between: neither a request
 * that changes the resource (RFC 9111 4.4) nor whoever looks it up. May be asked more than once.
 */
export type MayKeep = () => boolean

/** Room for one whole body that comes at once. Either `keep` or `giveBack` is to be called, once. */
export interface Reservation {
  /**
   * Makes it a stored response, as `Store.commit` does, but does not wait until it outlasts a crash: should that fail, it
   * is removed again.
   * @param bytes of the size that was reserved; lent until this resolves.
   * @param mayKeep absent: it may.
   * @returns `undefined` when `mayKeep` says no; nothing of it is kept then.
   * @throws Fault STORE_FULL, STORE_FAILED; nothing of it is kept then.
   */
  keep(bytes: Uint8Array, head: ResponseHead, mayKeep?: MayKeep): Promise<StoredResponse | undefined>
  giveBack(): void
}

export type StoreEvent =
  | { readonly kind: 'stored'; readonly response: StoredResponse }
  | { readonly kind: 'removed'; readonly response: StoredResponse }

/** What a validation changes of a stored response. */
export type Freshening = Pick<StoredResponse, 'fields' | 'requestTime' | 'responseTime' | 'shareable'>

/** What `Store.verify` finds, body after body. */
export type Finding =
  /** So many more bytes are right. */
  | { readonly kind: 'read'; readonly bytes: number }
  /** A whole body is right. */
  | { readonly kind: 'right' }
  /** All that is here of a partial copy at rest is right. */
  | { readonly kind: 'right-part' }
  /**
   * A body is damaged or missing, and the responses that had it are removed; or bytes of a partial copy are, and only they. They will be
   * fetched again.
   */
  | { readonly kind: 'lost'; readonly responses: readonly ResponseHead[]; readonly reason: string }
  /** A body could not be read just now, which says nothing about it. It stays. */
  | { readonly kind: 'unread'; readonly responses: readonly ResponseHead[]; readonly reason: string }
  /** So many responses were no longer what had been written, and could not even be named any more. They are removed. */
  | { readonly kind: 'unnamed'; readonly responses: number }

/** The order of `Store.list`; what is used while it is listed may be passed over, or come twice. */
export type UseOrder =
  | 'most-recent-first'
  /** Passes over nothing that was stored before. */
  | 'least-recent-first'

export interface StoreUsage {
  /**
   * Bytes of bodies on disk, growing and partial copies included; each body counted once. A growing or partial copy in a file counts
   * with the blocks of 4096 bytes that its bytes lie in.
   */
  readonly bytes: number
  /** Of these, what partial copies take that nobody has in use. */
  readonly partialBytes: number
  readonly maxBytes: number
  readonly responses: number
}

/** Memory for `bytes` bytes, to be filled and handed over as one chunk. */
export type Allocate = (bytes: number) => Uint8Array

export interface Store {
  /** @throws Fault STORE_FAILED with the directory's name when it cannot be used. */
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * The stored responses for this URI, the most recent first. What has changed in any way is another object than before.
   */
  lookup(uri: TargetUri): readonly StoredResponse[]
  /**
   * The whole body when it is in memory and was checked, `undefined` otherwise; it is not to be changed. Who uses it says
   * so by `use`.
   */
  held(response: StoredResponse): Uint8Array | undefined
  /** Marks the response as used just now. */
  use(response: StoredResponse): void
  /**
   * The bytes of `span`, each checked against its digest before it is handed over; marks the response as used.
   * @param allocate where bytes may be put that come from a file; absent: each chunk may be kept.
   * @throws Fault STORE_CORRUPT, after removing the response; STORE_FAILED when it is gone.
   */
  read(response: StoredResponse, span: ByteSpan, allocate?: Allocate): AsyncIterable<Uint8Array>
  /**
   * A new growing copy; `expectedSize` (bytes) reserves room by evicting what was used least recently.
   * @param wholeSize bytes of the whole body, where no more than `expectedSize` of it is expected for now.
   * @throws Fault STORE_FULL when it can never fit.
   */
  create(expectedSize?: number, wholeSize?: number): Promise<GrowingCopy>
  /** Whether a body of `size` bytes could be here at all, whatever else had to go. */
  mayHold(size: number): boolean
  /** Whether the disk, too, could take it now, whatever else had to go that may go. Nothing goes, and nothing is set aside. */
  hasSpaceFor(size: number): Promise<boolean>
  /**
   * Room for a small body of `size` bytes that needs no growing copy; `undefined` where it has to be made, looked for or
   * waited for, or where there can be none: `create` knows.
   */
  reserve(size: number): Reservation | undefined
  /**
   * Makes a whole copy a stored response, atomically: after a crash it is there entirely or not at all. It replaces
   * stored responses with the same URI and selecting fields. Readers of the copy go on undisturbed.
   * @throws Fault STORE_FAILED; the copy is then discarded.
   */
  commit(copy: GrowingCopy, head: ResponseHead): Promise<StoredResponse>
  /**
   * The same where it may turn out not to be kept.
   * @returns `undefined` when `mayKeep` says no, or it is larger than what may be stored, which nobody knew when it was begun: no row names
   * it then, and it is its readers' until it is discarded.
   * @throws Fault STORE_FAILED; the copy is then discarded.
   */
  commit(copy: GrowingCopy, head: ResponseHead, mayKeep: MayKeep): Promise<StoredResponse | undefined>
  /** The partial copies for this URI (absent: all) that nobody has in use, the most recent first. */
  partials(uri?: TargetUri): readonly PartialAtRest[]
  /**
   * Writes down what is held of a growing copy in use, so that a killed process loses no more than what comes later.
   * Without effect where it cannot be written.
   */
  record(copy: GrowingCopy, head: ResponseHead): Promise<void>
  /**
   * Nobody needs the copy just now: it stays as a partial copy, within the quota, for whoever resumes it. It replaces one
   * with the same URI and selecting fields. A copy of unknown size, or without a byte, is discarded; so is one of which `mayKeep` says no.
   */
  shelve(copy: GrowingCopy, head: ResponseHead, mayKeep?: MayKeep): Promise<void>
  /** Takes a partial copy into use again; `undefined` when it is gone, or somebody else was quicker. */
  resume(partial: PartialResponse): GrowingCopy | undefined
  /** Another URI for a body that is already here (the same file under another name). */
  link(body: StoredResponse, head: ResponseHead): StoredResponse
  /** Updates fields and times after a 304 (RFC 9111 4.3.4), which may also take the permission to share back. */
  freshen(response: StoredResponse, update: Freshening): StoredResponse
  findByDigest(digest: Sha256): StoredResponse | undefined
  /** The SHA-256 digests of the body's pieces in order, 32 bytes each; empty where it is one piece, or is gone. */
  pieces(response: StoredResponse): Uint8Array
  /** Removes every stored response for the URI, partial copies included. @returns how many complete ones there were. */
  remove(uri: TargetUri): number
  /** All stored responses, the most recently used first unless another order is asked for. */
  list(order?: UseOrder): Iterable<StoredResponse>
  /** Reads everything anew, whatever was checked before, and removes what is damaged. Marks nothing as used. */
  verify(): AsyncIterable<Finding>
  usage(): StoreUsage
  /** What follows from storing and removing (offers to peers, statistics) subscribes here. */
  subscribe(listener: (event: StoreEvent) => void): () => void
}
