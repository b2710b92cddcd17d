/** What candidates say of themselves, and which of two wins: the same on every node (R10.1). */
import type { NodeId } from '../../peering/packets.ts'

/** A candidate with its value of the criterion. */
export interface Ballot {
  readonly node: NodeId
  readonly value: number
}

/** Who won which election. */
export interface Mandate extends Ballot {
  readonly term: number
}

/** The larger value wins; of two that are equal, the node whose ID comes first. */
export function beats(one: Ballot, other: Ballot): boolean {
  return one.value === other.value ? one.node < other.node : one.value > other.value
}

/** The better of what may be there. */
export function better(one: Ballot | undefined, other: Ballot | undefined): Ballot | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return beats(other, one) ? other : one
}
