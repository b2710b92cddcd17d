/**
 * A peer that sends the right bytes slowly costs an application as much as one that sends none. So each is held against the
 * Internet: whoever would end much later than the origin server is left (V§2).
 *
 * To ask the origin server for what the LAN has is the last resort, and in a storm everything is slow because one line carries it
 * all. So whatever a peer's pace, the origin server is tried beside it first (origin-trial.ts): a line that is full says so. All who
 * read from one that is left ask once more, and agree on who fetches.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { formatBytes } from '../core/units.ts'
import { TRIAL_BYTES, type OriginTrials } from './origin-trial.ts'
import { RESERVE_FACTOR } from './pieces/feed.ts'
import { WORTHWHILE_BYTES } from './pieces/several-sources.ts'
import type { RetrievalRequest } from './request.ts'
import type { PeerSource } from './source.ts'

/** A peer may end so much later than the origin server would, in ms, all peers of a request together. */
export const LATER_MS = 600

/** Less would be within the measure’s error, in ms. */
const LEAST_LATER_MS = 100

/** What is held against the Internet. */
export type CopyKind =
  | 'whole'
  /** So large that others who have it may help out (pieces/). */
  | 'large'
  /** On a line that everybody shares. */
  | 'growing'

/** The origin server must be so many times as fast: one line for all is not used for little. */
export const TIMES: Readonly<Record<CopyKind, number>> = { whole: 2, growing: 3, large: RESERVE_FACTOR }

/** So quick, in bytes per second, a large copy is good: that the line is better must be known. */
export const GOOD_BYTES_PER_SECOND = 2_000_000

/** A crowd may have to be content with so little of a large copy, in bytes per second: it is there once, and the line is for all. */
const A_CROWDS_BYTES_PER_SECOND = 500_000

/** Of a growing copy it must be known in any case, unless it comes so slowly: a crowd does not try the line all at once. */
const POOR_BYTES_PER_SECOND = 100_000

/** On a line that is full a trial comes as slowly as all else; where it is so many times as fast, the line is free. */
const TIMES_FREE = 1.5

/** A peer is known after it has been in use for so long, in ms; one that others may help out is left only later. */
const KNOWN_MS = { whole: 200, growing: 300 } as const
const HELPED_MS = 850
const LOOK_MS = 100

/** A node that has to wait for its turn at the processor judges only after so long, in ms: its peers may have to, as well. */
export const MOST_LATE_MS = 1200

/** Of one that has sent nothing so far, after so long, in ms: silence without an excuse is found out before (pace.ts). */
const SILENT_MS = 600
/** At least, and where other peers have cost time already. */
const LEAST_SILENT_MS = 200

/** What counts is what came in the last so many ms. */
const WINDOW_MS = { whole: 300, growing: 500 } as const

/** The origin server is tried again after so long, in ms, then after twice as long, and so on; at once when the peer falls behind. */
const AGAIN_MS = 1000
const FALLEN_BEHIND = 1 / 2

/** What is known of a peer in use. */
export interface Standing {
  readonly copy: CopyKind
  readonly usedMs: number
  /** Whether anything has come from it. */
  readonly hasSent: boolean
  /** As measured. */
  readonly peerBytesPerSecond: number
  /** Bytes that are to come from it, and those that would have to come from the origin server, were it left now. */
  readonly missingBytes: number
  readonly fromOriginBytes: number
  /** So much later than the origin server it may end from now on, in ms. */
  readonly leftMs: number
}

/** Whether it would end so late that it is to be left, for an origin server of this speed. */
export function isTooSlow(standing: Standing, originBytesPerSecond: number): boolean {
  const { copy, peerBytesPerSecond, missingBytes, fromOriginBytes, leftMs } = standing
  if (originBytesPerSecond < TIMES[copy] * peerBytesPerSecond) return false
  const peerMs = (missingBytes * 1000) / peerBytesPerSecond
  const originMs = (fromOriginBytes * 1000) / originBytesPerSecond
  return peerMs - originMs > Math.max(LEAST_LATER_MS, leftMs)
}

/** Whether it is worth a trial. @param lineBytesPerSecond how fast the line was lately; `undefined`: not known. */
export function isDoubtful(standing: Standing, lineBytesPerSecond: number | undefined): boolean {
  return isOneAlone(standing) && isTooSlow(standing, lineBytesPerSecond ?? supposed(standing))
}

/**
 * Whether it may be this peer's fault alone. A large copy is shared by a crowd, and others may help out (pieces/): what a crowd is
 * content with is good. A growing copy that has stopped is one whose fetcher has gone, which all who read it find out together (pace.ts).
 */
function isOneAlone({ copy, hasSent, peerBytesPerSecond }: Standing): boolean {
  switch (copy) {
    case 'whole':
      return true
    case 'large':
      return peerBytesPerSecond > 0 && peerBytesPerSecond < A_CROWDS_BYTES_PER_SECOND
    case 'growing':
      return peerBytesPerSecond > 0 || !hasSent
  }
}

/** What is supposed of the origin server where nothing is known of the line. */
function supposed({ copy, peerBytesPerSecond }: Standing): number {
  switch (copy) {
    case 'whole':
      return Infinity
    case 'large':
      return peerBytesPerSecond < GOOD_BYTES_PER_SECOND ? Infinity : 0
    case 'growing':
      return peerBytesPerSecond < POOR_BYTES_PER_SECOND ? Infinity : 0
  }
}

/** How fast the origin server is: a trial is short, so that crowds can afford it, and says for certain whether the line is free. */
export function originSpeed(
  { peerBytesPerSecond }: Standing,
  triedBytesPerSecond: number,
  lineBytesPerSecond = 0,
): number {
  const isFree = triedBytesPerSecond >= TIMES_FREE * peerBytesPerSecond
  return isFree ? Math.max(triedBytesPerSecond, lineBytesPerSecond) : triedBytesPerSecond
}

export interface SlownessComponents {
  readonly clock: Clock
  readonly request: RetrievalRequest
  readonly trials: OriginTrials
  readonly originBytesPerSecond?: () => number | undefined
  /** Whether this node had to wait for its turn at the processor lately; absent: never. */
  readonly isBusy?: () => boolean
}

/** How far the retrieval is, asked again at each look. */
export interface Progressing {
  /** Bytes that have come from whoever it was, wherever they belong. */
  receivedBytes(): number
  /** Those of them that the origin server has sent. */
  originBytes(): number
  /** Bytes that are held without a gap, and those of the file; `undefined` while that is not known. */
  heldBytes(): number
  size(): number | undefined
  /** Whether the Internet would have to begin anew. */
  wouldStartAfresh(): boolean
  /** What peers have wasted before, in ms. */
  wastedMs(): number
  /** Whether an application waits for it. */
  isAwaited(): boolean
}

interface Look {
  readonly at: Monotonic
  readonly bytes: number
}

/** Looks at one source while it is in use. */
export class Slowness {
  readonly #components: SlownessComponents
  readonly #isGrowing: boolean
  readonly #progress: Progressing
  readonly #signal: AbortSignal
  readonly #tooSlow: (fault: Fault, lagMs: number) => void
  readonly #began: Look
  readonly #before: { readonly heldBytes: number; readonly originBytes: number }
  #looks: readonly Look[]
  #trial: { readonly at: Monotonic; readonly peerBytesPerSecond: number } | undefined
  #againMs = AGAIN_MS
  #isTrying = false

  /** @param tooSlow called once, with what it has cost so far, in ms. */
  constructor(
    kind: PeerSource['kind'],
    progress: Progressing,
    signal: AbortSignal,
    components: SlownessComponents,
    tooSlow: (fault: Fault, lagMs: number) => void,
  ) {
    this.#components = components
    this.#isGrowing = kind === 'in-progress'
    this.#progress = progress
    this.#signal = signal
    this.#tooSlow = tooSlow
    this.#before = { heldBytes: progress.heldBytes(), originBytes: progress.originBytes() }
    this.#began = this.#now()
    this.#looks = [this.#began]
  }

  /** From now on, until the source is not in use any more. */
  watch(): void {
    const cancel = this.#components.clock.after(LOOK_MS, () => {
      this.#signal.removeEventListener('abort', cancel)
      this.#look()
    })
    this.#signal.addEventListener('abort', cancel, { once: true })
  }

  #look(): void {
    // The origin server helps already.
    if (this.#progress.originBytes() > this.#before.originBytes) return
    const look = this.#now()
    const windowMs = WINDOW_MS[this.#isGrowing ? 'growing' : 'whole']
    this.#looks = [...recent(this.#looks, look, this.#began.bytes, windowMs), look]
    this.#judge()
    if (!this.#signal.aborted) this.watch()
  }

  #judge(): void {
    const standing = this.#standing()
    const { originBytesPerSecond, trials, request } = this.#components
    const line = originBytesPerSecond?.()
    if (standing === undefined || !isDoubtful(standing, line)) return
    const trial = trials.recent(request)
    if (trial === undefined) return void (this.#mayTry(standing) && this.#try(standing))
    const mayLeave = standing.copy !== 'large' || standing.usedMs >= HELPED_MS
    const speed = originSpeed(standing, trial.bytesPerSecond, line)
    if (mayLeave && isTooSlow(standing, speed)) this.#leave(standing, speed)
  }

  /** `undefined` as long as nothing can be said. */
  #standing(): Standing | undefined {
    const size = this.#progress.size()
    const now = this.#now()
    const usedMs = now.at - this.#began.at
    const leftMs = LATER_MS - this.#progress.wastedMs()
    const isFair = this.#components.isBusy?.() !== true || usedMs >= MOST_LATE_MS + SILENT_MS
    if (size === undefined || !isFair || !this.#progress.isAwaited()) return undefined
    const knownMs = Math.max(LOOK_MS, Math.min(KNOWN_MS[this.#isGrowing ? 'growing' : 'whole'], leftMs))
    const [since] = this.#looks
    const sinceMs = now.at - (since ?? now).at
    if (usedMs < knownMs || sinceMs < LOOK_MS) return undefined
    if (now.bytes === this.#began.bytes && usedMs < silentMs(leftMs)) return undefined
    const missingBytes = Math.max(0, size - this.#before.heldBytes - (now.bytes - this.#began.bytes))
    return {
      copy: this.#isGrowing ? 'growing' : size < WORTHWHILE_BYTES ? 'whole' : 'large',
      usedMs,
      hasSent: now.bytes > this.#began.bytes,
      peerBytesPerSecond: ((now.bytes - (since ?? now).bytes) * 1000) / sinceMs,
      missingBytes,
      fromOriginBytes: this.#progress.wouldStartAfresh() ? size : missingBytes,
      leftMs: leftMs - this.#lagMs(),
    }
  }

  /** What this peer has cost so far, beside the Internet. */
  #lagMs(originBytesPerSecond = Infinity): number {
    const now = this.#now()
    const usedBytes = this.#progress.wouldStartAfresh() ? 0 : now.bytes - this.#began.bytes
    return Math.max(0, now.at - this.#began.at - (usedBytes * 1000) / originBytesPerSecond)
  }

  #mayTry({ peerBytesPerSecond }: Standing): boolean {
    if (this.#isTrying) return false
    const last = this.#trial
    if (last === undefined) return true
    const isTime = this.#now().at - last.at >= this.#againMs
    return isTime || peerBytesPerSecond < FALLEN_BEHIND * last.peerBytesPerSecond
  }

  async #try({ copy, peerBytesPerSecond, missingBytes }: Standing): Promise<void> {
    const { trials, request } = this.#components
    const end = this.#progress.size() ?? 0
    this.#isTrying = true
    if (this.#trial !== undefined) this.#againMs *= 2
    const { at } = await trials.run(
      request,
      { start: Math.max(0, end - missingBytes), end },
      TRIAL_BYTES[copy],
    )
    this.#trial = { at, peerBytesPerSecond }
    this.#isTrying = false
    if (!this.#signal.aborted) this.#judge()
  }

  #leave({ peerBytesPerSecond, missingBytes }: Standing, originBytesPerSecond: number): void {
    const [peer, origin] = [peerBytesPerSecond, originBytesPerSecond].map((each) => `${formatBytes(each)}/s`)
    const message = `${formatBytes(missingBytes)} are missing at ${peer}, the origin server has ${origin}`
    this.#tooSlow(new Fault('PEER_SLOW', message), this.#lagMs(originBytesPerSecond))
  }

  #now(): Look {
    return { at: this.#components.clock.monotonic(), bytes: this.#progress.receivedBytes() }
  }
}

const silentMs = (leftMs: number) => Math.min(SILENT_MS, Math.max(LEAST_SILENT_MS, leftMs))

/** Those within the window, and of those before the first byte came the last alone: to begin may take a moment. */
function recent(
  looks: readonly Look[],
  { at, bytes }: Look,
  firstBytes: number,
  windowMs: number,
): readonly Look[] {
  const within = looks.filter((look) => at - look.at <= windowMs)
  const empty = within.filter((look) => look.bytes === firstBytes)
  return bytes === firstBytes ? within : within.slice(Math.max(0, empty.length - 1))
}
