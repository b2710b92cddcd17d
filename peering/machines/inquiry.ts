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
 * answers are kept as alternates, a source that fails is followed by the next and never used again, in 156 the growing
 * copy of a downloader that offers one is read while it grows, a "download complete" that does not say where is followed
 * by a second "I need" (156 → 144, once), and a late "I have" may take over from the Internet (`late-offer`).
 * The machine knows nothing of bytes: its owner resumes each source where the one before it stood. An event without a
 * transition changes nothing.
 */
import type { Monotonic } from '../../core/clock.ts'
import {
  busy,
  isPlainWait,
  isStranger,
  MAX_PROMISES,
  MAX_TAKE_OVERS,
  patient,
  PLAIN_DOWNLOADS_MS,
  PLAIN_WAIT_MS,
  PROMISES_MS,
  silence,
  STRANGERS_PROMISE_MS,
  TAKE_OVER_WAIT_MS,
  waitedForUntil,
} from './inquiry-patience.ts'
import { bare, isInUse, noting, type Active } from './inquiry-state.ts'
import type { AskedState, InquiryCommand, InquiryEvent, InquiryState } from './inquiry-vocabulary.ts'
import {
  isMute,
  isUsable,
  NO_SOURCES,
  withDownloader,
  withFailure,
  withHolder,
  withLoss,
  withMuteForgiven,
  withoutDownloader,
  withSilence,
  withSilentForgiven,
  type Downloader,
  type Holder,
} from './known-sources.ts'

type State<H extends Holder, D extends Downloader> = InquiryState<H, D>
type Step<H extends Holder, D extends Downloader> = readonly [
  InquiryState<H, D>,
  readonly InquiryCommand<H, D>[],
]

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
      return onHolder(state, event.holder)
    case 'downloading':
      return onDownloading(state, event.downloader, event.at)
    case 'download-complete':
      return event.holder ? onHolder(state, event.holder) : onCompleteSomewhere(state, event.peer, event.at)
    case 'download-failed':
      return onDownloadFailed(state, event)
    case 'source-failed':
      return onSourceFailed(patient(state, event), event.at, event.isSilence ?? false)
    case 'source-lost':
      return onSourceLost(patient(state, event), event.at)
    case 'enough':
      return onEnough(state)
    case 'agree':
      return onAgree(state, event.at, event.until)
    case 'leave-wait':
      return isPlainWait(state, event.at) ? leaveWait(state, event) : [state, []]
    case 'in-vain':
      return state.kind === 'retrieving' ? onInVain(state, event.at, event.patientUntil) : [state, []]
    case 'change-over':
      return state.kind === 'retrieving' ? changeOver(state, event) : [state, []]
    case 'retrieved':
      return state.kind === 'waiting' ? [state, []] : [{ kind: 'done' }, [{ kind: 'inform-server' }]] // 158 → 142
    case 'abandoned':
      return [{ kind: 'done' }, []]
    case 'busy':
      return [busy(state, event.patientUntil), []]
    case 'wake':
      return onWake(state, event.at)
  }
}

/** 142 → 144; with nobody to wait for, straight to 150, the question being out all the same. */
function ask<H extends Holder, D extends Downloader>(
  event: Extract<InquiryEvent<H, D>, { kind: 'need' }>,
): Step<H, D> {
  const { at, settings } = event
  const { directedMs = 0, waitMs } = settings
  const over = at + directedMs + waitMs
  const asked: AskedState<H, D> = {
    settings,
    sources: NO_SOURCES,
    hasAskedAgain: false,
    takeOversLeft: MAX_TAKE_OVERS,
    promisesLeft: MAX_PROMISES,
    strangersUntil: (over + STRANGERS_PROMISE_MS) as Monotonic,
    promisedUntil: (over + PROMISES_MS) as Monotonic,
    plainUntil: (over + PLAIN_DOWNLOADS_MS) as Monotonic,
    promisesMs: PROMISES_MS,
    agreeUntil: undefined,
    hasAgreed: false,
    hasSetAside: false,
  }
  if (waitMs <= 0) return [{ ...asked, kind: 'retrieving' }, [REQUEST, RETRIEVE_FROM_INTERNET]]
  if (directedMs <= 0) return waitForAnswers(asked, at, waitMs, settings.holdersMs)
  const until = (at + directedMs) as Monotonic
  const directed = { ...asked, kind: 'waiting', until, holdersUntil: until, isDirected: true } as const
  return [directed, [DIRECTED_REQUEST, { kind: 'wake', at: until }]]
}

/** Those who have told that they have it were silent: everybody is asked, unless a download was heard of meanwhile that can be read. */
function askEverybody<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
): Step<H, D> {
  if (state.sources.downloaders.some((each) => mayFollow(state, each))) return afterTimeOut(state, at)
  return waitForAnswers(state, at, state.settings.waitMs, state.settings.holdersMs)
}

function waitForAnswers<H extends Holder, D extends Downloader>(
  asked: AskedState<H, D>,
  at: Monotonic,
  waitMs: number,
  holdersMs: number,
): Step<H, D> {
  const until = (at + waitMs) as Monotonic
  const holdersUntil = (at + Math.min(waitMs, holdersMs)) as Monotonic
  return [{ ...bare(asked), kind: 'waiting', until, holdersUntil }, [REQUEST, { kind: 'wake', at: until }]]
}

function onHolder<H extends Holder, D extends Downloader>(state: Active<H, D>, holder: H): Step<H, D> {
  if (!isUsable(state.sources, holder.peer)) return [state, []]
  const isBelieved = state.agreeUntil === undefined || holder.hasAsked === true
  if (!isBelieved) return [noting(state, withHolder(state.sources, holder)), []]
  switch (state.kind) {
    case 'waiting': // 144 → 146 → 158: the first "I have" wins (R4.2)
      return retrieve(state, holder, [END_REQUEST])
    case 'awaiting':
      if (!state.on.readable) return retrieve(state, holder) // 156 → 158
      return [noting(state, withHolder(state.sources, holder)), []]
    case 'retrieving': {
      const noted = noting(state, withHolder(state.sources, holder))
      return [noted, noted === state ? [] : [{ kind: 'late-offer', holder }]]
    }
    case 'found':
      return [noting(state, withHolder(state.sources, holder)), []]
  }
}

function onDownloading<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  downloader: D,
  at: Monotonic,
): Step<H, D> {
  if (state.kind !== 'awaiting' || state.on.peer !== downloader.peer) {
    const before = isVoiceFound(state, downloader)
      ? withMuteForgiven(state.sources, downloader.peer)
      : state.sources
    const noted = noting(state, withDownloader(before, downloader))
    const isSecond = noted.kind === 'retrieving' && noted !== state && state.settings.waitForDownloads
    if (isSecond && (downloader.readable || nextDownload(noted, at)))
      return [noted, [secondFetcher(noted, downloader)]]
    // Somebody's copy can be read, while another one has only promised to get one.
    if (noted.kind === 'awaiting' && !noted.on.readable && mayFollow(noted, downloader))
      return awaitDownload(noted, downloader, at)
    if (noted.kind !== 'waiting' || noted.until <= noted.holdersUntil) return [noted, []]
    return mayFollow(noted, downloader) ? hurry(noted, at) : [noted, []]
  }
  // Who promises a copy without ever giving it is not waited for by repeating the promise, in whatever words.
  const isRepeated = isStranger(state.on) && downloader.hasAsked !== true
  const isSaidAgain =
    isRepeated || (state.on.silenceMs !== undefined && state.on.silenceMs === downloader.silenceMs)
  const isStuck =
    state.on.isExpected !== true &&
    !downloader.readable &&
    (downloader.receivedBytes ?? 0) <= (state.on.receivedBytes ?? -1)
  const silentAt = isSaidAgain || isStuck ? state.silentAt : silence(state, downloader, at)
  if (state.on.readable || !downloader.readable)
    return [{ ...state, silentAt, on: isRepeated ? state.on : kept(state.on, downloader) }, []]
  // Its first word had no room for a location, or came before there was a copy; now the copy can be read.
  return [{ ...state, silentAt, on: downloader }, [{ kind: 'follow', downloader }]]
}

function secondFetcher<H extends Holder, D extends Downloader>(
  { sources }: Active<H, D>,
  downloader: D,
): InquiryCommand<H, D> {
  const wasSilent = sources.warned.includes(downloader.peer)
  return { kind: 'second-fetcher', downloader, ...(wasSilent && { wasSilent }) }
}

/** Where the Internet feeds both again, who was silent for want of it is no longer. */
function isVoiceFound<H extends Holder, D extends Downloader>(
  { kind, settings, sources }: Active<H, D>,
  { peer, readable, hasAsked }: D,
): boolean {
  const isSecond = kind === 'retrieving' && readable && settings.waitForDownloads
  return isSecond && hasAsked === true && isMute(sources, peer)
}

function mayFollow<H extends Holder, D extends Downloader>(state: Active<H, D>, downloader: D): boolean {
  const { settings, sources, agreeUntil } = state
  const isBelieved = agreeUntil === undefined || downloader.hasAsked === true
  return downloader.readable && settings.waitForDownloads && isBelieved && isUsable(sources, downloader.peer)
}

/** The newest word of the same downloader; a copy that is being read stays the one that is read. */
function kept<D extends Downloader>(on: D, newest: D): D {
  return on.readable ? on : newest
}

/** A copy that can be read is there: only the holders' own time is waited for, not that of the slowest machine. */
function hurry<H extends Holder, D extends Downloader>(
  state: Extract<Active<H, D>, { readonly kind: 'waiting' }>,
  at: Monotonic,
): Step<H, D> {
  const until = state.holdersUntil
  return at < until ? [{ ...state, until }, [{ kind: 'wake', at: until }]] : afterTimeOut(state, at)
}

/** "Download complete" without a location: whoever had said "I am downloading" now has it, and must be asked where. */
function onCompleteSomewhere<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  peer: string,
  at: Monotonic,
): Step<H, D> {
  const after = noting(state, withoutDownloader(state.sources, peer))
  const isAwaited = after.kind === 'awaiting' && after.on.peer === peer && !after.on.readable
  const isExpected = isAwaited || (after.kind === 'waiting' && after !== state)
  if (isExpected && !after.hasAskedAgain && at < after.plainUntil) return askAgain(after, at)
  return isAwaited ? nextSource(after, at) : [after, []]
}

function askAgain<H extends Holder, D extends Downloader>(state: Active<H, D>, at: Monotonic): Step<H, D> {
  const waitMs = Math.max(state.settings.waitMs, PLAIN_WAIT_MS)
  return waitForAnswers({ ...state, hasAskedAgain: true }, at, waitMs, waitMs)
}

function onDownloadFailed<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  event: Extract<InquiryEvent<H, D>, { kind: 'download-failed' }>,
): Step<H, D> {
  const { peer, at } = event
  const after = noting(state, withoutDownloader(state.sources, peer))
  if (event.isForEach === true && isHopedFor(state, peer)) return eachForItself(after)
  if (after.kind !== 'awaiting' || after.on.peer !== peer) return [after, []]
  return after.on.readable ? takeOver(patient(after, event), at) : afterSilence(after, at)
}

/** Whether this peer has promised a copy, and the wait for it goes on. */
function isHopedFor<H extends Holder, D extends Downloader>(state: Active<H, D>, peer: string): boolean {
  if (state.kind === 'awaiting') return state.on.peer === peer && !state.on.readable
  return state.kind === 'waiting' && state.sources.downloaders.some((each) => each.peer === peer)
}

/** To agree on another one that fetches would keep all the others waiting for what is not for them. */
function eachForItself<H extends Holder, D extends Downloader>(state: Active<H, D>): Step<H, D> {
  const retrieving = { ...bare(state), agreeUntil: undefined, kind: 'retrieving' } as const
  return [retrieving, [{ ...RETRIEVE_FROM_INTERNET, isForEach: true }]]
}

/**
 * Whoever followed the same download asks now as well: who has it, or else goes on with it, is found out together. Other downloads
 * that were heard of before are old news: those that are still running say so again.
 */
function takeOver<H extends Holder, D extends Downloader>(state: Active<H, D>, at: Monotonic): Step<H, D> {
  const isTime = state.agreeUntil === undefined && at < state.promisedUntil
  return isTime ? askWhoGoesOn(state, at, state.takeOversLeft - 1) : nextSource(state, at)
}

function askWhoGoesOn<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
  takeOversLeft: number,
): Step<H, D> {
  const { settings, sources } = state
  const mayAsk = takeOversLeft >= 0 && settings.waitMs > 0
  if (sources.holders.length > 0 || !mayAsk) return nextSource(state, at)
  const asked = { ...state, sources: { ...sources, downloaders: [] }, takeOversLeft }
  return waitForAnswers(asked, at, Math.min(settings.waitMs, TAKE_OVER_WAIT_MS), settings.holdersMs)
}

/** Whoever has waited for the same one leaves it now as well. Its "I have" is still of use, when it comes. */
function leaveWait<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  { at, promisedUntil }: Extract<InquiryEvent<H, D>, { kind: 'leave-wait' }>,
): Step<H, D> {
  const after = { ...state, plainUntil: at, promisedUntil }
  // Whoever fetches it meanwhile, and can be read, is followed at once.
  const isFetched =
    state.kind === 'waiting' && state.sources.downloaders.some((each) => mayFollow(state, each))
  return isFetched ? nextSource(after, at) : askWhoGoesOn(after, at, state.takeOversLeft - 1)
}

/** What is left of the patience with peers is for promises, as it was before. */
function onInVain<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
  promisedUntil: Monotonic,
): Step<H, D> {
  return askWhoGoesOn({ ...state, promisedUntil }, at, state.takeOversLeft - 1)
}

function onSourceFailed<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
  isSilence: boolean,
): Step<H, D> {
  const lost = isSilence ? withSilence<H, D> : withFailure<H, D>
  switch (state.kind) {
    case 'waiting':
      return [state, []]
    case 'found': // those whom "I found" has silenced are asked again, and who asks at the same moment is agreed with
      return takeOver(noting(state, lost(state.sources, state.from.peer)), at)
    case 'awaiting': // of one that only says when it is complete, nothing was in use that could fail
      if (!state.on.readable) return [state, []]
      return takeOver(noting(state, lost(state.sources, state.on.peer)), at)
    case 'retrieving': // the Internet failed: whoever answered meanwhile is the last hope
      return hasPeer(state, at) ? nextSource(state, at) : [{ kind: 'failed' }, [{ kind: 'report-failure' }]]
  }
}

/** Unlike one that failed, the source may be used again: it was only the way to it that broke. */
function onSourceLost<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
): Step<H, D> {
  if (state.kind === 'found') {
    const after = noting(state, withLoss(state.sources, state.from.peer))
    return hasPeer(after, at) ? nextSource(after, at) : askOnceMore(after, at)
  }
  return state.kind === 'awaiting' && state.on.readable ? takeOver(state, at) : [state, []]
}

/** A place that does not exist may have been named so that "I found" silences those who have it: they are asked again. */
function askOnceMore<H extends Holder, D extends Downloader>(state: Active<H, D>, at: Monotonic): Step<H, D> {
  const { agreeUntil, settings, takeOversLeft } = state
  if (agreeUntil === undefined) return takeOver(state, at)
  if (takeOversLeft === 0 || at >= agreeUntil) return nextSource(state, at)
  const waitMs = Math.min(settings.waitMs, agreeUntil - at)
  return waitForAnswers({ ...state, takeOversLeft: takeOversLeft - 1 }, at, waitMs, settings.holdersMs)
}

/** Those who answered stay noted: they may be of use later, and so may the one that was about to be used. */
function onEnough<H extends Holder, D extends Downloader>(state: Active<H, D>): Step<H, D> {
  return isInUse(state) ? toInternet(notingUnused(state)) : [state, []]
}

/** Only of use to whoever believes it later, which is one that was heard to ask. */
function notingUnused<H extends Holder, D extends Downloader>(state: Active<H, D>): Active<H, D> {
  if (state.hasSetAside) return state
  const after = { ...state, hasSetAside: true }
  if (state.kind === 'found' && state.from.hasAsked === true)
    return noting(after, withHolder(state.sources, state.from))
  if (state.kind === 'awaiting' && state.on.hasAsked === true)
    return noting(after, withDownloader(state.sources, state.on))
  return state
}

/**
 * Whoever lies to one node lies to all, so they come here at about the same moment. Each would fetch for itself: instead
 * they ask once more, and believe only who was heard to ask for it as well.
 */
function onAgree<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
  until: Monotonic,
): Step<H, D> {
  if (!isInUse(state)) return [state, []]
  const after = notingUnused(state)
  const { settings, sources, hasAgreed } = after
  if (hasAgreed || !settings.waitForDownloads || settings.waitMs <= 0 || at >= until) return toInternet(after)
  const agreeing = { ...after, sources: { ...sources, holders: [] }, agreeUntil: until, hasAgreed: true }
  const holder = likelyHolder(sources.holders)
  if (holder !== undefined) return retrieve(agreeing, holder)
  const on = likelyDownload(sources.downloaders)
  if (on !== undefined) return awaitDownload(agreeing, on, at)
  return waitForAnswers(agreeing, at, Math.min(settings.waitMs, TAKE_OVER_WAIT_MS), settings.holdersMs)
}

/** Where peers have cost too much, one that most likely has it, or fetches it, may still be quicker than the Internet. */
function toInternet<H extends Holder, D extends Downloader>(state: Active<H, D>): Step<H, D> {
  const sources = withSilentForgiven(state.sources)
  const retrieving = { ...bare(state), agreeUntil: undefined, sources, kind: 'retrieving' } as const
  const holder = likelyHolder(sources.holders)
  if (holder !== undefined) return [retrieving, [RETRIEVE_FROM_INTERNET, { kind: 'late-offer', holder }]]
  const downloader = state.settings.waitForDownloads ? likelyDownload(sources.downloaders) : undefined
  if (downloader === undefined) return [retrieving, [RETRIEVE_FROM_INTERNET]]
  return [retrieving, [RETRIEVE_FROM_INTERNET, { kind: 'second-fetcher', downloader }]]
}

/** The owner has left the Internet for this peer. Should its offer be gone by now, another one's may do, or it has to go back there. */
function changeOver<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  { at, to, tried }: Extract<InquiryEvent<H, D>, { kind: 'change-over' }>,
): Step<H, D> {
  const { holders, downloaders } = state.sources
  const on = downloaders.find(({ peer, readable }) => peer === to && readable) ?? tried
  if (on && state.settings.waitForDownloads) return awaitDownload(state, on, at) // 150 → 156
  const holder = holders.find(({ peer }) => peer === to) ?? holders[0]
  if (holder) return retrieve(state, holder) // 150 → 158
  const another = nextDownload(state, at)
  return another ? awaitDownload(state, another, at) : [state, [RETRIEVE_FROM_INTERNET]] // 150 → 156
}

/** An early wake-up is harmless: the machine says again when it wants to be woken. */
function onWake<H extends Holder, D extends Downloader>(state: Active<H, D>, at: Monotonic): Step<H, D> {
  switch (state.kind) {
    case 'waiting':
      if (at < state.until) return [state, [{ kind: 'wake', at: state.until }]]
      return state.isDirected === true ? askEverybody(state, at) : afterTimeOut(state, at)
    case 'awaiting': // a copy that is being read fails by itself
      if (state.on.readable) return [state, []]
      return at < state.silentAt ? [state, [{ kind: 'wake', at: state.silentAt }]] : afterSilence(state, at)
    case 'found':
    case 'retrieving':
      return [state, []]
  }
}

/**
 * A promise was not kept, or is taken back. All who waited for it find that out at the same moment: they ask once more, and so agree on
 * another one, or hear of a download that they had missed. Nodes of the patents promise nothing.
 */
function afterSilence<H extends Holder, D extends Downloader>(
  state: Extract<Active<H, D>, { readonly kind: 'awaiting' }>,
  at: Monotonic,
): Step<H, D> {
  const { sources, on } = state
  const downloaders = sources.downloaders.filter(({ isExpected }) => isExpected !== true)
  if (on.silenceMs === undefined) return nextSource(state, at)
  const asked = { ...state, sources: { ...sources, downloaders } }
  return at < state.promisedUntil ? takeOver(asked, at) : askForTheLastTime(asked, at)
}

/**
 * Where nobody was asked again so far: its words may have been lost, and by now it has what it promised, as have those who
 * heard them.
 */
function askForTheLastTime<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
): Step<H, D> {
  const isFirst = state.takeOversLeft === MAX_TAKE_OVERS && state.agreeUntil === undefined
  return isFirst ? askWhoGoesOn(state, at, 0) : nextSource(state, at)
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
function nextSource<H extends Holder, D extends Downloader>(state: Active<H, D>, at: Monotonic): Step<H, D> {
  const { agreeUntil } = state
  const [holder] = state.sources.holders
  if (holder && agreeUntil === undefined) return retrieve(state, holder)
  const on = at < (agreeUntil ?? Infinity) ? nextDownload(state, at) : undefined
  return on ? awaitDownload(state, on, at) : toInternet(state)
}

function awaitDownload<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  on: D,
  at: Monotonic,
): Step<H, D> {
  const silentAt = Math.min(silence(state, on, at), state.agreeUntil ?? Infinity) as Monotonic
  const sources = withoutDownloader(state.sources, on.peer)
  const command = on.readable
    ? ({ kind: 'follow', downloader: on } as const)
    : ({ kind: 'wake', at: silentAt } as const)
  const promisesLeft = on.readable ? state.promisesLeft : state.promisesLeft - 1
  return [{ ...bare(state), promisesLeft, sources, kind: 'awaiting', on, silentAt }, [command]]
}

function retrieve<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  from: H,
  before: readonly InquiryCommand<H, D>[] = [],
): Step<H, D> {
  const { holders, ...others } = withoutDownloader(state.sources, from.peer)
  const sources = { ...others, holders: holders.filter((each) => each.peer !== from.peer) }
  return [{ ...bare(state), sources, kind: 'found', from }, [...before, { kind: 'retrieve', holder: from }]]
}

function hasPeer<H extends Holder, D extends Downloader>(state: Active<H, D>, at: Monotonic): boolean {
  return state.sources.holders.length > 0 || nextDownload(state, at) !== undefined
}

/** One that can be read before one that is only promised, and of those no more than are worth the wait. */
function nextDownload<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  at: Monotonic,
): D | undefined {
  const { downloaders } = state.sources
  if (!state.settings.waitForDownloads) return undefined
  if (state.agreeUntil !== undefined)
    return likelyDownload(downloaders) ?? downloaders.find(({ isExpected }) => isExpected)
  const readable = downloaders.find((each) => each.readable)
  if (readable !== undefined || state.promisesLeft <= 0) return readable
  return downloaders.find((each) => at < waitedForUntil(state, each))
}

/** It was heard to ask for it before it had it. */
function likelyHolder<H extends Holder>(holders: readonly H[]): H | undefined {
  return holders.findLast(({ hasAsked }) => hasAsked === true)
}

/** Of several the last to be told of: liars are the quickest. */
function likelyDownload<D extends Downloader>(downloaders: readonly D[]): D | undefined {
  return downloaders.findLast(({ readable, hasAsked }) => readable && hasAsked === true)
}

const REQUEST = { kind: 'broadcast-request' } as const
const DIRECTED_REQUEST = { kind: 'directed-request' } as const
const END_REQUEST = { kind: 'broadcast-end-request' } as const
const RETRIEVE_FROM_INTERNET = { kind: 'retrieve-from-internet' } as const
