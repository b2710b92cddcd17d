/** What members may take of a gateway: requests in a minute, bytes in an hour, and so many at once; each, and all together. */
import type { Clock, Monotonic } from '../core/clock.ts'
import type { MemberId } from '../site/keys.ts'
import type { Refusal } from './wire.ts'

export interface Allowance {
  readonly requestsPerMinute: number
  readonly bytesPerHour: number
  readonly atOnce: number
}

export interface LimitSettings {
  readonly perMember: Allowance
  readonly inAll: Allowance
}

/** A request that runs. */
export interface Permit {
  /** The response has a length. @returns whether there are so many bytes left. */
  reserve(bytes: number): boolean
  /** These have been sent. @returns whether that was all right: bytes that were reserved are. */
  spend(bytes: number): boolean
  /** It is over; what was reserved and not sent is given back. */
  end(): void
}

export type Admission =
  | { readonly kind: 'admitted'; readonly permit: Permit }
  | { readonly kind: 'refused'; readonly reason: Extract<Refusal, `too-many-${string}`> }

/** Members that are remembered; a site has fewer. */
const MAX_MEMBERS = 4096

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

export class Limits {
  readonly #settings: LimitSettings
  readonly #clock: Clock
  readonly #all: Account
  readonly #members = new Map<MemberId, Account>()

  constructor(settings: LimitSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
    this.#all = new Account(settings.inAll, clock.monotonic())
  }

  admit(member: MemberId): Admission {
    const accounts = [this.#accountOf(member), this.#all]
    const now = this.#clock.monotonic()
    for (const account of accounts) account.refill(now)
    const reasons = accounts.map((account) => account.refusal())
    const reason = reasons.find((each) => each !== undefined)
    if (reason !== undefined) return { kind: 'refused', reason }
    for (const account of accounts) account.begin()
    return { kind: 'admitted', permit: permitOf(accounts) }
  }

  #accountOf(member: MemberId): Account {
    const known = this.#members.get(member)
    if (known !== undefined) return known
    const account = new Account(this.#settings.perMember, this.#clock.monotonic())
    const [oldest] = this.#members.keys()
    if (this.#members.size >= MAX_MEMBERS && oldest !== undefined) this.#members.delete(oldest)
    this.#members.set(member, account)
    return account
  }
}

function permitOf(accounts: readonly Account[]): Permit {
  let reserved = 0
  let isOver = false
  const take = (bytes: number) => {
    for (const account of accounts) account.bytes -= bytes
  }
  return {
    reserve(bytes) {
      if (accounts.some((account) => account.bytes < bytes)) return false
      take(bytes)
      reserved = bytes
      return true
    },
    spend(bytes) {
      const beyond = Math.max(0, bytes - reserved)
      reserved = Math.max(0, reserved - bytes)
      take(beyond)
      return beyond === 0 || accounts.every((account) => account.bytes >= 0)
    },
    end() {
      if (isOver) return
      isOver = true
      take(-reserved)
      for (const account of accounts) account.atOnce -= 1
    },
  }
}

/** Fills up evenly with time, up to what one whole period allows. */
class Account {
  readonly #allowance: Allowance
  requests: number
  bytes: number
  atOnce = 0
  #at: Monotonic

  constructor(allowance: Allowance, at: Monotonic) {
    this.#allowance = allowance
    this.requests = allowance.requestsPerMinute
    this.bytes = allowance.bytesPerHour
    this.#at = at
  }

  refill(now: Monotonic): void {
    const { requestsPerMinute, bytesPerHour } = this.#allowance
    const passed = now - this.#at
    this.#at = now
    this.requests = Math.min(requestsPerMinute, this.requests + (passed / MINUTE_MS) * requestsPerMinute)
    this.bytes = Math.min(bytesPerHour, this.bytes + (passed / HOUR_MS) * bytesPerHour)
  }

  refusal(): Extract<Refusal, `too-many-${string}`> | undefined {
    if (this.atOnce >= this.#allowance.atOnce) return 'too-many-at-once'
    if (this.requests < 1) return 'too-many-requests'
    return this.bytes <= 0 ? 'too-many-bytes' : undefined
  }

  begin(): void {
    this.requests -= 1
    this.atOnce += 1
  }
}
