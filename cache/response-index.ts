/** The index of a store: which responses it has, and under which digests their bodies lie. Without the bodies. */
import type { Sha256 } from '../core/digest.ts'
import type { Fields } from '../core/fields.ts'
import type { ResponseHead, StoredResponse, UseOrder } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { PartialIndex } from './partial-index.ts'
import type { Place, StoredBody } from './place.ts'

/** A body that has lost its last response. */
export interface FreedBody {
  readonly digest: Sha256
  /** Bytes. */
  readonly size: number
  /** `undefined`: it has a file of its own. */
  readonly place?: Place | undefined
}

export interface Insertion {
  readonly stored: StoredResponse
  /** The responses with the same URI and selecting fields, which are gone. */
  readonly replaced: readonly StoredResponse[]
  readonly freed: readonly FreedBody[]
  /** No response had this body before. */
  readonly isNewBody: boolean
  /** Where a body was that was here already and is somewhere else now. */
  readonly superseded: FreedBody | undefined
}

export interface Deletion {
  readonly deleted: readonly StoredResponse[]
  readonly freed: readonly FreedBody[]
}

/**
 * What was done can be seen at once; that it lasts, `committed` says. Every method may throw Fault STORE_FAILED or
 * STORE_FULL.
 */
export interface ResponseIndex {
  readonly partials: PartialIndex
  /** `onLost` is called when responses have gone because the index was damaged: the totals have changed. */
  open(onLost: () => void): void
  close(): void
  /**
   * Resolves when all that was done up to now will be there after a crash.
   * @throws Fault STORE_FULL: it is not lost, and lasts when room was made; STORE_FAILED: it is lost.
   */
  committed(): Promise<void>
  /** Bytes of all bodies, each counted once, and the number of responses. */
  totals(): { readonly bytes: number; readonly responses: number }
  /** Compares all parts of the index with each other, which takes about 0.8 s for 100,000 responses; what contradicts itself is given up. */
  check(): void
  /** The most recent first. */
  lookup(uri: TargetUri): readonly StoredResponse[]
  byDigest(digest: Sha256): readonly StoredResponse[]
  /** `undefined` when no response has this body. */
  body(digest: Sha256): Pick<StoredBody, 'pieces' | 'place'> | undefined
  /** All digests that begin with these hexadecimal digits. */
  digestsFrom(prefix: string): readonly Sha256[]
  /** What may be wrong of these: bodies that have files of their own, and those that no response has, wherever they lie. */
  bodiesFrom(prefix: string): readonly Omit<FreedBody, 'size'>[]
  /** All at once or nothing. */
  insert(head: ResponseHead, body: StoredBody): Insertion
  /** Overwrites the response with this id. @returns whether it was there. */
  update(response: StoredResponse): boolean
  /** @returns the bodies that have lost their last response. */
  delete(responses: readonly StoredResponse[]): readonly FreedBody[]
  /** Deletes this body, and the responses that have it. */
  deleteBody(digest: Sha256): Deletion
  /** It was used just now. */
  use(id: number): void
  /** The number of a use that happens just now: the higher, the more recent. */
  nextUse(): number
  /** All responses with the numbers of their last use, the least recent first; the index may change meanwhile. */
  leastRecent(): Iterable<{ readonly used: number; readonly response: StoredResponse }>
  /** In the order of use; the index may change meanwhile. */
  list(order: UseOrder): Iterable<StoredResponse>
}

/** The secondary cache key as one string: names without case, lines of different names in any order (RFC 9111 4.1). */
export function variantKey(selecting: Fields): string {
  if (selecting.length === 0) return '[]'
  const lines = selecting.map(([name, value]) => [name.toLowerCase(), value] as const)
  return JSON.stringify(lines.toSorted(([one], [other]) => (one < other ? -1 : Number(one > other))))
}

/** Compares for `lookup`: what was answered most recently comes first (RFC 9111 4.1). */
export function mostRecentFirst(
  one: Pick<StoredResponse, 'id' | 'responseTime'>,
  other: Pick<StoredResponse, 'id' | 'responseTime'>,
): number {
  return other.responseTime - one.responseTime || other.id - one.id
}
