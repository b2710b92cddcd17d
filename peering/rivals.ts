/**
 * Nodes that ask for the same at the same moment agree on who fetches it, from their "I need" packets alone (R5.4).
 *
 * Everybody hears every question. Each node ranks the askers of a resource by a hash of both (rendezvous hashing), so all
 * that heard the same questions name the same fetcher, and different resources have different ones. Whoever is outranked
 * waits for the fetcher's "I am downloading" as for any running download (FIG. 4B, 156), then for the next in rank.
 */
import { hash } from 'node:crypto'
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

/** Resources that are remembered at once; the oldest goes first. */
export const MAX_RESOURCES = 4096

/** Askers of one that are remembered at once; who comes last in rank goes first, so that all name the same fetcher. */
export const MAX_RIVALS = 32

interface Heard extends Rival {
  readonly rank: string
  readonly at: Monotonic
}

interface Askers {
  /** This node's own rank. */
  readonly own: string
  /** In the order of their rank. */
  list: Heard[]
  /** No question in the list is older. */
  oldestAt: number
}

export class Rivals {
  readonly #self: NodeId
  readonly #heard = new Map<string, Askers>()

  constructor(self: NodeId) {
    this.#self = self
  }

  /** Another node's "I need" was heard. */
  heard(resource: string, rival: Rival, at: Monotonic): void {
    const askers = this.#heard.get(resource) ?? {
      own: rankOf(resource, this.#self),
      list: [],
      oldestAt: at,
    }
    this.#heard.delete(resource)
    this.#heard.set(resource, askers)
    note(askers, { ...rival, rank: this.#rankOf(resource, rival.node), at })
    const [oldest] = this.#heard.keys()
    if (this.#heard.size > MAX_RESOURCES && oldest !== undefined) this.#heard.delete(oldest)
  }

  /** Whether a downloader comes before this node where both could fetch the resource, and whether it was heard to ask for it. */
  standing({ resource, node }: { readonly resource: string; readonly node: NodeId | undefined }) {
    if (node === undefined) return { isAhead: false, hasAsked: false }
    const isAhead = this.#rankOf(resource, node) < this.#ownRank(resource)
    const hasAsked = this.#heard.get(resource)?.list.some((each) => each.node === node) ?? false
    return { isAhead, hasAsked }
  }

  /** Those who asked at the same time as this node and come before it, the fetcher first. */
  ahead(resource: string, askedAt: Monotonic): Rival[] {
    const own = this.#ownRank(resource)
    return this.#overlapping(resource, askedAt).filter(({ rank }) => rank < own)
  }

  /** Where those are who asked at the same time and wait for this node, now that its own wait is over. */
  behind(resource: string, now: Monotonic): Address[] {
    const own = this.#ownRank(resource)
    const askedAt = (now - OVERLAP_MS) as Monotonic
    const waiting = this.#overlapping(resource, askedAt).filter(({ rank }) => rank > own)
    return waiting.map(({ peer }) => peer)
  }

  #ownRank(resource: string): string {
    return this.#heard.get(resource)?.own ?? rankOf(resource, this.#self)
  }

  /** Who has asked is heard again: its rank is known. */
  #rankOf(resource: string, node: NodeId): string {
    const known = this.#heard.get(resource)?.list.find((each) => each.node === node)
    return known?.rank ?? rankOf(resource, node)
  }

  #overlapping(resource: string, askedAt: Monotonic): Heard[] {
    return (this.#heard.get(resource)?.list ?? []).filter(({ at }) => at >= askedAt - OVERLAP_MS)
  }
}

/** Of too many, those whose questions are too old to matter are forgotten, else the last in rank. */
function note(asked: Askers, newest: Heard): void {
  if (asked.list.length >= MAX_RIVALS) forgetOld(asked, newest.at)
  const { list } = asked
  const last = list.at(-1)
  if (list.length >= MAX_RIVALS && last !== undefined && newest.rank > last.rank) return
  const at = placeOf(list, newest.rank)
  list.splice(at, list[at]?.rank === newest.rank ? 1 : 0, newest)
  if (list.length > MAX_RIVALS) list.pop()
}

function forgetOld(asked: Askers, now: Monotonic): void {
  const since = now - 2 * OVERLAP_MS
  if (asked.oldestAt >= since) return
  asked.list = asked.list.filter(({ at }) => at >= since)
  asked.oldestAt = asked.list.reduce<number>((oldest, { at }) => Math.min(oldest, at), now)
}

/** By bisection: where the first one is that does not come before `rank`. */
function placeOf(askers: readonly Heard[], rank: string): number {
  let low = 0
  let high = askers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((askers[middle]?.rank ?? '') < rank) low = middle + 1
    else high = middle
  }
  return low
}

/** The same on every node; 128 bits, so that no two are equal. */
function rankOf(resource: string, node: NodeId): string {
  return hash('sha256', `${node}\n${resource}`).slice(0, 32)
}
