/** No source may keep an application waiting: bodies that stop, or come drop by drop, are given up. */
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import { Fault, type FaultCode } from '../core/fault.ts'
import { formatBytes } from '../core/units.ts'
import { STALL_MS } from './patience.ts'

export interface Pace {
  /** In every period of this many ms … */
  readonly periodMs: number
  /** … at least this many bytes come, or the rest of the body. */
  readonly leastBytes: number
  readonly code: FaultCode
  /** Whether there is a reason for the silence, asked again every `EXCUSED_MS`; absent: there is none. */
  readonly excuse?: () => boolean
  /** Who can be replaced; absent: nobody is left before the period is over. */
  readonly sooner?: Sooner
}

/** Where somebody else has it, too, a source is left before its period is over, when it is behind until then. */
export interface Sooner {
  readonly ms: number
  /** Whether somebody else has it, asked again every `LOOK_MS`. */
  readonly isPossible: () => boolean
}

/** What a copy that is whole at its sender must bring in `STALL_MS` at least, and one that grows there in any period. */
const LEAST_WHOLE_BYTES = 64 * 1024
export const LEAST_GROWING_BYTES = 1024
/** The same of a downloader that was not heard to ask for the file: nothing but its word says that its line is to blame. */
const LEAST_STRANGER_BYTES = 16 * 1024

/** What a peer must keep up with whose copy is whole. */
export function wholePace(periodMs: number, excuse = () => false, sooner?: Sooner): Pace {
  const leastBytes = Math.ceil((LEAST_WHOLE_BYTES * Math.min(periodMs, STALL_MS)) / STALL_MS)
  const pace = { periodMs, leastBytes, code: 'PEER_STALLED', excuse } as const
  return sooner === undefined ? pace : { ...pace, sooner }
}

/** What a peer must keep up with whose copy grows as its source does. */
export function growingPace(periodMs: number, excuse: () => boolean, isStranger = false): Pace {
  const leastBytes = isStranger ? LEAST_STRANGER_BYTES : LEAST_GROWING_BYTES
  return { periodMs, leastBytes, code: 'PEER_STALLED', excuse }
}

/** Who is excused is waited for so much longer, in ms. */
export const EXCUSED_MS = 100

/** Who says that he has it, too, may say so a moment later, in ms. */
const LOOK_MS = 50

/**
 * The chunks of `body` as long as they keep the pace.
 * @throws Fault `pace.code` when they do not; the caller aborts the request.
 */
export async function* keepingPace(
  body: AsyncIterable<Uint8Array>,
  pace: Pace,
  clock: Clock,
): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]()
  const watch = new Watch(pace, clock)
  try {
    for (;;) {
      const next = await watch.over(chunks.next())
      if (next.done) return
      watch.came(next.value.length)
      yield next.value
    }
  } finally {
    watch.end()
    void Promise.resolve(chunks.return?.()).catch(() => {}) // a body that was given up has no more to say
  }
}

/** When somebody is to be judged next, in ms; whole ones, as a smaller step might be none. */
function untilJudgedMs({ periodMs, sooner }: Pace, elapsedMs: number): number {
  const soonerMs = sooner === undefined ? Infinity : Math.max(sooner.ms - elapsedMs, LOOK_MS)
  return Math.max(0, Math.ceil(Math.min(periodMs - elapsedMs, soonerMs)))
}

/** How long somebody who brought so little is waited for still, in ms; 0: no longer. */
function stillMs(pace: Pace, elapsedMs: number, bytes: number): number {
  const { periodMs, leastBytes, excuse, sooner } = pace
  const isTooLittle = bytes * periodMs < leastBytes * elapsedMs
  const isReplaced = sooner !== undefined && elapsedMs >= sooner.ms && isTooLittle && sooner.isPossible()
  if (elapsedMs < periodMs && !isReplaced) return untilJudgedMs(pace, elapsedMs)
  return excuse?.() === true ? EXCUSED_MS : 0
}

/** One timer for each period, not for each chunk. */
class Watch {
  readonly #pace: Pace
  readonly #clock: Clock
  #since: Monotonic
  #bytes = 0
  #cancel: CancelTimer | undefined
  /** Ends what is waited for; `undefined` while nobody waits. */
  #giveUp: ((fault: Fault) => void) | undefined

  constructor(pace: Pace, clock: Clock) {
    this.#pace = pace
    this.#clock = clock
    this.#since = clock.monotonic()
  }

  over<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      this.#wakeIn(untilJudgedMs(this.#pace, this.#elapsedMs))
      const waitsNoMore = () => void (this.#giveUp = undefined)
      promise.finally(waitsNoMore).then(resolve, reject)
    })
  }

  came(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < this.#pace.leastBytes) return
    this.#bytes = 0
    this.#since = this.#clock.monotonic()
  }

  end(): void {
    this.#cancel?.()
  }

  get #elapsedMs(): number {
    return this.#clock.monotonic() - this.#since
  }

  #wakeIn(ms: number): void {
    this.#cancel ??= this.#clock.after(ms, () => {
      this.#cancel = undefined
      if (this.#giveUp !== undefined) this.#judge(this.#giveUp)
    })
  }

  #judge(giveUp: (fault: Fault) => void): void {
    const ms = stillMs(this.#pace, this.#elapsedMs, this.#bytes)
    if (ms > 0) this.#wakeIn(ms)
    else giveUp(this.#tooLittle())
  }

  #tooLittle(): Fault {
    const { code, periodMs, leastBytes } = this.#pace
    const ms = Math.min(periodMs, this.#elapsedMs)
    const [least, came] = [formatBytes((leastBytes * ms) / periodMs), formatBytes(this.#bytes)]
    return new Fault(code, `expected ${least} within ${Math.round(ms)} ms, got ${came}`)
  }
}

/** @throws Fault `code` when `promise` does not settle within `ms`, and nothing excuses that. */
export function within<T>(
  promise: Promise<T>,
  ms: number,
  clock: Clock,
  { code, ...ways }: Pick<Pace, 'code' | 'excuse' | 'sooner'>,
): Promise<T> {
  const pace = { ...ways, code, periodMs: ms, leastBytes: 1 }
  const began = clock.monotonic()
  return new Promise((resolve, reject) => {
    const judge = () => {
      const elapsedMs = clock.monotonic() - began
      const moreMs = stillMs(pace, elapsedMs, 0)
      if (moreMs > 0) return void (cancel = clock.after(moreMs, judge))
      const hadMs = Math.round(Math.min(ms, elapsedMs))
      reject(new Fault(code, `expected an answer within ${hadMs} ms, none came`))
    }
    let cancel = clock.after(untilJudgedMs(pace, 0), judge)
    promise.finally(() => cancel()).then(resolve, reject)
  })
}
