/**
 * How many signatures are verified that come to nothing (V§4, "exhaustion"): verifying costs as much as reading eight packets, and
 * anybody can sign with a key that nobody knows, or in a member's name wrongly. Members cost nothing here: what is right is not
 * counted, and an address from which something right has come lately is verified however much the others send.
 */
import type { Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'

/** A second, and at once; of one address, and of all that have not proved anything. */
const PER_SOURCE = 20
const OVERALL = 200

/** So long an address has proved something, in ms: a member speaks more often. */
export const PROVED_MS = 10 * 60_000

/** Addresses that are told apart; the one unheard for longest is forgotten first. */
export const MAX_ADDRESSES = 4096

interface Allowance {
  left: number
  at: Monotonic
}

export class VainSignatures {
  readonly #sources = new Map<Address, Allowance>()
  readonly #proved = new Map<Address, Monotonic>()
  readonly #all: Allowance = { left: OVERALL, at: 0 as Monotonic }

  /** Whether a signature from there is worth verifying now. */
  mayVerify(from: Address, at: Monotonic): boolean {
    const source = this.#sources.get(from)
    if (source !== undefined && leftOf(source, at, PER_SOURCE) < 1) return false
    return this.#hasProved(from, at) || leftOf(this.#all, at, OVERALL) >= 1
  }

  /** It was verified; `isMember`: and was right. */
  verified(from: Address, at: Monotonic, isMember: boolean): void {
    if (isMember) return renew(this.#proved, from, at)
    const source = this.#sources.get(from) ?? { left: PER_SOURCE, at }
    take(source, at, PER_SOURCE)
    renew(this.#sources, from, source)
    if (!this.#hasProved(from, at)) take(this.#all, at, OVERALL)
  }

  #hasProved(from: Address, at: Monotonic): boolean {
    return at - (this.#proved.get(from) ?? -Infinity) < PROVED_MS
  }
}

function leftOf(allowance: Allowance, at: Monotonic, perSecond: number): number {
  const gained = (Math.max(0, at - allowance.at) / 1000) * perSecond
  return Math.min(perSecond, allowance.left + gained)
}

function take(allowance: Allowance, at: Monotonic, perSecond: number): void {
  allowance.left = Math.max(0, leftOf(allowance, at, perSecond) - 1)
  allowance.at = at
}

function renew<Value>(known: Map<Address, Value>, from: Address, value: Value): void {
  known.delete(from)
  known.set(from, value)
  const [oldest] = known.keys()
  if (known.size > MAX_ADDRESSES && oldest !== undefined) known.delete(oldest)
}
