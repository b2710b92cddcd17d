/**
 * A peer that sends the right bytes slowly costs an application as much as one that sends none. So each is held against the
 * Internet: whoever would end much later than the origin server is left (V§2).
 *
 * To ask the origin server for what the LAN has is the last resort, and in a storm everything is slow because one line carries it
 * all. So whatever a peer's pace, the origin server is tried beside it first (origin-trial.ts): a line that is full says so. All who
 * read from one that is left ask once more, and agree on who fetches.
 *
 * What is judged here is measured in slow-peer-watch.ts.
 */
import { RESERVE_FACTOR } from './pieces/feed.ts'

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

/** A crowd may have to be content with so little of a large copy, in bytes per second: it is there once, and the line is for all. */
const A_CROWDS_BYTES_PER_SECOND = 500_000

/**
 * That the line is better must be known of a growing copy, unless it comes so slowly, in bytes per second: a crowd does not try the line
 * all at once. One of a crowd may try it where it comes somewhat faster.
 */
const POOR_BYTES_PER_SECOND = { forAll: 100_000, forOne: 400_000 }

/** On a line that is full a trial comes as slowly as all else; where it is so many times as fast, the line is free. */
const TIMES_FREE = 1.5

/**
 * What is verified before an application sees it can be judged at its end alone, by nobody but this node: whoever sends wrong bytes about
 * as quickly as the line costs all that time. So that end must come within so many ms of its beginning…
 */
const UNJUDGED_MS = 900

/** …unless it comes so many times as quickly as the origin server would send it: a LAN is quicker than its line… */
const TIMES_QUICKER = 1.6

/** …or that would take longer than this, in ms: such a line is spared, and what peers may cost before they are released (release.ts) is little to that. */
const SPARED_MS = 4500

/** What is known of a peer in use. */
export interface Standing {
  readonly copy: CopyKind
  readonly usedMs: number
  /** Whether no application is given anything before all was verified. */
  readonly isUnseen: boolean
  /** Whether anything has come from it. */
  readonly hasSent: boolean
  /** Whether this node comes first of those that read it, and nothing says that they share a slow line. */
  readonly isFirst: boolean
  /** As measured. */
  readonly peerBytesPerSecond: number
  /** What comes over the line that everybody shares, this copy included (line-use.ts); of one that is whole only its own. */
  readonly lineBytesPerSecond: number
  /** Bytes that are to come from it, and those that would have to come from the origin server, were it left now. */
  readonly missingBytes: number
  readonly fromOriginBytes: number
  /** So much later than the origin server it may end from now on, in ms. */
  readonly leftMs: number
}

/** Whether it would end so late that it is to be left, for an origin server of this speed. */
export function isTooSlow(standing: Standing, originBytesPerSecond: number): boolean {
  const { copy, peerBytesPerSecond, lineBytesPerSecond, missingBytes, fromOriginBytes, leftMs } = standing
  if (originBytesPerSecond < TIMES[copy] * lineBytesPerSecond) return false
  const peerMs = (missingBytes * 1000) / peerBytesPerSecond
  const originMs = (fromOriginBytes * 1000) / originBytesPerSecond
  return peerMs - originMs > Math.max(LEAST_LATER_MS, leftMs)
}

function isUnjudgedForLong(standing: Standing): boolean {
  const { copy, isUnseen, usedMs, missingBytes, peerBytesPerSecond } = standing
  return copy === 'whole' && isUnseen && usedMs + (missingBytes * 1000) / peerBytesPerSecond > UNJUDGED_MS
}

/** Whether it would be judged so late that it is to be left. @param lineBytesPerSecond of the origin server, where nobody tries it. */
export function isJudgedTooLate(standing: Standing, lineBytesPerSecond: number): boolean {
  const { peerBytesPerSecond, fromOriginBytes } = standing
  const isQuick = peerBytesPerSecond >= TIMES_QUICKER * lineBytesPerSecond
  const isSpared = (fromOriginBytes * 1000) / lineBytesPerSecond > SPARED_MS
  return isUnjudgedForLong(standing) && !isQuick && !isSpared
}

/** Whether it is worth a trial. @param knownBytesPerSecond how fast the line was lately; `undefined`: not known. */
export function isDoubtful(standing: Standing, knownBytesPerSecond: number | undefined): boolean {
  const bytesPerSecond = knownBytesPerSecond ?? supposed(standing)
  return (
    isOneAlone(standing) && (isTooSlow(standing, bytesPerSecond) || isJudgedTooLate(standing, bytesPerSecond))
  )
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
function supposed({ copy, lineBytesPerSecond, isFirst }: Standing): number {
  switch (copy) {
    case 'whole':
    case 'large':
      return Infinity
    case 'growing':
      return lineBytesPerSecond < POOR_BYTES_PER_SECOND[isFirst ? 'forOne' : 'forAll'] ? Infinity : 0
  }
}

/** So many nodes may try the line at the same moment, each of which sees its share of it. */
const TRIED_AT_ONCE = 5

/** How fast the origin server may be where nobody tries it: as the line was measured, unless the server is much slower than that. */
export function lineSpeed(triedBytesPerSecond: number, knownBytesPerSecond = 0): number {
  const isOfTheLine = TRIED_AT_ONCE * triedBytesPerSecond >= knownBytesPerSecond
  return isOfTheLine ? Math.max(triedBytesPerSecond, knownBytesPerSecond) : triedBytesPerSecond
}

/** How fast the origin server is: a trial is short, so that crowds can afford it, and says for certain whether the line is free. */
export function originSpeed(
  { peerBytesPerSecond }: Standing,
  triedBytesPerSecond: number,
  knownBytesPerSecond = 0,
): number {
  const isFree = triedBytesPerSecond >= TIMES_FREE * peerBytesPerSecond
  return isFree ? Math.max(triedBytesPerSecond, knownBytesPerSecond) : triedBytesPerSecond
}
