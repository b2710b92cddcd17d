/** One reader of a growing copy, from the first byte of its span to the last. */
import type { ByteSpan } from '../core/ranges.ts'

/** What a reader follows. */
export interface Followed {
  /** Where the body ends; `Infinity` until known. */
  readonly end: number
  /** Where the run of bytes ends that may be read from `at` on; `at` itself when there is none yet. */
  readableUntil(at: number): number
  /** @throws why nobody may read any more. */
  mustGoOn(): void
  /** At least one byte from the start of `span`. */
  bytes(span: ByteSpan): Promise<Uint8Array>
  /** Calls `wake` once, when something has changed. @returns takes that back. */
  onChange(wake: () => void): () => void
  /** A reader has begun. @returns to be called when it needs nothing more. */
  hold(): () => void
}

/** The largest chunk that a reader is handed. */
export const CHUNK_BYTES = 256 * 1024

/** Not a generator, nor does it look at its signal: where there are hundreds of readers, that costs more than the bytes. */
export class CopyReader implements AsyncIterableIterator<Uint8Array> {
  readonly #copy: Followed
  readonly #end: number
  readonly #signal: AbortSignal | undefined
  #at: number
  #state: 'new' | 'reading' | 'over' = 'new'
  #letGo: () => void = () => {}
  /** Ends the wait for something to read. */
  #wake: () => void = () => {}

  constructor(copy: Followed, { start, end }: ByteSpan, signal: AbortSignal | undefined) {
    this.#copy = copy
    this.#at = start
    this.#end = end
    this.#signal = signal
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#state === 'new') this.#begin()
    try {
      const value = await this.#bytes()
      if (value !== undefined) return { done: false, value }
    } catch (error) {
      this.#leave()
      throw error
    }
    return this.return()
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#leave()
    return { done: true, value: undefined }
  }

  #begin(): void {
    this.#state = 'reading'
    this.#letGo = this.#copy.hold()
    if (this.#signal?.aborted === true) this.#leave()
    else this.#signal?.addEventListener('abort', this.#leave, { once: true })
  }

  /** @returns `undefined` when there are no more, or nobody wants them. */
  async #bytes(): Promise<Uint8Array | undefined> {
    while (this.#state === 'reading') {
      this.#copy.mustGoOn()
      const end = Math.min(this.#end, this.#copy.end)
      if (this.#at >= end) return undefined
      const until = Math.min(this.#copy.readableUntil(this.#at), end, this.#at + CHUNK_BYTES)
      if (until > this.#at) return this.#take(until)
      await this.#somethingNew()
    }
    return undefined
  }

  async #take(until: number): Promise<Uint8Array | undefined> {
    const bytes = await this.#copy.bytes({ start: this.#at, end: until })
    this.#copy.mustGoOn()
    this.#at += bytes.length
    return this.#isOver() ? undefined : bytes
  }

  /** A method, because it changes while something is waited for. */
  #isOver(): boolean {
    return this.#state === 'over'
  }

  async #somethingNew(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const takeBack = this.#copy.onChange(resolve)
    this.#wake = resolve
    await promise
    takeBack()
  }

  readonly #leave = (): void => {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#signal?.removeEventListener('abort', this.#leave)
    this.#wake()
    this.#letGo()
  }
}
