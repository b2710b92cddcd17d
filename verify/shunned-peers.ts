/**
 * Peers that this node leaves aside for a while, and bodies that proved wrong (V§4 "poisoning by a peer", R8.4).
 *
 * Kept in memory only: a restart forgives. A peer is its address, so that a machine which takes over a shunned
 * address is left aside with it; that costs a download from elsewhere, never a wrong byte.
 */
import type { Clock, EpochMs, Monotonic } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'

/** How long a peer is left aside, in milliseconds, by what it did. */
export const SHUN_MS = {
  /** What it sent was refused by verification: a liar or a broken disk. V§4 asks for 24 h. */
  'bad-bytes': 24 * 60 * 60_000,
  /** A user agent asked again for what it had delivered unverified (V5): a strong suspicion, not a proof. */
  'asked-again': 60 * 60_000,
  /** It sent nothing for too long, again and again; the first time costs it `FIRST_STALL_MS`, each further one twice as much. */
  stalled: 60_000,
  /** It offered a copy and could not be reached, or broke off. */
  'broke-off': 30_000,
} as const

/** A machine that is busy, or whose line is, falls silent for a moment and is back soon: in ms. */
export const FIRST_STALL_MS = 1000

/**
 * Wrong bytes that an honest peer can have got, in ms. Whoever is left aside is asked for nothing, so that who causes this from
 * outside must go on for as long as it lasts.
 */
export const FIRST_DOUBT_MS = 60_000

/** A stall that nothing followed for so long is forgotten, in ms. */
export const STALLS_KNOWN_MS = 10 * 60_000

export type ShunReason = keyof typeof SHUN_MS

/** What a peer is shunned for: bytes that came under a name. */
export interface SuspectBody {
  readonly uri: TargetUri
  readonly body: Sha256
  /** Whether an honest peer can have got them: from an origin server that tells each machine something else. */
  readonly isDoubtful?: boolean
}

export interface ShunnedPeer {
  readonly peer: Address
  readonly reason: ShunReason
  /** What happened, for logs and for people; without credentials. */
  readonly detail: string
  readonly since: EpochMs
  readonly forMs: number
}

export interface Misdeed {
  readonly reason: ShunReason
  readonly detail: string
  /** The SHA-256 of what came, where it proved wrong: not taken from any peer without a proof for 24 h. */
  readonly body?: Sha256
  /** Whether an honest peer can have done it: the first time costs it `FIRST_DOUBT_MS`, each further one twice as much. */
  readonly isDoubtful?: boolean
}

export interface ShunnedPeers {
  /** Leaves the peer aside. A longer shunning under way stays as it is; the misdeed counts all the same. */
  shun(peer: Address, misdeed: Misdeed): void
  /** Why the peer is left aside at this moment; `undefined` when it is not. */
  find(peer: Address): ShunnedPeer | undefined
  isBadBody(body: Sha256): boolean
  /** Takes a peer back before its time, because a person says so. @returns whether it was shunned. */
  pardon(peer: Address): boolean
  list(): readonly ShunnedPeer[]
  /** Misdeeds since the start, by reason. */
  counts(): Readonly<Record<ShunReason, number>>
}

/** At most this many peers, and as many bodies; the one whose time ends first makes room. */
export const MAX_SHUNNED = 4_096

export function shunnedPeers({ clock }: { readonly clock: Clock }): ShunnedPeers {
  const peers = expiringMap<Address, ShunnedPeer>(clock)
  const bodies = expiringMap<Sha256, true>(clock)
  const stalls = expiringMap<Address, number>(clock)
  const doubts = expiringMap<Address, number>(clock)
  const counts: Record<ShunReason, number> = { 'bad-bytes': 0, 'asked-again': 0, stalled: 0, 'broke-off': 0 }

  const stalledForMs = (peer: Address) => {
    const before = stalls.get(peer) ?? 0
    stalls.set(peer, before + 1, STALLS_KNOWN_MS)
    return Math.min(FIRST_STALL_MS * 2 ** before, SHUN_MS.stalled)
  }
  const doubtedForMs = (peer: Address) => {
    const before = doubts.get(peer) ?? 0
    doubts.set(peer, before + 1, SHUN_MS['bad-bytes'])
    return Math.min(FIRST_DOUBT_MS * 2 ** before, SHUN_MS['bad-bytes'])
  }
  const forMsOf = (peer: Address, { reason, isDoubtful }: Misdeed) => {
    if (reason === 'stalled') return stalledForMs(peer)
    return reason === 'bad-bytes' && isDoubtful === true ? doubtedForMs(peer) : SHUN_MS[reason]
  }

  return {
    shun(peer, misdeed) {
      const { reason, detail, body } = misdeed
      counts[reason]++
      const forMs = forMsOf(peer, misdeed)
      peers.set(peer, { peer, reason, detail, since: clock.wall(), forMs }, forMs)
      if (body !== undefined) bodies.set(body, true, SHUN_MS['bad-bytes'])
    },
    find: (peer) => peers.get(peer),
    isBadBody: (body) => bodies.get(body) !== undefined,
    pardon: (peer) => peers.delete(peer),
    list: () => peers.values(),
    counts: () => ({ ...counts }),
  }
}

interface ExpiringMap<K, V> {
  get(key: K): V | undefined
  /** An entry that lasts longer than the new one stays. */
  set(key: K, value: V, forMs: number): void
  delete(key: K): boolean
  values(): V[]
}

function expiringMap<K, V>(clock: Clock): ExpiringMap<K, V> {
  const entries = new Map<K, { readonly value: V; readonly until: Monotonic }>()
  const isOver = (until: Monotonic) => until <= clock.monotonic()

  const makeRoom = () => {
    for (const [key, { until }] of entries) if (isOver(until)) entries.delete(key)
    if (entries.size < MAX_SHUNNED) return
    const [first] = [...entries].toSorted(([, one], [, other]) => one.until - other.until)
    if (first) entries.delete(first[0])
  }

  return {
    get(key) {
      const entry = entries.get(key)
      return entry && !isOver(entry.until) ? entry.value : undefined
    },
    set(key, value, forMs) {
      const until = (clock.monotonic() + forMs) as Monotonic
      if ((entries.get(key)?.until ?? -Infinity) > until) return
      if (!entries.has(key) && entries.size >= MAX_SHUNNED) makeRoom()
      entries.set(key, { value, until })
    },
    delete: (key) => entries.delete(key),
    values: () => [...entries.values()].filter(({ until }) => !isOver(until)).map(({ value }) => value),
  }
}
