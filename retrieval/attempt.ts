/** One use of one source by a retrieval, and what excuses a peer that is slow. */
import type { Expectation } from '../core/verifier.ts'
import type { Source } from './source.ts'

/** What is to be taken, and how long is waited for it. */
export interface Attempt {
  readonly source: Source
  /** What the bytes must show, should any of them come from a peer. */
  readonly expectation: Expectation
  readonly signal: AbortSignal
  /** A peer may stay silent, or drip, for this long, in ms. */
  readonly patienceMs: number
  /** Whether a growing copy has a reason to be silent. */
  readonly excuse: () => boolean
  /** Whether this node has to wait for its turn at the processor, and nobody else is to blame. */
  readonly isLate: () => boolean
  /** Whether another peer that has it has answered. */
  readonly hasAnother: () => boolean
}

export type Excuses = Pick<Attempt, 'excuse' | 'isLate' | 'hasAnother'>

const never = () => false
/** For a look that nothing depends on. */
export const NO_EXCUSE: Excuses = { excuse: never, isLate: never, hasAnother: never }
