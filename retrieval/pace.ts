/** No source may keep an application waiting: bodies that stop, or come drop by drop, are given up. */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { sleep, type Clock } from '../core/clock.ts'
import { Fault, type FaultCode } from '../core/fault.ts'

export interface Pace {
  /** In every period of this many ms … */
  readonly periodMs: number
  /** … at least this many bytes come, or the rest of the body. */
  readonly leastBytes: number
  readonly code: FaultCode
  /** Whether there is a reason for the silence, asked again every `EXCUSED_MS`; absent: there is none. */
  readonly excuse?: () => boolean
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
  let periodEnd = clock.monotonic() + pace.periodMs
  let bytes = 0
  try {
    for (;;) {
      const next = await excusing(chunks.next(), periodEnd - clock.monotonic(), clock, pace)
      if (next.done) return
      bytes += next.value.length
      yield next.value
      if (bytes < pace.leastBytes) continue
      bytes = 0
      periodEnd = clock.monotonic() + pace.periodMs
    }
  } finally {
    void Promise.resolve(chunks.return?.()).catch(() => {}) // a body that was given up has no more to say
  }
}

/** As `within`, but for a reason the time is longer. */
async function excusing<T>(promise: Promise<T>, ms: number, clock: Clock, pace: Pace): Promise<T> {
  let isSettled = false
  const settle = () => void (isSettled = true)
  promise.then(settle, settle)
  for (let waitMs = ms; ; waitMs = EXCUSED_MS) {
    try {
      return await within(promise, waitMs, clock, pace)
    } catch (error) {
      if (isSettled) return promise // at the last moment, or with an error of its own
      if (pace.excuse?.() !== true) throw error
    }
  }
}

/** @throws Fault `pace.code` when `promise` does not settle within `ms`. */
export async function within<T>(
  promise: Promise<T>,
  ms: number,
  clock: Clock,
  pace: Pick<Pace, 'code'>,
): Promise<T> {
  const settled = new AbortController()
  promise.catch(() => {}) // when the time is over first, its failure is nobody's
  try {
    return await Promise.race([
      promise,
      sleep(clock, ms, settled.signal).then(() => {
        throw new Fault(pace.code, `expected bytes within ${Math.round(ms)} ms, none came`)
      }),
    ])
  } finally {
    settled.abort(NO_LONGER_NEEDED)
  }
}
