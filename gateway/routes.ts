/** Whether the system has a route to the Internet, as far as it tells without asking anybody. */
import { readFileSync } from 'node:fs'
import type { Clock } from '../core/clock.ts'

/**
 * Whether the routing table has a default route that is up. Where the system has no such table to read (not Linux) the answer
 * is yes: then only requests tell.
 */
export function hasDefaultRoute(read: (path: string) => string | undefined = readTable): boolean {
  const [ipv4, ipv6] = [read('/proc/net/route'), read('/proc/net/ipv6_route')]
  if (ipv4 === undefined) return true
  return hasDefaultIpv4(ipv4) || hasDefaultIpv6(ipv6 ?? '')
}

/** The table changes seldom, and is asked for at each request: it is read at most once a second. */
export function rememberedRoute(clock: Clock, read = () => hasDefaultRoute()): () => boolean {
  let known = { at: -Infinity, hasRoute: false }
  return () => {
    const at = clock.monotonic()
    if (at - known.at >= REMEMBERED_MS) known = { at, hasRoute: read() }
    return known.hasRoute
  }
}

const REMEMBERED_MS = 1000

const UP = 0x1
const REJECT = 0x200

/** Iface, Destination, Gateway, Flags, RefCnt, Use, Metric, Mask, … in hexadecimal, one line each below a heading. */
function hasDefaultIpv4(table: string): boolean {
  return rows(table).some(([, destination, , flags, , , , mask]) => {
    return destination === '00000000' && mask === '00000000' && isUsable(flags)
  })
}

/** Destination, prefix length, source, its length, next hop, metric, reference count, use, flags, interface. */
function hasDefaultIpv6(table: string): boolean {
  return rows(table).some(([destination = '', length, , , , , , , flags, device]) => {
    return /^0{32}$/.test(destination) && length === '00' && device !== 'lo' && isUsable(flags)
  })
}

function isUsable(flags = '0'): boolean {
  const value = Number.parseInt(flags, 16)
  return (value & UP) !== 0 && (value & REJECT) === 0
}

function rows(table: string): string[][] {
  return table.split('\n').map((line) => line.trim().split(/\s+/))
}

function readTable(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined // no such table: not Linux, or no IPv6
  }
}
