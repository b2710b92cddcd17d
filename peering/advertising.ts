/**
 * "Advertise" (R4.3): tells the LAN of new copies, a few packets a second at the most, and keeps what others tell, so that a
 * question that nobody can answer is not waited for.
 */
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import { OwnSummary } from './own-summary.ts'
import type { PacketSender } from './packet-sender.ts'
import type { AdvertisePacket, PresencePacket, RequestId } from './packets.ts'
import { PeerSummaries, type SummaryPlace } from './peer-summaries.ts'
import type { Self } from './self.ts'
import { resourceKey } from './summary.ts'

export interface AdvertisingComponents {
  readonly clock: Clock
  readonly random: Random
  readonly sender: Pick<PacketSender, 'broadcast'>
  /** A peer's summary is unknown, or something of it was missed. */
  readonly onStale: (place: SummaryPlace) => void
}

/** New copies are told together, this often, in ms. Until then their "I am downloading" is remembered (DOWNLOAD_MS). */
export const ADVERTISE_MS = 1000

/** Packets at a time: 1.9 kB/s while copies come without end. */
export const MAX_PACKETS = 2

export class Advertising {
  readonly #self: Pick<Self, 'node'>
  readonly #components: AdvertisingComponents
  readonly own: OwnSummary
  readonly peers = new PeerSummaries()
  #cancel: CancelTimer | undefined
  #isRunning = false

  constructor(self: Pick<Self, 'node'>, components: AdvertisingComponents) {
    this.#self = self
    this.#components = components
    this.own = new OwnSummary(components.random.uint32())
  }

  start(): void {
    this.#isRunning = true
  }

  stop(): void {
    this.#isRunning = false
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** This node has a new copy that peers may have. */
  stored(resource: string): void {
    this.own.add(resourceKey(resource))
    if (this.#isRunning) this.#cancel ??= this.#components.clock.after(ADVERTISE_MS, () => this.#tell())
  }

  heardPresence(packet: PresencePacket, from: Address, at: Monotonic): void {
    const { node, filePort, summary } = packet
    if (packet.leaving) return this.peers.left(node)
    if (summary === undefined) return
    const place = { node, address: from, filePort }
    if (this.peers.standing(place, summary, at)) this.#components.onStale(place)
  }

  heardAdvertise({ node, summary, keys }: AdvertisePacket, at: Monotonic): void {
    const place = this.peers.advertised(node, summary, keys, at)
    if (place !== undefined) this.#components.onStale(place)
  }

  #tell(): void {
    this.#cancel = undefined
    for (let packets = 0; packets < MAX_PACKETS; packets++) {
      const next = this.own.next()
      if (next === undefined) return
      const id = this.#components.random.uint32() as RequestId
      const { standing: summary, keys } = next
      const common = { id, node: this.#self.node, nonce: undefined, extras: [] }
      this.#components.sender.broadcast({ ...common, type: 'advertise', summary, keys })
    }
    this.#cancel = this.#components.clock.after(ADVERTISE_MS, () => this.#tell())
  }
}
