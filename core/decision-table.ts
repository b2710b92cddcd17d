/**
 * The decision table of V§1 as data: what is done with a resource that a peer may have, by what is known of it. The first
 * row whose every condition holds decides; the last one has none. The ladder (verify/ladder.ts) decides by it, and once a peer has
 * the file and nothing else proves it, so does the site (site/attested.ts).
 */
import type { VerifyMode } from './policy.ts'

export interface Facts {
  /** Whether the name always means the same bytes. */
  readonly isImmutable: boolean
  /** Whether a digest is at hand: in the URL (V1), or in an index that is trusted (V2). */
  readonly hasDigest: boolean
  /** What the origin server publishes (V3). `unasked`: nobody knows, and it may be asked. */
  readonly published: 'unasked' | 'none' | 'weak' | 'strong'
  /** The publisher's signature (R8.2): in the file, beside it as the origin server has it, or to be asked for there. */
  readonly signed: 'none' | 'embedded' | 'unasked' | 'beside'
  /** What a member of the site attests (V4): for a name that does not change, with the origin server's validator, or with a lifetime. */
  readonly attested: 'nothing' | 'for-good' | 'by-validator' | 'for-a-time'
  /** Whether responses may be stored. */
  readonly isStorable: boolean
  readonly verify: VerifyMode
}

/** What may be done with a peer's copy. */
export type Action =
  /** Any peer's; it is held against the digest that is at hand. */
  | 'verify'
  /** Any peer's; it is held against the digest that the origin server publishes. */
  | 'verify-published'
  /** Any peer's; its publisher's signature, in it or beside it, must be right, and made for this file. */
  | 'verify-signature'
  /** The origin server is asked once a peer has it, for a digest by HEAD or for the signature; then decide again. */
  | 'ask-origin'
  /** A member's, if it matches the attestation. */
  | 'verify-attested'
  /** Any peer's; whoever asks again within ten minutes is answered by the origin server. */
  | 'deliver-and-watch'
  | 'internet-only'

type Conditions = { readonly [Name in keyof Facts]?: readonly Facts[Name][] }

export interface DecisionRow {
  /** In the words of V§1. */
  readonly resource: string
  readonly proof: string
  readonly if: Conditions
  readonly action: Action
}

export const DECISION_TABLE: readonly DecisionRow[] = [
  {
    resource: 'immutable name',
    proof: 'V1 or V2',
    if: { isImmutable: [true], hasDigest: [true] },
    action: 'verify',
  },
  {
    resource: 'any',
    proof: 'V3, SHA-256 or better',
    if: { published: ['strong'] },
    action: 'verify-published',
  },
  {
    resource: 'immutable name, where the rule trusts signers',
    proof: 'signature in the file',
    if: { isImmutable: [true], signed: ['embedded'] },
    action: 'verify-signature',
  },
  {
    resource: 'any, where the rule trusts signers',
    proof: 'signature beside the file, at the origin',
    if: { signed: ['beside'] },
    action: 'verify-signature',
  },
  {
    resource: 'any, where the rule is not strict',
    proof: 'V3, MD5',
    if: { published: ['weak'], verify: ['auto', 'updater'] },
    action: 'verify-published',
  },
  {
    // Under `updater` the rule has said already that no proof of ours is waited for.
    resource: 'any',
    proof: 'V3 may be had',
    if: { published: ['unasked'], verify: ['auto', 'strict'] },
    action: 'ask-origin',
  },
  {
    resource: 'any, where the rule trusts signers',
    proof: 'signature beside the file may be had',
    if: { signed: ['unasked'], verify: ['auto', 'strict'] },
    action: 'ask-origin',
  },
  {
    resource: 'immutable name, cacheable',
    proof: 'V4',
    if: { isImmutable: [true], attested: ['for-good'], isStorable: [true] },
    action: 'verify-attested',
  },
  {
    resource: 'mutable, cacheable',
    proof: 'V4',
    if: { attested: ['by-validator'], isStorable: [true] },
    action: 'verify-attested',
  },
  {
    resource: 'cacheable, no validator at the origin',
    proof: 'V4',
    if: { attested: ['for-a-time'], isStorable: [true] },
    action: 'verify-attested',
  },
  {
    resource: 'cacheable',
    proof: 'V5',
    if: { verify: ['updater'], isStorable: [true] },
    action: 'deliver-and-watch',
  },
  { resource: 'anything else', proof: 'none', if: {}, action: 'internet-only' },
]

/** The row that decides. */
export function decisionFor(facts: Facts): DecisionRow {
  const row = DECISION_TABLE.find(({ if: conditions }) => holds(conditions, facts))
  return row ?? NOTHING
}

const NOTHING: DecisionRow = { resource: 'anything else', proof: 'none', if: {}, action: 'internet-only' }

function holds(conditions: Conditions, facts: Facts): boolean {
  return Object.entries(conditions).every(([name, wanted]) => {
    const values: readonly unknown[] = wanted
    return values.includes(facts[name as keyof Facts])
  })
}
