/**
 * Bytes of a growing file that are held and not written yet: one run of them, so that a slow body costs one write for many pieces.
 * What a process is killed over is lost with it, as what was on its way is.
 */
import type { ByteSpan } from '../core/ranges.ts'

/** So many bytes, or pieces, are written together. */
export const MOST_BYTES = 256 * 1024
export const MOST_PIECES = 512

export class UnwrittenBytes {
  #start = 0
  #end = 0
  #pieces: Uint8Array[] = []

  get start(): number {
    return this.#start
  }

  /** Whether the first of them lies behind `start`, and before `end`. */
  beginsBefore(start: number, end: number): boolean {
    return !this.isEmpty && start < this.#start && this.#start < end
  }

  get pieces(): readonly Uint8Array[] {
    return this.#pieces
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  /** Whether `bytes` at `offset` go on with the run, and there is room for them. */
  takes(offset: number, bytes: Uint8Array): boolean {
    if (this.isEmpty) return true
    if (bytes.length >= MOST_BYTES) return false
    const length = this.#end - this.#start + bytes.length
    return offset === this.#end && length <= MOST_BYTES && this.#pieces.length < MOST_PIECES
  }

  /** @param bytes what the run takes; they are remembered, and not copied. */
  add(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (this.isEmpty) this.#start = this.#end = offset
    this.#pieces.push(bytes)
    this.#end += bytes.length
  }

  /** Those from the start of `span` on, at least one and at most all of it; `undefined` where the first one is not here. */
  from({ start, end }: ByteSpan): Uint8Array | undefined {
    if (start < this.#start || start >= this.#end) return undefined
    let at = this.#start
    for (const piece of this.#pieces) {
      if (start < at + piece.length) return piece.subarray(start - at, end - at)
      at += piece.length
    }
    return undefined
  }

  /** The first `bytes` of them are written. */
  written(bytes: number): void {
    let left = bytes
    while (left > 0) {
      const [first] = this.#pieces
      if (first === undefined) break
      const done = Math.min(left, first.length)
      if (done === first.length) this.#pieces.shift()
      else this.#pieces[0] = first.subarray(done)
      this.#start += done
      left -= done
    }
  }

  clear(): void {
    this.#pieces = []
    this.#start = this.#end
  }
}
