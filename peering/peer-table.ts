/**
 * Which peers are alive and how fast they answer, and from that how long a question may wait (R4.1).
 *
 * Time comes in with every call. A peer lives for `LIVE_MS` after its last packet; nodes that speak only the patents'
 * packets carry no node ID, are kept apart as `plain`, and are never waited for in `auto`: they draw their delay
 * from 2000 ms, so their answers come late and are taken as late offers.
 */
import type { Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import type { NodeId } from './packets.ts'

export interface Peer {
  readonly address: Address
  /** Absent for a node that speaks only the patents' packets. */
  readonly node: NodeId | undefined
  /** Where it serves files, by its presence; absent until that was heard. */
  readonly filePort: number | undefined
  readonly heardAt: Monotonic
  /** Smoothed round-trip time in ms, event loops of both sides included; absent until measured. */
  readonly roundTripMs: number | undefined
  /** When that was measured last; absent until then. */
  readonly measuredAt: Monotonic | undefined
  /** Measurements so far. */
  readonly measurements: number
  /** Whether something has come back from there that was sent there: a datagram alone can be made in anybody's name. */
  readonly isReached: boolean
}

/** The figures of one question, in ms. */
export interface Timing {
  /** The delay response period that holders are asked to draw from (patent A, FIG. 3, 126). */
  readonly maxDelayMs: number
  /** The transmission time that is added to it; both together are waited for "I have" (FIG. 4A, 144). */
  readonly transmissionMs: number
  /** How long holders take when nothing is slow: the delay and the slowest peer's round trip. */
  readonly holdersMs: number
  /** The slowest peer's round trip. */
  readonly roundTripMs: number
  /** How much later than expected answers have come of late. */
  readonly lateMs: number
}

export interface TimingSettings {
  readonly maxDelayMs: number | 'auto'
  /** Fixed together with a fixed `maxDelayMs`; the upper limit of what `auto` adds. */
  readonly transmissionMs: number
}

/** Two presence broadcasts (one a minute) may be lost, and some more time, before a peer counts as gone. */
export const LIVE_MS = 150_000

/** More peers than this are not remembered; the longest silent goes first. */
export const MAX_PEERS = 4096

/** Who was heard later by less than this may count as silent for longer, in ms. */
const ORDER_MS = 1000

/** The longest delay response period that a question can carry (docs/protocol.md, `delay`), in ms. */
const MAX_ASKED_DELAY_MS = 60_000

/** How long a question waits at most on a quick LAN, in ms; with the grain of timers it costs 50 at most. */
export const AUTO_WAIT_MS = 45

/** The grain of timers on both sides, in ms. */
const GRAIN_MS = 3

/** Delay per live peer, in ms: keeps answers that cross "I found" on their way to about one, at 1 ms round trip. */
const DELAY_PER_PEER_MS = 1.5
const MIN_DELAY_MS = 4
const MAX_DELAY_MS = 30
/** An event loop that is busy elsewhere answers this much later, even where the wire takes no time. */
const MIN_TRANSMISSION_MS = 15
/** Busy machines calm down: what late answers have added to the wait halves in this time. */
const LATENESS_HALF_LIFE_MS = 60_000
/** Measurements that come right after one another when a peer appears. */
const FIRST_MEASUREMENTS = 4
/** Weight of a new measurement in the smoothed round-trip time (RFC 6298). */
const NEW_MEASUREMENT = 1 / 8

type Known = { -readonly [Key in keyof Peer]: Peer[Key] } & {
  /** The port at which a node of the patents has offered a file last: it never says where it serves them all. */
  offeredPort?: number
}

export class PeerTable {
  readonly #peers = new Map<string, Known>()
  /** Those whose round trip is known, and some that have fallen silent since. */
  readonly #measured = new Set<Known>()
  #late = { byMs: 0, at: 0 as Monotonic }

  /** Notes that a packet came, and the port that it names. @returns whether this peer was unknown or had been taken for gone. */
  heard(address: Address, node: NodeId | undefined, at: Monotonic, filePort?: number): boolean {
    const key = node ?? plainKey(address)
    const known = this.#peers.get(key)
    const isNew = known === undefined || !isLive(known, at)
    const peer = known ?? { address, node, filePort, heardAt: at, ...NOT_MEASURED }
    if (node !== undefined && (isNew || peer.address !== address)) this.#doubtPlain(address)
    // Every packet comes by here: no new object for each, and the order of the silent is kept to the second.
    const isOutOfOrder = at - peer.heardAt >= ORDER_MS
    if (peer.address !== address) peer.isReached = false
    peer.address = address
    peer.filePort = filePort ?? peer.filePort
    peer.heardAt = at
    if (known !== undefined && !isOutOfOrder) return isNew
    this.#peers.delete(key)
    this.#peers.set(key, peer)
    if (this.#peers.size > MAX_PEERS) this.#forgetLongestSilent()
    return isNew
  }

  /** A node of the patents has offered a file at this port of its machine. */
  offered(address: Address, port: number): void {
    const plain = this.#peers.get(plainKey(address))
    if (plain !== undefined) plain.offeredPort = port
  }

  /** Of the first measurements the quickest counts (programs that have just started are slow); each later one by an eighth. */
  measured(node: NodeId, roundTripMs: number, at: Monotonic): void {
    const peer = this.#peers.get(node)
    if (!peer) return
    const before = peer.roundTripMs ?? roundTripMs
    const isEarly = peer.measurements < FIRST_MEASUREMENTS
    const smoothed = isEarly
      ? Math.min(before, roundTripMs)
      : before + (roundTripMs - before) * NEW_MEASUREMENT
    const measurements = peer.measurements + 1
    this.#measured.add(peer)
    peer.isReached = true
    Object.assign(peer, { roundTripMs: smoothed, measuredAt: at, measurements })
  }

  /** Whether this peer's first measurements are still to be made. */
  isBarelyKnown(node: NodeId): boolean {
    return (this.#peers.get(node)?.measurements ?? 0) < FIRST_MEASUREMENTS
  }

  /** Live peers whose round trip is known: a few stand for all. */
  measuredPeers(at: Monotonic): number {
    for (const peer of this.#measured) if (!isLive(peer, at)) this.#measured.delete(peer)
    return this.#measured.size
  }

  /** Whether this peer's round trip was never measured, or longer ago than `maxAgeMs`. */
  needsMeasuring(node: NodeId, at: Monotonic, maxAgeMs: number): boolean {
    const measuredAt = this.#peers.get(node)?.measuredAt
    return measuredAt === undefined || at - measuredAt >= maxAgeMs
  }

  /**
   * A connection to this place was answered: whoever alone names it as its own port for files is no invention. Of several only
   * one can be there, and the others are somebody's who has added names to a machine. A node of the patents has no name, so anybody
   * could add one to each machine: it counts where it has offered a file, and nobody else is at that address.
   * @returns whether the place is to be asked who it is.
   */
  reached(address: Address, port: number, at: Monotonic): boolean {
    const atAddress: Known[] = []
    for (const peer of this.#peers.values())
      if (peer.address === address && isLive(peer, at)) atAddress.push(peer)
    const isAlone = atAddress.length === 1
    const there = atAddress.filter((peer) => peer.filePort === port || (isAlone && peer.offeredPort === port))
    const [only] = there
    if (only !== undefined && there.length === 1) only.isReached = true
    return !there.some(({ isReached }) => isReached) && there.length > 1
  }

  /** This peer has told that it is at its address, to a question that only who is there has heard. */
  answered(node: NodeId): void {
    const peer = this.#peers.get(node)
    if (peer !== undefined) peer.isReached = true
  }

  left(node: NodeId): void {
    this.#forget(node)
  }

  clear(): void {
    this.#peers.clear()
    this.#measured.clear()
  }

  #forget(key: string): void {
    const peer = this.#peers.get(key)
    if (peer !== undefined) this.#measured.delete(peer)
    this.#peers.delete(key)
  }

  /** Who was heard from within `LIVE_MS`. */
  live(at: Monotonic): Peer[] {
    return [...this.#peers.values()].filter((peer) => isLive(peer, at))
  }

  /**
   * How long a question asked now may wait. With `auto` and nobody there it waits for nobody: `undefined`.
   * delay = 1.5 ms per live peer, 4 to 30 ms; transmission = 30 ms + 4 round trips, at least 15 ms, and so that both
   * stay within 45 ms, except where two round trips alone take longer (radio links), and where answers came late of
   * late (busy machines); never more than `transmissionMs`.
   */
  timing(settings: TimingSettings, at: Monotonic): Timing | undefined {
    const { maxDelayMs, transmissionMs } = settings
    if (maxDelayMs !== 'auto') return fixedTiming(clamp(maxDelayMs, 0, MAX_ASKED_DELAY_MS), transmissionMs)
    const live = this.live(at).filter((peer) => peer.node !== undefined)
    if (live.length === 0) return undefined
    const roundTripMs = Math.max(0, ...live.map((peer) => peer.roundTripMs ?? 0))
    const timing = autoTiming(live.length, roundTripMs, transmissionMs)
    const lateMs = this.#lateMs(at)
    return { ...timing, lateMs, transmissionMs: Math.min(transmissionMs, timing.transmissionMs + lateMs) }
  }

  /** An answer came this long after its question's wait was over: the next ones wait longer for a while. */
  answeredLate(byMs: number, at: Monotonic): void {
    if (byMs > this.#lateMs(at)) this.#late = { byMs, at }
  }

  #lateMs(at: Monotonic): number {
    return this.#late.byMs * 0.5 ** ((at - this.#late.at) / LATENESS_HALF_LIFE_MS)
  }

  /** Who says who it is at this address is what has answered there. */
  #doubtPlain(address: Address): void {
    const plain = this.#peers.get(plainKey(address))
    if (plain !== undefined) plain.isReached = false
  }

  #forgetLongestSilent(): void {
    const [longest] = this.#peers.keys()
    if (longest !== undefined) this.#forget(longest)
  }
}

const NOT_MEASURED = { roundTripMs: undefined, measuredAt: undefined, measurements: 0, isReached: false }

/** Fixed figures leave no one out: who is slow has been thought of. */
function fixedTiming(maxDelayMs: number, transmissionMs: number): Timing {
  const holdersMs = maxDelayMs + transmissionMs
  return { maxDelayMs, transmissionMs, holdersMs, roundTripMs: 0, lateMs: 0 }
}

/** The formula of `timing` for this many live peers whose slowest round trip takes `roundTripMs`. */
export function autoTiming(livePeers: number, roundTripMs: number, transmissionLimitMs: number): Timing {
  const maxDelayMs = clamp(livePeers * DELAY_PER_PEER_MS, MIN_DELAY_MS, MAX_DELAY_MS)
  const quick = clamp(30 + 4 * roundTripMs, MIN_TRANSMISSION_MS, AUTO_WAIT_MS - maxDelayMs)
  const transmissionMs = Math.min(transmissionLimitMs, Math.max(quick, 2 * roundTripMs))
  const holdersMs = maxDelayMs + roundTripMs + GRAIN_MS
  return { maxDelayMs, transmissionMs, holdersMs, roundTripMs, lateMs: 0 }
}

/** What has no name is known by its address. */
function plainKey(address: Address): string {
  return `plain ${address}`
}

function isLive(peer: Peer, at: Monotonic): boolean {
  return at - peer.heardAt < LIVE_MS
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
