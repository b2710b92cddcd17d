/** Fills a growing copy from several suppliers at once: runs the plan (plan.ts). */
import { listeningOf, type Clocks, type Monotonic } from '../../core/clock.ts'
import { deferred } from '../../core/deferred.ts'
import { NO_LONGER_NEEDED } from '../../core/ended.ts'
import { describe, Fault } from '../../core/fault.ts'
import { PIECE_BYTES, piecesIn } from '../../core/pieces.ts'
import type { GrowingCopy } from '../../core/store.ts'
import { keepingPace, within } from '../pace.ts'
import { checkedPieces, type Body, type Piece } from './block-source.ts'
import { initialPieces, isHeld, stepPieces, type PiecesCommand, type PiecesEvent } from './plan.ts'
import type { Supplier } from './supplier.ts'

/** How it came to an end. */
export type Ending =
  /** All bytes are held. */
  | 'filled'
  /** Bytes are missing, and no supplier is of use any more. */
  | 'unfinished'
  | 'aborted'

/** The reserve joins when it is so many times faster than all others together: nobody's line is used for little… */
export const RESERVE_FACTOR = 4
/** …once the others are known, in ms. */
const RESERVE_MS = 1000

export interface FeedComponents extends Clocks {
  readonly copy: GrowingCopy
  readonly body: Body
  /** Whether peers read along: from then on the first source is the only one. */
  readonly isReadAlong: () => boolean
  /** Whoever is asked only when all others are slow. */
  readonly reserve: Supplier | undefined
}

export class Feed {
  readonly #components: FeedComponents
  readonly #suppliers = new Map<string, Supplier>()
  readonly #running = new Map<string, AbortController>()
  readonly #over = deferred<Ending>()
  readonly #signal: AbortSignal
  readonly #began: Monotonic
  #state: ReturnType<typeof initialPieces>
  #reserve: Supplier | undefined
  #isOver = false
  #cancelWake = () => {}

  /** @param heldPieces so many pieces are held, and right, from the beginning on. */
  constructor(components: FeedComponents, heldPieces: number, signal: AbortSignal) {
    this.#components = components
    this.#signal = signal
    this.#reserve = components.reserve
    this.#state = initialPieces(piecesIn(components.body.size), PIECE_BYTES, heldPieces)
    this.#began = components.clock.monotonic()
  }

  /** Resolves when nothing more comes. @throws Fault of the store. */
  async from(suppliers: readonly Supplier[]): Promise<Ending> {
    const stop = () => this.#end('aborted')
    this.#signal.addEventListener('abort', stop, { once: true })
    if (this.#signal.aborted) stop()
    else this.#join(suppliers)
    return this.#over.promise.finally(() => this.#signal.removeEventListener('abort', stop))
  }

  #join(suppliers: readonly Supplier[]): void {
    for (const each of suppliers) this.#suppliers.set(each.id, each)
    this.#happens({ kind: 'joined', at: this.#now(), sources: suppliers })
  }

  #happens(event: PiecesEvent): void {
    const [state, commands] = stepPieces(this.#state, event)
    this.#state = state
    for (const command of commands) this.#run(command)
  }

  #run(command: PiecesCommand): void {
    switch (command.kind) {
      case 'ask':
        return void this.#bring(command.source, command.first, command.end)
      case 'stop':
      case 'drop':
        return this.#stop(command.source)
      case 'wake':
        return this.#wakeAt(command.at)
      case 'done':
        return this.#end('filled')
      case 'exhausted':
        return this.#end('unfinished')
    }
  }

  #wakeAt(at: Monotonic): void {
    this.#cancelWake()
    const wake = () => this.#happens({ kind: 'wake', at: this.#now() })
    this.#cancelWake = this.#components.clock.after(at - this.#now(), wake)
  }

  #stop(id: string): void {
    this.#running.get(id)?.abort(NO_LONGER_NEEDED)
    this.#running.delete(id)
  }

  #end(ending: Ending): void {
    this.#isOver = true
    this.#cancelWake()
    for (const id of this.#running.keys()) this.#stop(id)
    this.#over.resolve(ending)
  }

  async #bring(id: string, first: number, end: number): Promise<void> {
    const supplier = this.#suppliers.get(id)
    if (supplier === undefined) return
    const controller = new AbortController()
    const signal = AbortSignal.any([controller.signal, this.#signal])
    this.#running.set(id, controller)
    const { body } = this.#components
    const listening = listeningOf(this.#components)
    const span = { start: first * PIECE_BYTES, end: Math.min(end * PIECE_BYTES, body.size) }
    let isStated = false
    try {
      const { code, periodMs } = supplier.pace
      const reply = await within(supplier.ask(span, signal), periodMs, listening, { code })
      if (reply.kind === 'busy') return this.#answered('refused', id, signal)
      isStated = reply.isStated
      for await (const piece of checkedPieces(
        keepingPace(reply.body, supplier.pace, listening),
        span,
        body,
      )) {
        if (signal.aborted) return
        await this.#keep(supplier, piece, isStated)
        // The last one has come when the connection is free: what is asked next takes the same place.
        if (piece.span.end < span.end) this.#answered('came', id, signal)
      }
      this.#answered('came', id, signal)
    } catch (error) {
      if (signal.aborted) return
      this.#onFault(supplier, faultOf(error, isStated))
      this.#answered('failed', id, signal)
    } finally {
      controller.abort(NO_LONGER_NEEDED)
    }
  }

  /** What came of a question, as long as it is of interest. */
  #answered(kind: 'came' | 'refused' | 'failed', id: string, signal: AbortSignal): void {
    if (signal.aborted) return
    this.#happens({ kind, at: this.#now(), source: id })
    if (this.#components.isReadAlong()) this.#leaveOthers()
    else this.#considerReserve()
  }

  /** A piece that somebody else has brought meanwhile is here already. */
  async #keep(supplier: Supplier, { span, chunks }: Piece, isStated: boolean): Promise<void> {
    if (isHeld(this.#state, span.start / PIECE_BYTES)) return
    let at = span.start
    for (const chunk of chunks) {
      await this.#components.copy.write(at, chunk)
      at += chunk.length
    }
    supplier.wrote(span.end - span.start, isStated)
  }

  #onFault(supplier: Supplier, fault: Fault): void {
    if (fault.blame !== 'node') return supplier.failed(fault)
    this.#over.reject(fault)
    this.#end('aborted')
  }

  /** They have done no wrong; what they bring is there too late for a crowd, or takes the places that it needs. */
  #leaveOthers(): void {
    const isFirstThere = this.#state.sources.some(({ id }) => this.#suppliers.get(id)?.isFirst)
    for (const { id } of isFirstThere && !this.#isOver ? this.#state.sources : []) {
      if (this.#suppliers.get(id)?.isFirst === true) continue
      this.#stop(id)
      this.#happens({ kind: 'failed', at: this.#now(), source: id })
    }
  }

  #considerReserve(): void {
    const reserve = this.#reserve
    if (reserve === undefined || this.#isOver || this.#now() - this.#began < RESERVE_MS) return
    const all = this.#state.sources.reduce((sum, { bytesPerSecond = 0 }) => sum + bytesPerSecond, 0)
    if (RESERVE_FACTOR * all > (reserve.bytesPerSecond ?? 0)) return
    this.#reserve = undefined
    this.#join([reserve])
  }

  #now(): Monotonic {
    return this.#components.clock.monotonic()
  }
}

/** Who has not said that its pieces are right, because it passes them on, has not lied when they are wrong. */
function faultOf(error: unknown, isStated: boolean): Fault {
  if (!(error instanceof Fault)) return new Fault('PEER_FAILED', describe(error), { cause: error })
  const isInnocent = error.code === 'VERIFICATION_FAILED' && !isStated
  return isInnocent ? new Fault('PEER_FAILED', error.message, { cause: error }) : error
}
