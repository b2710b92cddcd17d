/** What an IP address is for, whatever way it is spelled: the table behind the target guard (V§4, SSRF). */
import { BlockList, isIP, isIPv4 } from 'node:net'
import { LRUCache } from 'lru-cache'

/**
 * `forbidden`: never a target (link-local, cloud metadata, unspecified, broadcast, multicast, reserved);
 * `loopback`, `private`: this machine and this site; `public`: the Internet.
 */
export type AddressClass = 'forbidden' | 'loopback' | 'private' | 'public'

/**
 * The one spelling of an IP literal: decimal, octal, hexadecimal and short IPv4 forms become dotted decimal, IPv6
 * is compressed, without brackets and zone; an IPv4 address inside IPv6 (mapped, compatible, NAT64, 6to4) comes
 * out, because that is where the packets would go.
 * @returns `undefined` for a name
 */
export function canonicalAddress(host: string): string | undefined {
  return remembered(canonical, host, findCanonical).of
}

/** @param address as `canonicalAddress` gives it; anything else is `forbidden` */
export function classify(address: string): AddressClass {
  return remembered(classes, address, findClass).of
}

/** The same few servers are judged at each request for them. */
const REMEMBERED = 256
const canonical = new LRUCache<string, { readonly of: string | undefined }>({ max: REMEMBERED })
const classes = new LRUCache<string, { readonly of: AddressClass }>({ max: REMEMBERED })

function remembered<Result>(
  known: LRUCache<string, { readonly of: Result }>,
  text: string,
  find: (text: string) => Result,
): { readonly of: Result } {
  const before = known.get(text)
  if (before !== undefined) return before
  const found = { of: find(text) }
  known.set(text, found)
  return found
}

function findCanonical(host: string): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  if (!bare.includes(':')) return ipv4(bare)
  if (isIP(bare) !== 6) return undefined
  const compressed = new URL(`http://[${bare}]/`).hostname.slice(1, -1)
  return embeddedIpv4(groupsOf(compressed)) ?? compressed
}

function findClass(address: string): AddressClass {
  const family = isIP(address)
  if (family === 0) return 'forbidden'
  const name = family === 4 ? 'ipv4' : 'ipv6'
  if (FORBIDDEN.check(address, name)) return 'forbidden'
  if (LOOPBACK.check(address, name)) return 'loopback'
  return PRIVATE.check(address, name) ? 'private' : 'public'
}

/** The URL parser reads IPv4 as `inet_aton` does, which is what the operating system's resolver would do too. */
function ipv4(text: string): string | undefined {
  if (!/^[0-9a-fx.]+$/i.test(text) || !URL.canParse(`http://${text}/`)) return undefined
  const { hostname } = new URL(`http://${text}/`)
  return isIPv4(hostname) ? hostname : undefined
}

/** The eight 16-bit groups of a canonical IPv6 address. */
function groupsOf(address: string): number[] {
  const [front = '', back] = address.split('::')
  const before = front === '' ? [] : front.split(':')
  const after = back === undefined || back === '' ? [] : back.split(':')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
}

/** RFC 4291 2.5.5 (mapped, compatible), RFC 6052 (NAT64) and RFC 2765 keep it at the end, RFC 3056 (6to4) after 2002. */
function embeddedIpv4(groups: readonly number[]): string | undefined {
  if (groups[0] === 0x2002) return dotted(groups.slice(1, 3))
  const prefix = groups.slice(0, 6).map((group) => group.toString(16))
  const isCompatible = prefix.every((group) => group === '0') && groups[6] !== 0
  return isCompatible || IPV4_PREFIXES.has(prefix.join(':')) ? dotted(groups.slice(6)) : undefined
}

const IPV4_PREFIXES = new Set(['0:0:0:0:0:ffff', '0:0:0:0:ffff:0', '64:ff9b:0:0:0:0'])

function dotted(groups: readonly number[]): string {
  return groups.flatMap((group) => [group >> 8, group & 255]).join('.')
}

function blockList(subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = '', bits] = subnet.split('/')
    list.addSubnet(network, Number(bits), network.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}

const FORBIDDEN = blockList([
  '0.0.0.0/8',
  '169.254.0.0/16', // link-local; 169.254.169.254 is the metadata service of most clouds
  '100.100.100.200/32', // metadata, Alibaba
  '168.63.129.16/32', // metadata, Azure
  '192.0.0.192/32', // metadata, Oracle
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and the limited broadcast 255.255.255.255
  '::/128',
  'fe80::/10',
  'ff00::/8',
  'fd00:ec2::254/128', // metadata, Amazon
])

const LOOPBACK = blockList(['127.0.0.0/8', '::1/128'])

const PRIVATE = blockList([
  '10.0.0.0/8',
  '100.64.0.0/10', // shared address space (RFC 6598)
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarking
  '64:ff9b:1::/48', // NAT64 of the site (RFC 8215)
  'fc00::/7',
  'fec0::/10', // site-local, deprecated, still routed at home
])
