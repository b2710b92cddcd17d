/**
 * The peering client's side of one request (patent A, FIGS. 4A, 4B and 6).
 *
 *   idle 142 ──broadcast "I need"──► waiting 144 ──"I have"──► (146 "I found") ──► found 158
 *                                        │ time out                                  │ retrieved: inform the
 *                                        ▼                                           ▼ server, back to 142
 *                          (148 wait for a download?) ──no──► retrieving 150 ──► (158) ──► idle 142
 *                                        │ can and will             ▲
 *                                        ▼                          │
 *                          (152 any in progress?) ──none────────────┤
 *                                        │ (154 "I found")          │ the downloader died or fell silent
 *                                        ▼                          │
 *                               awaiting 156 ───────────────────────┘
 *                                        └──"download complete", "I have"──► found 158
 *
 * 146, 148, 152 and 154 are decisions: they are passed within one step. Beyond the patents (R4.4, R5.3, R5.4): later
 * answers are kept as alternates, a source that fails is followed by the next, in 156 the growing copy of a downloader
 * that offers one is read while it grows, and a late "I have" may take over from the Internet (`late-offer`).
 * The machine knows nothing of bytes: its owner resumes each source where the one before it stood.
 */
import type { Monotonic } from '../../core/clock.ts'

/** A peer that holds the resource complete ("I have"). */
export interface Holder {
  readonly peer: string
}

/** A peer that is fetching the resource ("I am downloading"). */
export interface Downloader {
  readonly peer: string
  /** Whether its growing copy can be read (R5.4); a node of the patents only says when it is complete. */
  readonly readable: boolean
}

export type InquiryState<H extends Holder, D extends Downloader> =
  | { readonly kind: 'idle' } // 142
  | (Known<H, D> & { readonly kind: 'waiting'; readonly until: Monotonic }) // 144
  | (Known<H, D> & { readonly kind: 'found'; readonly from: H }) // 158
  | (Known<H, D> & { readonly kind: 'awaiting'; readonly on: D; readonly silentAt: Monotonic }) // 156
  | (Known<H, D> & { readonly kind: 'retrieving' }) // 150
  | { readonly kind: 'done' } // 158 left for 142: the server was informed
  | { readonly kind: 'failed' } // no source is left

/** What has been heard and not yet used up. */
interface Known<H, D> {
  readonly settings: InquirySettings
  readonly holders: readonly H[]
  readonly downloaders: readonly D[]
}

export interface InquirySettings {
  /** How long to wait for "I have": the maximum delay and the transmission time together (R4.1). */
  readonly waitMs: number
  /** "Can or will wait for a download in progress?" (148, R4.5). */
  readonly waitForDownloads: boolean
  /** A downloader that says nothing for this long is taken for dead. */
  readonly silenceMs: number
}

export type InquiryEvent<H extends Holder, D extends Downloader> =
  | { readonly kind: 'need'; readonly at: Monotonic; readonly settings: InquirySettings }
  /** "I have". */
  | { readonly kind: 'response'; readonly at: Monotonic; readonly holder: H }
  /** "I am downloading", and each progress packet after it. */
  | { readonly kind: 'downloading'; readonly at: Monotonic; readonly downloader: D }
  /** "Download complete"; `holder` when it says where. */
  | { readonly kind: 'download-complete'; readonly at: Monotonic; readonly holder: H }
  | { readonly kind: 'download-failed'; readonly at: Monotonic; readonly peer: string }
  /** The source in use is of no use any more: it failed, stalled, or sent wrong bytes. */
  | { readonly kind: 'source-failed'; readonly at: Monotonic }
  /** The owner leaves the Internet for a late offer (R5.4). */
  | { readonly kind: 'change-over'; readonly at: Monotonic }
  /** The whole body is here and verified. */
  | { readonly kind: 'retrieved' }
  /** Nobody waits for the resource any more. */
  | { readonly kind: 'abandoned' }
  | { readonly kind: 'wake'; readonly at: Monotonic }

export type InquiryCommand<H extends Holder, D extends Downloader> =
  | { readonly kind: 'broadcast-request' }
  | { readonly kind: 'broadcast-end-request' }
  | { readonly kind: 'wake'; readonly at: Monotonic }
  /** Get the (rest of the) body from a holder, over HTTP from its local alias. */
  | { readonly kind: 'retrieve'; readonly holder: H }
  /** Read the downloader's growing copy while it grows. */
  | { readonly kind: 'follow'; readonly downloader: D }
  /** Get the (rest of the) body from the origin server. */
  | { readonly kind: 'retrieve-from-internet' }
  /** A holder answered after the Internet was asked: its owner may change over to it. */
  | { readonly kind: 'late-offer'; readonly holder: H }
  /** Tell the node's own server that a local copy exists now. */
  | { readonly kind: 'inform-server' }
  | { readonly kind: 'report-failure' }

type State<H extends Holder, D extends Downloader> = InquiryState<H, D>
type Step<H extends Holder, D extends Downloader> = readonly [
  InquiryState<H, D>,
  readonly InquiryCommand<H, D>[],
]
type Active<H extends Holder, D extends Downloader> = Exclude<
  InquiryState<H, D>,
  { readonly kind: 'idle' | 'done' | 'failed' }
>

/** More answers than this to one question are not kept. */
export const MAX_ALTERNATES = 16

export const initialInquiry: InquiryState<never, never> = { kind: 'idle' }

export function isInquiryOver(state: InquiryState<Holder, Downloader>): boolean {
  return state.kind === 'done' || state.kind === 'failed'
}

export function stepInquiry<H extends Holder, D extends Downloader>(
  state: State<H, D>,
  event: InquiryEvent<H, D>,
): Step<H, D> {
  if (state.kind === 'done' || state.kind === 'failed') return [state, []]
  if (state.kind === 'idle') return event.kind === 'need' ? ask(event) : [state, []]
  switch (event.kind) {
    case 'need':
      return [state, []]
    case 'response':
    case 'download-complete':
      return onHolder(state, event.holder)
    case 'downloading':
      return onDownloading(state, event.downloader, event.at)
    case 'download-failed':
      return onDownloadFailed(state, event.peer, event.at)
    case 'source-failed':
      return onSourceFailed(state, event.at)
    case 'change-over':
      return state.kind === 'retrieving' ? nextSource(state, event.at) : [state, []] // 150 → 158
    case 'retrieved':
      return [{ kind: 'done' }, [{ kind: 'inform-server' }]] // 158 → 142
    case 'abandoned':
      return [{ kind: 'done' }, []]
    case 'wake':
      return onWake(state, event.at)
  }
}

/** 142 → 144; with nobody to wait for, straight to 150, the question being out all the same. */
function ask<H extends Holder, D extends Downloader>(
  event: Extract<InquiryEvent<H, D>, { kind: 'need' }>,
): Step<H, D> {
  const known: Known<H, D> = { settings: event.settings, holders: [], downloaders: [] }
  if (event.settings.waitMs <= 0) return [{ ...known, kind: 'retrieving' }, [REQUEST, RETRIEVE_FROM_INTERNET]]
  const until = (event.at + event.settings.waitMs) as Monotonic
  return [{ ...known, kind: 'waiting', until }, [REQUEST, { kind: 'wake', at: until }]]
}

function onHolder<H extends Holder, D extends Downloader>(state: Active<H, D>, holder: H): Step<H, D> {
  switch (state.kind) {
    case 'waiting': // 144 → 146 → 158: the first "I have" wins (R4.2)
      return retrieve(state, holder, [END_REQUEST])
    case 'awaiting':
      if (!state.on.readable) return retrieve(state, holder) // 156 → 158
      return [withHolder(state, holder), []]
    case 'retrieving':
      return [withHolder(state, holder), [{ kind: 'late-offer', holder }]]
    case 'found':
      return [withHolder(state, holder), []]
  }
}

function onDownloading<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  downloader: D,
  at: Monotonic,
): Step<H, D> {
  const heard = withDownloader(state, downloader)
  if (heard.kind !== 'awaiting' || heard.on.peer !== downloader.peer) return [heard, []]
  return [{ ...heard, silentAt: (at + state.settings.silenceMs) as Monotonic }, []]
}

function onDownloadFailed<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  peer: string,
  at: Monotonic,
): Step<H, D> {
  const without = { ...state, downloaders: state.downloaders.filter((each) => each.peer !== peer) }
  return without.kind === 'awaiting' && without.on.peer === peer ? nextSource(without, at) : [without, []]
}

function onSourceFailed<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
): Step<H, D> {
  switch (state.kind) {
    case 'waiting':
      return [state, []]
    case 'found':
    case 'awaiting':
      return nextSource(state, at)
    case 'retrieving': // the Internet failed: whoever answered meanwhile is the last hope
      return state.holders.length > 0
        ? nextSource(state, at)
        : [{ kind: 'failed' }, [{ kind: 'report-failure' }]]
  }
}

function onWake<H extends Holder, D extends Downloader>(state: Active<H, D>, at: Monotonic): Step<H, D> {
  switch (state.kind) {
    case 'waiting':
      return at < state.until ? [state, [{ kind: 'wake', at: state.until }]] : afterTimeOut(state, at)
    case 'awaiting':
      if (at < state.silentAt) return [state, [{ kind: 'wake', at: state.silentAt }]]
      return state.on.readable ? [state, []] : nextSource(state, at)
    case 'found':
    case 'retrieving':
      return [state, []]
  }
}

/** 144 → 148 → 152 → 154 → 156, or to 150 wherever the answer is no. */
function afterTimeOut<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
): Step<H, D> {
  const [next, commands] = nextSource(state, at)
  return next.kind === 'awaiting' ? [next, [END_REQUEST, ...commands]] : [next, commands]
}

/** The next best source: an alternate holder, a running download, the Internet. */
function nextSource<H extends Holder, D extends Downloader>(known: Active<H, D>, at: Monotonic): Step<H, D> {
  const [holder, ...holders] = known.holders
  if (holder) return retrieve({ ...known, holders }, holder)
  const [on, ...downloaders] = known.settings.waitForDownloads ? known.downloaders : []
  if (!on) return [{ ...pick(known), kind: 'retrieving', downloaders: [] }, [RETRIEVE_FROM_INTERNET]]
  const silentAt = (at + known.settings.silenceMs) as Monotonic
  const commands: InquiryCommand<H, D>[] = [{ kind: 'wake', at: silentAt }]
  if (on.readable) commands.unshift({ kind: 'follow', downloader: on })
  return [{ ...pick(known), downloaders, kind: 'awaiting', on, silentAt }, commands]
}

function retrieve<H extends Holder, D extends Downloader>(
  known: Active<H, D>,
  holder: H,
  before: readonly InquiryCommand<H, D>[] = [],
): Step<H, D> {
  return [{ ...pick(known), kind: 'found', from: holder }, [...before, { kind: 'retrieve', holder }]]
}

function pick<H extends Holder, D extends Downloader>(known: Known<H, D>): Known<H, D> {
  return { settings: known.settings, holders: known.holders, downloaders: known.downloaders }
}

/** Each peer is kept once, by its newest word. */
function withHolder<H extends Holder, D extends Downloader>(state: Active<H, D>, holder: H): Active<H, D> {
  if (state.holders.length >= MAX_ALTERNATES) return state
  return { ...state, holders: [...state.holders.filter((each) => each.peer !== holder.peer), holder] }
}

function withDownloader<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  downloader: D,
): Active<H, D> {
  if (state.kind === 'awaiting' && state.on.peer === downloader.peer) return state
  if (state.downloaders.length >= MAX_ALTERNATES) return state
  const others = state.downloaders.filter((each) => each.peer !== downloader.peer)
  return { ...state, downloaders: [...others, downloader] }
}

const REQUEST = { kind: 'broadcast-request' } as const
const END_REQUEST = { kind: 'broadcast-end-request' } as const
const RETRIEVE_FROM_INTERNET = { kind: 'retrieve-from-internet' } as const

/** The transitions of FIGS. 4A and 4B, for the state diagram and the tests. */
export const INQUIRY_TRANSITIONS = [
  ['idle', 'need', 'waiting', '142 → 144: "I need"'],
  ['idle', 'need', 'retrieving', '142 → 150: nobody to wait for'],
  ['waiting', 'response', 'found', '144 → 146 "I found" → 158'],
  ['waiting', 'download-complete', 'found', '144 → 146 "I found" → 158'],
  ['waiting', 'downloading', 'waiting', '144: noted for 152'],
  ['waiting', 'wake', 'retrieving', '144 → 148 → 150 or 152 → 150'],
  ['waiting', 'wake', 'awaiting', '144 → 148 → 152 → 154 "I found" → 156'],
  ['awaiting', 'downloading', 'awaiting', '156: progress'],
  ['awaiting', 'response', 'found', '156 → 158: "I have"'],
  ['awaiting', 'response', 'awaiting', '156: an alternate is noted, the growing copy is being read'],
  ['awaiting', 'download-complete', 'found', '156 → 158: "download complete"'],
  ['awaiting', 'download-failed', 'retrieving', '156 → 150: take-over'],
  ['awaiting', 'download-failed', 'awaiting', '156: another downloader'],
  ['awaiting', 'source-failed', 'retrieving', '156 → 150: take-over'],
  ['awaiting', 'source-failed', 'awaiting', '156: another downloader'],
  ['awaiting', 'source-failed', 'found', '156 → 158: an alternate'],
  ['awaiting', 'wake', 'retrieving', '156 → 150: silence, take-over'],
  ['awaiting', 'retrieved', 'done', '156 → 158 → 142'],
  ['found', 'response', 'found', '158: an alternate is noted'],
  ['found', 'source-failed', 'found', '158: the next alternate'],
  ['found', 'source-failed', 'awaiting', '158 → 156: a running download instead'],
  ['found', 'source-failed', 'retrieving', '158 → 150'],
  ['found', 'retrieved', 'done', '158 → 142: inform the server'],
  ['retrieving', 'response', 'retrieving', '150: a late "I have"'],
  ['retrieving', 'change-over', 'found', '150 → 158: the late answer takes over'],
  ['retrieving', 'source-failed', 'found', '150 → 158: a late answer helps'],
  ['retrieving', 'source-failed', 'failed', '150: no source is left'],
  ['retrieving', 'retrieved', 'done', '150 → 158 → 142'],
  ['waiting', 'abandoned', 'done', '144 → 142'],
  ['awaiting', 'abandoned', 'done', '156 → 142'],
  ['found', 'abandoned', 'done', '158 → 142'],
  ['retrieving', 'abandoned', 'done', '150 → 142'],
] as const
