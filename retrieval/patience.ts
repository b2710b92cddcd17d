/**
 * How much time peers may cost an application (V§2): each is left when it is silent for too long, and what all of them have wasted
 * is bounded. Who serves well, and a slow origin server, earn patience back.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import type { Fault } from '../core/fault.ts'

/** All peers together may cost an application this much that leads nowhere, in ms. */
export const PATIENCE_MS = 900

/** One peer may stay silent, or drip, for this long, in ms. */
export const STALL_MS = 500

/** What a peer costs that served well and then failed: its silence, and the way around it, in ms. */
const BREAK_MS = 650

/** The share of the time of good service that is earned back. */
const EARNED = 0.1

export class Patience {
  readonly #clock: Clock
  #wastedMs = 0
  #isOrigin = false
  /** Since when the source in use is in use. */
  #usedAt = 0 as Monotonic

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Another source is in use from now on. */
  uses(kind: 'internet' | 'peer'): void {
    this.#wastedMs = this.#wasted()
    this.#usedAt = this.#clock.monotonic()
    this.#isOrigin = kind === 'internet'
  }

  /** A peer failed that was in use since `began`. Wrong bytes cost all that time; others were of use until they broke off. */
  waste(began: Monotonic, { code }: Fault): void {
    const elapsedMs = this.#clock.monotonic() - began
    const wastedMs = code === 'VERIFICATION_FAILED' ? elapsedMs : Math.min(elapsedMs, BREAK_MS)
    this.#wastedMs = Math.max(0, this.#wastedMs - EARNED * (elapsedMs - wastedMs)) + wastedMs
  }

  /** How long the next peer may be silent, in ms; 0: no peer is waited for any more. */
  leftMs(): number {
    return Math.max(0, Math.min(STALL_MS, PATIENCE_MS - this.#wasted()))
  }

  /** While the origin server sends, patience with peers comes back too: a slow one is no better than they are. */
  #wasted(): number {
    const earnedMs = this.#isOrigin ? EARNED * (this.#clock.monotonic() - this.#usedAt) : 0
    return Math.max(0, this.#wastedMs - earnedMs)
  }
}
