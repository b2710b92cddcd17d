/**
 * Who is there (R4.1, `maxDelayMs: auto`): says so at the start, once a minute and at the stop, and measures the
 * round-trip time to each peer that it learns of.
 *
 * A broadcast that asks for a reply (the first one) is answered after a random delay, so that a LAN does not answer in
 * one breath; a directed one at once, which is what makes it a measurement. A peer's periodic presence is the occasion
 * to measure again what was measured too long ago.
 */
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import type { Edition } from './own-summary.ts'
import type { PacketSender } from './packet-sender.ts'
import type { Extras, NodeId, PresencePacket, RequestId, ServicePacket } from './packets.ts'
import type { Self } from './self.ts'
import { autoTiming, type PeerTable, type Timing, type TimingSettings } from './peer-table.ts'

export interface PresenceSettings extends TimingSettings {
  readonly self: Self
}

export interface PresenceComponents {
  readonly clock: Clock
  readonly random: Random
  readonly peers: PeerTable
  readonly sender: Pick<PacketSender, 'send' | 'sendPlain' | 'broadcast' | 'broadcasts'>
  /** What a site has to say beside it; absent: nothing. */
  readonly siteWords?: () => Extras
  /** Where this node's summary stands; `undefined`: it offers nothing. */
  readonly summary: () => Edition | undefined
}

/** Between two broadcasts, in ms, give or take a fifth: with 50 nodes that is 0.2 kB/s for each, measuring and headers included. */
export const INTERVAL_MS = 60_000

/** A round-trip time older than this is measured again, in ms. */
export const REMEASURE_MS = 300_000

/** What comes back later than this was asleep, and says nothing about the LAN, in ms. */
export const MAX_ROUND_TRIP_MS = 1000

/** Replies to a broadcast are spread over this, in ms. */
export const REPLY_SPREAD_MS = 200

/** Until the replies to the first broadcast are in, a question waits as on a LAN of 20, in ms since the start. */
export const GRACE_MS = 2 * REPLY_SPREAD_MS

/** Round trips that are being measured at once; one more takes the place of the oldest. */
export const MAX_PINGS = 256

/** Nobody is asked who it is more often than this, in ms. */
export const MEET_PAUSE_MS = 100

/** Nodes of which is remembered when they were asked that. */
export const MAX_MET = 256

const GRACE_PEERS = 20

/** Peers whose round trip is measured: with each other all of them would grow with the square of the LAN. */
export const MEASURED_PEERS = 8

/** Between the first measurements of one peer, in ms. */
const PING_PAUSE_MS = 100

interface Ping {
  readonly to: Address
  readonly node: NodeId
  readonly sentAt: Monotonic
}

export class Presence {
  readonly #settings: PresenceSettings
  readonly #components: PresenceComponents
  readonly #pings = new Map<string, Ping>()
  readonly #timers = new Set<CancelTimer>()
  /** Who was asked who it is, and when, with the nonce that the answer has. */
  readonly #met = new Map<Address, { readonly at: Monotonic; readonly nonce: string }>()
  #metSignerAt = -Infinity
  /** Presences to everybody so far. */
  #said = 0
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

  /** What this node tells of itself has changed. @param reply whether the others are to say the same of themselves. */
  say(reply = false): void {
    if (this.#running) this.#broadcast({ ...SAY_ONLY, reply })
  }

  /** Takes leave, although the node goes on. */
  sayLeaving(): void {
    if (this.#running) this.#broadcast({ reply: false, leaving: true })
  }

  /**
   * Asks a node of which others speak who it is: its own word was lost, or several speak in its name. Once in a while, whoever
   * speaks of it.
   */
  meet(address: Address): void {
    const { clock, random, sender } = this.#components
    const now = clock.monotonic()
    const [oldest] = this.#met.keys()
    if (!this.#running || now - (this.#met.get(address)?.at ?? -Infinity) < MEET_PAUSE_MS) return
    this.#met.delete(address)
    if (oldest !== undefined && this.#met.size >= MAX_MET) this.#met.delete(oldest)
    const nonce = random.hex(16)
    this.#met.set(address, { at: now, nonce })
    sender.send(address, this.#packet({ reply: true, leaving: false, nonce }))
  }

  /**
   * Asks who it is whoever has signed with a key that is not known here: a member whose presence was lost, or who was one before
   * this node. Anybody can sign so in another's name, so it is done ten times a second, whoever they are.
   */
  meetSigner(address: Address): void {
    const now = this.#components.clock.monotonic()
    if (now - this.#metSignerAt < MEET_PAUSE_MS) return
    this.#metSignerAt = now
    this.meet(address)
  }

  /** How long a question asked now waits; `undefined`: there is nobody to wait for. */
  timing(): Timing | undefined {
    const { clock, peers } = this.#components
    const now = clock.monotonic()
    const timing = peers.timing(this.#settings, now)
    if (timing !== undefined || !this.#running || now >= this.#graceUntil) return timing
    return autoTiming(GRACE_PEERS, 0, this.#settings.transmissionMs)
  }

  /**
   * How long a question waits that nobody is known to be able to answer: for other askers, and for a download that has just
   * begun.
   */
  briefTiming(): Timing | undefined {
    const timing = this.timing()
    return timing && this.#settings.maxDelayMs === 'auto' ? brief(timing) : timing
  }

  /** How long a question waits for `holders` who have told that they have it; `undefined`: the figures are fixed, and everybody is asked. */
  directedTiming(holders: number): Pick<Timing, 'maxDelayMs' | 'holdersMs'> | undefined {
    const timing = this.timing()
    if (timing === undefined || this.#settings.maxDelayMs !== 'auto') return undefined
    const { roundTripMs, lateMs, transmissionMs } = timing
    const mostMs = timing.maxDelayMs + transmissionMs
    const { maxDelayMs, holdersMs } = autoTiming(holders, roundTripMs, transmissionMs)
    return { maxDelayMs, holdersMs: Math.min(holdersMs + lateMs, mostMs) }
  }

  /** Every packet tells that its sender is alive. @param isMember of the same site: then the site's words go along. */
  heard(from: Address, packet: ServicePacket, at: Monotonic, isMember: boolean): void {
    const { peers } = this.#components
    if (packet.type === 'presence' && packet.leaving) return peers.left(packet.node)
    const filePort = packet.type === 'presence' ? packet.filePort : undefined
    const isNew = peers.heard(from, packet.node, at, filePort)
    if (packet.type === 'presence') this.#onPresence(from, packet, at, isMember)
    if (packet.node === undefined) return this.#notePlace(from, packet)
    const isWorthKnowing = isNew && this.#measuresMore(at)
    if (isWorthKnowing || this.#isDue(packet, packet.node, at)) this.#ping(from, packet.node)
  }

  /** A node of the patents says where it is by what it offers alone; that has been found to be at its address (peer-claims.ts). */
  #notePlace(from: Address, packet: ServicePacket): void {
    const location = 'location' in packet ? packet.location : undefined
    const place = location === undefined ? null : URL.parse(location)
    if (place !== null) this.#components.peers.offered(from, Number(place.port || 80))
  }

  /** Those that have not answered yet count too: a LAN that starts all at once is not measured whole. */
  #measuresMore(at: Monotonic): boolean {
    let count = this.#components.peers.measuredPeers(at)
    for (const { sentAt } of this.#pings.values()) if (at - sentAt <= MAX_ROUND_TRIP_MS) count++
    return count < MEASURED_PEERS
  }

  /** Only a periodic presence occasions a new measurement, so that questions and transfers never do. */
  #isDue(packet: ServicePacket, node: NodeId, at: Monotonic): boolean {
    const isPeriodic = packet.type === 'presence' && packet.nonce === undefined && !packet.reply
    const { peers } = this.#components
    const isMeasured = this.#measuresMore(at) || !peers.isBarelyKnown(node)
    return isPeriodic && isMeasured && peers.needsMeasuring(node, at, REMEASURE_MS)
  }

  #onPresence(from: Address, packet: PresencePacket, at: Monotonic, isMember: boolean): void {
    this.#measure(from, packet, at)
    if (!packet.reply) return
    const reply = () => this.#reply(from, packet.nonce, isMember)
    if (packet.nonce !== undefined) reply()
    else this.#later(this.#components.random.fraction() * REPLY_SPREAD_MS, this.#unlessHeard(reply, isMember))
  }

  /** Whoever says something to everybody meanwhile need not answer; a member wants to hear the pass, which presence alone brings. */
  #unlessHeard(reply: () => void, isMember: boolean): () => void {
    const said = () => (isMember ? this.#said : this.#components.sender.broadcasts)
    const before = said()
    return () => {
      if (said() === before) reply()
    }
  }

  /** Never longer than the question (V§4): a stranger's has no room for a signature, and no use for it. */
  #reply(to: Address, nonce: string | undefined, isMember: boolean): void {
    const { sender } = this.#components
    const packet = this.#packet({ ...SAY_ONLY, nonce })
    if (isMember) sender.send(to, packet)
    else sender.sendPlain(to, { ...packet, extras: [] })
  }

  /** Who was asked has heard the nonce, and nobody else: whoever sends it from another address speaks in another's name. */
  #measure(from: Address, { node, nonce }: PresencePacket, at: Monotonic): void {
    const { peers } = this.#components
    const ping = nonce === undefined ? undefined : this.#pings.get(nonce)
    if (nonce !== undefined && this.#met.get(from)?.nonce === nonce) peers.answered(node)
    if (nonce === undefined || ping?.node !== node || ping.to !== from) return
    this.#pings.delete(nonce)
    const roundTripMs = at - ping.sentAt
    if (roundTripMs > MAX_ROUND_TRIP_MS) return
    peers.measured(node, roundTripMs, at)
    if (peers.isBarelyKnown(node)) this.#later(PING_PAUSE_MS, () => this.#ping(from, node))
  }

  #ping(to: Address, node: NodeId): void {
    const [oldest] = this.#pings.keys()
    if (oldest !== undefined && this.#pings.size >= MAX_PINGS) this.#pings.delete(oldest)
    const nonce = this.#components.random.hex(16)
    this.#pings.set(nonce, { to, node, sentAt: this.#components.clock.monotonic() })
    this.#components.sender.send(to, this.#packet({ reply: true, leaving: false, nonce }))
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
    this.#said++
    this.#components.sender.broadcast(this.#packet({ ...what, nonce: undefined }))
  }

  #packet(what: Pick<PresencePacket, 'reply' | 'leaving' | 'nonce'>): PresencePacket {
    const { node, filePort } = this.#settings.self
    const id = this.#components.random.uint32() as RequestId
    const summary = this.#components.summary()
    const extras = this.#components.siteWords?.() ?? []
    return { type: 'presence', id, node, filePort, summary, extras, ...what }
  }
}

/** What a question that nobody can answer waits for the others' questions, in ms; and twice the slowest round trip. */
const HEAD_START_MS = 6

function brief({ maxDelayMs, transmissionMs, roundTripMs, lateMs }: Timing): Timing {
  const waitMs = Math.min(maxDelayMs + transmissionMs, HEAD_START_MS + 2 * roundTripMs + lateMs)
  return { maxDelayMs, transmissionMs: waitMs - maxDelayMs, holdersMs: waitMs, roundTripMs, lateMs }
}

const SAY_ONLY = { reply: false, leaving: false } as const
