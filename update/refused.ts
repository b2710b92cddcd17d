/** Why an update is not installed: every reason has a word of its own, is counted, and leaves the old version in place. */
import { Refusal, type SignatureRefusal } from '../signing/refusal.ts'

/** Append-only; docs/updates.md explains each. */
const OWN_REASONS = [
  'wrong-product',
  'wrong-digest',
  'replayed',
  'expired-catalogue',
  'mixed-set',
  'unknown-component',
  'downgrade',
  'product-too-old',
  'command-missing',
  'unreachable',
  'not-found',
  'stalled',
  'check-failed',
  'install-failed',
  'disk',
  'busy',
  'unsafe-place',
  'too-slow',
  'no-such-set',
  'damaged-set',
] as const

export type RefusalReason = SignatureRefusal | (typeof OWN_REASONS)[number]

export class Refused extends Error {
  readonly reason: RefusalReason

  /** @param detail what was expected and what came, for people */
  constructor(reason: RefusalReason, detail: string, options?: { cause?: unknown }) {
    super(detail, options)
    this.name = 'Refused'
    this.reason = reason
  }
}

export function insist(holds: boolean, reason: RefusalReason, detail: string): asserts holds {
  if (!holds) throw new Refused(reason, detail)
}

/** The reason that an error carries; `undefined` for faults of the program itself. */
export function reasonOf(error: unknown): RefusalReason | undefined {
  return error instanceof Refused || error instanceof Refusal ? error.reason : undefined
}
