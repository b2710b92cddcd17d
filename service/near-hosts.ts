/** Which servers are on this machine's own networks: reaching them says nothing about the Internet. */
import { lookup as systemLookup } from 'node:dns/promises'
import { LRUCache } from 'lru-cache'
import { sleep, type Clock } from '../core/clock.ts'
import { canonicalAddress, classify } from '../proxy/address-class.ts'

/** Looking a name up takes no longer than this, in ms: a machine without Internet may wait for name servers in vain. */
export const LOOKUP_MS = 1000

/** What a name means is asked again after this, in ms. */
const KNOWN_MS = 60_000
const MAX_KNOWN = 1024

type Lookup = (host: string) => Promise<readonly { readonly address: string }[]>

/**
 * @param isOnLink whether an address is on a subnet of this machine.
 * @param lookup stands in for the system's resolver in tests
 */
export function nearHosts(
  clock: Clock,
  isOnLink: (address: string) => boolean,
  lookup: Lookup = (host) => systemLookup(host, { all: true }),
): (host: string) => Promise<boolean> {
  const known = new LRUCache<string, { readonly isNear: boolean; readonly at: number }>({ max: MAX_KNOWN })
  const isNearAddress = (address: string) => classify(address) !== 'public' || isOnLink(address)
  return async (host) => {
    const literal = canonicalAddress(host)
    if (literal !== undefined) return isNearAddress(literal)
    const now = clock.monotonic()
    const before = known.get(host)
    if (before !== undefined && now - before.at < KNOWN_MS) return before.isNear
    const found = await Promise.race([lookup(host).catch(() => []), sleep(clock, LOOKUP_MS).then(() => [])])
    const isNear = found.length > 0 && found.every(({ address }) => isNearAddress(address))
    known.set(host, { isNear, at: clock.monotonic() })
    return isNear
  }
}
