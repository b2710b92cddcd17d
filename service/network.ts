/** Where this node stands on the LAN: its address, its broadcast address, and who counts as a neighbour (R1.5). */
import { networkInterfaces } from 'node:os'
import { BlockList, isIPv4 } from 'node:net'
import { LRUCache } from 'lru-cache'
import { Fault } from '../core/fault.ts'
import type { Address } from '../core/transport.ts'
import type { Network } from './setting-types.ts'

/** An IPv4 address of this machine with its subnet. */
export interface InterfaceAddress {
  readonly interfaceName: string
  readonly address: string
  readonly netmask: string
  readonly isInternal: boolean
}

export interface Place {
  readonly address: Address
  readonly netmask: string
  readonly broadcast: string
  readonly interfaceName: string
  /** Whether a source address is on this node's own subnet, or in a configured network. */
  readonly isOnLink: (address: string) => boolean
}

export interface PlaceSettings {
  readonly address: string
  readonly broadcast: string
  readonly allowedNetworks: 'auto' | readonly Network[]
}

/** The machine's IPv4 addresses now. */
export function machineAddresses(): InterfaceAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([interfaceName, all = []]) =>
    all
      .filter(({ family }) => family === 'IPv4')
      .map(({ address, netmask, internal }) => ({ interfaceName, address, netmask, isInternal: internal })),
  )
}

/** Whether one of the machine's interfaces has this address now: one whose cable is out, or that is down, is not listed. */
export function isLinkUp(address: string, addresses: readonly InterfaceAddress[]): boolean {
  return address.startsWith('127.') || addresses.some((each) => each.address === address)
}

/**
 * Resolves `auto`: the address of the first interface to a LAN, one to containers or virtual machines last; the broadcast address of its
 * subnet.
 * @returns `undefined` when there is no LAN: the node then works alone.
 * @throws Fault CONFIG_INVALID for an address that is not this machine's.
 */
export function placeOf(settings: PlaceSettings, addresses: readonly InterfaceAddress[]): Place | undefined {
  const place = placeNow(settings, addresses)
  if (place !== undefined || settings.address === 'auto') return place
  const known = addresses.map((each) => each.address).join(', ')
  throw new Fault(
    'CONFIG_INVALID',
    `peering.address: expected an address of this machine (${known}), got ${settings.address}`,
  )
}

/** As `placeOf`; `undefined` also while a configured address is not this machine's. */
export function placeNow(settings: PlaceSettings, addresses: readonly InterfaceAddress[]): Place | undefined {
  const own = settings.address === 'auto' ? lanAddress(addresses) : configured(settings.address, addresses)
  if (!own) return undefined
  const broadcast = settings.broadcast === 'auto' ? broadcastOf(own) : settings.broadcast
  const { interfaceName, netmask } = own
  const isOnLink = neighbours(own, settings.allowedNetworks)
  return { address: own.address as Address, netmask, broadcast, interfaceName, isOnLink }
}

/** Tunnels and container bridges are no LANs of machines that fetch updates. */
const NOT_A_LAN = /^(tun|tap|wg|ppp|docker|br-|veth|virbr|vmnet|zt|tailscale|utun)/

/**
 * Between a machine and its containers or virtual machines: a LAN of theirs where there is no other. By such a name a machine may share its
 * connection, too (bridge100 of macOS).
 */
const IN_THE_MACHINE =
  /^(podman|lxcbr|lxdbr|incusbr|mpqemubr|cni|nerdctl|flannel|cali|vxlan\.calico|weave|kube-|cilium|vboxnet|vmenet|bridge1\d\d|vEthernet \((WSL|Default Switch|nat\))|VirtualBox Host-Only|VMware Network Adapter)/

/** Whether an interface is one to containers or virtual machines, which is taken only where there is no other. */
export function isInTheMachine(interfaceName: string): boolean {
  return IN_THE_MACHINE.test(interfaceName)
}

function lanAddress(addresses: readonly InterfaceAddress[]): InterfaceAddress | undefined {
  const all = addresses.filter(
    ({ isInternal, interfaceName, netmask }) =>
      !isInternal && !NOT_A_LAN.test(interfaceName) && netmask !== '255.255.255.255',
  )
  return all.find(({ interfaceName }) => !isInTheMachine(interfaceName)) ?? all[0]
}

/** Any loopback address is the machine's own, though only 127.0.0.1 is listed. */
function configured(address: string, addresses: readonly InterfaceAddress[]): InterfaceAddress | undefined {
  if (address.startsWith('127.'))
    return { interfaceName: 'lo', address, netmask: '255.0.0.0', isInternal: true }
  return addresses.find((each) => each.address === address)
}

/** The last address of the subnet. */
export function broadcastOf({ address, netmask }: Pick<InterfaceAddress, 'address' | 'netmask'>): string {
  const mask = netmask.split('.').map(Number)
  return address
    .split('.')
    .map((byte, at) => Number(byte) | (~(mask[at] ?? 255) & 255))
    .join('.')
}

function neighbours(
  own: InterfaceAddress,
  allowed: 'auto' | readonly Network[],
): (address: string) => boolean {
  const subnet: Network = { address: own.address, prefixLength: prefixOf(own.netmask), family: 'ipv4' }
  const networks = new BlockList()
  for (const { address, prefixLength, family } of allowed === 'auto' ? [subnet] : allowed)
    networks.addSubnet(address, prefixLength, family)
  const isNeighbour = (source: string) => {
    const address = source.replace(/^::ffff:/, '')
    return networks.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  // Asked for every datagram, and a LAN has few addresses.
  const known = new LRUCache<string, boolean>({ max: REMEMBERED_SOURCES })
  return (source) => {
    const before = known.get(source)
    if (before !== undefined) return before
    const isOne = isNeighbour(source)
    known.set(source, isOne)
    return isOne
  }
}

const REMEMBERED_SOURCES = 256

function prefixOf(netmask: string): number {
  const bits = netmask.split('.').map((byte) => Number(byte).toString(2).replaceAll('0', '').length)
  return bits.reduce((sum, each) => sum + each, 0)
}
