/**
 * What a node tells the others while it retrieves a resource from the Internet (patent A, FIG. 7).
 *
 *   idle ──begin (216A)──► downloading ──complete──► over: "download complete" to everyone who waits
 *                            │    ▲  └────failed────► over: "download failed" to everyone who waits
 *                            └────┘ every report interval: progress to everyone who waits (216C)
 *
 * "I am downloading" is broadcast at the start if somebody is known to wait, again when the growing copy can be read, and
 * sent to each asker (216B); an asker then counts as waiting.
 * Reports are worth something to whoever forges a question in another's name, so they come to an end by themselves;
 * the last word ("complete", "failed") goes to everyone all the same. An event without a transition changes nothing.
 */
import type { Monotonic } from '../../core/clock.ts'

export type DownloadState =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'downloading'
      readonly waiting: readonly WaitingPeer[]
      readonly reportAt: Monotonic
      /** The next report goes to everybody: where to read it must not hang on one packet. */
      readonly isForAll?: boolean
      /** Reports until everybody is told again; absent: the copy cannot be read yet. */
      readonly untilBroadcast?: number
      /** Another source had begun it. */
      readonly isTakeOver?: boolean
    }
  | { readonly kind: 'over' }

interface WaitingPeer {
  readonly peer: string
  readonly reportsLeft: number
}

export type DownloadEvent =
  /** `waiting`: who asked at the same time and lets this node go first (R5.4); `isTakeOver`: another source had begun it. */
  | {
      readonly kind: 'begin'
      readonly at: Monotonic
      readonly waiting: readonly string[]
      readonly isTakeOver?: boolean
    }
  /** The growing copy can be read from now on. */
  | { readonly kind: 'readable'; readonly at: Monotonic }
  /** A peer asked for the resource and was told "I am downloading". */
  | { readonly kind: 'asked'; readonly peer: string }
  | { readonly kind: 'wake'; readonly at: Monotonic }
  | { readonly kind: 'complete' }
  /** `isForEach`: what has come is for this node alone, as it would be for any other that asked. */
  | { readonly kind: 'failed'; readonly isForEach?: boolean }

export type DownloadCommand =
  | { readonly kind: 'broadcast-downloading' }
  | { readonly kind: 'send-progress'; readonly to: readonly string[] }
  | { readonly kind: 'send-complete'; readonly to: readonly string[] }
  | { readonly kind: 'send-failed'; readonly to: readonly string[]; readonly isForEach?: boolean }
  | { readonly kind: 'broadcast-failed'; readonly isForEach?: boolean }
  | { readonly kind: 'wake'; readonly at: Monotonic }

/** Progress goes out this often, in ms: two reports may be lost before a waiting node thinks of silence. */
export const REPORT_INTERVAL_MS = 500

/** The place of the growing copy is told a second time after this, in ms. */
export const REPEAT_MS = 100

/**
 * So often a download that takes long is told to everybody again, in reports: every five seconds. Whoever began to fetch the
 * same without having heard of it finds out.
 */
export const REPORTS_PER_BROADCAST = 10

/**
 * More than so many who wait are told together, by one packet to everybody: where a server thinks for seconds, many have asked it in
 * the end, and each would tell all the others.
 */
export const MOST_TOLD_EACH = 16

/** More waiting peers than this are not told; they notice by the copy that they read. */
export const MAX_WAITING = 64

/** Reports to one waiting peer, five minutes of them; asking again begins anew (V§4, amplification). */
export const MAX_REPORTS = 600

export const initialDownload: DownloadState = { kind: 'idle' }

export function stepDownload(
  state: DownloadState,
  event: DownloadEvent,
): readonly [DownloadState, readonly DownloadCommand[]] {
  switch (event.kind) {
    case 'begin':
      return state.kind === 'idle' ? begin(event) : [state, []]
    case 'readable':
      return state.kind === 'downloading' ? readable(state, event.at) : [state, []]
    case 'asked':
      return [withWaiting(state, event.peer), []]
    case 'wake':
      return state.kind === 'downloading' ? report(state, event.at) : [state, []]
    case 'complete':
      return state.kind === 'downloading' ? [OVER, completed(state)] : [state, []]
    case 'failed':
      return state.kind === 'downloading' ? [OVER, failed(state.waiting, event.isForEach)] : [state, []]
  }
}

type Downloading = Extract<DownloadState, { kind: 'downloading' }>

function begin({
  waiting: peers,
  at,
  isTakeOver = false,
}: Extract<DownloadEvent, { kind: 'begin' }>): readonly [DownloadState, readonly DownloadCommand[]] {
  const waiting = peers.slice(0, MAX_WAITING).map((peer) => ({ peer, reportsLeft: MAX_REPORTS }))
  const reportAt = next(at)
  const wake = { kind: 'wake', at: reportAt } as const
  const commands = waiting.length > 0 ? [{ kind: 'broadcast-downloading' } as const, wake] : [wake]
  return [{ kind: 'downloading', waiting, reportAt, ...(isTakeOver && { isTakeOver }) }, commands]
}

/** Where somebody waits it is said once more after a moment. */
function readable(before: Downloading, at: Monotonic): readonly [DownloadState, readonly DownloadCommand[]] {
  // Who was replaced, because its origin server is silent to it alone, finds out by the next report that it is behind.
  const state = { ...before, untilBroadcast: before.isTakeOver === true ? 1 : REPORTS_PER_BROADCAST }
  if (state.waiting.length === 0) return [state, [SAY_TO_ALL]]
  const reportAt = Math.min(state.reportAt, at + REPEAT_MS) as Monotonic
  return [{ ...state, reportAt, isForAll: true }, [SAY_TO_ALL, { kind: 'wake', at: reportAt }]]
}

function report(state: Downloading, at: Monotonic): readonly [DownloadState, readonly DownloadCommand[]] {
  if (at < state.reportAt) return [state, [{ kind: 'wake', at: state.reportAt }]]
  if (state.isForAll === true) {
    const reportAt = next(at)
    return [{ ...state, reportAt, isForAll: false }, [SAY_TO_ALL, { kind: 'wake', at: reportAt }]]
  }
  const reportAt = next(at)
  const told = state.waiting.filter(({ reportsLeft }) => reportsLeft > 0)
  const waiting = state.waiting.map((each) => ({ ...each, reportsLeft: Math.max(0, each.reportsLeft - 1) }))
  const after = countedDown({ ...state, waiting, reportAt })
  const wake = { kind: 'wake', at: reportAt } as const
  if (told.length > MOST_TOLD_EACH) return [after, [SAY_TO_ALL, wake]]
  const everybody = after.untilBroadcast === REPORTS_PER_BROADCAST ? [SAY_TO_ALL] : []
  return [after, [...everybody, ...tell('send-progress', told), wake]]
}

function countedDown(state: Downloading): Downloading {
  const { untilBroadcast } = state
  if (untilBroadcast === undefined) return state
  return { ...state, untilBroadcast: untilBroadcast > 1 ? untilBroadcast - 1 : REPORTS_PER_BROADCAST }
}

/** When the list is full, whoever has had every report makes room. */
function withWaiting(state: DownloadState, peer: string): DownloadState {
  if (state.kind !== 'downloading') return state
  const others = state.waiting.filter((each) => each.peer !== peer)
  const room = others.length < MAX_WAITING ? others : withoutOneExhausted(others)
  if (room.length >= MAX_WAITING) return state
  return { ...state, waiting: [...room, { peer, reportsLeft: MAX_REPORTS }] }
}

function withoutOneExhausted(waiting: readonly WaitingPeer[]): readonly WaitingPeer[] {
  const at = waiting.findIndex(({ reportsLeft }) => reportsLeft === 0)
  return at < 0 ? waiting : waiting.toSpliced(at, 1)
}

function tell(
  kind: 'send-progress' | 'send-complete' | 'send-failed',
  waiting: readonly WaitingPeer[],
): DownloadCommand[] {
  return waiting.length === 0 ? [] : [{ kind, to: waiting.map(({ peer }) => peer) }]
}

/** Who was replaced may wait for its origin server still, and for nobody. */
function completed({ waiting, isTakeOver, untilBroadcast }: Downloading): DownloadCommand[] {
  const isToldToAll = isTakeOver === true && untilBroadcast !== undefined
  return [...(isToldToAll ? [SAY_TO_ALL] : []), ...tell('send-complete', waiting)]
}

function next(at: Monotonic): Monotonic {
  return (at + REPORT_INTERVAL_MS) as Monotonic
}

function failed(waiting: readonly WaitingPeer[], isForEach = false): DownloadCommand[] {
  const how = isForEach ? { isForEach } : {}
  if (waiting.length > MOST_TOLD_EACH) return [{ kind: 'broadcast-failed', ...how }]
  return tell('send-failed', waiting).map((command) => ({ ...command, ...how }))
}

const OVER: DownloadState = { kind: 'over' }

const SAY_TO_ALL: DownloadCommand = { kind: 'broadcast-downloading' }

/** The transitions of FIG. 7, for the state diagram and the tests. */
export const DOWNLOAD_TRANSITIONS = [
  ['idle', 'begin', 'downloading', '216A: "downloading" is broadcast if somebody waits'],
  ['downloading', 'readable', 'downloading', '216B: "downloading" is broadcast, with its place'],
  ['downloading', 'asked', 'downloading', '216B: "I am downloading"'],
  ['downloading', 'wake', 'downloading', '216C: progress'],
  ['downloading', 'complete', 'over', '"download complete"'],
  ['downloading', 'failed', 'over', '"download failed"'],
] as const
