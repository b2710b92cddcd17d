/**
 * One running question: runs the commands of the inquiry machine (FIGS. 4A, 4B). Packets that belong to it come from
 * `Peering`; what the resource's owner has to say comes through the methods.
 */
import { listeningOf, type CancelTimer, type Clock, type Clocks, type Monotonic } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { Address } from '../core/transport.ts'
import type { Hearing } from './asked-questions.ts'
import type { Downloader, Holder } from './machines/known-sources.ts'
import { isPlainWait, isPromise, MAX_PROMISES } from './machines/inquiry-patience.ts'
import { initialInquiry, isInquiryOver, stepInquiry } from './machines/inquiry.ts'
import type {
  InquiryCommand,
  InquiryEvent,
  InquirySettings,
  InquiryState,
} from './machines/inquiry-vocabulary.ts'
import type { DownloadProgress } from './local-copies.ts'
import type { NodeId } from './packets.ts'

/** A peer's "I have". Everything in it but the location is the peer's own claim. */
export interface PeerOffer extends Holder {
  readonly peer: Address
  readonly node: NodeId | undefined
  /** Where the copy is: `http://<peer>:<port>/<alias>`. */
  readonly location: string
  readonly size: number | undefined
  readonly digest: Digest | undefined
}

/** A peer's "I am downloading". */
export interface PeerDownload extends Downloader, DownloadProgress {
  readonly peer: Address
  readonly node: NodeId | undefined
  readonly location: string | undefined
  readonly receivedBytes: number
  /** Whether it comes before this node where several could fetch the resource (docs/protocol.md, "Who fetches"). */
  readonly isAhead: boolean
  /** It was silent before, and is left aside: only who fetches the same may try it, beside the Internet. */
  readonly isLeftAside?: boolean
  /** When that was heard, by the clock that stands still while this node cannot listen; absent: it was not heard from the peer itself. */
  readonly heardAt?: Monotonic
}

/** What the owner of the resource does when the machine says so. Called at once, never inside the caller's step. */
export interface InquiryOwner {
  retrieve(offer: PeerOffer): void
  follow(download: PeerDownload): void
  /** @param isForEach a peer has said that what comes is for each who asks: nobody else is to wait for it. */
  retrieveFromInternet(isForEach?: boolean): void
  lateOffer(offer: PeerOffer): void
  /** Another node fetches the same: who is far behind, or else comes later in rank, gives up (R5.4). */
  secondFetcher(download: PeerDownload): void
  /** Whether more is here than that download has: to read it would be to wait. */
  isFurther(download: PeerDownload): boolean
  /** How far the download is that somebody waits for (R5.2). */
  heardProgress(download: PeerDownload): void
  /** A node of the patents is waited for from now on (`plain`), until it has it or says where. */
  waitsForPlain(): void
  /** How long peers may go on giving nothing, in ms; endless where they have cost nothing. */
  patientMs(): number
  failed(): void
}

/** The packets that the machine sends by itself. */
export interface InquirySender {
  /** To those who have told that they have it. */
  directedRequest(): void
  /** To everybody, as whatever follows it. */
  request(): void
  /** @param downloader whose copy is waited for or read, holders having had their time; absent: a holder is found. */
  endRequest(downloader?: Address): void
}

export interface InquiryTime extends Clocks {
  /** Whether this node had to wait for its turn at the processor lately; absent: never. */
  readonly isBusy?: () => boolean
}

/** Whether somebody has it, as far as the peers have told what they have. */
export type Prospect = 'none' | 'possible' | 'likely'

type Event = InquiryEvent<PeerOffer, PeerDownload>

type Waiting = Extract<InquiryState<PeerOffer, PeerDownload>, { kind: 'waiting' }>

/** Where nodes of the patents are waited for, in ms, they would take the question, asked again, for another one. */
const MAX_REPEATED_MS = 500

/** Two packets this far apart, in ms, come in their order. */
const APART_MS = 1

/** Timers have a grain, in ms: one that is later shows that this node had to wait for its turn. */
const GRAIN_MS = 8

/** Whoever has left such a wait waits for promises no longer than this, in ms, that question's own wait included. */
export const LEFT_PROMISES_MS = 200

/** More peers than this are not noted as having answered. */
export const MAX_NOTED = 256

export class Inquiry implements Hearing {
  readonly #clock: Clock
  readonly #listening: Clock
  readonly #sender: InquirySender
  readonly #owner: InquiryOwner
  readonly #onOver: () => void
  #state: InquiryState<PeerOffer, PeerDownload> = initialInquiry
  #cancelWake: CancelTimer = () => {}
  #waitedUntil = Infinity
  #askedAt = 0 as Monotonic
  /** What this node had lost by then, in ms. */
  #lostBeforeMs = 0
  /** When "I found" was said. */
  #endedAt = -Infinity
  /** Waited for nodes that promised a copy, or were expected to, without getting it: in ms, and since when. */
  #vainMs = 0
  #vainSince: Monotonic | undefined
  /** The same for those that got one in the end. */
  #keptMs = 0
  /** Since when a node of the patents is waited for. */
  #plainSince: Monotonic | undefined
  /** What the question waits by itself, in ms. */
  waitMs = 0
  #rivals: (askedAt: Monotonic) => readonly PeerDownload[] = () => []
  /** Who has asked for it, and said "I am downloading" without a `location` so far. */
  readonly #fetchers = new Set<Address>()
  /** Every peer that answered, for the log and for "why". */
  readonly answered = new Set<Address>()

  readonly #prospect: Prospect
  readonly #isBusy: () => boolean
  #timesAsked = 0
  /** Whether only a few were asked so far. */
  #wasDirected = false

  constructor(
    time: InquiryTime,
    sender: InquirySender,
    owner: InquiryOwner,
    onOver: () => void,
    prospect: Prospect = 'possible',
  ) {
    const { clock, isBusy = () => false } = time
    this.#prospect = prospect
    this.#isBusy = isBusy
    this.#clock = clock
    this.#listening = listeningOf(time)
    this.#sender = sender
    this.#owner = owner
    this.#onOver = onOver
  }

  /** Whether somebody may have it, as far as the peers have told. */
  get mayBeFound(): boolean {
    return this.#prospect !== 'none'
  }

  /** Whether another peer that has it has answered. */
  get hasAnother(): boolean {
    const state = this.#state
    return 'sources' in state && state.sources.holders.length > 0
  }

  /**
   * The downloads beside the one in use whose copies can be read, of those who were heard to ask for it themselves, and have told how
   * far they are within the last `ms`.
   */
  othersWithin(ms: number): readonly PeerDownload[] {
    const state = this.#state
    if (!('sources' in state)) return []
    const since = this.#listening.monotonic() - ms
    return state.sources.downloaders.filter(
      ({ readable, hasAsked, heardAt = -Infinity }) => readable && hasAsked === true && heardAt >= since,
    )
  }

  /** Whether somebody else who needs it has said to be fetching it, has no copy yet that could be read, and has not given up. */
  get isFetchedElsewhere(): boolean {
    return this.#fetchers.size > 0
  }

  /** Whether this node comes before all others that asked at the same moment, but for `inUse`: what one has to try, it tries. */
  comesFirstBut(inUse: Address): boolean {
    return this.#rivals(this.#askedAt).every(({ peer }) => peer === inUse)
  }

  get state(): InquiryState<PeerOffer, PeerDownload>['kind'] {
    return this.#state.kind
  }

  /**
   * @param rivals who has asked for the same at the time that is given, and fetches it before this node does; read when the
   *   wait is over.
   */
  start(settings: InquirySettings, rivals: (askedAt: Monotonic) => readonly PeerDownload[]): void {
    const at = this.#listening.monotonic()
    const { directedMs = 0, waitMs } = settings
    this.waitMs = directedMs + waitMs
    this.#waitedUntil = at + (directedMs > 0 ? directedMs : waitMs)
    this.#rivals = rivals
    this.#dispatch({ kind: 'need', at, settings })
  }

  /** How long after the end of the wait it is now, in ms; 0 while it waits still, and where there was nobody to wait for. */
  lateMs(): number {
    return Math.max(0, this.#listening.monotonic() - this.#waitedUntil)
  }

  /** How long it has waited for promises that were not kept, in ms, since it was asked last. */
  takeVainMs(): number {
    const vainMs = this.#vainMs
    this.#vainMs = 0
    return vainMs
  }

  /** How long it has waited for promises that were kept, in ms, since it was asked last. */
  takeKeptMs(): number {
    const keptMs = this.#keptMs
    this.#keptMs = 0
    return keptMs
  }

  /** What is left of the wait, in ms. */
  restMs(): number {
    return this.#state.kind === 'waiting' ? Math.max(0, this.#waitedUntil - this.#listening.monotonic()) : 0
  }

  heardResponse(holder: PeerOffer): void {
    this.#note(holder.peer)
    this.#dispatch({ kind: 'response', at: this.#listening.monotonic(), holder })
  }

  heardDownloading(downloader: PeerDownload): void {
    if (downloader.isLeftAside === true && this.#state.kind !== 'retrieving') return
    this.#note(downloader.peer)
    this.#noteFetcher(downloader)
    if (this.#isBehind(downloader)) return this.heardFailed(downloader.peer)
    const at = this.#listening.monotonic()
    this.#dispatch({ kind: 'downloading', at, downloader: { ...downloader, heardAt: at } })
    this.#owner.heardProgress(downloader)
  }

  /** `holder`: where the copy is, when the packet says it. */
  heardComplete(peer: Address, holder: PeerOffer | undefined): void {
    this.#dispatch({ kind: 'download-complete', at: this.#listening.monotonic(), peer, holder })
  }

  heardFailed(peer: Address, isForEach = false): void {
    this.#fetchers.delete(peer)
    const at = this.#listening.monotonic()
    const patientUntil = (at + this.#owner.patientMs()) as Monotonic
    this.#dispatch({ kind: 'download-failed', at, peer, patientUntil, isForEach })
  }

  /**
   * The source in use failed, or fell silent; the machine names the next one.
   * @param patientMs how long peers may go on giving nothing.
   */
  sourceFailed(isSilence = false, patientMs = Infinity): void {
    const at = this.#listening.monotonic()
    this.#dispatch({ kind: 'source-failed', at, isSilence, patientUntil: (at + patientMs) as Monotonic })
  }

  /** The way to the source in use is lost, by no fault of its own. @param patientMs how long peers may go on giving nothing. */
  sourceLost(patientMs = Infinity): void {
    const at = this.#listening.monotonic()
    this.#dispatch({ kind: 'source-lost', at, patientUntil: (at + patientMs) as Monotonic })
  }

  /**
   * The Internet has gone on with what peers had begun, in vain: what they had sent is to be had anew.
   * @param patientMs how long peers may go on giving nothing.
   */
  inVain(patientMs: number): void {
    const at = this.#listening.monotonic()
    this.#dispatch({ kind: 'in-vain', at, patientUntil: (at + patientMs) as Monotonic })
  }

  /** No peer is of use now. */
  enough(): void {
    this.#dispatch({ kind: 'enough' })
  }

  /** Peers have cost nearly all that they may: who fetches it is agreed on within `ms`, then it is the Internet's turn. */
  agree(ms: number): void {
    const at = this.#listening.monotonic()
    this.#dispatch({ kind: 'agree', at, until: (at + ms) as Monotonic })
  }

  /** The node of the patents that is waited for, or `{ peer: undefined }` where one has it and has not said where. */
  get plain(): { readonly peer: Address | undefined } | undefined {
    const state = this.#state
    if (!isPlainWait(state, this.#listening.monotonic())) return undefined
    return { peer: state.kind === 'awaiting' ? state.on.peer : undefined }
  }

  /** Such a node is not waited for any longer. What it has cost counts like a promise that was not kept. */
  leaveWait(): void {
    const at = this.#listening.monotonic()
    const patientMs = Math.min(LEFT_PROMISES_MS, this.#owner.patientMs())
    this.#vainMs += this.#plainSince === undefined ? 0 : at - this.#plainSince
    this.#dispatch({ kind: 'leave-wait', at, promisedUntil: (at + patientMs) as Monotonic })
  }

  /** The owner leaves the Internet for this peer's late offer, or for its download; `tried`: that has shown that it sends. */
  changeOver(to: Address, tried?: PeerDownload): void {
    this.#dispatch({ kind: 'change-over', at: this.#listening.monotonic(), to, ...(tried && { tried }) })
  }

  /** The body is whole and verified. */
  retrieved(): void {
    this.#dispatch({ kind: 'retrieved' })
  }

  /** Nobody waits any more. */
  abandon(): void {
    this.#dispatch({ kind: 'abandoned' })
  }

  /**
   * A copy that has less than there is here already would be waited for until it has caught up. Whose growing copy is read now
   * was ahead when that began.
   */
  #isBehind(downloader: PeerDownload): boolean {
    const state = this.#state
    if (!downloader.readable || state.kind === 'retrieving') return false
    const isRead = state.kind === 'awaiting' && state.on.readable && state.on.peer === downloader.peer
    return !isRead && this.#owner.isFurther(downloader)
  }

  #noteFetcher(downloader: PeerDownload): void {
    const { peer, hasAsked } = downloader
    if (!isPromise(downloader)) this.#fetchers.delete(peer)
    else if (hasAsked === true && this.#fetchers.size < MAX_NOTED) this.#fetchers.add(peer)
  }

  #note(peer: Address): void {
    if (this.answered.size < MAX_NOTED) this.answered.add(peer)
  }

  #dispatch(event: Event): void {
    this.#noteBusy()
    const [state, commands] = stepInquiry(this.#state, event)
    this.#countVain(state)
    this.#state = state
    for (const command of commands) this.#run(command)
    this.#notePlain()
    if (isInquiryOver(state)) {
      this.#cancelWake()
      this.#onOver()
    }
  }

  #notePlain(): void {
    const isPlain = this.plain !== undefined
    const wasPlain = this.#plainSince !== undefined
    this.#plainSince = isPlain ? (this.#plainSince ?? this.#listening.monotonic()) : undefined
    if (isPlain && !wasPlain) this.#owner.waitsForPlain()
  }

  #noteBusy(): void {
    if (!this.#isBusy()) return
    const patientUntil = (this.#listening.monotonic() + this.#owner.patientMs()) as Monotonic
    this.#state = stepInquiry(this.#state, { kind: 'busy', patientUntil })[0]
  }

  #countVain(next: InquiryState<PeerOffer, PeerDownload>): void {
    const now = this.#listening.monotonic()
    const isPromised = next.kind === 'awaiting' && isPromise(next.on)
    const isKept = next.kind === 'awaiting' && next.on.readable
    const waitedMs = this.#vainSince === undefined || isPromised ? 0 : now - this.#vainSince
    if (isKept) this.#keptMs += waitedMs
    else this.#vainMs += waitedMs
    this.#vainSince = isPromised ? (this.#vainSince ?? now) : undefined
  }

  #run(command: InquiryCommand<PeerOffer, PeerDownload>): void {
    switch (command.kind) {
      case 'directed-request':
        this.#noteAsked()
        this.#wasDirected = true
        return this.#sender.directedRequest()
      case 'broadcast-request':
        this.#noteAsked()
        if (this.#wasDirected && this.#state.kind === 'waiting') this.#waitedUntil = this.#state.until
        this.#wasDirected = false
        this.#requestAfterEnd()
        return this.#askOnward()
      case 'broadcast-end-request':
        this.#endedAt = this.#listening.monotonic()
        return this.#sender.endRequest(this.#state.kind === 'awaiting' ? this.#state.on.peer : undefined)
      case 'wake':
        return this.#wakeAt(command.at)
      case 'retrieve':
        return this.#owner.retrieve(command.holder)
      case 'follow':
        return this.#owner.follow(command.downloader)
      case 'retrieve-from-internet':
        return this.#owner.retrieveFromInternet(command.isForEach)
      case 'late-offer':
        return this.#owner.lateOffer(command.holder)
      case 'second-fetcher':
        return this.#owner.secondFetcher(
          command.wasSilent === true ? { ...command.downloader, isLeftAside: true } : command.downloader,
        )
      case 'inform-server': // the server learns it from the store: what is stored is offered (R4.3)
        return
      case 'report-failure':
        return this.#owner.failed()
    }
  }

  #noteAsked(): void {
    this.#askedAt = this.#listening.monotonic()
    this.#lostBeforeMs = this.#lostInAllMs
    this.#timesAsked++
  }

  /** Whoever hears "I need" before the "I found" of the same moment takes it for a question that it has answered. */
  #requestAfterEnd(): void {
    if (this.#askedAt - this.#endedAt >= APART_MS) return this.#sender.request()
    this.#listening.after(APART_MS, () => this.#state.kind === 'waiting' && this.#sender.request())
  }

  /**
   * Who is about to go to the Internet, because nobody has answered and nobody comes first, asks twice more within the wait:
   * lost packets, which may be those of many names, must not cost a copy. Whoever heard the question before only answers it
   * once (docs/protocol.md).
   */
  #askOnward(): void {
    const askedAt = this.#askedAt
    if (this.#state.kind !== 'waiting' || this.#state.until - askedAt > MAX_REPEATED_MS) return
    const { until } = this.#state
    for (const part of [1 / 3, 2 / 3])
      this.#listening.after((until - askedAt) * part, () => {
        if (this.#state.kind !== 'waiting' || this.#state.until !== until) return
        if (this.#isAlone(this.#state)) this.#sender.request()
      })
  }

  /**
   * Somebody has told the LAN that it has it, or fetches it, and nobody answers: packets were lost, or a machine is busy. It is
   * asked once more, and waited for as long again, before it comes over the WAN a second time. @returns whether it is.
   */
  #asksAgain(): boolean {
    if (this.#state.kind !== 'waiting' || this.#prospect !== 'likely' || this.#timesAsked > 1) return false
    const { until, isDirected = false } = this.#state
    if (isDirected) return false
    const waitMs = until - this.#askedAt
    if (this.#listening.monotonic() < until || !this.#isAlone(this.#state) || waitMs > MAX_REPEATED_MS)
      return false
    this.#timesAsked++
    this.#sender.request()
    this.#wakeAt(this.#listening.monotonic() + waitMs)
    return true
  }

  /** Nobody has answered, and nobody who asks for the same comes first. */
  #isAlone({ sources: { holders, downloaders } }: Waiting): boolean {
    return holders.length + downloaders.length === 0 && this.#rivals(this.#askedAt).length === 0
  }

  #wakeAt(at: number): void {
    this.#cancelWake()
    const wake = () => void (this.#asksAgain() || this.#wake(this.#listening.monotonic()))
    // On a busy machine answers may lie unread when the time is over: they are read before the next timer runs.
    const afterReading = () => (this.#cancelWake = this.#listening.after(this.#lostMs(at), wake))
    this.#cancelWake = this.#listening.after(at - this.#listening.monotonic(), afterReading)
  }

  /**
   * Where this node has waited for its turn at the processor, so has a holder that shares it, or was sent the question late:
   * what was lost of the time for answers is given to them again, as much as they had at most.
   */
  #lostMs(at: number): number {
    if (this.#state.kind !== 'waiting') return 0
    const lateMs = this.#listening.monotonic() - at + this.#lostInAllMs - this.#lostBeforeMs
    return lateMs > GRAIN_MS ? Math.min(lateMs, at - this.#askedAt) : 0
  }

  get #lostInAllMs(): number {
    return this.#clock.monotonic() - this.#listening.monotonic()
  }

  #wake(at: Monotonic): void {
    // Who asks everybody hears first who asks as well.
    if (this.#state.kind === 'waiting' && this.#state.isDirected !== true) {
      // What one has said itself counts for more; and no more of them are waited for.
      const rivals = this.#rivals(this.#askedAt).filter(({ peer }) => !this.answered.has(peer))
      for (const downloader of rivals.slice(0, MAX_PROMISES))
        this.#dispatch({ kind: 'downloading', at, downloader })
    }
    this.#dispatch({ kind: 'wake', at })
  }
}
