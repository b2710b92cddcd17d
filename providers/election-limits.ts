/**
 * How many elections are taken part in (V§4): each new term that somebody brings up costs a token of its sender and one of the
 * function. What exceeds them costs a counter; the result of such an election is believed all the same.
 */
import type { Monotonic } from '../core/clock.ts'

export interface ElectionLimitSettings {
  /** Elections at once. */
  readonly burst: number
  /** Another one after so long, in ms. */
  readonly refillMs: number
}

/** Of one sender: it may have bad luck a few times. */
export const PER_SENDER: ElectionLimitSettings = { burst: 6, refillMs: 10_000 }
/** Of all senders together, for one function. */
export const PER_FUNCTION: ElectionLimitSettings = { burst: 30, refillMs: 2000 }
/** Those that this node calls itself. */
export const OWN_CALLS: ElectionLimitSettings = { burst: 6, refillMs: 5000 }

/** Senders that are told apart; the one unheard for longest is forgotten first. */
export const MAX_SENDERS = 1024

interface Bucket {
  tokens: number
  at: Monotonic
}

/** @returns whether one more is within the limit; `key` tells buckets apart. */
export function electionLimit({
  burst,
  refillMs,
}: ElectionLimitSettings): (key: string, at: Monotonic) => boolean {
  const buckets = new Map<string, Bucket>()
  return (key, at) => {
    const before = buckets.get(key) ?? { tokens: burst, at }
    const tokens = Math.min(burst, before.tokens + (at - before.at) / refillMs)
    buckets.delete(key)
    buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at })
    const [oldest] = buckets.keys()
    if (buckets.size > MAX_SENDERS && oldest !== undefined) buckets.delete(oldest)
    return tokens >= 1
  }
}
