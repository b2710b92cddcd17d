/**
 * How long a question waits for what peers have promised, for those who say that they download, and for the silent. All times are
 * those of the question that is asked (`AskedState`).
 */
import type { Monotonic } from '../../core/clock.ts'
import { isInUse, type Active } from './inquiry-state.ts'
import type { InquiryState } from './inquiry-vocabulary.ts'
import type { Downloader, Holder } from './known-sources.ts'

/**
 * How long the second "I need" waits at least, in ms: "download complete" without a location comes from a node of the
 * patents, whose "I have" takes up to 2000 ms and the transmission time.
 */
export const PLAIN_WAIT_MS = 2200

/** One question waits for this many copies that cannot be read yet; then the origin server is asked. */
export const MAX_PROMISES = 3

/**
 * Those of them that were not heard to ask for it themselves are waited for until this long after the question's own wait, in ms,
 * all together: anybody may say "I am downloading" again and again.
 */
export const STRANGERS_PROMISE_MS = 600

/**
 * So long all of them are waited for, in ms. A node ID may be made so that it comes first in rank, and who asks for a file as well
 * need not mean to fetch it.
 */
export const PROMISES_MS = 600

/** And so long by a node that has to wait for its turn at the processor: who promised it a copy may have to, as well. */
export const BUSY_PROMISES_MS = 900

/** So long a busy node waits for the first word of one who comes first in rank, in ms: to ask again is more work for everybody. */
export const BUSY_RIVAL_MS = 700

/**
 * A node of the patents says only how much it has received, and is waited for as long as it says so, but no longer than this, in ms, all
 * of them together: whoever goes on saying so needs no file for it.
 */
export const PLAIN_DOWNLOADS_MS = 10_000

/**
 * So often a download that broke off in the middle is followed by another "I need". All who read it ask at once, and so
 * agree on who goes on with it (R5.4), instead of going to the Internet side by side.
 */
export const MAX_TAKE_OVERS = 3

/** That question waits no longer, in ms: an application is in the middle of its download. Slow answers come late, and count. */
export const TAKE_OVER_WAIT_MS = 60

const NO_END = Infinity as Monotonic

/** When it is taken for dead, should nothing be heard of it meanwhile. */
export function silence<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  on: D,
  at: Monotonic,
): Monotonic {
  const { silenceMs = state.settings.silenceMs } = on
  const wasBusy = state.promisesMs > PROMISES_MS
  const mostMs = on.isExpected === true && wasBusy ? BUSY_RIVAL_MS : silenceMs
  return Math.min(at + mostMs, waitedForUntil(state, on)) as Monotonic
}

/** Anybody may promise a copy, and who is expected to fetch it may be waiting for a liar itself. */
export function waitedForUntil<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  on: D,
): Monotonic {
  if (on.silenceMs === undefined) return state.plainUntil
  return isStranger(on) ? state.strangersUntil : state.promisedUntil
}

/** What was in use has cost what it has: what is left of the patience with peers is for promises, too. */
export function patient<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  { at, patientUntil = NO_END }: { readonly at: Monotonic; readonly patientUntil?: Monotonic },
): Active<H, D> {
  if (!isInUse(state)) return state
  const promisedUntil = Math.min(patientUntil, at + TAKE_OVER_WAIT_MS + state.promisesMs) as Monotonic
  return { ...state, promisedUntil }
}

/** Promises are waited for longer, once, within the patience that is left. The wake-up that is due comes early then. */
export function busy<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  patientUntil: Monotonic,
): Active<H, D> {
  const laterMs = BUSY_PROMISES_MS - state.promisesMs
  if (laterMs === 0) return state
  const { promisedUntil: before } = state
  const promisedUntil = Math.max(before, Math.min(before + laterMs, patientUntil)) as Monotonic
  const after = { ...state, promisedUntil, promisesMs: BUSY_PROMISES_MS }
  if (after.kind !== 'awaiting' || !isPromise(after.on)) return after
  if (after.on.isExpected === true) return { ...after, silentAt: rivalSilentAt(after) }
  return after.silentAt === before ? { ...after, silentAt: promisedUntil } : after
}

/** Of one that is waited for already. */
function rivalSilentAt<H extends Holder, D extends Downloader>(
  state: Extract<Active<H, D>, { readonly kind: 'awaiting' }>,
): Monotonic {
  const { silenceMs = state.settings.silenceMs } = state.on
  const silentAt = state.silentAt + BUSY_RIVAL_MS - silenceMs
  return Math.min(silentAt, waitedForUntil(state, state.on), state.agreeUntil ?? NO_END) as Monotonic
}

/** Whether a node of the patents is waited for: until it has it, or until it says where it is. */
export function isPlainWait<H extends Holder, D extends Downloader>(
  state: InquiryState<H, D>,
  at: Monotonic,
): boolean {
  if (state.kind === 'waiting') return state.hasAskedAgain && at < state.plainUntil
  return state.kind === 'awaiting' && !state.on.readable && state.on.silenceMs === undefined
}

/** Promises a copy, or is expected to. Nodes of the patents promise nothing. */
export function isPromise({ readable, silenceMs }: Downloader): boolean {
  return !readable && silenceMs !== undefined
}

/** Promises a copy, and was not heard to ask for one. */
export function isStranger(downloader: Downloader): boolean {
  const { hasAsked, isExpected } = downloader
  return isPromise(downloader) && hasAsked !== true && isExpected !== true
}
