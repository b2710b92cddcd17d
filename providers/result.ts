/**
 * The result of an election, signed by its winner (FIG. 8): the same in its packet, in a third party's answer, in the book, and
 * on the port for files. Whoever has it can verify it, from wherever it came.
 *
 * Stops changed results, results in another member's name, of another site, for another function, and ones that have run out.
 * It does not stop a member that says more of itself than is true: revoke it.
 */
import type { EpochMs } from '../core/clock.ts'
import type { NodeId } from '../peering/packets.ts'
import type { FunctionName } from './functions.ts'

export interface Result {
  readonly function: FunctionName
  readonly node: NodeId
  /** The member who signs; `undefined`: a stranger. */
  readonly member: string | undefined
  readonly location: string
  readonly value: number
  readonly term: number
  readonly since: EpochMs
  readonly expires: EpochMs
  /** Of the member, in base64url; `''` of a stranger. */
  readonly signature: string
}

/** The best value there is. */
export const MAX_VALUE = 1_000_000

/** How long a result may be passed on after its provider was last heard, in ms. */
export const LEASE_MS = 300_000

/** Clocks may differ by so much, in ms (V§5). */
export const CLOCK_SKEW_MS = 120_000

/** Terms are at most the seconds since 1970, so that no lie can use them up; and this many where a clock is not set. */
const FIRST_TERMS = 100_000

/** What signs and verifies: a site, or nothing. */
export interface Signing {
  /** The member that this node is; `undefined`: it belongs to no site. */
  readonly member: string | undefined
  /** @returns base64url; `''` without a site. */
  sign(text: string): string
  /** Whether this member, in good standing, signed this text. */
  verify(member: string, text: string, signature: string): boolean
  /** The pass of a member, for those who do not know it. */
  passOf(member: string): string | undefined
  /** Notes a pass that somebody brings. */
  learn(pass: string): void
  /** Whether the member is in good standing. */
  isGood(member: string): boolean
}

export function signResult(result: Omit<Result, 'member' | 'signature'>, signing: Signing): Result {
  const { member } = signing
  const unsigned = { ...result, member }
  return { ...unsigned, signature: member === undefined ? '' : signing.sign(signedText(unsigned)) }
}

/** Why a result is not believed; `undefined`: it is. In a site, only members' are. */
export function faultOf(result: Result, signing: Signing, now: EpochMs): string | undefined {
  const { member, value, term, since, expires, signature } = result
  if (value < 1 || value > MAX_VALUE) return 'a value that cannot be'
  if (term < 1 || !isPossibleTerm(term, now)) return 'a term that cannot be'
  if (since > now + CLOCK_SKEW_MS || expires > now + LEASE_MS + CLOCK_SKEW_MS) return 'from the future'
  if (expires < now - CLOCK_SKEW_MS) return 'run out'
  if (signing.member === undefined) return undefined
  if (member === undefined) return 'not by a member'
  if (!signing.isGood(member)) return 'not by a member in good standing'
  return signing.verify(member, signedText(result), signature) ? undefined : 'a wrong signature'
}

export function isPossibleTerm(term: number, now: EpochMs): boolean {
  return term <= Math.max(FIRST_TERMS, (now + CLOCK_SKEW_MS) / 1000)
}

/** None of the parts can hold a line's end, so no two results have the same text. */
function signedText(result: Omit<Result, 'signature'>): string {
  const { function: name, node, member, location, value, term, since, expires } = result
  return ['ihave function 1', name, node, member, location, value, term, since, expires].join('\n')
}
