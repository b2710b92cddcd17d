/** What applications are answered with, once for all that wait, and how what they read ends. */
import { deferred } from '../core/deferred.ts'
import type { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingCopy } from '../core/store.ts'
import type { UpstreamResponse } from '../core/upstream.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import { endingBody } from './body-end.ts'

/** What an application can be answered with. */
export type Head =
  /** A 200 whose body is read from the growing copy. */
  | { readonly kind: 'growing'; readonly response: Stored; readonly copy: GrowingCopy }
  /** Whatever else the origin server said, or a 200 that is not stored: for one application, read once. */
  | { readonly kind: 'direct'; readonly response: UpstreamResponse; readonly reason: string }

export class Answer {
  readonly #head = deferred<Head>()
  /** Aborted, with the reason, when nothing more comes for those who read. */
  readonly #failed = new AbortController()
  #isGiven = false

  get isGiven(): boolean {
    return this.#isGiven
  }

  /** Resolves when it is given. @throws Fault of the last source when every one failed. */
  head(): Promise<Head> {
    return this.#head.promise
  }

  give(head: Head): void {
    this.#isGiven = true
    this.#head.resolve(head)
  }

  /** Nothing more comes, whether it was given or not. */
  fail(fault: Fault): void {
    this.#head.reject(fault)
    this.#failed.abort(fault)
  }

  /** The bytes of `span` for an application, as they come. @throws Fault why they do not. */
  read(copy: GrowingCopy, span: ByteSpan, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const failed = this.#failed.signal
    return endingBody(copy.read(span, AbortSignal.any([signal, failed])), (how) => {
      // Whatever the copy says of its own end comes of that: else who reads would go on elsewhere (mended-body.ts).
      if (how !== 'left' && failed.aborted) throw failed.reason
    })
  }
}
