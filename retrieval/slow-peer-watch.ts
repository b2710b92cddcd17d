/** Looks at a peer while it is in use, and tells when it is too slow (slowness.ts). */
import type { Clock, Monotonic } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { formatBytes } from '../core/units.ts'
import type { LineUse } from './line-use.ts'
import { TRIAL_BYTES, type OriginTrials } from './origin-trial.ts'
import { WORTHWHILE_BYTES } from './pieces/several-sources.ts'
import type { RetrievalRequest } from './request.ts'
import {
  isDoubtful,
  isJudgedTooLate,
  isTooSlow,
  LATER_MS,
  lineSpeed,
  originSpeed,
  type Standing,
} from './slowness.ts'
import type { PeerSource } from './source.ts'
import { MOST_LATE_MS } from './tolerance.ts'

/** A peer is known after it has been in use for so long, in ms; one that others may help out is left only later. */
const KNOWN_MS = { whole: 200, growing: 300 } as const
const HELPED_MS = 850
const LOOK_MS = 100

/** Of one that has sent nothing so far, after so long, in ms: silence without an excuse is found out before (pace.ts). */
const SILENT_MS = 600
/** At least, and where other peers have cost time already. */
const LEAST_SILENT_MS = 200

/** What counts is what came in the last so many ms. */
const WINDOW_MS = { whole: 300, growing: 500 } as const

/** And where another one has been slow already: what it sent at once says little of what it sends next. */
const NEXT_WINDOW_MS = 150

/** The origin server is tried again after so long, in ms, then after twice as long, and so on; at once when the peer falls behind. */
const AGAIN_MS = 1000
const FALLEN_BEHIND = 1 / 2

/** Beside a growing copy, which many read, not before so long, in ms, where bytes came no faster than they come by way of the peer. */
const NO_BETTER_MS = 8000

export interface SlowPeerWatchComponents {
  /** Time in which this node could listen: who could not read does not judge how fast a peer has sent. */
  readonly clock: Clock
  readonly request: RetrievalRequest
  readonly trials: OriginTrials
  readonly lineUse: LineUse
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
  /** Whether no application has been given a byte. */
  isUnseen(): boolean
  /** Whether the Internet would have to begin anew. */
  wouldStartAfresh(): boolean
  /** What peers have wasted before, in ms. */
  wastedMs(): number
  /** Whether an application waits for it. */
  isAwaited(): boolean
  /** Whether the origin server could send the rest alone; `undefined`: that is not known. */
  knowsRanges(): boolean | undefined
  /** Whether nothing can come of it now, because the origin server sends the peer again what it has. */
  isSentAgain(): boolean
  /** Whether this node comes first of those that asked at the same moment, but for the peer in use. */
  isFirst(): boolean
}

interface Tried {
  readonly at: Monotonic
  readonly peerBytesPerSecond: number
  /** Of the origin server. */
  readonly bytesPerSecond: number
}

interface Look {
  readonly at: Monotonic
  readonly bytes: number
}

/** Looks at one source while it is in use. */
export class SlowPeerWatch {
  readonly #components: SlowPeerWatchComponents
  readonly #isGrowing: boolean
  readonly #progress: Progressing
  readonly #signal: AbortSignal
  readonly #tooSlow: (fault: Fault, lagMs: number) => void
  readonly #began: Look
  readonly #before: { readonly heldBytes: number; readonly originBytes: number }
  #looks: readonly Look[]
  #trial: Tried | undefined
  #againMs = AGAIN_MS
  #isTrying = false

  /** @param tooSlow called once, with what it has cost so far, in ms. */
  constructor(
    kind: PeerSource['kind'],
    progress: Progressing,
    signal: AbortSignal,
    components: SlowPeerWatchComponents,
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
    if (this.#isGrowing) {
      const { lineUse, request } = this.#components
      lineUse.note(look.bytes - (this.#looks.at(-1)?.bytes ?? 0), request.uri)
    }
    this.#looks = [...recent(this.#looks, look, this.#began.bytes, this.#windowMs), look]
    this.#judge()
    if (!this.#signal.aborted) this.watch()
  }

  get #windowMs(): number {
    if (this.#isGrowing) return WINDOW_MS.growing
    return this.#progress.wastedMs() > 0 ? NEXT_WINDOW_MS : WINDOW_MS.whole
  }

  #judge(): void {
    const standing = this.#standing()
    const { originBytesPerSecond, trials, request } = this.#components
    const line = originBytesPerSecond?.()
    if (standing === undefined) return this.#feelAhead(line)
    if (!isDoubtful(standing, line)) return
    const trial = trials.recent(request)
    if (trial === undefined) return void (this.#mayTry(standing) && this.#try(standing))
    const mayLeave = standing.copy !== 'large' || standing.usedMs >= HELPED_MS
    const best = lineSpeed(trial.bytesPerSecond, line)
    // Others have left the same slow ones before, at the same moment, and their trials shared the line.
    const isNext = standing.copy === 'whole' && this.#progress.wastedMs() > 0
    const speed = isNext ? best : originSpeed(standing, trial.bytesPerSecond, line)
    if (mayLeave && isTooSlow(standing, speed)) return this.#leave(standing, speed)
    if (isJudgedTooLate(standing, best)) this.#leave(standing, best)
  }

  /** Where it looks as if the line will be tried at the next look, it is felt now: a head takes its time. */
  #feelAhead(line: number | undefined): void {
    if (!this.#isSounded) return
    const soon = this.#standing(LOOK_MS)
    if (soon !== undefined && isDoubtful(soon, line)) this.#components.trials.isFree(this.#components.request)
  }

  /** The first of those that read it asks for bytes at once: it is one, and time matters. */
  get #isSounded(): boolean {
    return this.#isGrowing && this.#components.lineUse.isShared() && !this.#progress.isFirst()
  }

  /** `undefined` as long as nothing can be said. @param laterMs as if so much had passed. */
  #standing(laterMs = 0): Standing | undefined {
    const size = this.#progress.size()
    const now = this.#now()
    const usedMs = now.at - this.#began.at
    const leftMs = LATER_MS - this.#progress.wastedMs()
    const isFair = this.#components.isBusy?.() !== true || usedMs >= MOST_LATE_MS + SILENT_MS
    if (size === undefined || !isFair || !this.#progress.isAwaited()) return undefined
    const knownMs = Math.max(LOOK_MS, Math.min(KNOWN_MS[this.#isGrowing ? 'growing' : 'whole'], leftMs))
    const [since] = this.#looks
    const sinceMs = now.at - (since ?? now).at
    if (usedMs + laterMs < knownMs || sinceMs < LOOK_MS) return undefined
    if (now.bytes === this.#began.bytes && usedMs + laterMs < silentMs(leftMs)) return undefined
    const lately = this.#looks.findLast(({ at }) => now.at - at >= LOOK_MS / 2)
    if (lately?.bytes === now.bytes && this.#progress.isSentAgain()) return undefined
    const peerBytesPerSecond = ((now.bytes - (since ?? now).bytes) * 1000) / sinceMs
    const missingBytes = Math.max(0, size - this.#before.heldBytes - (now.bytes - this.#began.bytes))
    return {
      copy: this.#isGrowing ? 'growing' : size < WORTHWHILE_BYTES ? 'whole' : 'large',
      usedMs,
      isUnseen: this.#progress.isUnseen(),
      hasSent: now.bytes > this.#began.bytes,
      isFirst: this.#progress.isFirst() && !this.#components.lineUse.isShared(),
      peerBytesPerSecond,
      lineBytesPerSecond: this.#isGrowing
        ? Math.max(peerBytesPerSecond, this.#components.lineUse.bytesPerSecond())
        : peerBytesPerSecond,
      missingBytes,
      fromOriginBytes:
        this.#progress.wouldStartAfresh() || this.#progress.knowsRanges() === false ? size : missingBytes,
      leftMs: leftMs - this.#lagMs(),
    }
  }

  /** What this peer has cost so far, beside the Internet. */
  #lagMs(originBytesPerSecond = Infinity): number {
    const now = this.#now()
    const usedBytes = this.#progress.wouldStartAfresh() ? 0 : now.bytes - this.#began.bytes
    return Math.max(0, now.at - this.#began.at - (usedBytes * 1000) / originBytesPerSecond)
  }

  #mayTry(standing: Standing): boolean {
    if (this.#isTrying) return false
    const { peerBytesPerSecond } = standing
    const last = this.#trial
    if (last === undefined) return true
    const isBetter = last.bytesPerSecond === 0 || isTooSlow(standing, last.bytesPerSecond)
    const againMs = this.#isGrowing && !isBetter ? Math.max(this.#againMs, NO_BETTER_MS) : this.#againMs
    const isTime = this.#now().at - last.at >= againMs
    return isTime || peerBytesPerSecond < FALLEN_BEHIND * last.peerBytesPerSecond
  }

  async #try({ copy, peerBytesPerSecond, missingBytes }: Standing): Promise<void> {
    const { trials, request, originBytesPerSecond } = this.#components
    const isUntold = copy === 'growing' && originBytesPerSecond?.() === undefined
    const end = this.#progress.size() ?? 0
    this.#isTrying = true
    if (this.#trial !== undefined) this.#againMs *= 2
    const span = { start: Math.max(0, end - missingBytes), end }
    const bytes = TRIAL_BYTES[isUntold ? 'untold' : copy]
    const { bytesPerSecond } = await trials.run(request, span, { ...bytes, isSounded: this.#isSounded })
    this.#trial = { at: this.#now().at, peerBytesPerSecond, bytesPerSecond }
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
