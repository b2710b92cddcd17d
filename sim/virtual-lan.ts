/**
 * The network of a simulation: subnets with their broadcasts, links with latency, loss, duplication and reordering,
 * partitions. All chance comes from one `Random`, so that a seed replays exactly.
 *
 * It carries datagrams itself; virtual-http.ts carries connections over the same links.
 */
import type { Random } from '../core/random.ts'
import type { Address, Datagram, Transport } from '../core/transport.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { VirtualHost } from './virtual-host.ts'

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
}

export class VirtualLan {
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #quality: { readonly lan: LinkQuality; readonly wan: LinkQuality }
  readonly #hosts = new Map<Address, VirtualHost>()
  readonly #receivers = new Map<Address, (datagram: Datagram) => void>()
  readonly #links = new Map<string, LinkQuality>()
  readonly #sides = new Map<Address, number>()
  readonly #counts = new Map<string, PacketCount>()
  readonly #watchers = new Set<(trace: PacketTrace) => void>()

  constructor(clock: VirtualClock, random: Random, settings: VirtualLanSettings = {}) {
    this.#clock = clock
    this.#random = random
    this.#quality = { lan: { ...GOOD_LAN, ...settings.lan }, wan: { ...GOOD_WAN, ...settings.wan } }
  }

  /** A new machine; its subnet is its address without what follows the last dot. */
  host(address: string, bytesPerSecond: number = LAN_BYTES_PER_SECOND): VirtualHost {
    const host = new VirtualHost(this.#clock, address as Address, bytesPerSecond)
    this.#hosts.set(host.address, host)
    return host
  }

  find(address: string): VirtualHost | undefined {
    return this.#hosts.get(address as Address)
  }

  /** Datagrams of the machine's present life. */
  transport(host: VirtualHost): Transport {
    const { address, life } = host
    const send = (to: Address, bytes: Uint8Array) => {
      if (!life.signal.aborted) this.#send(address, [to], bytes)
    }
    const broadcast = (bytes: Uint8Array) => {
      if (!life.signal.aborted) this.#send(address, this.#subnetOf(address), bytes)
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
    const own = this.#links.get(keyOf(one, other))
    return own ?? (subnet(one) === subnet(other) ? this.#quality.lan : this.#quality.wan)
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

  heal(): void {
    this.#sides.clear()
  }

  isCut(one: Address, other: Address): boolean {
    return this.#sides.get(one) !== this.#sides.get(other)
  }

  /** Datagrams sent, by type; a broadcast counts once. */
  get counts(): ReadonlyMap<string, PacketCount> {
    return this.#counts
  }

  /** @returns what ends the watching. */
  watch(watcher: (trace: PacketTrace) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #subnetOf(address: Address): Address[] {
    return [...this.#hosts.keys()].filter((each) => subnet(each) === subnet(address))
  }

  #send(from: Address, to: readonly Address[], bytes: Uint8Array): void {
    const type = typeOf(bytes)
    const { packets, bytes: before } = this.#counts.get(type) ?? { packets: 0, bytes: 0 }
    this.#counts.set(type, { packets: packets + 1, bytes: before + bytes.length })
    const datagram = bytes.slice()
    for (const address of to) this.#carry(from, address, datagram, type)
  }

  #carry(from: Address, to: Address, bytes: Uint8Array, type: string): void {
    const at = this.#clock.monotonic()
    const arrivals = from === to ? [at] : this.#arrivals(from, to)
    for (const arrival of arrivals) this.#clock.after(arrival - at, () => this.#deliver(from, to, bytes))
    for (const watcher of this.#watchers) watcher({ at, from, to, type, bytes: bytes.length, arrivals })
  }

  #arrivals(from: Address, to: Address): number[] {
    const quality = this.link(from, to)
    if (this.isCut(from, to) || this.#happens(quality.loss)) return []
    const copies = this.#happens(quality.duplication) ? 2 : 1
    return Array.from({ length: copies }, () => this.#clock.monotonic() + this.#delayMs(quality))
  }

  #delayMs({ latencyMs, jitterMs, reordering }: LinkQuality): number {
    const late = this.#happens(reordering) ? this.#random.fraction() * REORDER_MS : 0
    return latencyMs + this.#random.fraction() * jitterMs + late
  }

  /** What never happens takes nothing from the sequence of chance. */
  #happens(share: number): boolean {
    return share > 0 && this.#random.fraction() < share
  }

  #deliver(from: Address, to: Address, bytes: Uint8Array): void {
    if (from !== to && this.isCut(from, to)) return
    this.#receivers.get(to)?.({ from, bytes, at: this.#clock.monotonic() })
  }
}

function subnet(address: Address): string {
  return address.slice(0, address.lastIndexOf('.'))
}

function keyOf(one: Address, other: Address): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`
}

/** Read from the first bytes alone: counting must not cost as much as decoding. */
function typeOf(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 96)).toString('latin1')
  return /\btype\s*=\s*["']([\w.-]+)["']/.exec(start)?.[1] ?? 'unreadable'
}
