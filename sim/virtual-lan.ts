/**
 * The network of a simulation: subnets with their broadcasts, links with latency, loss, duplication and reordering,
 * partitions. All chance comes from one `Random`, so that a seed replays exactly.
 *
 * It carries datagrams itself; virtual-http.ts carries connections over the same links.
 */
import type { Random } from '../core/random.ts'
import type { Address, Datagram, Transport } from '../core/transport.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { Pipe, subnetOf, VirtualHost, type HostSettings } from './virtual-host.ts'

/** What happens to datagrams between two machines. */
export interface LinkQuality {
  /** One way, in ms. */
  readonly latencyMs: number
  /** Each datagram takes up to this much longer, in ms. */
  readonly jitterMs: number
  /** Shares of all datagrams, 0 to 1. */
  readonly loss: number
  readonly duplication: number
  /** Held back for up to `REORDER_MS`, so that later ones overtake them. */
  readonly reordering: number
}

/** A wired LAN, and the way from it to an origin server. */
export const GOOD_LAN: LinkQuality = { latencyMs: 0.2, jitterMs: 0.1, loss: 0, duplication: 0, reordering: 0 }
export const GOOD_WAN: LinkQuality = { ...GOOD_LAN, latencyMs: 10, jitterMs: 1 }

/** How much later a reordered datagram may come, in ms. */
export const REORDER_MS = 20

/** Gigabit Ethernet, in bytes per second. */
const LAN_BYTES_PER_SECOND = 117_000_000

/** Between no delay and all of `jitterMs` there are so many: what arrives at the same moment is one event. */
const JITTER_STEPS = 8

/** A datagram and its fate: no arrival is a loss, two are a duplication. Times in virtual ms. */
export interface PacketTrace {
  readonly at: number
  readonly from: Address
  readonly to: Address
  readonly type: string
  readonly bytes: number
  readonly arrivals: readonly number[]
}

export interface PacketCount {
  readonly packets: number
  readonly bytes: number
}

export interface VirtualLanSettings {
  readonly lan?: Partial<LinkQuality>
  readonly wan?: Partial<LinkQuality>
  /** What each subnet's own connection to the others carries either way, in bytes per second; no limit unless given. */
  readonly siteBytesPerSecond?: number
}

/** Machines that hear each other's broadcasts, and their connection to everybody else. */
interface Subnet {
  readonly hosts: VirtualHost[]
  readonly out: Pipe | undefined
  readonly in: Pipe | undefined
}

export class VirtualLan {
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #quality: { readonly lan: LinkQuality; readonly wan: LinkQuality }
  readonly #hosts = new Map<Address, VirtualHost>()
  readonly #subnets = new Map<string, Subnet>()
  readonly #siteBytesPerSecond: number | undefined
  readonly #receivers = new Map<Address, (datagram: Datagram) => void>()
  readonly #links = new Map<string, LinkQuality>()
  readonly #sides = new Map<Address, number>()
  /** Whether machines on no side of a partition reach both. */
  #isSplit = false
  readonly #counts = new Map<string, PacketCount>()
  readonly #sent = new Map<Address, number>()
  #fingerprint = 0
  readonly #watchers = new Set<(trace: PacketTrace) => void>()

  constructor(clock: VirtualClock, random: Random, settings: VirtualLanSettings = {}) {
    this.#clock = clock
    this.#random = random
    this.#siteBytesPerSecond = settings.siteBytesPerSecond
    this.#quality = { lan: { ...GOOD_LAN, ...settings.lan }, wan: { ...GOOD_WAN, ...settings.wan } }
  }

  /** A new machine; its subnet is its address without what follows the last dot. */
  host(address: string, settings: HostSettings = {}): VirtualHost {
    const host = new VirtualHost(this.#clock, address as Address, {
      bytesPerSecond: LAN_BYTES_PER_SECOND,
      ...settings,
    })
    this.#hosts.set(host.address, host)
    this.#subnetOf(host.subnet).hosts.push(host)
    return host
  }

  /** The share of datagrams that a LAN loses. */
  get loss(): number {
    return this.#quality.lan.loss
  }

  find(address: string): VirtualHost | undefined {
    return this.#hosts.get(address as Address)
  }

  /** Datagrams of the machine's present life. */
  transport(host: VirtualHost): Transport {
    const { address, life } = host
    const send = (to: Address, bytes: Uint8Array) => {
      const receiver = this.#hosts.get(to)
      if (!life.signal.aborted) this.#send(host, receiver === undefined ? [] : [receiver], bytes)
    }
    const broadcast = (bytes: Uint8Array) => {
      if (!life.signal.aborted) this.#send(host, this.#subnetOf(host.subnet).hosts, bytes)
    }
    const stop = () => void this.#receivers.delete(address)
    life.signal.addEventListener('abort', stop, { once: true })
    return {
      address,
      start: async (receive) => void this.#receivers.set(address, receive),
      stop: async () => stop(),
      send,
      broadcast,
    }
  }

  link(one: Address, other: Address): LinkQuality {
    const own = this.#links.size === 0 ? undefined : this.#links.get(keyOf(one, other))
    return own ?? (subnetOf(one) === subnetOf(other) ? this.#quality.lan : this.#quality.wan)
  }

  /** Makes one link different from the others of its kind, both ways. */
  setLink(one: Address, other: Address, quality: Partial<LinkQuality>): void {
    this.#links.set(keyOf(one, other), { ...this.link(one, other), ...quality })
  }

  /** Nothing passes between the groups; machines in no group make up one of their own. */
  partition(...groups: readonly (readonly Address[])[]): void {
    this.heal()
    for (const [side, group] of groups.entries()) {
      for (const address of group) this.#sides.set(address, side)
    }
  }

  /** As `partition`, but machines in no group reach everybody: a switch that fails between two parts of a building. */
  split(...groups: readonly (readonly Address[])[]): void {
    this.partition(...groups)
    this.#isSplit = true
  }

  heal(): void {
    this.#sides.clear()
    this.#isSplit = false
  }

  isCut(one: Address, other: Address): boolean {
    if (this.#sides.size === 0) return false
    const [side, otherSide] = [this.#sides.get(one), this.#sides.get(other)]
    if (this.#isSplit && (side === undefined || otherSide === undefined)) return false
    return side !== otherSide
  }

  /** In how many ms the last of these bytes is through all that lies between the two machines. */
  passMs(from: VirtualHost, to: VirtualHost, bytes: number): number {
    const isNear = from.subnet === to.subnet
    const out = isNear ? undefined : this.#subnetOf(from.subnet).out
    const into = isNear ? undefined : this.#subnetOf(to.subnet).in
    const ways = [from.uplink, out, into, to.downlink]
    return Math.max(...ways.map((pipe) => pipe?.passMs(bytes) ?? 0))
  }

  /** Datagrams sent, by type; a broadcast counts once. */
  get counts(): ReadonlyMap<string, PacketCount> {
    return this.#counts
  }

  /** Datagrams that this machine has sent; a broadcast counts once. */
  sentBy(address: Address): number {
    return this.#sent.get(address) ?? 0
  }

  /** What happened to every datagram, as one number: the same in two runs that went the same way. */
  get fingerprint(): number {
    return this.#fingerprint
  }

  /** @returns what ends the watching. */
  watch(watcher: (trace: PacketTrace) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #subnetOf(name: string): Subnet {
    const known = this.#subnets.get(name)
    if (known !== undefined) return known
    const rate = this.#siteBytesPerSecond
    const pipe = () => (rate === undefined ? undefined : new Pipe(this.#clock, rate))
    const made: Subnet = { hosts: [], out: pipe(), in: pipe() }
    this.#subnets.set(name, made)
    return made
  }

  #send(from: VirtualHost, to: readonly VirtualHost[], bytes: Uint8Array): void {
    const type = typeOf(bytes)
    const { packets, bytes: before } = this.#counts.get(type) ?? { packets: 0, bytes: 0 }
    this.#counts.set(type, { packets: packets + 1, bytes: before + bytes.length })
    this.#sent.set(from.address, this.sentBy(from.address) + 1)
    this.#carry(from, to, bytes.slice(), type)
  }

  /** Whoever hears it at the same moment hears it in one event: a broadcast to hundreds is a handful of them. */
  #carry(from: VirtualHost, to: readonly VirtualHost[], bytes: Uint8Array, type: string): void {
    const at = this.#clock.monotonic()
    const byArrival = new Map<number, VirtualHost[]>()
    for (const host of to) {
      const arrivals = from === host ? [at] : this.#arrivals(from.address, host.address)
      for (const arrival of arrivals) {
        const together = byArrival.get(arrival)
        if (together === undefined) byArrival.set(arrival, [host])
        else together.push(host)
      }
      for (const watcher of this.#watchers)
        watcher({ at, from: from.address, to: host.address, type, bytes: bytes.length, arrivals })
    }
    for (const [arrival, hosts] of byArrival) {
      this.#fingerprint = mixed(this.#fingerprint, arrival * 1024 + hosts.length)
      this.#clock.after(arrival - at, () => {
        for (const host of hosts) this.#deliver(from.address, host, bytes)
      })
    }
  }

  #arrivals(from: Address, to: Address): number[] {
    const quality = this.link(from, to)
    if (this.isCut(from, to) || this.#happens(quality.loss)) return []
    const copies = this.#happens(quality.duplication) ? 2 : 1
    return Array.from({ length: copies }, () => this.#clock.monotonic() + this.#delayMs(quality))
  }

  #delayMs({ latencyMs, jitterMs, reordering }: LinkQuality): number {
    const late = this.#happens(reordering) ? this.#random.fraction() * REORDER_MS : 0
    const jitter = Math.floor(this.#random.fraction() * JITTER_STEPS) / JITTER_STEPS
    return latencyMs + jitter * jitterMs + late
  }

  /** What never happens takes nothing from the sequence of chance. */
  #happens(share: number): boolean {
    return share > 0 && this.#random.fraction() < share
  }

  #deliver(from: Address, to: VirtualHost, bytes: Uint8Array): void {
    if (from !== to.address && this.isCut(from, to.address)) return
    const { life } = to
    to.inTurn(() => {
      if (!life.signal.aborted) this.#receivers.get(to.address)?.({ from, bytes, at: life.clock.monotonic() })
    })
  }
}

function keyOf(one: Address, other: Address): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`
}

/** Read from the first bytes alone: counting must not cost as much as decoding. */
function typeOf(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 96)).toString('latin1')
  return /\btype\s*=\s*["']([\w.-]+)["']/.exec(start)?.[1] ?? 'unreadable'
}

function mixed(sum: number, next: number): number {
  return Math.imul(sum ^ Math.floor(next), 0x01000193) >>> 0
}
