/**
 * Nodes that ask for the same at the same moment agree on who fetches it, from their "I need" packets alone (R5.4).
 *
 * Everybody hears every question, but those for what is held already. Each node ranks the askers of a resource by a hash of both (rendezvous hashing), weighted by what
 * each has said of its ability: so all that heard the same questions name the same fetcher, different resources have different
 * ones, and who can do twice as much fetches twice as often. Whoever is outranked waits for the fetcher's "I am downloading" as
 * for any running download (FIG. 4B, 156), then for the next in rank.
 */
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import { FULL_ABILITY } from './ability.ts'
import type { NodeId } from './packets.ts'
import type { Self } from './self.ts'

/** Another node that has asked for the same. */
export interface Rival {
  readonly peer: Address
  readonly node: NodeId
  /** As it has said, in per cent (peering/ability.ts); absent: it can. */
  readonly ability?: number | undefined
}

/** Questions overlap when they are asked within this, in ms: as long as a question waits. */
const OVERLAP_MS = 60

/** Resources that are remembered at once; the oldest goes first. */
export const MAX_RESOURCES = 4096

/** Askers of one that are remembered at once; who comes last in rank goes first, so that all name the same fetcher. */
export const MAX_RIVALS = 32

interface Heard extends Rival {
  readonly share: number
  readonly rank: number
  readonly at: Monotonic
}

/** A node that says of a resource that it fetches it, or has it. */
interface Claimant {
  readonly resource: string
  readonly node: NodeId | undefined
  readonly ability?: number | undefined
}

interface Askers {
  /** What this node itself has. */
  readonly ownShare: number
  /** In the order of their rank. */
  list: Heard[]
  /** No question in the list is older. */
  oldestAt: number
}

export class Rivals {
  readonly #self: Pick<Self, 'node'>
  readonly #heard = new Map<string, Askers>()
  /** What this node has said of its ability, for each resource that it has asked for. */
  readonly #said = new LRUCache<string, number>({ max: MAX_RESOURCES })

  constructor(self: Pick<Self, 'node'>) {
    this.#self = self
  }

  /** This node asks, and says how well it can fetch, in per cent: that holds for this resource whatever becomes of it. */
  asks(resource: string, ability: number): void {
    this.#said.set(resource, ability)
  }

  /** What it has said; what everybody takes for granted is `undefined`. */
  saidOf(resource: string): number | undefined {
    const said = this.#said.get(resource)
    return said === FULL_ABILITY ? undefined : said
  }

  /** Another node's "I need" was heard. */
  heard(resource: string, rival: Rival, at: Monotonic): void {
    const askers = this.#heard.get(resource) ?? {
      ownShare: hashShare(resource, this.#self.node),
      list: [],
      oldestAt: at,
    }
    this.#heard.delete(resource)
    this.#heard.set(resource, askers)
    const share = this.#shareOf(resource, rival.node)
    note(askers, { ...rival, share, rank: rankOf(share, rival.ability), at })
    const [oldest] = this.#heard.keys()
    if (this.#heard.size > MAX_RESOURCES && oldest !== undefined) this.#heard.delete(oldest)
  }

  /** Others are asked now. What this node has said of itself holds. */
  clear(): void {
    this.#heard.clear()
  }

  /** Whether a downloader comes before this node where both could fetch the resource, and whether it was heard to ask for it. */
  standing({ resource, node, ability }: Claimant) {
    if (node === undefined) return { isAhead: false, hasAsked: false }
    const isAhead = rankOf(this.#shareOf(resource, node), ability) < this.#ownRank(resource)
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

  #ownRank(resource: string): number {
    const share = this.#heard.get(resource)?.ownShare ?? hashShare(resource, this.#self.node)
    return rankOf(share, this.#said.get(resource))
  }

  /** Who has asked is heard again: its share is known. */
  #shareOf(resource: string, node: NodeId): number {
    const known = this.#heard.get(resource)?.list.find((each) => each.node === node)
    return known?.share ?? hashShare(resource, node)
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
function placeOf(askers: readonly Heard[], rank: number): number {
  let low = 0
  let high = askers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((askers[middle]?.rank ?? Infinity) < rank) low = middle + 1
    else high = middle
  }
  return low
}

/** What a node's hash with the resource is of all hashes, 0 to 1: the same on every node. */
function hashShare(resource: string, node: NodeId): number {
  const digits = hash('sha256', `${node}\n${resource}`).slice(0, HASH_DIGITS)
  return Number.parseInt(digits, 16) / 16 ** HASH_DIGITS
}

/** 48 bits: of a thousand nodes no two have the same, and any program can compute with them. */
const HASH_DIGITS = 12

/**
 * The lowest comes first. With equal abilities that is the lowest hash; among others each is first as often as its part of all
 * abilities (weighted rendezvous hashing: the least of exponential variables, whose rates are the weights).
 */
function rankOf(share: number, ability = FULL_ABILITY): number {
  return ability > 0 ? -Math.log1p(-share) / ability : LAST_RANKS + share
}

/** Behind all who can, which are below 34, come those who cannot. */
const LAST_RANKS = 1000
