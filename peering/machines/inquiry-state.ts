/** A question that is open, and what of it stays when it goes on (inquiry.ts). */
import type { AskedState, InquiryState } from './inquiry-vocabulary.ts'
import type { Downloader, Holder, KnownSources } from './known-sources.ts'

/** A question that is open: it has been asked, and is not over. */
export type Active<H extends Holder, D extends Downloader> = Exclude<
  InquiryState<H, D>,
  { readonly kind: 'idle' | 'done' | 'failed' }
>

/** What stays when the state changes. */
export function bare<H extends Holder, D extends Downloader>(asked: AskedState<H, D>): AskedState<H, D> {
  const { settings, sources, hasAskedAgain, agreeUntil, hasAgreed, hasSetAside } = asked
  const { takeOversLeft, promisesLeft, strangersUntil, promisedUntil, plainUntil, promisesMs } = asked
  const left = { takeOversLeft, promisesLeft, strangersUntil, promisedUntil, plainUntil, promisesMs }
  return { settings, sources, hasAskedAgain, agreeUntil, hasAgreed, hasSetAside, ...left }
}

/** The same, where nothing new was learnt. */
export function noting<H extends Holder, D extends Downloader>(
  state: Active<H, D>,
  sources: KnownSources<H, D>,
): Active<H, D> {
  return sources === state.sources ? state : { ...state, sources }
}

/** Whether bytes come from a peer. */
export function isInUse<H extends Holder, D extends Downloader>(state: Active<H, D>): boolean {
  return state.kind === 'found' || (state.kind === 'awaiting' && state.on.readable)
}
