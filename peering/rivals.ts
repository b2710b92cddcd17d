/**
 * Nodes that ask for the same at the same moment agree on who fetches it, from their "I need" packets alone (R5.4).
 *
 * Everybody hears every question. Each node ranks the askers of a resource by a hash of both (rendezvous hashing), so all
 * that heard the same questions name the same fetcher, and different resources have different ones. Whoever is outranked
 * waits for the fetcher's "I am downloading" as for any running download (FIG. 4B, 156), then for the next in rank.
 */
import { createHash } from 'node:crypto'
import type { Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import type { NodeId } from './packets.ts'

/** Another node that has asked for the same. */
export interface Rival {
  readonly peer: Address
  readonly node: NodeId
}

/** Questions overlap when they are asked within this, in ms: as long as a question waits. */
const OVERLAP_MS = 60

/** Resources and askers that are remembered at once; the oldest goes first. */
export const MAX_RESOURCES = 4096
export const MAX_RIVALS = 32

interface Heard extends Rival {
  readonly rank: string
  readonly at: Monotonic
}

export class Rivals {
  readonly #self: NodeId
  readonly #heard = new Map<string, Map<NodeId, Heard>>()

  constructor(self: NodeId) {
    this.#self = self
  }

  /** Another node's "I need" was heard. */
  heard(resource: string, { peer, node }: Rival, at: Monotonic): void {
    const askers = this.#heard.get(resource) ?? new Map<NodeId, Heard>()
    this.#heard.delete(resource)
    this.#heard.set(resource, askers)
    if (askers.size < MAX_RIVALS || askers.has(node))
      askers.set(node, { peer, node, rank: rankOf(resource, node), at })
    const [oldest] = this.#heard.keys()
    if (this.#heard.size > MAX_RESOURCES && oldest !== undefined) this.#heard.delete(oldest)
  }

  /** Whether `node` comes before this one where both could fetch the resource. */
  isAhead(resource: string, node: NodeId): boolean {
    return rankOf(resource, node) < rankOf(resource, this.#self)
  }

  /** Those who asked at the same time as this node and come before it, the fetcher first. */
  ahead(resource: string, askedAt: Monotonic): Rival[] {
    const own = rankOf(resource, this.#self)
    return this.#overlapping(resource, askedAt).filter(({ rank }) => rank < own)
  }

  /** Where those are who asked at the same time and wait for this node, now that its own wait is over. */
  behind(resource: string, now: Monotonic): Address[] {
    const own = rankOf(resource, this.#self)
    const askedAt = (now - OVERLAP_MS) as Monotonic
    const waiting = this.#overlapping(resource, askedAt).filter(({ rank }) => rank > own)
    return waiting.map(({ peer }) => peer)
  }

  #overlapping(resource: string, askedAt: Monotonic): Heard[] {
    const askers = [...(this.#heard.get(resource)?.values() ?? [])]
    return askers
      .filter(({ at }) => at >= askedAt - OVERLAP_MS)
      .toSorted((one, other) => (one.rank < other.rank ? -1 : 1))
  }
}

/** The same on every node; 128 bits, so that no two are equal. */
function rankOf(resource: string, node: NodeId): string {
  return createHash('sha256').update(`${node}\n${resource}`).digest('hex').slice(0, 32)
}
