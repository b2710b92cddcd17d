/** When bytes that must be proved are released to an application (V§2), as a pure decision. */
import type { Expectation } from '../core/verifier.ts'

/** The last block of a copy from a peer is held back until the digest matches: a bad file can begin, never end. */
export const HOLD_BACK_BYTES = 256 * 1024

/** A growing copy below this is verified whole before its first byte is released: the wait is short. */
export const SMALL_GROWING_BYTES = 1024 * 1024

/** A whole copy that takes longer than this to come is streamed after all, in ms. */
export const VERIFY_FIRST_MS = 2000

export interface Filling {
  /** Bytes held without a gap from the start. */
  readonly heldBytes: number
  /** Bytes in all; `undefined` when nobody knows. */
  readonly size: number | undefined
  /**
   * Whether any byte came from a peer, or the content was asked for by its name; what else comes from the origin server alone
   * is released at once.
   */
  readonly mustBeProved: boolean
  /** Whether the peer's copy is still growing, at one that was heard to ask for the file. */
  readonly isGrowing: boolean
  /** Whether applications were answered already: a stream that has begun goes on, whichever source continues it. */
  readonly isStreaming: boolean
  readonly expectation: Expectation
  /** How long the body has been coming, in ms. */
  readonly elapsedMs: number
  /** Whole copies up to this are verified before their first byte is released, in bytes. */
  readonly verifyFirstUpTo: number
}

/** Bytes below this offset may go to applications before the whole is verified. */
export function releasedBytes(filling: Filling): number {
  if (!filling.mustBeProved || filling.expectation.kind === 'updater') return filling.heldBytes
  if (filling.size === undefined || isVerifiedFirst(filling, filling.size)) return 0
  return Math.max(0, Math.min(filling.heldBytes, filling.size - HOLD_BACK_BYTES))
}

/** Whether the application may be answered now, before the body is verified. */
export function mayAnswer(filling: Filling): boolean {
  if (!filling.mustBeProved || filling.expectation.kind === 'updater') return true
  return filling.size !== undefined && !isVerifiedFirst(filling, filling.size)
}

function isVerifiedFirst(filling: Filling, size: number): boolean {
  // A digest is known before the first byte. What a signature is over is known with the last, and so is who made it.
  if (filling.expectation.kind === 'signature') return true
  if (filling.isStreaming) return false
  if (filling.isGrowing) return size < SMALL_GROWING_BYTES
  return (
    size <= filling.verifyFirstUpTo && (filling.elapsedMs < VERIFY_FIRST_MS || size < SMALL_GROWING_BYTES)
  )
}
