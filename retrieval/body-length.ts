/** Whose word on the length of a body is believed, and what a body of another length is (V§2). */
import { Fault, type FaultCode } from '../core/fault.ts'
import type { Address } from '../core/transport.ts'
import type { Expectation } from '../core/verifier.ts'
import type { Source } from './source.ts'

/**
 * Room is made for what the origin server, a proof, or a rule that trusts the LAN announces; on one peer's word alone no more
 * is evicted than a copy that is verified before anything else happens.
 * @param size what the source announces, in bytes; `undefined`: nothing.
 * @param verifyFirstUpTo whole copies up to this are verified before their first byte is released, in bytes.
 */
export function believableSize(
  size: number | undefined,
  source: Source,
  expectation: Expectation,
  verifyFirstUpTo: number,
): number | undefined {
  if (source.kind === 'internet' || expectation.kind === 'updater') return size
  if (expectation.kind === 'digest' && expectation.size !== undefined) return expectation.size
  return size !== undefined && size <= verifyFirstUpTo ? size : undefined
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
