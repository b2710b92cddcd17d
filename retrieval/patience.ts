/**
 * How much time peers may cost an application (V§2): each is left when it is silent for too long, and what all of them have wasted
 * is bounded. Who serves well, and a slow origin server, earn patience back.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import type { Fault } from '../core/fault.ts'
import type { Source } from './source.ts'

/** All peers together may cost an application this much that leads nowhere, in ms. */
export const PATIENCE_MS = 720

/** The last of it is for agreeing with the others, who were lied to as well, on one that fetches, in ms. */
export const AGREEING_MS = 170

/** So long it takes at least, whatever was lost before: who asked nobody would be one more to fetch it. */
export const LEAST_AGREEING_MS = 70

/** One peer may stay silent, or drip, for this long, in ms. */
export const STALL_MS = 360

/** And only so long where another one has it, too, in ms: to be wrong costs little then. */
export const SPARE_STALL_MS = 160

/** And so long after one that has cost an application time: who lies may be several, in ms. */
export const NEXT_STALL_MS = 120

/** Less is unfair to anybody, in ms. */
export const LEAST_MS = 100

/** So long one may be silent that is found after a promise that was not kept, in ms. */
export const AFTER_PROMISES_MS = 100

/**
 * So long one may be silent that has kept a promise, in ms, the time of its promise included; but `SPARE_STALL_MS` in any case. Who
 * names a copy has it by then, and sends at once.
 */
export const PROMISED_STALL_MS = 460

/** What a peer costs that served well and then failed: its silence, and the way around it, in ms. */
export const BREAK_MS = 440

/** The share of the time of good service that is earned back. */
const EARNED = 0.1

export class Patience {
  readonly #clock: Clock
  #wastedMs = 0
  #isOrigin = false
  /** Whether agreeing has begun, because peers have cost too much; since when, until it is over. */
  #agreement: 'not begun' | 'over' | 'in vain' | Monotonic = 'not begun'
  /** Since when the source in use is in use. */
  #usedAt = 0 as Monotonic

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Another source is in use from now on. The time that it took to agree on one that fetches counts too. */
  uses(kind: Source['kind']): void {
    const now = this.#clock.monotonic()
    this.#wastedMs = this.#wasted()
    if (typeof this.#agreement === 'number') {
      // Whoever was agreed on is heard out, or the others' answers were for nothing.
      const mostMs = PATIENCE_MS - (kind === 'internet' ? 0 : LEAST_MS)
      this.#wastedMs = Math.min(mostMs, this.#wastedMs + now - this.#agreement)
      this.#agreement = kind === 'internet' ? 'in vain' : 'over'
    }
    this.#usedAt = now
    this.#isOrigin = kind === 'internet'
  }

  /** Since when the source in use is in use. */
  get usedAt(): Monotonic {
    return this.#usedAt
  }

  /** No peer has failed. */
  get isWhole(): boolean {
    return this.#wastedMs === 0
  }

  /** One that fetches has been agreed on. */
  get hasAgreed(): boolean {
    return this.#agreement === 'over'
  }

  /** Patience is nearly used up. @returns how long agreeing may take, in ms; `undefined` when that has begun before. */
  beginAgreeing(): number | undefined {
    if (this.#agreement !== 'not begun') return undefined
    this.#agreement = this.#clock.monotonic()
    return Math.max(LEAST_AGREEING_MS, PATIENCE_MS - this.#wasted() - LEAST_MS)
  }

  /**
   * A peer failed that was in use since `began`. Wrong bytes cost all that time; others were of use until they broke off.
   * @param lagMs what it has cost, where that was measured.
   */
  waste(began: Monotonic, { code }: Fault, lagMs?: number): void {
    const elapsedMs = this.#clock.monotonic() - began
    const brokenMs = code === 'VERIFICATION_FAILED' ? elapsedMs : Math.min(elapsedMs, BREAK_MS)
    // One alone does not use it all up: somebody else may have it, who takes a moment.
    const wastedMs = lagMs === undefined ? brokenMs : this.isWhole ? Math.min(lagMs, BREAK_MS) : lagMs
    const stillMs = Math.max(0, this.#wastedMs - EARNED * (elapsedMs - wastedMs))
    // More than all cannot be lost: what is earned from then on makes peers possible again.
    this.#wastedMs = Math.min(PATIENCE_MS, stillMs + wastedMs)
  }

  /** So long was waited for copies that were promised, and not given. One peer is tried even so: words get lost. */
  waited(vainMs: number): void {
    const mostMs = Math.max(this.#wastedMs, PATIENCE_MS - AGREEING_MS - AFTER_PROMISES_MS)
    this.#wastedMs = Math.min(mostMs, this.#wastedMs + vainMs)
  }

  /** A peer has failed that was waited for so long before, because it had promised a copy: that was in vain as well, in ms. */
  promised(forMs: number): void {
    const mostMs = Math.max(this.#wastedMs, PATIENCE_MS - LEAST_AGREEING_MS)
    this.#wastedMs = Math.min(mostMs, this.#wastedMs + forMs)
  }

  /** One peer is tried even so, for a moment. */
  oneMore(): void {
    this.#wastedMs = Math.min(this.#wasted(), this.#inAllMs - AFTER_PROMISES_MS)
    this.#usedAt = this.#clock.monotonic()
  }

  /** A peer has shown that it sends: it has the time that one may have. */
  trust(): void {
    this.#wastedMs = Math.min(this.#wasted(), PATIENCE_MS - AGREEING_MS - STALL_MS)
    this.#usedAt = this.#clock.monotonic()
  }

  /**
   * How long the next peer may be silent, in ms; 0: no peer is waited for any more.
   * @param kind of a growing copy the line may be to blame.
   * @param promisedMs how long it was waited for before, because it had promised a copy.
   */
  leftMs(kind: Source['kind'] = 'in-progress', promisedMs = 0): number {
    const wastedMs = this.#wasted()
    const afterMs = Math.max(SPARE_STALL_MS, PROMISED_STALL_MS - promisedMs)
    const mostMs = kind === 'peer' && wastedMs >= LEAST_MS ? NEXT_STALL_MS : Math.min(afterMs, STALL_MS)
    const leftMs = Math.min(mostMs, this.#inAllMs - wastedMs)
    return leftMs < LEAST_MS ? 0 : leftMs
  }

  /** What peers may cost, in ms; once agreeing has begun its own part of it is for reading as well. */
  get #inAllMs(): number {
    return PATIENCE_MS - (this.#agreement === 'not begun' ? AGREEING_MS : 0)
  }

  /** What peers have cost, in ms. */
  wastedMs(): number {
    return this.#wasted()
  }

  /** How long peers may go on giving nothing, in ms, the time for agreeing included. */
  leftInAllMs(): number {
    return Math.max(0, PATIENCE_MS - this.#wasted())
  }

  /** While the origin server sends, patience with peers comes back too: a slow one is no better than they are. */
  #wasted(): number {
    const earnedMs = this.#isOrigin ? EARNED * (this.#clock.monotonic() - this.#usedAt) : 0
    return Math.max(0, this.#wastedMs - earnedMs)
  }
}
