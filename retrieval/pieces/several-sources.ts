/**
 * One large body from several nodes of the LAN at once (R4.4).
 *
 * It begins like every copy from a peer, in order from the one that said "I have". Only when that one is measured to be slow,
 * and much is missing, the others who have it are looked for; with the first of them the body goes on by blocks (feed.ts), each
 * piece of which is checked as it comes. Where nobody else is found, or all of them are lost, it goes on as it began.
 */
import type { Clocks, Monotonic } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import { PIECE_BYTES, piecesIn } from '../../core/pieces.ts'
import type { GrowingCopy } from '../../core/store.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { NodeId } from '../../peering/packets.ts'
import { MAX_PIECES } from '../../peering/piece-digests.ts'
import { within, type Pace } from '../pace.ts'
import type { OpenedSource } from '../peer-source.ts'
import { checkedPieces, fetchDigests, type Asker, type Body } from './block-source.ts'
import { Feed, RESERVE_FACTOR, type Ending } from './feed.ts'
import {
  originSupplier,
  peerSupplier,
  type Holder,
  type OriginReserve,
  type Supplier,
  type SupplyEvents,
} from './supplier.ts'

export interface SeveralSourcesSettings {
  readonly node: NodeId
  /** The one that it began with. */
  readonly first: Omit<Holder, 'heldBytes'>
  /** Bytes of the body. */
  readonly size: number
  /** What tells others what is asked for, and where it is passed on. */
  readonly fields: Fields
  readonly pace: Pace
  readonly signal: AbortSignal
}

export interface SeveralSourcesComponents extends Clocks {
  readonly peers: Upstream
  readonly copy: GrowingCopy
  /** Asks the LAN who else has it; `found` is called for each, within a moment. @returns what ends that. */
  readonly find: (found: (holder: Holder) => void, over: () => void) => () => void
  /** Whether peers read along: in a crowd everybody reads from one, and passes it on. */
  readonly isReadAlong: () => boolean
  /** Where it is much faster than all peers together. */
  readonly origin: OriginReserve
  readonly events: SupplyEvents
}

/** Less than this is not worth other sources, in bytes. */
export const WORTHWHILE_BYTES = 8 * 1024 * 1024

/** A source is known after it has sent for so long, in ms… */
const KNOWN_MS = 500
/** …and slow when the rest would take it longer than this, in ms… */
const SLOW_MS = 1500
/** …at less than half of what Gigabit Ethernet carries, in bytes per second. */
const QUICK_BYTES_PER_SECOND = 60_000_000

/** Others are looked for at most so often for one body… */
const MAX_LOOKS = 3
/** …with so long between two, in ms. */
const BETWEEN_LOOKS_MS = 5000

/** So many besides the first one. */
export const MAX_OTHERS = 3

/** The digests of all pieces come within this, in ms. */
const DIGESTS_MS = 2000

export class SeveralSources {
  readonly #settings: SeveralSourcesSettings
  readonly #components: SeveralSourcesComponents
  readonly #asker: Asker
  readonly #others: Holder[] = []
  #digests: Uint8Array | undefined
  /** Pieces from the beginning that are held, and right by the digests. */
  #checked = 0
  #looks = 0
  #lookedAt = -Infinity
  #isLooking = false
  #isReady = false
  #hasTakenOver = false
  #bytesPerSecond = 0
  #firstFault: Fault | undefined

  constructor(settings: SeveralSourcesSettings, components: SeveralSourcesComponents) {
    this.#settings = settings
    this.#components = components
    const { node, fields, signal } = settings
    this.#asker = { upstream: components.peers, node, fields, signal }
  }

  /** The body of the first source has been left for blocks. */
  get hasTakenOver(): boolean {
    return this.#hasTakenOver
  }

  /** What the first source sends, as long as it is the only one. */
  watching(opened: OpenedSource): OpenedSource {
    return { ...opened, body: this.#watched(opened) }
  }

  /**
   * What is missing, from all of them; where no blocks can be had any more, the first one may go on alone.
   * @throws Fault of the first source when nobody else could go on; of the store.
   */
  async finish(): Promise<Ending> {
    const { size, signal } = this.#settings
    const digests = this.#digests
    if (digests === undefined || !(await this.#checkHeld(digests))) return 'unfinished'
    const body = { size, digests }
    const { origin, events } = this.#components
    const reserve = originSupplier(origin, body, events)
    const peers = this.#suppliers(body)
    const isAlone = peers.length === 1
    const feed = new Feed(
      { ...this.#components, body, reserve: isAlone ? undefined : reserve },
      this.#checked,
      signal,
    )
    const ending = await feed.from(isAlone ? [...peers, reserve] : peers)
    if (ending === 'unfinished' && this.#firstFault !== undefined) throw asBroken(this.#firstFault)
    return ending
  }

  #suppliers(body: Body): Supplier[] {
    const { first, pace } = this.#settings
    const { events } = this.#components
    const own = { pieces: Infinity, bytesPerSecond: this.#bytesPerSecond, pace, isSpare: false }
    const noting: SupplyEvents = {
      ...events,
      failed: (helper, fault) => {
        this.#firstFault = fault
        events.failed(helper, fault)
      },
    }
    const others = this.#others.map((holder) => {
      const pieces = Math.floor(holder.heldBytes / PIECE_BYTES)
      const terms = { pieces, bytesPerSecond: undefined, pace, isSpare: true }
      return peerSupplier(holder, terms, this.#asker, body, events)
    })
    return [peerSupplier(first, own, this.#asker, body, noting), ...others]
  }

  async *#watched({ body, from }: OpenedSource): AsyncGenerator<Uint8Array> {
    const { clock } = this.#components
    const began = clock.monotonic()
    let at = from
    for await (const chunk of body) {
      const border =
        this.#isReady && !this.#components.isReadAlong()
          ? Math.ceil(at / PIECE_BYTES) * PIECE_BYTES
          : Infinity
      if (at + chunk.length >= border && border < this.#settings.size) {
        this.#hasTakenOver = true
        if (border > at) yield chunk.subarray(0, border - at)
        return
      }
      at += chunk.length
      yield chunk
      this.#measure(at - from, clock.monotonic() - began, at)
    }
  }

  #measure(bytes: number, ms: number, at: number): void {
    const missing = this.#settings.size - at
    if (this.#isReady || this.#isLooking || ms < KNOWN_MS || missing < WORTHWHILE_BYTES) return
    this.#bytesPerSecond = (bytes * 1000) / ms
    const isSlow =
      this.#bytesPerSecond < QUICK_BYTES_PER_SECOND && (missing * 1000) / this.#bytesPerSecond > SLOW_MS
    const isTime = this.#looks < MAX_LOOKS && this.#now() - this.#lookedAt >= BETWEEN_LOOKS_MS
    if (isSlow && isTime && !this.#components.isReadAlong()) void this.#look()
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    this.#looks++
    this.#lookedAt = this.#now()
    const digests = this.#digests === undefined ? this.#fetchDigests() : Promise.resolve(this.#digests)
    await Promise.all([digests, this.#findOthers()])
    this.#digests = await digests
    const isWorthIt = this.#others.length > 0 || this.#isOriginFast
    this.#isReady = this.#digests !== undefined && isWorthIt && (await this.#checkHeld(this.#digests))
    this.#isLooking = false
  }

  get #isOriginFast(): boolean {
    return (this.#components.origin.bytesPerSecond() ?? 0) >= RESERVE_FACTOR * this.#bytesPerSecond
  }

  async #fetchDigests(): Promise<Uint8Array | undefined> {
    const { first, size } = this.#settings
    if (piecesIn(size) > MAX_PIECES) return undefined
    const asking = fetchDigests(this.#asker, first.location, size)
    return within(asking, DIGESTS_MS, this.#components.clock, { code: 'PEER_STALLED' }).catch(() => undefined)
  }

  #findOthers(): Promise<void> {
    return new Promise((resolve) => {
      let end: (() => void) | undefined
      end = this.#components.find((holder) => {
        const isKnown = [this.#settings.first, ...this.#others].some(({ peer }) => peer === holder.peer)
        if (!isKnown && this.#others.length < MAX_OTHERS) this.#others.push(holder)
        if (this.#others.length === MAX_OTHERS) end?.()
      }, resolve)
    })
  }

  /** Holds what came so far against the digests, which were not known when it came. */
  async #checkHeld(digests: Uint8Array): Promise<boolean> {
    const { copy } = this.#components
    const { size, signal } = this.#settings
    const held = Math.floor(copy.heldUntil(0) / PIECE_BYTES) * PIECE_BYTES
    const span = { start: this.#checked * PIECE_BYTES, end: held }
    if (span.end <= span.start) return true
    try {
      for await (const _ of checkedPieces(copy.read(span, signal, 'held'), span, { size, digests }))
        this.#checked++
      return true
    } catch {
      this.#digests = undefined // of other bytes: nobody can tell which of them are right
      this.#looks = MAX_LOOKS
      return false
    }
  }

  #now(): Monotonic {
    return this.#components.clock.monotonic()
  }
}

/** Wrong pieces were never taken: what is here is right. */
function asBroken(fault: Fault): Fault {
  const { code, message } = fault
  return code === 'VERIFICATION_FAILED' ? new Fault('PEER_FAILED', message, { cause: fault }) : fault
}
