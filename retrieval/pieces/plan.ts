/**
 * Which source brings which pieces of a body next, when several have it (R4.4). Pure: time comes in with each event.
 *
 * Pieces are numbered; a block is a run of them that is asked of one source at once. Each piece is asked of one source, and of
 * a second one only when the first is late with it. The first missing piece comes first, because an application waits for it:
 * so who is slow is given pieces further on, which the quicker ones would not reach sooner anyway.
 *
 *   joined ──► (idle) ──ask──► (brings a block) ──came, last piece──► (idle) …
 *                 ▲                   │ refused: in a moment again
 *                 └───────────────────┘ failed, or far too slow ──► dropped
 */
import { missingFrom, NO_EXTENTS, runEnd, withSpan, type Extents } from '../../cache/extents.ts'
import type { Monotonic } from '../../core/clock.ts'

/** Pieces from `first` up to, not including, `end`, asked of one source. */
export interface Block {
  readonly first: number
  readonly end: number
  /** The piece that comes next. */
  readonly next: number
  readonly askedAt: Monotonic
  /** When the last piece came, or the block was asked for. */
  readonly since: Monotonic
}

export interface PieceSource {
  readonly id: string
  /** It has the first ones, so many. */
  readonly pieces: number
  /** As measured; `undefined` before anything came. */
  readonly bytesPerSecond: number | undefined
  readonly block: Block | undefined
  /** So many pieces it may be asked for at once: a few of one that has not shown much yet. */
  readonly trusted: number
  /** Blocks in a row that others brought before it did. */
  readonly vain: number
  /** It had no place, so often in a row, and is not asked again before `again`. */
  readonly refusals: number
  readonly again: Monotonic
}

export interface PiecesState {
  readonly pieces: number
  readonly pieceBytes: number
  readonly held: Extents
  readonly sources: readonly PieceSource[]
}

/** A source that may be asked from now on. */
export interface Joining {
  readonly id: string
  /** It has the first ones, so many; `Infinity`: all. */
  readonly pieces: number
  /** What it has shown so far; `undefined`: nothing. */
  readonly bytesPerSecond: number | undefined
}

export type PiecesEvent =
  | { readonly kind: 'joined'; readonly at: Monotonic; readonly sources: readonly Joining[] }
  /** The next piece of the source's block is here, and right. */
  | { readonly kind: 'came'; readonly at: Monotonic; readonly source: string }
  /** It has no place for this reader now. */
  | { readonly kind: 'refused'; readonly at: Monotonic; readonly source: string }
  /** It is of no use any more. */
  | { readonly kind: 'failed'; readonly at: Monotonic; readonly source: string }
  | { readonly kind: 'wake'; readonly at: Monotonic }

export type PiecesCommand =
  | { readonly kind: 'ask'; readonly source: string; readonly first: number; readonly end: number }
  /** Nothing that it still brings is wanted. */
  | { readonly kind: 'stop'; readonly source: string }
  /** So slow that it is not worth its place. */
  | { readonly kind: 'drop'; readonly source: string }
  | { readonly kind: 'wake'; readonly at: Monotonic }
  /** All pieces are held. */
  | { readonly kind: 'done' }
  /** Pieces are missing, and nobody brings them: all have failed, or none has a place. */
  | { readonly kind: 'exhausted' }

type Step = readonly [PiecesState, readonly PiecesCommand[]]

/** A block is as long as its source takes this long for, in ms: who is free again soon can help out soon. */
export const BLOCK_MS = 500

/** No source is asked for more at once, while there are others. */
export const MAX_BLOCK_PIECES = 16

/** So far beyond the first missing piece nothing is asked for: it would wait there for the application. */
export const WINDOW_PIECES = 64

/** Who is late with everything is dropped after so many blocks. */
const MAX_VAIN = 3

/** A piece is late when another source would have it in so small a share of the time that it still takes where it is. */
const LATE = 0.5

/** Who is so much slower than the quickest is dropped, once that is sure… */
const TOO_SLOW = 1 / 32
/** …after so many ms. */
const SURE_MS = 2000

/** Who had no place is asked again after this many ms, then after twice as many, and so on; and not for ever. */
const REFUSED_MS = 100
const MAX_REFUSALS = 6

/** While one waits and others are at work, so often it is looked at whether it can help, in ms. */
const LOOK_MS = 100

/** What is held when the plan begins: the first pieces. */
export function initialPieces(pieces: number, pieceBytes: number, heldPieces: number): PiecesState {
  const held = withSpan(NO_EXTENTS, { start: 0, end: heldPieces })
  return { pieces, pieceBytes, held, sources: [] }
}

export function isHeld({ held }: PiecesState, piece: number): boolean {
  return runEnd(held, piece) > piece
}

export function stepPieces(state: PiecesState, event: PiecesEvent): Step {
  switch (event.kind) {
    case 'joined':
      return onJoined(state, event.sources, event.at)
    case 'came':
      return onPiece(state, event.source, event.at)
    case 'refused':
      return onRefused(state, event.source, event.at)
    case 'failed':
      return assigned(withoutSource(state, event.source), event.at)
    case 'wake':
      return assigned(state, event.at)
  }
}

/** Whoever was the only one, and brings all the rest, shares it from now on. */
function onJoined(state: PiecesState, joining: readonly Joining[], at: Monotonic): Step {
  const long = state.sources.filter(
    ({ block }) => block !== undefined && block.end - block.next > MAX_BLOCK_PIECES,
  )
  const freed = long.reduce((now, source) => withSource(now, { ...source, block: undefined }), state)
  const all = joining.map((each) => joined(each, at)).reduce(withSource, freed)
  const [after, commands] = assigned(all, at)
  return [after, [...long.map(({ id }) => ({ kind: 'stop', source: id }) as const), ...commands]]
}

function joined({ id, pieces, bytesPerSecond }: Joining, at: Monotonic): PieceSource {
  const trusted = bytesPerSecond === undefined ? 1 : MAX_BLOCK_PIECES
  return { id, pieces, bytesPerSecond, block: undefined, trusted, vain: 0, refusals: 0, again: at }
}

function onPiece(state: PiecesState, id: string, at: Monotonic): Step {
  const source = find(state, id)
  if (source?.block === undefined) return [state, []]
  const { block } = source
  const next = block.next + 1
  const held = withSpan(state.held, { start: block.next, end: next })
  const after = withSource(
    { ...state, held },
    { ...advanced(state, source, block, at), refusals: 0, vain: 0 },
  )
  const [freed, stops] = withoutVain(after, at)
  const [assigning, commands] = assigned(freed, at)
  return [assigning, [...stops, ...commands]]
}

/** What was gathered on the way comes at once: the whole block so far says more of the speed than one piece. */
function advanced(state: PiecesState, source: PieceSource, block: Block, at: Monotonic): PieceSource {
  const next = block.next + 1
  const now = ((next - block.first) * state.pieceBytes * 1000) / Math.max(1, at - block.askedAt)
  const bytesPerSecond = (now + (source.bytesPerSecond ?? now)) / 2
  if (next < block.end) return { ...source, bytesPerSecond, block: { ...block, next, since: at } }
  const trusted = Math.min(MAX_BLOCK_PIECES, Math.max(source.trusted, 2 * (block.end - block.first)))
  return { ...source, bytesPerSecond, trusted, block: undefined }
}

function onRefused(state: PiecesState, id: string, at: Monotonic): Step {
  const source = find(state, id)
  if (source === undefined) return [state, []]
  const refusals = source.refusals + 1
  if (refusals > MAX_REFUSALS) return assigned(withoutSource(state, id), at)
  const again = (at + REFUSED_MS * 2 ** source.refusals) as Monotonic
  return assigned(withSource(state, { ...source, block: undefined, refusals, again }), at)
}

/** Blocks whose next piece another source has brought meanwhile: what comes of them would be there already. */
function withoutVain(state: PiecesState, at: Monotonic): Step {
  const vain = state.sources.filter(({ block }) => block !== undefined && isHeld(state, block.next))
  const after = vain.reduce((now, source) => {
    const bytesPerSecond = rateNow(state, source, at)
    const isUseless = source.vain + 1 >= MAX_VAIN
    const freed = { ...source, bytesPerSecond, trusted: 1, vain: source.vain + 1, block: undefined }
    return isUseless ? withoutSource(now, source.id) : withSource(now, freed)
  }, state)
  const isLeft = ({ id }: PieceSource) => find(after, id) !== undefined
  return [after, vain.map((source) => ({ kind: isLeft(source) ? 'stop' : 'drop', source: source.id }))]
}

/** Gives everybody who is free something to do, the quickest first. */
function assigned(before: PiecesState, at: Monotonic): Step {
  if (missingFrom(before.held, { start: 0, end: before.pieces }).length === 0)
    return [before, [{ kind: 'done' }]]
  const [kept, drops] = withoutTooSlow(before, at)
  const commands: PiecesCommand[] = [...drops]
  let state = kept
  for (const { id } of byRate(state, at)) {
    const source = find(state, id)
    if (source === undefined || source.block !== undefined || at < source.again) continue
    const run = nextRun(state, source, at)
    if (run === undefined) continue
    state = withSource(state, { ...source, block: { ...run, next: run.first, askedAt: at, since: at } })
    commands.push({ kind: 'ask', source: id, ...run })
  }
  const free = state.sources.filter(({ block }) => block === undefined)
  if (free.length === state.sources.length) return [state, [...commands, { kind: 'exhausted' }]]
  const wake = { kind: 'wake', at: (at + LOOK_MS) as Monotonic } as const
  return [state, free.length > 0 ? [...commands, wake] : commands]
}

type Run = Pick<Block, 'first' | 'end'>

/** What a free source does next: a piece that is late elsewhere and waited for, else free pieces, else any that is late. */
function nextRun(state: PiecesState, source: PieceSource, at: Monotonic): Run | undefined {
  const front = runEnd(state.held, 0)
  const waitedFor = lateAt(state, front, source, at)
  return waitedFor ?? freeRun(state, source, front, at) ?? lateRun(state, source, front, at)
}

function freeRun(state: PiecesState, source: PieceSource, front: number, at: Monotonic): Run | undefined {
  const free = freeOf(state, front, source.pieces)
  const [first] = skipping(free, aheadOf(state, source, free[0]?.start ?? 0, at))
  if (first === undefined) return undefined
  const inAll = free.reduce((sum, { start, end }) => sum + end - start, 0)
  return { first: first.start, end: Math.min(first.end, first.start + blockPieces(state, source, inAll, at)) }
}

/** Pieces that nobody has or brings, among the first so many and within the window. */
function freeOf({ held, sources, pieces }: PiecesState, front: number, among: number): Extents {
  const taken = sources.reduce(
    (all, { block }) => (block === undefined ? all : withSpan(all, { start: block.next, end: block.end })),
    held,
  )
  // Whoever is the only one has no reason to stop.
  const end = Math.min(among, sources.length === 1 ? pieces : Math.min(pieces, front + WINDOW_PIECES))
  return missingFrom(taken, { start: front, end })
}

/** How many pieces from `first` on those who are clearly quicker bring while this one brings one: they are left to them. */
function aheadOf(state: PiecesState, source: PieceSource, first: number, at: Monotonic): number {
  const own = rateNow(state, source, at)
  const quicker = state.sources.filter(
    (other) =>
      other.id !== source.id &&
      other.pieces > first &&
      at >= other.again &&
      rateNow(state, other, at) > 1.5 * own,
  )
  return Math.floor(quicker.reduce((sum, other) => sum + rateNow(state, other, at), 0) / own)
}

function skipping(free: Extents, pieces: number): Extents {
  let left = pieces
  return free.flatMap(({ start, end }) => {
    const from = Math.min(end, start + left)
    left -= from - start
    return from < end ? [{ start: from, end }] : []
  })
}

/** Towards the end blocks become short, so that all end at about the same time. */
function blockPieces(state: PiecesState, source: PieceSource, free: number, at: Monotonic): number {
  if (state.sources.length === 1) return free
  const own = rateNow(state, source, at)
  const all = state.sources.reduce((sum, each) => sum + rateNow(state, each, at), 0)
  const inTime = Math.floor((own * BLOCK_MS) / 1000 / state.pieceBytes)
  const ofFree = Math.floor((free * own) / all / 2)
  return Math.max(1, Math.min(inTime, ofFree, source.trusted))
}

/** The first piece that is late elsewhere. */
function lateRun(state: PiecesState, source: PieceSource, front: number, at: Monotonic): Run | undefined {
  const missing = missingFrom(state.held, {
    start: front,
    end: Math.min(state.pieces, front + WINDOW_PIECES),
  })
  for (const { start, end } of missing)
    for (let piece = start; piece < end; piece++) {
      const run = lateAt(state, piece, source, at)
      if (run !== undefined) return run
    }
  return undefined
}

function lateAt(state: PiecesState, piece: number, source: PieceSource, at: Monotonic): Run | undefined {
  const [owner, ...others] = state.sources.filter(
    ({ block }) => block !== undefined && block.next <= piece && piece < block.end,
  )
  if (owner === undefined || others.length > 0 || piece >= source.pieces) return undefined
  const isLate = pieceMs(state, source, at) < LATE * untilMs(state, owner, piece, at)
  return isLate ? { first: piece, end: piece + 1 } : undefined
}

/** In how many ms it will have brought this piece, if it goes on as it does. */
function untilMs(state: PiecesState, source: PieceSource, piece: number, at: Monotonic): number {
  const { block } = source
  if (block === undefined) return Infinity
  const eachMs = pieceMs(state, source, at)
  const passedMs = at - block.since
  return Math.max(eachMs / 4, eachMs - passedMs) + (piece - block.next) * eachMs
}

function pieceMs(state: PiecesState, source: PieceSource, at: Monotonic): number {
  return (state.pieceBytes * 1000) / rateNow(state, source, at)
}

/** As measured, or less when it takes longer just now; who has shown nothing yet is taken for an average one. */
function rateNow(state: PiecesState, { bytesPerSecond, block }: PieceSource, at: Monotonic): number {
  const rate = bytesPerSecond ?? averageRate(state)
  if (block === undefined) return rate
  return Math.min(rate, (2 * state.pieceBytes * 1000) / Math.max(1, at - block.since))
}

function averageRate({ sources, pieceBytes }: PiecesState): number {
  const known = sources.flatMap(({ bytesPerSecond }) => bytesPerSecond ?? [])
  return known.length === 0 ? pieceBytes : known.reduce((sum, rate) => sum + rate, 0) / known.length
}

function withoutTooSlow(state: PiecesState, at: Monotonic): Step {
  const best = Math.max(...state.sources.map((source) => rateNow(state, source, at)))
  const slow = state.sources.filter(
    (source) =>
      source.block !== undefined &&
      at - source.block.since > SURE_MS &&
      rateNow(state, source, at) < TOO_SLOW * best,
  )
  const after = slow.reduce((now, { id }) => withoutSource(now, id), state)
  return [after, slow.map(({ id }) => ({ kind: 'drop', source: id }))]
}

function byRate(state: PiecesState, at: Monotonic): PieceSource[] {
  return state.sources.toSorted((one, other) => rateNow(state, other, at) - rateNow(state, one, at))
}

function find({ sources }: PiecesState, id: string): PieceSource | undefined {
  return sources.find((source) => source.id === id)
}

/** In its old place, or as the last. */
function withSource(state: PiecesState, source: PieceSource): PiecesState {
  const at = state.sources.findIndex(({ id }) => id === source.id)
  const sources = at < 0 ? [...state.sources, source] : state.sources.with(at, source)
  return { ...state, sources }
}

function withoutSource(state: PiecesState, id: string): PiecesState {
  return { ...state, sources: state.sources.filter((source) => source.id !== id) }
}
