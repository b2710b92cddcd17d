/**
 * How many datagrams are looked at: a token bucket for each source and one for all (V§4, "reflection and
 * amplification"). What exceeds it costs a counter and nothing more.
 */
import type { Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'

export interface IntakeLimits {
  /** Datagrams per second that one source, and all together, may go on sending. */
  readonly perSource: number
  readonly overall: number
  /** Datagrams at once. */
  readonly burstPerSource: number
  readonly burstOverall: number
}

/**
 * V§4 speaks of 20 and 200 a second; but each file of an update costs two packets, an installation has hundreds of files,
 * and a whole LAN may begin at once. At 20 µs a packet the limits below take 4 % of one processor at the most.
 */
export const DEFAULT_INTAKE: IntakeLimits = {
  perSource: 500,
  overall: 2000,
  burstPerSource: 4000,
  burstOverall: 10_000,
}

/** Sources that are told apart; the one unheard for longest is forgotten first (its bucket is full again anyway). */
export const MAX_SOURCES = 4096

/** Sources that are heard this close to one another may change places in the order of the unheard, in ms. */
const ORDER_MS = 1000

interface Bucket {
  tokens: number
  at: Monotonic
}

/** @returns whether a datagram from this source may be looked at now. */
export function intake(limits: IntakeLimits): (from: Address, at: Monotonic) => boolean {
  const sources = new Map<Address, Bucket>()
  const all: Bucket = { tokens: limits.burstOverall, at: 0 as Monotonic }
  return (from, at) => {
    const known = sources.get(from)
    const source = known ?? { tokens: limits.burstPerSource, at }
    // The order of the unheard is kept to the second: a flood does not reorder the list with each packet.
    if (known === undefined || at - source.at >= ORDER_MS) {
      sources.delete(from)
      sources.set(from, source)
    }
    refill(source, at, limits.perSource, limits.burstPerSource)
    refill(all, at, limits.overall, limits.burstOverall)
    if (sources.size > MAX_SOURCES) forgetOldest(sources)
    if (source.tokens < 1 || all.tokens < 1) return false
    source.tokens--
    all.tokens--
    return true
  }
}

function refill(bucket: Bucket, at: Monotonic, perSecond: number, burst: number): void {
  const gained = (Math.max(0, at - bucket.at) / 1000) * perSecond
  bucket.tokens = Math.min(burst, bucket.tokens + gained)
  bucket.at = at
}

function forgetOldest(sources: Map<Address, Bucket>): void {
  for (const oldest of sources.keys()) {
    sources.delete(oldest)
    return
  }
}
