/** Where the bytes of a stored body are. */
import type { BodyDigests } from './piece-digests.ts'

/** A part of a segment file (cache/segment-files.ts), from byte `start` on. */
export interface Place {
  /** The number of the segment. */
  readonly segment: number
  readonly start: number
}

export interface StoredBody extends BodyDigests {
  /** `undefined`: it has a file of its own. */
  readonly place?: Place | undefined
}

export function isSamePlace(one: Place | undefined, other: Place | undefined): boolean {
  return one?.segment === other?.segment && one?.start === other?.start
}
