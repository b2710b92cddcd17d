/**
 * Keeps this node's summary true to its store, and fetches those of peers: each after a while of its own, so that a LAN that
 * starts as one does not fetch as one.
 */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { sleep, type Clock } from '../core/clock.ts'
import { fieldValue } from '../core/fields.ts'
import type { Random } from '../core/random.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import type { Upstream } from '../core/upstream.ts'
import { EDITION } from '../peering/attributes.ts'
import type { Peering } from '../peering/peering.ts'
import { PEER_FIELD, SUMMARY_FIELD, SUMMARY_PATH } from '../peering/peer-answer.ts'
import type { SummaryPlace } from '../peering/peer-summaries.ts'
import type { Self } from '../peering/self.ts'
import { MAX_SUMMARY_BYTES, resourceKey, Summary, type ResourceKey } from '../peering/summary.ts'
import { within } from './pace.ts'

export interface SummaryExchangeComponents {
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly peers: Upstream
  readonly peering: Pick<Peering, 'advertising' | 'summaryRenewed'>
  readonly self: Pick<Self, 'node'>
  /** What the LAN is told in the place of a URI. */
  readonly nameOf: (uri: string) => string
  /** Other names under which something here is offered. */
  readonly announced: () => Iterable<string>
}

export interface SummaryExchange {
  /** To be called when the store has started; before the peering, so that what is quickly known is said at once. */
  start(): void
  /** What is held is called otherwise now. */
  renamed(): void
  /** A peer's summary is to be fetched. */
  stale(place: SummaryPlace): void
  stop(): void
}

/** A summary is fetched after up to this, in ms. */
export const SPREAD_MS = 2000

/** A peer may take so long over its summary, in ms; it is said again when it is not there. */
const PATIENCE_MS = 5000

/** Stored responses that are looked at in one go, so that requests do not wait. */
const SLICE = 200

export function summaryExchange(components: SummaryExchangeComponents): SummaryExchange {
  const { clock, random, store, peering } = components
  const { advertising } = peering
  const ended = new AbortController()
  let unsubscribe: (() => void) | undefined
  let renewing: { readonly stored: ResourceKey[]; isOutdated: boolean } | undefined

  const renew = async () => {
    if (renewing !== undefined) return
    try {
      do {
        renewing = { stored: [], isOutdated: false }
        const keys = await keysOf(components, ended.signal)
        if (ended.signal.aborted) return
        if (!renewing.isOutdated) peering.summaryRenewed([...keys, ...renewing.stored])
      } while (renewing.isOutdated)
    } catch {
      // The store has stopped meanwhile, and has said so.
    } finally {
      renewing = undefined
    }
  }

  const fetch = async (place: SummaryPlace) => {
    await sleep(clock, random.fraction() * SPREAD_MS, ended.signal)
    if (ended.signal.aborted) return
    const fetched = await fetchSummary(components, place, ended.signal).catch(() => undefined)
    if (fetched !== undefined) advertising.peers.fetched(place.node, fetched.summary, fetched.standing)
  }

  return {
    start() {
      unsubscribe = store.subscribe(({ kind, response }) => {
        if (!isTold(response)) return
        if (kind === 'removed') advertising.own.removed()
        else {
          const name = components.nameOf(response.uri)
          advertising.stored(name)
          renewing?.stored.push(resourceKey(name))
        }
        if (advertising.own.isWorn) void renew()
      })
      void renew()
    },
    renamed() {
      if (renewing === undefined) void renew()
      else renewing.isOutdated = true
    },
    stale: (place) => void fetch(place),
    stop() {
      unsubscribe?.()
      ended.abort(NO_LONGER_NEEDED)
    },
  }
}

/** What peers might get. Whether they do is decided when they ask. */
function isTold({ shareable, status }: StoredResponse): boolean {
  return shareable && status === 200
}

async function keysOf(
  { store, clock, nameOf, announced }: SummaryExchangeComponents,
  signal: AbortSignal,
): Promise<ResourceKey[]> {
  const keys = Array.from(announced(), (uri) => resourceKey(nameOf(uri)))
  let left = SLICE
  // The other order passes over what is used meanwhile.
  for (const response of store.list('least-recent-first')) {
    if (isTold(response)) keys.push(resourceKey(nameOf(response.uri)))
    if ((left -= 1) > 0) continue
    left = SLICE
    await sleep(clock, 0, signal)
    if (signal.aborted) return []
  }
  return keys
}

async function fetchSummary(
  { clock, peers, self }: SummaryExchangeComponents,
  { address, filePort }: SummaryPlace,
  ended: AbortSignal,
) {
  const end = new AbortController()
  const signal = AbortSignal.any([ended, end.signal])
  const uri = `http://${address}:${filePort}${SUMMARY_PATH}`
  try {
    const asking = peers.request({ method: 'GET', uri, fields: [[PEER_FIELD, self.node]], signal })
    const response = await within(asking, PATIENCE_MS, clock, { code: 'PEER_STALLED' })
    const standing = EDITION.parse(fieldValue(response.fields, SUMMARY_FIELD) ?? '')
    if (response.status !== 200 || standing === undefined) return undefined
    const bytes = await within(bytesOf(response.body), PATIENCE_MS, clock, { code: 'PEER_STALLED' })
    const summary = bytes && Summary.from(bytes)
    return summary && { summary, standing }
  } finally {
    end.abort(NO_LONGER_NEEDED)
  }
}

/** `undefined` when it is longer than any summary. */
async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    if ((length += chunk.length) > MAX_SUMMARY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
