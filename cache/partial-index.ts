/** What is written down of partial copies, so that a later process can go on with them. Without the bytes. */
import type { ResponseHead } from '../core/store.ts'
import type { SpanDigest } from './span-digests.ts'

export interface PartialRecord {
  readonly id: number
  /** The name of its bytes (cache/growing-bytes.ts). */
  readonly name: string
  readonly head: ResponseHead
  /** Bytes of the whole body. */
  readonly size: number
  /** The number of its last use, counted with those of the complete responses. */
  readonly used: number
}

/** A record as a former process left it. */
export interface LeftRecord extends PartialRecord {
  /** Bytes that its spans add up to. */
  readonly presentBytes: number
  /** Where the last of them ends: what lies behind was never written down. */
  readonly presentEnd: number
}

/** What has changed of the spans since the record was saved last. */
export interface SpanChanges {
  readonly written: readonly SpanDigest[]
  /** The first bytes of spans that are no more. */
  readonly dropped: readonly number[]
}

/** Every method may throw Fault STORE_FAILED or STORE_FULL. */
export interface PartialIndex {
  /** What a former process left. */
  all(): readonly LeftRecord[]
  /** The spans of one of them, ascending. */
  spans(id: number): readonly SpanDigest[]
  /** All at once or nothing. */
  save(record: PartialRecord, changes: SpanChanges): void
  delete(id: number): void
}

/** For a store that ends with its process. */
export const NOTHING_WRITTEN: PartialIndex = {
  all: () => [],
  spans: () => [],
  save: () => {},
  delete: () => {},
}
