/**
 * One large body from several nodes of the LAN at once (R4.4): runs the plan (plan.ts).
 *
 * It begins as any copy from a peer does, in order from the one that said "I have". Only when that one is measured to be slow,
 * and much is missing, the others who have it are looked for; with the first of them the body goes on by blocks, each piece
 * of which is checked as it comes. Where nobody else is found, or all of them are lost, it goes on as it began.
 */
import type { Clock, Monotonic } from '../../core/clock.ts'
import { deferred } from '../../core/deferred.ts'
import { NO_LONGER_NEEDED } from '../../core/ended.ts'
import { describe, Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import { PIECE_BYTES } from '../../core/pieces.ts'
import type { GrowingCopy } from '../../core/store.ts'
import type { Address } from '../../core/transport.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { NodeId } from '../../peering/packets.ts'
import { MAX_PIECES, piecesIn } from '../../peering/piece-digests.ts'
import { keepingPace, within, type Pace } from '../pace.ts'
import type { OpenedSource } from '../peer-source.ts'
import {
  askForBlock,
  checkedPieces,
  fetchDigests,
  type Asker,
  type Body,
  type Piece,
} from './block-source.ts'
import { initialPieces, isHeld, stepPieces, type PiecesCommand, type PiecesEvent } from './plan.ts'

/** A node that has the body, or the beginning of it. */
export interface Holder {
  readonly peer: Address
  readonly location: string
  /** It has the first ones, so many bytes; `Infinity`: all. */
  readonly heldBytes: number
}

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

export interface SeveralSourcesComponents {
  readonly clock: Clock
  readonly peers: Upstream
  readonly copy: GrowingCopy
  /** Asks the LAN who else has it; `found` is called for each, within a moment. @returns what ends that. */
  readonly find: (found: (holder: Holder) => void, over: () => void) => () => void
  readonly events: SeveralSourcesEvents
}

export interface SeveralSourcesEvents {
  /** Bytes of a peer have been written. @param isStated whether it has said itself that they are right. */
  wrote(peer: Address, bytes: number, isStated: boolean): void
  /** A peer was of no use. */
  failed(peer: Address, fault: Fault): void
}

/** Less than this is not worth other sources, in bytes. */
export const WORTHWHILE_BYTES = 8 * 1024 * 1024

/** A source is known after it has sent for so long, in ms… */
const KNOWN_MS = 500
/** …and slow when the rest would take it longer than this, in ms… */
const SLOW_MS = 1500
/** …at less than half of what Gigabit Ethernet carries, in bytes per second. */
export const QUICK_BYTES_PER_SECOND = 60_000_000

/** Others are looked for at most so often for one body… */
const MAX_LOOKS = 3
/** …with so long between two, in ms. */
const BETWEEN_LOOKS_MS = 5000

/** So many besides the first one. */
export const MAX_OTHERS = 3

/** The digests of all pieces come within this, in ms. */
const DIGESTS_MS = 2000

/** How the rest came. */
export type Ending =
  /** All bytes are held. */
  | 'filled'
  /** The others are of no use any more: the first one may go on alone. */
  | 'unfinished'
  | 'aborted'

export class SeveralSources {
  readonly #settings: SeveralSourcesSettings
  readonly #components: SeveralSourcesComponents
  readonly #asker: Asker
  readonly #others: Holder[] = []
  readonly #over = deferred<Ending>()
  readonly #running = new Map<string, AbortController>()
  #digests: Uint8Array | undefined
  /** Pieces from the beginning that are held, and right by the digests. */
  #checked = 0
  #state = initialPieces(0, PIECE_BYTES, 0)
  #looks = 0
  #lookedAt = -Infinity
  #isLooking = false
  #isReady = false
  #hasTakenOver = false
  #bytesPerSecond = 0
  #cancelWake = () => {}
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

  async *#watched({ body, from }: OpenedSource): AsyncGenerator<Uint8Array> {
    const { clock } = this.#components
    const began = clock.monotonic()
    let at = from
    for await (const chunk of body) {
      const border = this.#isReady ? Math.ceil(at / PIECE_BYTES) * PIECE_BYTES : Infinity
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

  /**
   * What is missing, from all of them.
   * @throws Fault of the first source when nobody else could go on; of the store.
   */
  async finish(): Promise<Ending> {
    const { signal, size } = this.#settings
    if (!(await this.#checkHeld())) return 'unfinished'
    this.#state = initialPieces(piecesIn(size), PIECE_BYTES, this.#checked)
    const stop = () => this.#end('aborted')
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    else this.#begin()
    const ending = await this.#over.promise.finally(() => signal.removeEventListener('abort', stop))
    if (ending === 'unfinished' && this.#firstFault !== undefined) throw asBroken(this.#firstFault)
    return ending
  }

  #begin(): void {
    const { first } = this.#settings
    const own = { id: first.peer, pieces: Infinity, bytesPerSecond: this.#bytesPerSecond }
    const others = this.#others.map(({ peer, heldBytes }) => ({
      id: peer,
      pieces: Math.floor(heldBytes / PIECE_BYTES),
      bytesPerSecond: undefined,
    }))
    this.#happens({ kind: 'joined', at: this.#now(), sources: [own, ...others] })
  }

  #measure(bytes: number, ms: number, at: number): void {
    const missing = this.#settings.size - at
    if (this.#isReady || this.#isLooking || ms < KNOWN_MS || missing < WORTHWHILE_BYTES) return
    this.#bytesPerSecond = (bytes * 1000) / ms
    const isSlow =
      this.#bytesPerSecond < QUICK_BYTES_PER_SECOND && (missing * 1000) / this.#bytesPerSecond > SLOW_MS
    const isTime = this.#looks < MAX_LOOKS && this.#now() - this.#lookedAt >= BETWEEN_LOOKS_MS
    if (isSlow && isTime) void this.#look()
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    this.#looks++
    this.#lookedAt = this.#now()
    const digests = this.#digests === undefined ? this.#fetchDigests() : Promise.resolve(this.#digests)
    await Promise.all([digests, this.#findOthers()])
    this.#digests = await digests
    this.#isReady = this.#others.length > 0 && (await this.#checkHeld())
    this.#isLooking = false
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
  async #checkHeld(): Promise<boolean> {
    const { copy } = this.#components
    const { size, signal } = this.#settings
    const digests = this.#digests
    if (digests === undefined) return false
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

  #happens(event: PiecesEvent): void {
    const [state, commands] = stepPieces(this.#state, event)
    this.#state = state
    for (const command of commands) this.#run(command)
  }

  #run(command: PiecesCommand): void {
    const { clock } = this.#components
    switch (command.kind) {
      case 'ask':
        return void this.#bring(command.source, command.first, command.end)
      case 'stop':
      case 'drop':
        return this.#stop(command.source)
      case 'wake':
        this.#cancelWake()
        this.#cancelWake = clock.after(command.at - this.#now(), () =>
          this.#happens({ kind: 'wake', at: this.#now() }),
        )
        return
      case 'done':
        return this.#end('filled')
      case 'exhausted':
        return this.#end('unfinished')
    }
  }

  #stop(id: string): void {
    this.#running.get(id)?.abort(NO_LONGER_NEEDED)
    this.#running.delete(id)
  }

  #end(ending: Ending): void {
    this.#cancelWake()
    for (const id of this.#running.keys()) this.#stop(id)
    this.#over.resolve(ending)
  }

  async #bring(id: string, first: number, end: number): Promise<void> {
    const holder = this.#holder(id)
    const controller = new AbortController()
    const signal = AbortSignal.any([controller.signal, this.#settings.signal])
    this.#running.set(id, controller)
    const happens = (kind: 'came' | 'refused' | 'failed') => {
      if (!signal.aborted) this.#happens({ kind, at: this.#now(), source: id })
    }
    try {
      const span = { start: first * PIECE_BYTES, end: Math.min(end * PIECE_BYTES, this.#settings.size) }
      const reply = await this.#ask(holder, span, signal)
      if (reply.kind === 'busy') return happens('refused')
      const chunks = keepingPace(reply.body, this.#settings.pace, this.#components.clock)
      for await (const piece of checkedPieces(chunks, span, this.#body)) {
        if (signal.aborted) return
        await this.#keep(holder, piece, reply.isStated)
        // The last one has come when the connection is free: what is asked next takes the same place.
        if (piece.span.end < span.end) happens('came')
      }
      happens('came')
    } catch (error) {
      if (!signal.aborted) this.#onFault(id, faultOf(error), happens)
    } finally {
      controller.abort(NO_LONGER_NEEDED)
    }
  }

  async #ask(holder: Omit<Holder, 'heldBytes'>, span: { start: number; end: number }, signal: AbortSignal) {
    const isSpare = holder.peer !== this.#settings.first.peer
    const question = { location: holder.location, span, isSpare }
    const asking = askForBlock({ ...this.#asker, signal }, this.#body, question)
    return within(asking, this.#settings.pace.periodMs, this.#components.clock, { code: 'PEER_STALLED' })
  }

  /** A piece that somebody else has brought meanwhile is here already. */
  async #keep(
    { peer }: Omit<Holder, 'heldBytes'>,
    { span, chunks }: Piece,
    isStated: boolean,
  ): Promise<void> {
    if (isHeld(this.#state, span.start / PIECE_BYTES)) return
    let at = span.start
    for (const chunk of chunks) {
      await this.#components.copy.write(at, chunk)
      at += chunk.length
    }
    this.#components.events.wrote(peer, span.end - span.start, isStated)
  }

  #onFault(id: string, fault: Fault, happens: (kind: 'failed') => void): void {
    const { first } = this.#settings
    if (fault.blame === 'node') {
      this.#over.reject(fault)
      return this.#end('aborted')
    }
    if (id === first.peer) this.#firstFault = fault
    this.#components.events.failed(id as Address, fault)
    happens('failed')
  }

  get #body(): Body {
    return { size: this.#settings.size, digests: this.#digests ?? new Uint8Array() }
  }

  #holder(id: string): Omit<Holder, 'heldBytes'> {
    return this.#others.find(({ peer }) => peer === id) ?? this.#settings.first
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

function faultOf(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault('PEER_FAILED', describe(error), { cause: error })
}
