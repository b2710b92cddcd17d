/** What one application (or the whole retrieval of a resource) wants of an origin server's copy, until it has it or leaves. */
import { deferred } from '../core/deferred.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { describe, Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingCopy } from '../core/store.ts'
import type { Flight } from './flight.ts'
import { isIncomplete } from './origin-source.ts'
import { plan, WHOLE, type Step } from './plan.ts'
import type { Asker } from './request.ts'
import type { RetrievalReport } from './source.ts'

/** A copy of which bytes can be asked for. */
export interface Fillable {
  readonly copy: GrowingCopy
  readonly flights: readonly Flight[]
  /** Whether missing bytes may be asked for: something tells whether they are of the same version. */
  readonly isContinuable: boolean
  /** @throws Fault when nothing more may be asked for. */
  mustGoOn(): void
  fetch(span: ByteSpan, use: CopyUse): Flight
  /** Bytes are wanted that do not follow on what is here. */
  spread(): void
  /** A use wants something else. */
  reconsider(): void
  left(use: CopyUse): void
}

export class CopyUse {
  readonly #of: Fillable
  readonly asker: Asker
  readonly report: RetrievalReport
  readonly isForPart: boolean
  /** Resolves when the first missing byte is known to come; rejects when it does not. */
  readonly begun = deferred<void>()
  /** Resolves when every byte that is wanted is held, or the use has ended; rejects when they do not come. */
  readonly filled = deferred<void>()
  readonly #gone = new AbortController()
  /** Aborted, with the reason, when the bytes do not come. */
  readonly #failed = new AbortController()
  #hasMissed = false
  /** Everything, as long as nothing was said. */
  #wanted: readonly ByteSpan[] = [WHOLE]

  /**
   * @param report counts the bytes that are asked for.
   * @param isForPart whether it is one application's, which has asked for a part.
   */
  constructor(of: Fillable, asker: Asker, report: RetrievalReport, isForPart = false) {
    this.#of = of
    this.asker = asker
    this.report = report
    this.isForPart = isForPart
  }

  get hasLeft(): boolean {
    return this.#gone.signal.aborted
  }

  /** Whether bytes were missing of what was wanted, those that had been here and were damaged included. */
  get hasMissed(): boolean {
    return this.#hasMissed
  }

  /** Whether any byte of `span` is wanted. */
  wants(span: ByteSpan): boolean {
    return this.#wanted.some(({ start, end }) => start < span.end && end > span.start)
  }

  /** Whether every byte of these is here. */
  has(spans: readonly ByteSpan[]): boolean {
    return this.#holes(spans).length === 0
  }

  /** How much is wanted, and how much of that is here; nothing, as long as it is not known what is wanted. */
  progress(): { readonly receivedBytes: number; readonly totalBytes: number } {
    const wanted = this.#wanted.includes(WHOLE) ? [] : this.#wanted
    const totalBytes = bytesOf(wanted)
    return { totalBytes, receivedBytes: totalBytes - bytesOf(this.#holes(wanted)) }
  }

  /** Whether something of what is wanted is missing. */
  get isComing(): boolean {
    const { receivedBytes, totalBytes } = this.progress()
    return receivedBytes < totalBytes
  }

  /** Whether these can be had without asking the origin server for bytes that nothing would tie to the others. */
  canHave(spans: readonly ByteSpan[]): boolean {
    const { isContinuable, flights } = this.#of
    return isContinuable || plan(this.#holes(spans), flights).every(({ kind }) => kind === 'follow')
  }

  /** From now on these are wanted, and what is missing of them is asked for. */
  want(spans: readonly ByteSpan[]): void {
    this.#wanted = spans
    if (!spans.includes(WHOLE)) this.#of.spread()
    this.#of.reconsider()
    void this.#settle(spans)
  }

  /** The bytes of `span` as they come. @throws Fault why they do not. */
  async *read(span: ByteSpan, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    await this.begun.promise
    yield* this.#of.copy.read(span, AbortSignal.any([signal, this.#failed.signal]))
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason
  }

  /** Nothing is wanted any more; calling it again is harmless. */
  leave(): void {
    if (this.hasLeft) return
    this.#gone.abort(NO_LONGER_NEEDED)
    this.begun.resolve()
    this.filled.resolve()
    this.#of.left(this)
  }

  async #settle(spans: readonly ByteSpan[]): Promise<void> {
    try {
      await this.#fill(spans)
      this.begun.resolve()
      this.filled.resolve()
    } catch (error) {
      this.#wanted = []
      this.#failed.abort(error)
      this.begun.reject(error)
      this.filled.reject(error)
      this.#of.reconsider()
    }
  }

  /** Span by span, hole by hole: what is asked for on the way is read before the next. */
  async #fill(spans: readonly ByteSpan[]): Promise<void> {
    for (const span of spans) {
      const recalling = this.#of.copy.recall(span, this.#gone.signal)
      await this.#fillHoles(span)
      await recalling
      // Some of what was recalled may have turned out wrong.
      await this.#fillHoles(span)
    }
  }

  async #fillHoles(span: ByteSpan): Promise<void> {
    let broken: unknown
    for (let resumptions = 0; !this.hasLeft;) {
      const [step] = plan(this.#holes([span]), this.#of.flights)
      if (step === undefined) return
      if (broken !== undefined && step.kind === 'fetch' && !this.#of.isContinuable) throw cut(broken)
      const { fault = this.#vain(step), broughtBytes } = await this.#take(step)
      if (fault === undefined) continue
      const came = this.#cameSince(step)
      if (came >= PROGRESS_BYTES && 2 * came >= broughtBytes) resumptions = 0
      if (++resumptions > MAX_RESUMPTIONS || !isIncomplete(fault)) throw fault
      broken = fault
    }
  }

  /** @returns why nothing more comes of it; a request that somebody else made is then made anew. */
  async #take(step: Step<Flight>): Promise<{ readonly fault?: unknown; readonly broughtBytes: number }> {
    this.#of.mustGoOn()
    this.#hasMissed = true
    const isOwn = step.kind === 'fetch'
    const flight = isOwn ? this.#of.fetch(step.span, this) : step.flight
    try {
      await flight.accepted.promise
    } catch (error) {
      if (!isOwn) return { broughtBytes: 0 }
      if (isRefusal(error) && this.asker.askAsAnother()) return this.#take(step)
      throw error
    }
    this.begun.resolve()
    await flight.reached(step.span.end)
    const { fault, broughtBytes } = flight
    return { fault, broughtBytes }
  }

  /** A request of this use's own that did not bring even its first byte is not made for ever. */
  #vain(step: Step<Flight>): Fault | undefined {
    const isVain = step.kind === 'fetch' && !this.hasLeft && this.#cameSince(step) === 0
    if (!isVain) return undefined
    const { start } = step.span
    return new Fault('RESPONSE_INCOMPLETE', `expected the bytes from ${start} on, none of them came`)
  }

  #cameSince({ span: { start } }: Step<Flight>): number {
    return this.#of.copy.heldUntil(start) - start
  }

  #holes(spans: readonly ByteSpan[]): ByteSpan[] {
    return spans.flatMap((span) => this.#of.copy.missing(span))
  }
}

function bytesOf(spans: readonly ByteSpan[]): number {
  return spans.reduce((sum, { start, end }) => sum + end - start, 0)
}

/** A body that broke off is continued at the byte where it stopped, so many times in a row… */
export const MAX_RESUMPTIONS = 3
/**
 * …without that this much has come, in bytes, and half of what was sent: lines break off again and again, and get there, but a server
 * that sends the whole each time is not asked for it without end.
 */
export const PROGRESS_BYTES = 16 * 1024

/** Whether something else came than bytes of the file: a page that says that somebody's token has expired, say. */
function isRefusal(error: unknown): boolean {
  return error instanceof Fault && error.code === 'RESPONSE_INVALID'
}

/** What broke off is told, and why it ends there. */
function cut(fault: unknown): Fault {
  const why =
    'and nothing that the origin server sends (a strong ETag) tells whether its rest would be of the same version'
  return new Fault('RESPONSE_INCOMPLETE', `${describe(fault)}, ${why}`, { cause: fault })
}
