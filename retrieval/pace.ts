/** No source may keep an application waiting: bodies that stop, or come drop by drop, are given up. */
import type { CancelTimer, Clock } from '../core/clock.ts'
import { Fault, type FaultCode } from '../core/fault.ts'
import { formatBytes } from '../core/units.ts'

export interface Pace {
  /** In every period of this many ms … */
  readonly periodMs: number
  /** … at least this many bytes come, or the rest of the body. */
  readonly leastBytes: number
  readonly code: FaultCode
  /** Whether there is a reason for the silence, asked again every `EXCUSED_MS`; absent: there is none. */
  readonly excuse?: () => boolean
}

/** What a copy that is whole at its sender, and one that grows there, must bring in a period at least. */
const LEAST_WHOLE_BYTES = 64 * 1024
const LEAST_GROWING_BYTES = 1024
/** The same of a downloader that was not heard to ask for the file: nothing but its word says that its line is to blame. */
const LEAST_STRANGER_BYTES = 16 * 1024

/** What a peer must keep up with whose copy is whole. */
export function wholePace(periodMs: number, excuse = () => false): Pace {
  return { periodMs, leastBytes: LEAST_WHOLE_BYTES, code: 'PEER_STALLED', excuse }
}

/** What a peer must keep up with whose copy grows as its source does. */
export function growingPace(periodMs: number, excuse: () => boolean, isStranger = false): Pace {
  const leastBytes = isStranger ? LEAST_STRANGER_BYTES : LEAST_GROWING_BYTES
  return { periodMs, leastBytes, code: 'PEER_STALLED', excuse }
}

/** Who is excused is waited for so much longer, in ms. */
export const EXCUSED_MS = 100

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

/** One timer for each period, not for each chunk. */
class Watch {
  readonly #pace: Pace
  readonly #clock: Clock
  #periodEnd: number
  #bytes = 0
  #cancel: CancelTimer | undefined
  /** Ends what is waited for; `undefined` while nobody waits. */
  #giveUp: ((fault: Fault) => void) | undefined

  constructor(pace: Pace, clock: Clock) {
    this.#pace = pace
    this.#clock = clock
    this.#periodEnd = clock.monotonic() + pace.periodMs
  }

  over<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      this.#wakeAt(this.#periodEnd)
      const waitsNoMore = () => void (this.#giveUp = undefined)
      promise.finally(waitsNoMore).then(resolve, reject)
    })
  }

  came(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < this.#pace.leastBytes) return
    this.#bytes = 0
    this.#periodEnd = this.#clock.monotonic() + this.#pace.periodMs
  }

  end(): void {
    this.#cancel?.()
  }

  #wakeAt(time: number): void {
    this.#cancel ??= this.#clock.after(time - this.#clock.monotonic(), () => {
      this.#cancel = undefined
      if (this.#giveUp !== undefined) this.#onPeriodEnd(this.#giveUp)
    })
  }

  #tooLittle(): Fault {
    const { code, periodMs, leastBytes } = this.#pace
    const [least, came] = [formatBytes(leastBytes), formatBytes(this.#bytes)]
    return new Fault(code, `expected ${least} within ${Math.round(periodMs)} ms, got ${came}`)
  }

  #onPeriodEnd(giveUp: (fault: Fault) => void): void {
    const now = this.#clock.monotonic()
    if (now < this.#periodEnd) this.#wakeAt(this.#periodEnd)
    else if (this.#pace.excuse?.() === true) this.#wakeAt(now + EXCUSED_MS)
    else giveUp(this.#tooLittle())
  }
}

/** @throws Fault `code` when `promise` does not settle within `ms`, and nothing excuses that. */
export function within<T>(
  promise: Promise<T>,
  ms: number,
  clock: Clock,
  { code, excuse }: Pick<Pace, 'code' | 'excuse'>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => {
      if (excuse?.() === true) cancel = clock.after(EXCUSED_MS, late)
      else reject(new Fault(code, `expected an answer within ${Math.round(ms)} ms, none came`))
    }
    let cancel = clock.after(ms, late)
    promise.finally(() => cancel()).then(resolve, reject)
  })
}
