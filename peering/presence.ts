/**
 * Who is there (R4.1, `maxDelayMs: auto`): says so at the start, once a minute and at the stop, and measures the
 * round-trip time to each peer that it learns of.
 *
 * A broadcast that asks for a reply (the first one) is answered after a random delay, so that a LAN does not answer in
 * one breath; a directed one at once, which is what makes it a measurement.
 */
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address, Transport } from '../core/transport.ts'
import { encode } from './codec.ts'
import type { NodeId, PresencePacket, RequestId, ServicePacket } from './packets.ts'
import { autoTiming, type PeerTable, type Timing, type TimingSettings } from './peer-table.ts'

export interface PresenceSettings extends TimingSettings {
  readonly node: NodeId
  readonly filePort: number
}

export interface PresenceComponents {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly peers: PeerTable
  readonly send: (to: Address, packet: ServicePacket) => void
}

/** Between two broadcasts, in ms, give or take a fifth: 50 peers stay below 0.3 kB/s. */
const INTERVAL_MS = 60_000

/** Replies to a broadcast are spread over this, in ms. */
export const REPLY_SPREAD_MS = 200

/** Until the replies to the first broadcast are in, a question waits as on a LAN of 20, in ms since the start. */
export const GRACE_MS = 2 * REPLY_SPREAD_MS

/** Round trips that are being measured at once. */
const MAX_PINGS = 256

const GRACE_PEERS = 20

interface Ping {
  readonly node: NodeId
  readonly sentAt: Monotonic
}

export class Presence {
  readonly #settings: PresenceSettings
  readonly #components: PresenceComponents
  readonly #pings = new Map<string, Ping>()
  readonly #timers = new Set<CancelTimer>()
  #graceUntil = 0
  #running = false

  constructor(settings: PresenceSettings, components: PresenceComponents) {
    this.#settings = settings
    this.#components = components
  }

  start(): void {
    this.#running = true
    this.#graceUntil = this.#components.clock.monotonic() + GRACE_MS
    this.#broadcast({ reply: true, leaving: false })
    this.#sayAgainLater()
  }

  stop(): void {
    if (!this.#running) return
    this.#running = false
    this.#broadcast({ reply: false, leaving: true })
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }

  /** How long a question asked now waits; `undefined`: there is nobody to wait for. */
  timing(): Timing | undefined {
    const { clock, peers } = this.#components
    const now = clock.monotonic()
    const timing = peers.timing(this.#settings, now)
    if (timing !== undefined || !this.#running || now >= this.#graceUntil) return timing
    return autoTiming(GRACE_PEERS, 0, this.#settings.transmissionMs)
  }

  /** Every packet tells that its sender is alive. */
  heard(from: Address, packet: ServicePacket, at: Monotonic): void {
    const { peers } = this.#components
    if (packet.type === 'presence' && packet.leaving) return peers.left(packet.node)
    const isNew = peers.heard(from, packet.node, at)
    if (packet.type === 'presence') this.#onPresence(from, packet, at)
    if (isNew && packet.node !== undefined) this.#ping(from, packet.node, at)
  }

  #onPresence(from: Address, packet: PresencePacket, at: Monotonic): void {
    const ping = packet.nonce === undefined ? undefined : this.#pings.get(packet.nonce)
    if (packet.nonce !== undefined && ping?.node === packet.node) {
      this.#pings.delete(packet.nonce)
      this.#components.peers.measured(packet.node, at - ping.sentAt)
    }
    if (!packet.reply) return
    const reply = () => this.#components.send(from, this.#packet({ ...SAY_ONLY, nonce: packet.nonce }))
    if (packet.nonce !== undefined) reply()
    else this.#later(this.#components.random.fraction() * REPLY_SPREAD_MS, reply)
  }

  #ping(to: Address, node: NodeId, at: Monotonic): void {
    if (this.#pings.size >= MAX_PINGS) this.#pings.clear()
    const nonce = this.#components.random.hex(16)
    this.#pings.set(nonce, { node, sentAt: at })
    this.#components.send(to, this.#packet({ reply: true, leaving: false, nonce }))
  }

  #sayAgainLater(): void {
    const jitter = 0.8 + 0.4 * this.#components.random.fraction()
    this.#later(INTERVAL_MS * jitter, () => {
      this.#broadcast(SAY_ONLY)
      this.#sayAgainLater()
    })
  }

  #later(delayMs: number, then: () => void): void {
    const cancel = this.#components.clock.after(delayMs, () => {
      this.#timers.delete(cancel)
      then()
    })
    this.#timers.add(cancel)
  }

  #broadcast(what: { readonly reply: boolean; readonly leaving: boolean }): void {
    const bytes = encode(this.#packet({ ...what, nonce: undefined }))
    if (bytes) this.#components.transport.broadcast(bytes)
  }

  #packet(what: Pick<PresencePacket, 'reply' | 'leaving' | 'nonce'>): PresencePacket {
    const { node, filePort } = this.#settings
    const id = this.#components.random.uint32() as RequestId
    return { type: 'presence', id, node, filePort, extras: [], ...what }
  }
}

const SAY_ONLY = { reply: false, leaving: false } as const
