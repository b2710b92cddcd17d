/**
 * How long a node of the patents is waited for that says, in their packets, that it downloads what an application wants.
 *
 * It says no more than how much it has received, and anybody can say so. What it claims is held against the Internet: where the node's
 * own download would be over sooner, or soon in any case, or the claim tells nothing, the wait is left. All who wait for the same one
 * leave it at about the same moment, and then agree on who fetches (`leave-wait` in peering/machines/inquiry.ts).
 */
import { hash } from 'node:crypto'
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import type { PeerDownload } from '../peering/inquiry.ts'
import { PLAIN_DOWNLOADS_MS, PLAIN_WAIT_MS } from '../peering/machines/inquiry-patience.ts'
import type { NodeId } from '../peering/packets.ts'
import { TRIAL_BYTES, type OriginTrials, type Trial } from './origin-trial.ts'
import type { RetrievalRequest } from './request.ts'
import { lineSpeed } from './slowness.ts'

/** It is judged so long after the question's own wait, in ms, and by each node up to `SPREAD_MS` later: not all try the line at once. */
export const PLAIN_LOOK_MS = 300
export const SPREAD_MS = 60

/** It is judged again after so long, in ms, then after twice as long, and so on. */
export const PLAIN_AGAIN_MS = 1000

/** For a file that the Internet sends within so many ms nobody is waited for any longer. */
export const SHORT_MS = 1200

/** So long its last word may take after the last byte, in ms, before the claim is overdue. */
export const LAST_WORD_MS = 200

/** Where it has said only once how much it has, its next word is waited for until so long after the question's wait, in ms. */
export const UNTOLD_MS = 1500

/** Peers whose words are kept at once: no question has more answers (known-sources.ts). */
const MAX_CLAIMANTS = 16

/** What is known of a downloader and of the file. */
export interface PlainClaim {
  readonly size: number
  /** By its last word, so many ms ago. */
  readonly receivedBytes: number
  readonly agoMs: number
  /** By its words so far; `undefined`: there was but one that counts. */
  readonly bytesPerSecond: number | undefined
  /** What the Internet would send now. */
  readonly originBytesPerSecond: number
  /** Since the question's own wait was over. */
  readonly waitedMs: number
}

/** How long it may be waited for from now on, in ms; 0 or less: no longer. */
export function worthWaitingMs(claim: PlainClaim): number {
  const { size, receivedBytes, agoMs, bytesPerSecond, originBytesPerSecond, waitedMs } = claim
  const ownMs = (size * 1000) / originBytesPerSecond
  if (!(ownMs > SHORT_MS)) return 0
  const mostMs = Math.min(ownMs, PLAIN_DOWNLOADS_MS) - waitedMs
  if (bytesPerSecond === undefined) return Math.min(UNTOLD_MS - waitedMs, mostMs)
  const restMs = ((size - receivedBytes) * 1000) / bytesPerSecond - agoMs
  return restMs > ownMs ? 0 : Math.min(restMs + LAST_WORD_MS, mostMs)
}

/** The question that waits. */
export interface PlainWaiting {
  /** Whom it waits for, if it is a node of the patents that says it downloads it, or has downloaded it; `undefined`: for nobody such. */
  readonly plain: { readonly peer: Address | undefined } | undefined
  /** What the question itself waits, in ms. */
  readonly waitMs: number
  /** Since that was over, in ms. */
  lateMs(): number
  leaveWait(): void
}

export interface PlainWaitComponents {
  readonly clock: Clock
  readonly trials: OriginTrials
  readonly request: RetrievalRequest
  readonly node: NodeId
  readonly originBytesPerSecond?: () => number | undefined
}

interface Word {
  readonly at: Monotonic
  readonly receivedBytes: number
}

interface Claimed {
  readonly first: Word
  readonly last: Word
  readonly totalBytes: number | undefined
}

/** How large the file is, and how fast the Internet would send it. */
interface Found {
  readonly size: number | undefined
  readonly bytesPerSecond: number
}

export class PlainWait {
  readonly #components: PlainWaitComponents
  readonly #claims = new Map<Address, Claimed>()
  #cancel: CancelTimer = () => {}
  #againMs = PLAIN_AGAIN_MS
  #found: Found | undefined

  constructor(components: PlainWaitComponents) {
    this.#components = components
  }

  /** A downloader has said how much it has. */
  heard({ peer, node, readable, receivedBytes, totalBytes }: PeerDownload): void {
    if (node !== undefined || readable) return
    const before = this.#claims.get(peer)
    if (before === undefined && this.#claims.size >= MAX_CLAIMANTS) return
    // Only what grows is a word.
    if (before !== undefined && receivedBytes <= before.last.receivedBytes) return
    const last = { at: this.#components.clock.monotonic(), receivedBytes }
    this.#claims.set(peer, {
      first: before?.first ?? last,
      last,
      totalBytes: totalBytes ?? before?.totalBytes,
    })
  }

  /** From now on the question waits for such a node. Who was told to take the patents' figures waits as those ask for. */
  begin(waiting: PlainWaiting): void {
    if (waiting.waitMs >= PLAIN_WAIT_MS) return
    this.#lookIn(PLAIN_LOOK_MS - waiting.lateMs(), waiting)
  }

  /** In whole milliseconds, as a smaller step might be none. */
  #lookIn(ms: number, waiting: PlainWaiting): void {
    this.#cancel()
    const wholeMs = Math.max(0, Math.ceil(ms))
    this.#cancel = this.#components.clock.after(wholeMs, () => void this.#look(waiting))
  }

  async #look(waiting: PlainWaiting): Promise<void> {
    const peer = waiting.plain?.peer
    const claimed = peer === undefined ? undefined : this.#claims.get(peer)
    const lookedAt = this.#components.clock.monotonic()
    const worthMs = claimed === undefined ? 0 : await this.#worthMs(claimed, waiting)
    const tookMs = this.#components.clock.monotonic() - lookedAt
    if (waiting.plain === undefined) return
    if (waiting.plain.peer !== peer) return this.#lookIn(0, waiting)
    if (worthMs <= 0) return waiting.leaveWait()
    this.#lookIn(Math.min(worthMs, this.#againMs - tookMs), waiting)
    this.#againMs *= 2
  }

  async #worthMs(claimed: Claimed, waiting: PlainWaiting): Promise<number> {
    // It has nothing so far, by its own word.
    if (claimed.last.receivedBytes <= 0) return 0
    // What was found out before is enough to see that it is overdue.
    if (this.#found !== undefined && this.#claimMs(claimed, this.#found, waiting) <= 0) return 0
    this.#found = await this.#origin(claimed)
    return this.#claimMs(claimed, this.#found, waiting)
  }

  #claimMs({ first, last }: Claimed, { size, bytesPerSecond }: Found, waiting: PlainWaiting): number {
    if (size === undefined || bytesPerSecond <= 0) return 0
    const told = last.receivedBytes - first.receivedBytes
    return worthWaitingMs({
      size,
      receivedBytes: last.receivedBytes,
      agoMs: this.#components.clock.monotonic() - last.at,
      bytesPerSecond: told > 0 ? (told * 1000) / Math.max(1, last.at - first.at) : undefined,
      originBytesPerSecond: bytesPerSecond,
      waitedMs: waiting.lateMs(),
    })
  }

  /** How large the file is and how fast it would come: tried, unless it is known that it would soon be here. */
  async #origin({ totalBytes }: Claimed): Promise<Found> {
    const { trials, request } = this.#components
    const known = this.#components.originBytesPerSecond?.()
    const recent = this.#recent()
    const told = totalBytes ?? recent?.size ?? (known === undefined ? undefined : await trials.size(request))
    // Of a file that would soon be here nothing else has to be known.
    if (told !== undefined && known !== undefined && told * 1000 <= SHORT_MS * known)
      return { size: told, bytesPerSecond: known }
    if (this.#recent() === undefined) await this.#spread()
    const trial: Trial = this.#recent() ?? (await this.#try())
    const size = trial.uri === request.target ? trial.size : undefined
    return { size, bytesPerSecond: lineSpeed(trial.bytesPerSecond, known) }
  }

  #recent(): Trial | undefined {
    const { trials, request } = this.#components
    const recent = trials.recent(request)
    return recent?.uri === request.target && recent.size !== undefined ? recent : undefined
  }

  #try(): Promise<Trial> {
    const span = { start: 0, end: TRIAL_BYTES.plain.most }
    return this.#components.trials.run(this.#components.request, span, TRIAL_BYTES.plain)
  }

  /** Another moment at each node, the same for a file: the first that goes on lets the others follow it. */
  #spread(): Promise<void> {
    const { clock, node, request } = this.#components
    const share = Number.parseInt(hash('sha256', `${node}\n${request.uri}`).slice(0, 8), 16) / 2 ** 32
    return new Promise((resolve) => void clock.after(share * SPREAD_MS, resolve))
  }
}
