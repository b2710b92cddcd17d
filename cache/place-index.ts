/** What the segment files need of the index, which alone knows where in them bodies lie. */
import type { Sha256 } from '../core/digest.ts'
import type { Place } from './place.ts'

/** A body that lies in a segment. */
export interface PlacedBody {
  readonly digest: Sha256
  /** Bytes. */
  readonly size: number
  readonly place: Place
}

/** What bodies take in one segment. */
export interface SegmentUse {
  readonly segment: number
  readonly bodies: number
  readonly bytes: number
}

/** A body is at another place from now on. */
export interface Move {
  readonly body: PlacedBody
  readonly to: Place
}

/** Every method may throw Fault STORE_FAILED or STORE_FULL. */
export interface PlaceIndex {
  /** Of each segment with bodies in it. */
  segments(): readonly SegmentUse[]
  /** Those that begin at `from` or later, in the order of their places. */
  bodiesIn(segment: number, from?: number): readonly PlacedBody[]
  /** What was done lasts, even if this process is killed now; on a full disk perhaps not. */
  flush(): void
  /** All at once or nothing. @returns the digests of those that were still where the moves say. */
  move(moves: readonly Move[]): ReadonlySet<Sha256>
}
