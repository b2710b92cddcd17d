/**
 * What is put up with from the peers of one retrieval: how long they may be silent (patience.ts), what excuses that (slow-line.ts),
 * and who is left aside when a source has failed (blame.ts).
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import type { Fault, FaultCode } from '../core/fault.ts'
import type { Address } from '../core/transport.ts'
import type { PeerDownload } from '../peering/inquiry.ts'
import type { Blame } from './blame.ts'
import { EXCUSED_MS, LEAST_GROWING_BYTES } from './pace.ts'
import { BREAK_MS, LEAST_MS, Patience, STALL_MS } from './patience.ts'
import {
  AGREED_EXCUSED_MS,
  excusedMs,
  FIRST_REPORT_MS,
  FRESH_PROGRESS_MS,
  LEAST_EXCUSED_MS,
  MOST_EXCUSED_MS,
  SlowLine,
  STRANGER_EXCUSED_MS,
} from './slow-line.ts'
import { peerOf, type PeerSource, type Source } from './source.ts'
import type { Server } from './peer-route.ts'

export interface ToleranceComponents {
  readonly clock: Clock
  /** Whether this node had to wait for its turn at the processor lately; absent: never. */
  readonly isBusy?: () => boolean
  readonly blame: Blame
  /** Bytes held without a gap from the start. */
  readonly heldBytes: () => number
  /** Whether several files come over the same line: then one of them may have to wait for the others. */
  readonly isShared: () => boolean
  /** Whether the line is not full, by the origin server's answers; `undefined`: that is being found out. */
  readonly isLineFree: () => boolean | undefined
  /** Whether the origin server can send the file from its middle on (range-support.ts); `undefined`: that is not known yet. */
  readonly knowsRanges: () => boolean | undefined
  /** Finds that out. */
  readonly askForRanges: () => void
  /** Whether somebody else fetches it who has told lately that he has clearly more than is held here. */
  readonly isOvertaken: () => boolean
  /** As this node measured it before; absent: never. */
  readonly originBytesPerSecond?: () => number | undefined
}

/** How a peer was used that failed. */
export interface Use {
  readonly began: Monotonic
  /** How long it was allowed to be silent, in ms. */
  readonly patienceMs: number
  /** Whether a downloader said that its download ends here before it broke off. */
  readonly isTakenBack: boolean
  /** What it has cost, in ms, where that was measured. */
  readonly lagMs?: number | undefined
  /** Who passed on what the peer has; absent: it came from the peer itself. */
  readonly relay?: Server | undefined
}

/** A node that has to wait for its turn at the processor waits so long for its peers, in ms: they may have to, as well. */
export const MOST_LATE_MS = 1200

/** How far a source was at a moment. */
interface Mark {
  readonly at: Monotonic
  readonly bytes: number
}

/** How fast a line is counts from the last mark but one on, in ms: what was long ago says little. */
const MARK_MS = 1000

/** What an origin server without ranges sends again is waited for so many times as long as it took, and `MOST_EXCUSED_MS` more… */
const AGAIN_FACTOR = 1.5
/** …which is worth a question from so many bytes on. */
const WORTH_ASKING_BYTES = 256 * 1024
/** More downloaders of one file are not told apart. */
const MAX_REPORTING = 32
/** A line of which nothing is known, in bytes per second. */
const UNKNOWN_LINE = 250_000

/** So quick, in bytes per second, a peer costs nothing. */
const GOOD_BYTES_PER_SECOND = 2_000_000

export class Tolerance {
  readonly #components: ToleranceComponents
  readonly #patience: Patience
  readonly #slowLine: SlowLine
  /** The downloader that said last how much it has. */
  #teller: Address | undefined
  /** When downloaders told last how much they have; of the last `MAX_REPORTING`. */
  readonly #reportedAt = new Map<Address, Monotonic>()
  /** What downloaders had when nothing came from them, in bytes. */
  readonly #stoodAt = new Map<Address, number>()
  /** How far it was at some moments lately, the oldest first: the line is as slow as it was then. */
  #marks: readonly Mark[] = []
  /** From which byte on the source in use is in use. */
  #usedFrom = 0
  #lateMs = 0
  /** How fast any source was for a second, at its best, in bytes per second. */
  #bestBytesPerSecond = 0
  /** How long the source in use was waited for, in ms, because it had promised a copy. */
  #promisedMs = 0

  constructor(components: ToleranceComponents) {
    this.#components = components
    this.#patience = new Patience(components.clock)
    this.#slowLine = new SlowLine(components.clock)
  }

  /**
   * Another source is in use from now on. @param vainMs how long was waited before for a promise that was not kept, or for a peer
   * that has taken its download back. @param promisedMs how long for its own promise, which it has kept. @param backlogBytes what it has
   * already, and sends as fast as the LAN takes it.
   */
  uses(kind: Source['kind'], vainMs = 0, promisedMs = 0, backlogBytes = 0): void {
    this.#patience.waited(vainMs)
    this.#patience.uses(kind)
    this.#usedFrom = this.#components.heldBytes()
    const at = this.#components.clock.monotonic()
    this.#marks = [{ at, bytes: Math.max(this.#usedFrom, backlogBytes) }]
    this.#lateMs = 0
    this.#promisedMs = kind === 'internet' ? 0 : promisedMs
  }

  /** How long the next peer may be silent, in ms; 0: no peer is waited for any more (patience.ts). */
  leftMs(kind?: Source['kind']): number {
    return this.#patience.leftMs(kind, this.#promisedMs)
  }

  /** What peers have cost, in ms, and what the one in use would have, were it to fail now. */
  wastedMs(): number {
    return this.#patience.wastedMs() + this.#owedMs
  }

  /**
   * How long peers may go on giving nothing, in ms; endless where they have cost nothing.
   * @param more what they have cost besides, in ms.
   */
  leftInAllMs(more = 0): number {
    return this.#patience.isWhole && more === 0 ? Infinity : Math.max(0, this.#patience.leftInAllMs() - more)
  }

  /** What the peer in use has cost, in ms, as far as a good line would have brought more. */
  lagMs(): number {
    const usedMs = this.#components.clock.monotonic() - this.#patience.usedAt
    const bytes = this.#components.heldBytes() - this.#usedFrom
    return Math.max(0, Math.min(usedMs - (bytes * 1000) / GOOD_BYTES_PER_SECOND, BREAK_MS))
  }

  /** Patience is nearly used up. @returns how long agreeing may take, in ms; `undefined` when that has begun before. */
  beginAgreeing(): number | undefined {
    return this.#patience.beginAgreeing()
  }

  /** One peer is tried even so, for a moment. */
  oneMore(): void {
    this.#patience.oneMore()
  }

  /** A peer has shown that it sends: it has the time that one may have. */
  trust(): void {
    this.#patience.trust()
  }

  /** Whether something of use has come from the source in use, or the last one. */
  get hasSent(): boolean {
    return this.#components.heldBytes() - this.#usedFrom >= LEAST_GROWING_BYTES
  }

  /** A downloader says how much it has. */
  heard({ peer, receivedBytes }: PeerDownload): void {
    this.#teller = peer
    this.#noteReport(peer)
    this.#slowLine.told(receivedBytes)
    this.#mark()
  }

  /** Whether nothing came from that download, and it has got nothing since: then it is no lead that it had more. */
  isStuck({ peer, receivedBytes }: PeerDownload): boolean {
    return !this.#components.isShared() && receivedBytes <= (this.#stoodAt.get(peer) ?? -1)
  }

  /** Nothing came from that download, read or tried. */
  stuck({ peer, receivedBytes }: PeerDownload): void {
    const toldBytes = this.#teller === peer ? this.#slowLine.toldBytes : receivedBytes
    this.#stoodAt.set(peer, Math.max(toldBytes, this.#components.heldBytes()))
  }

  /**
   * Whether this node has to wait for its turn at the processor, asked every `EXCUSED_MS` while a peer is silent: then its peers
   * may have to, as well. To leave one and ask everybody again would be more work for them all, at the worst moment.
   */
  isLate(): boolean {
    if (this.#components.isBusy?.() !== true) return false
    this.#lateMs += EXCUSED_MS
    return this.#lateMs <= MOST_LATE_MS
  }

  /**
   * Where peers have failed already there may be several that lie: only one that was agreed on is excused then, and whatever another one
   * says. Before that nobody is waited for whom another one has overtaken: who is read instead costs nobody anything.
   */
  isExcused(source: Source): boolean {
    if (this.#patience.isWhole && this.#components.isOvertaken()) return false
    if (this.isLate()) return true
    if (this.isSentAgain(source)) return this.#slowLine.isExcused(this.#components.heldBytes(), this.#againMs)
    return this.#isExcusedByLine(source)
  }

  #isExcusedByLine(source: Source): boolean {
    // It has said for long enough already that its copy is about to come.
    if (this.#promisedMs >= LEAST_MS && !this.hasSent) return false
    const isIts = source.kind === 'in-progress' && this.#teller === source.download.peer
    const isReporting = isIts && this.#slowLine.isReporting(this.#patience.usedAt)
    const mayBe = this.#patience.hasAgreed || (this.#patience.isWhole && isReporting)
    const isLikely = isIts && source.download.hasAsked === true
    const mostMs = this.#patience.hasAgreed
      ? AGREED_EXCUSED_MS
      : isLikely
        ? this.#mostExcusedMs
        : STRANGER_EXCUSED_MS
    if (this.#slowLine.excusedMs >= mostMs / 2 - LEAST_EXCUSED_MS / 2) this.#askForRanges()
    return mayBe && this.#slowLine.isExcused(this.#components.heldBytes(), mostMs)
  }

  /**
   * Whether it reports a download that can bring nothing for a while: the origin server cannot go on in the middle, and sends it again
   * what is here. Whoever would be asked instead would wait for the same.
   */
  isSentAgain(source: Source): boolean {
    if (source.kind !== 'in-progress' || source.download.hasAsked !== true) return false
    if (this.#components.heldBytes() < WORTH_ASKING_BYTES || this.#components.knowsRanges() !== false)
      return false
    const now = this.#components.clock.monotonic()
    const lastAt = this.#reportedAt.get(source.download.peer) ?? -Infinity
    return now - lastAt <= FRESH_PROGRESS_MS || now - this.#patience.usedAt <= FIRST_REPORT_MS
  }

  /** In time for the answer, and only where it counts: each machine that reads along asks. */
  #askForRanges(): void {
    if (this.#components.heldBytes() >= WORTH_ASKING_BYTES) this.#components.askForRanges()
  }

  /** How long it takes the origin server to send again what is here, in ms, as fast as the line was. */
  get #againMs(): number {
    const bytesPerSecond =
      this.#bestBytesPerSecond || this.#components.originBytesPerSecond?.() || UNKNOWN_LINE
    return MOST_EXCUSED_MS + (AGAIN_FACTOR * this.#components.heldBytes() * 1000) / bytesPerSecond
  }

  #noteReport(peer: Address): void {
    this.#reportedAt.delete(peer)
    this.#reportedAt.set(peer, this.#components.clock.monotonic())
    const [eldest] = this.#reportedAt.keys()
    if (this.#reportedAt.size > MAX_REPORTING && eldest !== undefined) this.#reportedAt.delete(eldest)
  }

  get #mostExcusedMs(): number {
    if (!this.#components.isShared()) return excusedMs(this.#bytesPerSecond)
    if (this.#slowLine.excusedMs < LEAST_EXCUSED_MS - EXCUSED_MS) return MOST_EXCUSED_MS
    return this.#components.isLineFree() === true ? LEAST_EXCUSED_MS : MOST_EXCUSED_MS
  }

  /** What the source in use has brought lately, until it fell silent. */
  get #bytesPerSecond(): number {
    const [since] = this.#marks
    if (since === undefined) return 0
    const silentMs = STALL_MS + this.#slowLine.excusedMs
    const ms = this.#components.clock.monotonic() - since.at - silentMs
    return (Math.max(0, this.#components.heldBytes() - since.bytes) * 1000) / Math.max(LEAST_MS, ms)
  }

  /** The newest mark is as old as `MARK_MS`, so that the one before it tells of that time at least. */
  #mark(): void {
    const now = this.#components.clock.monotonic()
    const newest = this.#marks.at(-1)
    if (newest === undefined || now - newest.at < MARK_MS) return
    const bytes = Math.max(newest.bytes, this.#components.heldBytes())
    const bytesPerSecond = ((bytes - newest.bytes) * 1000) / (now - newest.at)
    this.#bestBytesPerSecond = Math.max(this.#bestBytesPerSecond, bytesPerSecond)
    this.#marks = [newest, { at: now, bytes }]
  }

  /** What of the promise that the source in use has kept it has not made up for, in ms, by what it has sent. */
  get #owedMs(): number {
    const bytes = this.#components.heldBytes() - this.#usedFrom
    return Math.max(0, this.#promisedMs - (bytes * 1000) / GOOD_BYTES_PER_SECOND)
  }

  /** Counts what a failure has cost, and leaves aside whoever is to blame for it; wrong bytes are judged elsewhere, by the whole. */
  failed(source: PeerSource, fault: Fault, use: Use): void {
    if (source.kind === 'in-progress' && fault.code === 'PEER_STALLED') this.stuck(source.download)
    this.#patience.waste(use.began, fault, use.lagMs)
    this.#patience.promised(fault.code === 'VERIFICATION_FAILED' ? this.#promisedMs : this.#owedMs)
    // What its own promise has taken of its time, nobody else has: but that may have been said in its name.
    const own = { ...use, patienceMs: use.patienceMs + this.#promisedMs }
    this.#promisedMs = 0
    const isJudgedHere = fault.blame !== 'node' && fault.code !== 'VERIFICATION_FAILED'
    // Nothing has come of it, to a node that was too busy itself to judge.
    const isBusy = this.#components.heldBytes() === this.#usedFrom && this.#components.isBusy?.() === true
    if (!isJudgedHere || isBlameless(source, fault, own, isBusy)) return
    if (isBlameless(source, fault, use, isBusy)) this.#components.blame.promised(peerOf(source), fault)
    else this.#components.blame.failed(source, fault, use.relay)
  }
}

/** A closed port is found at once, and anybody could have named it. */
const HARMLESS: ReadonlySet<FaultCode> = new Set(['PEER_BUSY', 'PEER_LOST', 'CONNECT_REFUSED'])

/**
 * Nobody is to blame for a lost way, or one that leads nowhere, nor one that said that its download ends here before it broke
 * off, nor one that was given little time because others had used up the rest: so could liars have honest peers shunned.
 */
function isBlameless(source: PeerSource, { code }: Fault, use: Use, isBusy: boolean): boolean {
  const isTakenBack = source.kind === 'in-progress' && use.isTakenBack
  const isHurried = code === 'PEER_STALLED' && (use.patienceMs < STALL_MS || isBusy)
  return HARMLESS.has(code) || isTakenBack || isHurried
}
