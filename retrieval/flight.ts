/** One request to the origin server for some bytes of a copy, while its body comes. */
import { deferred, type Deferred } from '../core/deferred.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { InFlight } from './plan.ts'

export class Flight implements InFlight {
  /** Ends the request. */
  readonly stop: AbortController
  /** Resolves when the response is the one that was hoped for; rejects with the fault of one that is not. */
  readonly accepted = deferred<void>()
  readonly #over = deferred<void>()
  readonly #waiting = new Map<Deferred<void>, number>()
  readonly #heldUntil: (offset: number) => number
  #at: number
  #began: number
  #end: number
  #worthFinishingBytes = 0
  #fault: unknown

  /** @param heldUntil where the run of held bytes that begins at an offset ends. */
  constructor({ start, end }: ByteSpan, heldUntil: (offset: number) => number, stop: AbortController) {
    this.#at = start
    this.#began = start
    this.#end = end
    this.#heldUntil = heldUntil
    this.stop = stop
  }

  /** The next byte that it brings and that is not here: what has just been written is, before `advance` says so. */
  get at(): number {
    return this.#heldUntil(this.#at)
  }

  /** Where in the body the response is. */
  get position(): number {
    return this.#at
  }

  /** Bytes that it has brought, those that were here already included. */
  get broughtBytes(): number {
    return this.#at - this.#began
  }

  /** It brings no byte from here on; `Infinity` when nobody knows. */
  get end(): number {
    return this.#end
  }

  /** It is read to its end, although nobody wants the rest, when no more than this is missing, in bytes. */
  get worthFinishingBytes(): number {
    return this.#worthFinishingBytes
  }

  /** Why it broke off. */
  get fault(): unknown {
    return this.#fault
  }

  /** The response has come, and this is what it brings. */
  begin(start: number, end: number, worthFinishingBytes: number): void {
    this.#end = end
    this.#worthFinishingBytes = worthFinishingBytes
    this.#began = start
    this.advance(start)
  }

  /** Everything below `at` has come. */
  advance(at: number): void {
    this.#at = at
    for (const [reached, offset] of this.#waiting) if (at >= offset) reached.resolve()
  }

  fail(error: unknown): void {
    this.#fault = error
    this.accepted.reject(error)
  }

  /** Nothing more comes. */
  conclude(): void {
    this.#over.resolve()
  }

  /** Resolves when it has brought everything below `offset`, or brings nothing more. */
  async reached(offset: number): Promise<void> {
    if (this.#at >= offset) return
    const reached = deferred<void>()
    this.#waiting.set(reached, offset)
    await Promise.race([reached.promise, this.#over.promise])
    this.#waiting.delete(reached)
  }
}
