/**
 * Peers that this node leaves aside for a while, and bodies that proved wrong (V§4 "poisoning by a peer", R8.4).
 *
 * A datagram can be made in anybody's name. So only wrong bytes that a machine has confirmed are held against the machine itself; all
 * else is held against the place that was named, or against its promises, or for the files of one origin server.
 *
 * Kept in memory only: a restart forgives. A peer is its address, so that a machine which takes over a shunned
 * address is left aside with it; that costs a download from elsewhere, never a wrong byte.
 */
import { LRUCache } from 'lru-cache'
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
 * Wrong bytes that an honest peer can have got, in ms. Nobody can have it left aside so for more than the resources of an origin of his
 * own; and whoever is left aside is asked for none of them, so that he must go on for as long as it lasts.
 */
export const FIRST_DOUBT_MS = 60_000

/** A stall that nothing followed for so long is forgotten, in ms. */
export const STALLS_KNOWN_MS = 10 * 60_000

export type ShunReason = keyof typeof SHUN_MS

/** An address and a port. */
export type Place = `${Address}:${number}`

/**
 * What of a peer is left aside where anybody could have named it in the peer's name: one place on the machine, or its word that it will
 * have a file, without a place.
 */
export type Part = Place | 'promises'

/** Where a location is; `undefined` where it is no URL with a host. */
export function placeOf(location: string): Place | undefined {
  const url = URL.parse(location)
  return url === null || url.hostname === ''
    ? undefined
    : `${url.hostname as Address}:${Number(url.port || 80)}`
}

/** What a peer is shunned for. */
export interface Suspicion {
  readonly uri: TargetUri
  /** The SHA-256 of what came under that name, where it was wrong. */
  readonly body?: Sha256
  /** What alone is left aside; absent: the peer. */
  readonly part?: Part | undefined
  /** Whether an honest peer can have got them: from an origin server that tells each machine something else. */
  readonly isDoubtful?: boolean
  /** How long ago an application was given it that asks for it again, in ms. */
  readonly givenAgoMs?: number
}

/** Who is left aside, for what. */
export interface Culprit {
  readonly peer: Address
  /** For the resources of this origin alone; absent: for all. */
  readonly origin?: string | undefined
  readonly part?: Part | undefined
  readonly episode: Episode
}

/** From the moment that somebody is left aside until it is not: what is cleared of a former one says nothing of this one. */
export type Episode = number

export interface ShunnedPeer {
  readonly peer: Address
  readonly reason: ShunReason
  /** What happened, for logs and for people; without credentials. */
  readonly detail: string
  readonly since: EpochMs
  readonly forMs: number
  /** For resources of this origin alone (RFC 9110 4.3.1); absent: for all. */
  readonly origin?: string
  /** What alone is left aside; absent: the peer. */
  readonly part?: Part
}

export interface Misdeed {
  readonly reason: ShunReason
  readonly detail: string
  /** The SHA-256 of what came, where it proved wrong: not taken from any peer without a proof for 24 h. */
  readonly body?: Sha256
  /**
   * The origin from which an honest peer can have got what it sent: it is left aside for that one's resources, and for no others.
   * The first time wrong bytes cost it `FIRST_DOUBT_MS`, each further time twice as much.
   */
  readonly origin?: string | undefined
  readonly part?: Part | undefined
}

export interface ShunnedPeers {
  /** Leaves the peer aside. A longer shunning under way stays as it is; the misdeed counts all the same. @returns the episode it is of */
  shun(peer: Address, misdeed: Misdeed): Episode
  /**
   * Why the peer is left aside at this moment; `undefined` when it is not.
   * @param origin for its resources; absent: for all.
   * @param part what is to be used of it; absent: anything.
   */
  find(peer: Address, origin?: string, part?: Part): ShunnedPeer | undefined
  isBadBody(body: Sha256): boolean
  /**
   * Takes back one of the times that it was left aside for wrong bytes, which were none. It is left aside no more when it was for
   * none of the others either.
   */
  acquit(culprit: Culprit): void
  /** Takes a peer back before its time, because a person says so. @returns whether it was shunned. */
  pardon(peer: Address): boolean
  list(): readonly ShunnedPeer[]
  /** Misdeeds since the start, by reason. */
  counts(): Readonly<Record<ShunReason, number>>
}

/** At most this many peers, and as many bodies; the one whose time ends first makes room. */
export const MAX_SHUNNED = 4_096

export function shunnedPeers({ clock }: { readonly clock: Clock }): ShunnedPeers {
  const peers = expiringMap<CulpritKey, ShunnedPeer>(clock)
  const bodies = expiringMap<Sha256, true>(clock)
  const stalls = expiringMap<CulpritKey, number>(clock)
  const doubts = expiringMap<CulpritKey, number>(clock)
  /** How often it is left aside for wrong bytes, or what seemed so, in the episode that lasts. */
  const grounds = new LRUCache<CulpritKey, { readonly episode: Episode; readonly times: number }>({
    max: MAX_SHUNNED,
  })
  let episodes = 0
  const counts: Record<ShunReason, number> = { 'bad-bytes': 0, 'asked-again': 0, stalled: 0, 'broke-off': 0 }

  const stalledForMs = (culprit: CulpritKey) => {
    const before = stalls.get(culprit) ?? 0
    stalls.set(culprit, before + 1, STALLS_KNOWN_MS)
    return Math.min(FIRST_STALL_MS * 2 ** before, SHUN_MS.stalled)
  }
  const doubtedForMs = (culprit: CulpritKey) => {
    const before = doubts.get(culprit) ?? 0
    doubts.set(culprit, before + 1, SHUN_MS['bad-bytes'])
    return Math.min(FIRST_DOUBT_MS * 2 ** before, SHUN_MS['bad-bytes'])
  }
  const forMsOf = (culprit: CulpritKey, { reason, origin }: Misdeed) => {
    if (reason === 'stalled') return stalledForMs(culprit)
    return reason === 'bad-bytes' && origin !== undefined ? doubtedForMs(culprit) : SHUN_MS[reason]
  }
  const lasting = (culprit: CulpritKey) =>
    peers.get(culprit) === undefined ? undefined : grounds.get(culprit)
  const findOne = (peer: Address, part: Part | undefined, origin: string | undefined) =>
    peers.get(culpritOf(peer, part)) ??
    (origin === undefined ? undefined : peers.get(culpritOf(peer, part, origin)))

  return {
    shun(peer, misdeed) {
      const { reason, detail, body, origin, part } = misdeed
      counts[reason]++
      if (body !== undefined) bodies.set(body, true, SHUN_MS['bad-bytes'])
      const culprit = culpritOf(peer, part, origin)
      const { episode, times } = lasting(culprit) ?? { episode: (episodes += 1), times: 0 }
      grounds.set(culprit, { episode, times: times + (areWrongBytes(reason) ? 1 : 0) })
      const forMs = forMsOf(culprit, misdeed)
      const only = { ...(origin === undefined ? {} : { origin }), ...(part === undefined ? {} : { part }) }
      peers.set(culprit, { peer, reason, detail, since: clock.wall(), forMs, ...only }, forMs)
      return episode
    },
    find: (peer, origin, part) =>
      findOne(peer, undefined, origin) ?? (part === undefined ? undefined : findOne(peer, part, origin)),
    isBadBody: (body) => bodies.get(body) !== undefined,
    acquit({ peer, origin, part, episode }) {
      const culprit = culpritOf(peer, part, origin)
      const last = lasting(culprit)
      if (last?.episode !== episode || last.times === 0) return
      const times = last.times - 1
      grounds.set(culprit, { episode, times })
      const reason = peers.get(culprit)?.reason
      if (times === 0 && reason !== undefined && areWrongBytes(reason)) peers.delete(culprit)
    },
    pardon(peer) {
      const its = peers.values().filter((each) => each.peer === peer)
      for (const { part, origin } of its) peers.delete(culpritOf(peer, part, origin))
      return its.length > 0
    },
    list: () => peers.values(),
    counts: () => ({ ...counts }),
  }
}

function areWrongBytes(reason: ShunReason): boolean {
  return reason === 'asked-again' || reason === 'bad-bytes'
}

/** The peer or a part of it, for everything or for the resources of one origin. */
type CulpritKey = `${Address} ${Part | ''} ${string}`

const culpritOf = (peer: Address, part: Part | undefined, origin = ''): CulpritKey =>
  `${peer} ${part ?? ''} ${origin}`

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
