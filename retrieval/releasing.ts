/** Raises what applications may have of a copy as it fills (release.ts), and says when they may be answered. */
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import type { GrowingCopy } from '../core/store.ts'
import type { Attempt } from './attempt.ts'
import { checkSize } from './body-length.ts'
import { OriginLength, type OriginLengthComponents } from './origin-length.ts'
import { mayAnswer, releasedBytes, SMALL_GROWING_BYTES, VERIFY_FIRST_MS, type Filling } from './release.ts'
import type { RetrievalRequest } from './request.ts'
import { isAnybodysWord } from './source.ts'

export interface ReleasingComponents extends OriginLengthComponents {
  readonly clock: Clock
  /** Whole copies from peers up to this are verified before their first byte is released, in bytes. */
  readonly verifyFirstUpTo: number
  /** Applications may be answered from the copy now; called more than once. */
  readonly onAnswerable: () => void
}

/** What is known of the bytes in the copy. */
export interface Doubts {
  /** Whether the name says what they are: then no origin server is believed without a proof. */
  readonly isNamed: boolean
  /** When the source in use began. */
  readonly filledSince: Monotonic
  /** Whether the origin server went on behind peers, unjudged. */
  readonly isMixed: boolean
  /** Whether every byte is the origin server's, and of the same version by its own word. */
  readonly isUndoubted: boolean
  /** Whether bytes are here of somebody that was in use before: one that failed, and may have lied before that. */
  readonly isBegunByOthers: boolean
}

/** Holds back what is not proved of one copy, whichever source fills it. */
export class Releasing {
  readonly #components: ReleasingComponents
  readonly #originLength: OriginLength
  readonly #doubts: Doubts
  #isStreaming = false

  constructor(request: RetrievalRequest, doubts: Doubts, components: ReleasingComponents) {
    this.#components = components
    this.#doubts = doubts
    this.#originLength = new OriginLength(request, components)
  }

  /** Whether applications were answered before the whole was verified. */
  get isStreaming(): boolean {
    return this.#isStreaming
  }

  /** Applications may be answered now, whatever comes. */
  begin(): void {
    this.#isStreaming = true
    this.#components.onAnswerable()
  }

  /** Not before what is mixed was judged. */
  release(copy: GrowingCopy, attempt: Attempt): void {
    if (this.#doubts.isMixed) return
    const filling = this.#filling(copy, attempt)
    if (mayAnswer(filling) && !this.#mayStream(copy, attempt)) return
    copy.release(releasedBytes(filling))
    if (mayAnswer(filling)) this.begin()
  }

  /** What takes long is released when it does, also where just then nothing comes. */
  afterAll(copy: GrowingCopy, attempt: Attempt): CancelTimer {
    const mayBeStreamed = !this.#isStreaming && (copy.size ?? 0) >= SMALL_GROWING_BYTES
    if (!mayBeStreamed) return () => {}
    // A timer may come a moment early.
    return this.#components.clock.after(VERIFY_FIRST_MS + 1, () => this.#again(copy, attempt))
  }

  /** @throws Fault PEER_FAILED where the origin server has a file of another length. */
  checkTold({ size }: GrowingCopy): void {
    if (!this.#isStreaming && this.#originLength.isOther(size)) checkSize(size, this.#originLength.size)
  }

  #again(copy: GrowingCopy, attempt: Attempt): void {
    if (!attempt.signal.aborted) this.release(copy, attempt)
  }

  #filling(copy: GrowingCopy, { source, expectation }: Attempt): Filling {
    return {
      heldBytes: copy.heldUntil(0),
      size: copy.size,
      mustBeProved: source.kind !== 'internet' || !this.#doubts.isUndoubted || this.#doubts.isNamed,
      isGrowing: source.kind === 'in-progress' && !isAnybodysWord(source) && !this.#doubts.isBegunByOthers,
      isStreaming: this.#isStreaming,
      expectation,
      elapsedMs: this.#components.clock.monotonic() - this.#doubts.filledSince,
      verifyFirstUpTo: this.#components.verifyFirstUpTo,
    }
  }

  /** Whether applications may be answered with what is only said to be so large. */
  #mayStream(copy: GrowingCopy, attempt: Attempt): boolean {
    const { source, expectation } = attempt
    const isUnproved = expectation.kind === 'digest' && expectation.size === undefined
    const isOnlyTold = isUnproved && isAnybodysWord(source)
    if (!isOnlyTold || this.#isStreaming) return true
    const isSettled = this.#originLength.isSettled(() => this.#again(copy, attempt))
    return isSettled && !this.#originLength.isOther(copy.size)
  }
}
