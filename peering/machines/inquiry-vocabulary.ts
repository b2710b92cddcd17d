/**
 * The words of the inquiry machine (patent A, FIGS. 4A, 4B and 6): where a question stands, what can happen to it, and
 * what it can ask of its owner. What follows from what is in inquiry.ts.
 */
import type { Monotonic } from '../../core/clock.ts'
import type { Downloader, Holder, KnownSources } from './known-sources.ts'

/** Where one question stands; the numbers are those of FIGS. 4A and 4B. */
export type InquiryState<H extends Holder, D extends Downloader> =
  | { readonly kind: 'idle' } // 142
  | (AskedState<H, D> & {
      readonly kind: 'waiting' // 144
      readonly until: Monotonic
      /** When no more "I have" is expected on a quick LAN: a readable download is not kept waiting beyond it. */
      readonly holdersUntil: Monotonic
      /** Only those were asked who have told that they have it: everybody is asked when they stay silent. */
      readonly isDirected?: boolean
    })
  | (AskedState<H, D> & { readonly kind: 'found'; readonly from: H }) // 158
  | (AskedState<H, D> & { readonly kind: 'awaiting'; readonly on: D; readonly silentAt: Monotonic }) // 156
  | (AskedState<H, D> & { readonly kind: 'retrieving' }) // 150
  | { readonly kind: 'done' } // 158 left for 142: the server was informed
  | { readonly kind: 'failed' } // no source is left

/** What every state of an open question knows. */
export interface AskedState<H extends Holder, D extends Downloader> {
  readonly settings: InquirySettings
  /** What has been heard and not yet used up. */
  readonly sources: KnownSources<H, D>
  /** A second "I need" went out; there is no third. */
  readonly hasAskedAgain: boolean
  /** Downloads that broke off in the middle and may still be followed by another "I need" (R5.3). */
  readonly takeOversLeft: number
  /** Downloaders without a readable copy that may still be waited for: each may be silent, or lie. */
  readonly promisesLeft: number
  /** Those of them that were not heard to ask for it are waited for until then, all together. */
  readonly strangersUntil: Monotonic
  /**
   * All who promise a copy, or are expected to, are waited for until then; once peers have failed, that is a part of what all of
   * them may cost. Nodes of the patents promise nothing.
   */
  readonly promisedUntil: Monotonic
  /** Until when nodes of the patents are waited for that say that they download it. */
  readonly plainUntil: Monotonic
  /** How long they are waited for in all, in ms. */
  readonly promisesMs: number
  /** Peers have cost too much: until then this node agrees with the others on who fetches, and believes no "I have". */
  readonly agreeUntil: Monotonic | undefined
  /** It has done so; there is no second time. */
  readonly hasAgreed: boolean
  /** One that was about to be used was noted for later: a second time it would go round in circles with an Internet that fails. */
  readonly hasSetAside: boolean
}

/** What one question may take; from the timing of the moment and from the resource's rule. */
export interface InquirySettings {
  /** How long to wait for "I have": the maximum delay and the transmission time together (R4.1). */
  readonly waitMs: number
  /**
   * How long holders take to answer when nothing is slow, in ms: the maximum delay and one round trip. Who already says
   * "I am downloading" is taken then, without waiting for the slowest; the same as `waitMs` where the figures are fixed.
   */
  readonly holdersMs: number
  /**
   * How long to wait before that for those who have told that they have it, in ms; absent: nobody has, and everybody is asked at once
   * (docs/protocol.md, "Directed questions").
   */
  readonly directedMs?: number
  /** "Can or will wait for a download in progress?" (148, R4.5). */
  readonly waitForDownloads: boolean
  /** A downloader that says nothing for this long is taken for dead. */
  readonly silenceMs: number
}

/** Everything that can happen to a question. */
export type InquiryEvent<H extends Holder, D extends Downloader> =
  | { readonly kind: 'need'; readonly at: Monotonic; readonly settings: InquirySettings }
  /** "I have". */
  | { readonly kind: 'response'; readonly at: Monotonic; readonly holder: H }
  /** "I am downloading", and each progress packet after it. */
  | { readonly kind: 'downloading'; readonly at: Monotonic; readonly downloader: D }
  /** "Download complete"; `holder` when it says where. */
  | {
      readonly kind: 'download-complete'
      readonly at: Monotonic
      readonly peer: string
      readonly holder: H | undefined
    }
  | {
      readonly kind: 'download-failed'
      readonly at: Monotonic
      readonly peer: string
      /** What the origin server answers is for each who asks: one after the other would fetch it for nobody else. */
      readonly isForEach?: boolean
      readonly patientUntil?: Monotonic
    }
  /**
   * The source in use is of no use any more: it failed, or sent wrong bytes; `isSilence`: nothing came, which may pass.
   * `patientUntil`: when patience with peers ends that give nothing.
   */
  | {
      readonly kind: 'source-failed'
      readonly at: Monotonic
      readonly isSilence?: boolean
      readonly patientUntil?: Monotonic
    }
  /** The way to the source in use is lost, by no fault of the source: it may be used again when it answers again. */
  | { readonly kind: 'source-lost'; readonly at: Monotonic; readonly patientUntil?: Monotonic }
  /** No peer is of use now, whoever it is: the owner has lost patience, or has no proof. Nobody has failed. */
  | { readonly kind: 'enough' }
  /** Peers have failed for so long that the Internet is next; who fetches is still worth agreeing on, until then. */
  | { readonly kind: 'agree'; readonly at: Monotonic; readonly until: Monotonic }
  /** What peers had begun was wrong, and the Internet has gone on with it: all who are there agree on who fetches it anew. */
  | { readonly kind: 'in-vain'; readonly at: Monotonic; readonly patientUntil: Monotonic }
  /**
   * The owner leaves the Internet for a late offer, or for another fetcher's copy (R5.4). `tried`: it has shown that it sends, whether it
   * fetches still or reads another one meanwhile.
   */
  | { readonly kind: 'change-over'; readonly at: Monotonic; readonly to: string; readonly tried?: D }
  /**
   * Nodes of the patents are not waited for any longer, whatever they say: all who have waited agree on who fetches, and wait for
   * promises until `promisedUntil`.
   */
  | { readonly kind: 'leave-wait'; readonly at: Monotonic; readonly promisedUntil: Monotonic }
  /** The whole body is here and verified. */
  | { readonly kind: 'retrieved' }
  /** Nobody waits for the resource any more. */
  | { readonly kind: 'abandoned' }
  /** This node has to wait for its turn at the processor: so may those who have promised a copy. */
  | { readonly kind: 'busy'; readonly patientUntil: Monotonic }
  | { readonly kind: 'wake'; readonly at: Monotonic }

/** Everything that a question can ask of its owner. */
export type InquiryCommand<H extends Holder, D extends Downloader> =
  | { readonly kind: 'broadcast-request' }
  /** "I need", to those alone who have told that they have it. */
  | { readonly kind: 'directed-request' }
  /** "I found", to all who were asked. */
  | { readonly kind: 'broadcast-end-request' }
  | { readonly kind: 'wake'; readonly at: Monotonic }
  /** Get the (rest of the) body from a holder, over HTTP from its local alias. */
  | { readonly kind: 'retrieve'; readonly holder: H }
  /** Read the downloader's growing copy while it grows. */
  | { readonly kind: 'follow'; readonly downloader: D }
  /** Get the (rest of the) body from the origin server. */
  /** `isForEach`: nobody else is to wait for what comes. */
  | { readonly kind: 'retrieve-from-internet'; readonly isForEach?: boolean }
  /** A holder answered after the Internet was asked: its owner may change over to it. */
  | { readonly kind: 'late-offer'; readonly holder: H }
  /**
   * Another node fetches it too, and its copy can be read: one of the two is enough (R5.4). `wasSilent`: it fell silent when it
   * was read, so it has to show first that it sends.
   */
  | { readonly kind: 'second-fetcher'; readonly downloader: D; readonly wasSilent?: boolean }
  /** Tell the node's own server that a local copy exists now. */
  | { readonly kind: 'inform-server' }
  | { readonly kind: 'report-failure' }
