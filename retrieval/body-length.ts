/** Whose word on the length of a body is believed, and what a body of another length is (V§2). */
import { Fault, type FaultCode } from '../core/fault.ts'
import type { Store } from '../core/store.ts'
import type { Address } from '../core/transport.ts'
import type { Expectation } from '../core/verifier.ts'
import type { Source } from './source.ts'

/** What is evicted on a peer's word alone at most, in bytes; for what it sends beyond that, room is made as it comes. */
const ROOM_ON_WORD_BYTES = 256 * 1024

/** The length that the proof is over; `undefined` where it tells none, so that a peer's length is only its word. */
export function provedSize(expectation: Expectation): number | undefined {
  return expectation.kind === 'digest' || expectation.kind === 'promised' ? expectation.size : undefined
}

/**
 * Room that is made before the first byte comes: for all that the origin server, or a proof, announces. Otherwise a peer would
 * empty the store by a length, and send nothing.
 * @param size what the source announces, in bytes; `undefined`: nothing.
 */
export function roomAtFirst(
  size: number | undefined,
  source: Source,
  expectation: Expectation,
): number | undefined {
  if (source.kind === 'internet') return size
  return provedSize(expectation) ?? (size === undefined ? undefined : Math.min(size, ROOM_ON_WORD_BYTES))
}

/** What a peer said of the length before it was asked for the bytes; `undefined`: nothing. */
export function toldSize(source: Source): number | undefined {
  switch (source.kind) {
    case 'peer':
      return source.offer.size
    case 'in-progress':
      return source.download.totalBytes
    case 'internet':
      return undefined
  }
}

/**
 * A body that never fits into the store must not begin to be delivered. Where the length is only a peer's word, it is the peer
 * that is of no use, and not the store.
 * @throws Fault PEER_FAILED, STORE_FULL
 */
export function checkFits(
  size: number | undefined,
  source: Source,
  expectation: Expectation,
  store: Pick<Store, 'mayHold'>,
): void {
  if (size === undefined || store.mayHold(size)) return
  const isOnlyTold = source.kind !== 'internet' && provedSize(expectation) === undefined
  throw new Fault(isOnlyTold ? 'PEER_FAILED' : 'STORE_FULL', `a body of ${size} bytes does not fit`)
}

/**
 * The same of the disk, which may be smaller than the quota: room is made at once only for what is proved, and the rest of a peer's copy
 * would find none in the middle. What a peer has told before it was asked has been looked at then (source-in-use.ts).
 * @throws Fault PEER_FAILED
 */
export async function checkSpace(
  size: number | undefined,
  source: Source,
  expectation: Expectation,
  store: Pick<Store, 'hasSpaceFor'>,
): Promise<void> {
  const isNews = size !== undefined && source.kind !== 'internet' && toldSize(source) === undefined
  if (!isNews || provedSize(expectation) !== undefined || (await store.hasSpaceFor(size))) return
  throw new Fault('PEER_FAILED', `a body of ${size} bytes does not fit on the disk`)
}

/**
 * A copy of another length, or of none, cannot be the right one: known before its first byte is read.
 * @param expected bytes, where they are known. @throws Fault PEER_FAILED
 */
export function checkSize(size: number | undefined, expected: number | undefined): void {
  if (size === undefined) throw new Fault('PEER_FAILED', 'expected a length, so that it has an end')
  if (expected !== undefined && size !== expected)
    throw new Fault('PEER_FAILED', `expected ${expected} bytes, the peer offers ${size}`)
}

/** An endless body is noticed at its first byte too many. @throws Fault of the peer, or of the origin server. */
export function checkEnd(end: number, size: number | undefined, peer: Address | undefined): void {
  if (size !== undefined && end > size)
    throw new Fault(codeFor(peer), `expected ${size} bytes, the body goes on after them`)
}

/** A body that ended after `end` bytes. @throws Fault of the peer, or of the origin server. */
export function checkWhole(end: number, size: number | undefined, peer: Address | undefined): void {
  if (size !== undefined && end < size)
    throw new Fault(codeFor(peer), `expected ${size} bytes, the body ended after ${end}`)
}

function codeFor(peer: Address | undefined): FaultCode {
  return peer === undefined ? 'RESPONSE_INCOMPLETE' : 'PEER_FAILED'
}
