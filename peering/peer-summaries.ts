/**
 * What the peers hold, as far as they have told it: whether a question may hope for "I have". Pure: times and
 * packets come in, what is to be fetched goes out.
 */
import type { Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import type { Edition } from './own-summary.ts'
import type { NodeId } from './packets.ts'
import { LIVE_MS } from './peer-table.ts'
import { Summary, type ResourceKey } from './summary.ts'

/** Summaries that are kept, 8 MiB at most; on a larger LAN every question waits as if somebody had it. */
export const MAX_SUMMARIES = 64

/** A summary is not fetched again within this, in ms, however often something was missed. */
export const REFETCH_MS = 30_000

/** A download that was heard of may be running for this long, in ms. */
export const DOWNLOAD_MS = 60_000

/** Downloads of others that are remembered; the oldest goes first. */
export const MAX_DOWNLOADS = 1024

export interface SummaryPlace {
  readonly node: NodeId
  readonly address: Address
  readonly filePort: number
}

interface Known {
  heardAt: Monotonic
  place: SummaryPlace
  /** What the peer said last. */
  told: Edition
  /** What is known of it; `undefined`: nothing. */
  summary: Summary | undefined
  /** The edition and number up to which `summary` is complete. */
  edition: number
  number: number
  fetchedAt: Monotonic | undefined
}

export class PeerSummaries {
  readonly #known = new Map<NodeId, Known>()
  readonly #downloads = new Map<string, Monotonic>()

  /** A peer says where its summary stands. @returns whether it is to be fetched. */
  standing(place: SummaryPlace, told: Edition, at: Monotonic): boolean {
    const known = this.#known.get(place.node)
    if (known === undefined && this.#known.size >= MAX_SUMMARIES && !this.#forgetGone(at)) return false
    const unknown = { summary: undefined, edition: 0, number: 0, fetchedAt: undefined }
    const peer: Known = known ?? { place, told, heardAt: at, ...unknown }
    peer.heardAt = at
    peer.place = place
    peer.told = told
    this.#known.set(place.node, peer)
    if (told.keys === 0) this.#set(peer, Summary.for(0), told)
    return !isComplete(peer) && this.#mayFetch(peer, at)
  }

  /** Forgets who went without a word. @returns whether there was somebody. */
  #forgetGone(at: Monotonic): boolean {
    const gone = [...this.#known].filter(([, { heardAt }]) => at - heardAt >= LIVE_MS)
    for (const [node] of gone) this.#known.delete(node)
    return gone.length > 0
  }

  /** A peer tells of new copies. @returns where its summary is to be fetched, because something was missed. */
  advertised(
    node: NodeId,
    told: Edition,
    keys: readonly ResourceKey[],
    at: Monotonic,
  ): SummaryPlace | undefined {
    const peer = this.#known.get(node)
    if (peer === undefined) return undefined
    for (const key of keys) peer.summary?.add(key)
    if (told.edition === peer.edition && told.number === peer.number + 1) peer.number = told.number
    peer.told = told
    return !isComplete(peer) && this.#mayFetch(peer, at) ? peer.place : undefined
  }

  /** A summary was fetched. */
  fetched(node: NodeId, summary: Summary, of: Edition): void {
    const peer = this.#known.get(node)
    if (peer === undefined) return
    this.#set(peer, summary, of)
    if (of.edition === peer.told.edition && of.number < peer.told.number) return
    peer.told = of
  }

  /** "I am downloading" was heard. */
  downloading(resource: string, at: Monotonic): void {
    this.#downloads.delete(resource)
    this.#downloads.set(resource, at)
    const [oldest] = this.#downloads.keys()
    if (this.#downloads.size > MAX_DOWNLOADS && oldest !== undefined) this.#downloads.delete(oldest)
  }

  left(node: NodeId): void {
    this.#known.delete(node)
  }

  clear(): void {
    this.#known.clear()
    this.#downloads.clear()
  }

  /** Whether one of these nodes may have the resource, or fetch it, for all that is known. */
  mayHave(resource: string, key: ResourceKey, nodes: Iterable<NodeId>, at: Monotonic): boolean {
    if (this.#isDownload(resource, at)) return true
    for (const node of nodes) {
      const peer = this.#known.get(node)
      if (peer === undefined || !isComplete(peer) || peer.summary?.has(key) !== false) return true
    }
    return false
  }

  /** Whether this node has told that it has the resource; one time in a hundred it has not. */
  hasTold(key: ResourceKey, node: NodeId): boolean {
    return this.#known.get(node)?.summary?.has(key) === true
  }

  /** Whether one of these nodes has told that it has the resource, or somebody that it fetches it: who hears nothing has missed it. */
  isLikely(resource: string, key: ResourceKey, nodes: readonly NodeId[], at: Monotonic): boolean {
    return nodes.some((node) => this.hasTold(key, node)) || this.#isDownload(resource, at)
  }

  #isDownload(resource: string, at: Monotonic): boolean {
    return at - (this.#downloads.get(resource) ?? -Infinity) < DOWNLOAD_MS
  }

  #set(peer: Known, summary: Summary, { edition, number }: Edition): void {
    peer.summary = summary
    peer.edition = edition
    peer.number = number
  }

  #mayFetch(peer: Known, at: Monotonic): boolean {
    if (peer.fetchedAt !== undefined && at - peer.fetchedAt < REFETCH_MS) return false
    peer.fetchedAt = at
    return true
  }
}

function isComplete({ summary, edition, number, told }: Known): boolean {
  return summary !== undefined && edition === told.edition && number === told.number
}
