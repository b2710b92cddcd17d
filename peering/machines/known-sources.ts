/**
 * The peers that answered one question: those that may still be used, and those that proved useless (R4.2, R4.4).
 * Every function returns the same object when nothing changes.
 */

/** A peer that holds the resource complete ("I have"). */
export interface Holder {
  readonly peer: string
  /** It has asked for the resource itself before: whoever got it since has it, and its word is the more likely. */
  readonly hasAsked?: boolean
}

/** A peer that is fetching the resource ("I am downloading"). */
export interface Downloader {
  readonly peer: string
  /** Whether its growing copy can be read (R5.4); a node of the patents only says when it is complete. */
  readonly readable: boolean
  /** Bytes that it has so far, by its own word: only what grows is worth waiting for. */
  readonly receivedBytes?: number
  /** It must become readable, or say something new, within this many ms; absent: the question's `silenceMs`. */
  readonly silenceMs?: number
  /** It has not said so itself: it asked at the same time, and comes first. */
  readonly isExpected?: boolean
  /** It has asked for the resource itself before, as whoever fetches does: its word is the more likely. */
  readonly hasAsked?: boolean
}

export interface KnownSources<H extends Holder, D extends Downloader> {
  /** Not yet used, in the order in which they answered. */
  readonly holders: readonly H[]
  readonly downloaders: readonly D[]
  /** Peers that failed while they were in use: whatever they say, this question does not come back to them. */
  readonly failed: readonly string[]
  /** Peers that fell silent while they were in use, once: what they say counts again when this node fetches by itself. */
  readonly silent: readonly string[]
  /** Peers that were silent before that: another silence is as good as a failure, but for `isMute`. */
  readonly warned: readonly string[]
  /** Peers to whose copy there was no way, once: their answers come first where they are made up. */
  readonly lost: readonly string[]
}

/** More answers than this to one question are not kept; after as many failures no peer is used any more. */
export const MAX_ALTERNATES = 16

/** Nobody has answered. */
export const NO_SOURCES: KnownSources<never, never> = {
  holders: [],
  downloaders: [],
  failed: [],
  silent: [],
  warned: [],
  lost: [],
}

/** Whether this question may still use the peer. */
export function isUsable<H extends Holder, D extends Downloader>(
  { failed, silent }: KnownSources<H, D>,
  peer: string,
): boolean {
  return failed.length + silent.length < MAX_ALTERNATES && !failed.includes(peer) && !silent.includes(peer)
}

/** Each peer is kept once, by its newest word and in its old place; what it holds it no longer downloads. */
export function withHolder<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
  holder: H,
): KnownSources<H, D> {
  const holders = isUsable(known, holder.peer) ? noted(known.holders, holder) : known.holders
  return holders === known.holders ? known : { ...withoutDownloader(known, holder.peer), holders }
}

export function withDownloader<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
  downloader: D,
): KnownSources<H, D> {
  const { downloaders } = known
  const after = isUsable(known, downloader.peer) ? noted(downloaders, downloader) : downloaders
  return after === downloaders ? known : { ...known, downloaders: after }
}

export function withoutDownloader<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
  peer: string,
): KnownSources<H, D> {
  const downloaders = known.downloaders.filter((each) => each.peer !== peer)
  return downloaders.length === known.downloaders.length ? known : { ...known, downloaders }
}

/** The peer failed while it was in use. */
export function withFailure<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
  peer: string,
): KnownSources<H, D> {
  const warned = known.warned.filter((each) => each !== peer)
  return { ...without(known, peer), failed: [...known.failed, peer], warned }
}

/** The peer sent nothing while it was in use, which may pass; the second time it has failed. */
export function withSilence<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
  peer: string,
): KnownSources<H, D> {
  if (known.warned.includes(peer)) return { ...without(known, peer), failed: [...known.failed, peer] }
  return { ...without(known, peer), silent: [...known.silent, peer] }
}

/** Whether the peer has failed by silence alone: so do all of them, again and again, while an origin server is away. */
export function isMute<H extends Holder, D extends Downloader>(
  { failed, warned }: KnownSources<H, D>,
  peer: string,
): boolean {
  return failed.includes(peer) && warned.includes(peer)
}

/** A mute peer may have found its voice: one more silence is a failure again. */
export function withMuteForgiven<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
  peer: string,
): KnownSources<H, D> {
  return isMute(known, peer) ? { ...known, failed: known.failed.filter((each) => each !== peer) } : known
}

/** There was no way to the peer's copy, which may pass; the second time it is as if it had been silent. */
export function withLoss<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
  peer: string,
): KnownSources<H, D> {
  if (known.lost.includes(peer)) return withSilence(known, peer)
  return known.lost.length >= MAX_ALTERNATES ? known : { ...known, lost: [...known.lost, peer] }
}

function without<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
  peer: string,
): KnownSources<H, D> {
  const { holders, ...others } = withoutDownloader(known, peer)
  return { ...others, holders: holders.filter((each) => each.peer !== peer) }
}

/** This node fetches by itself, beside whoever was only slow. */
export function withSilentForgiven<H extends Holder, D extends Downloader>(
  known: KnownSources<H, D>,
): KnownSources<H, D> {
  const { silent, warned } = known
  return silent.length === 0 ? known : { ...known, silent: [], warned: [...warned, ...silent] }
}

function noted<P extends Holder>(peers: readonly P[], newest: P): readonly P[] {
  const at = peers.findIndex((each) => each.peer === newest.peer)
  if (at >= 0) return peers.with(at, newest)
  return peers.length >= MAX_ALTERNATES ? peers : [...peers, newest]
}
