/** The last bytes written to a growing copy, in memory: readers at its tail get them without asking the disk. */
import type { ByteSpan } from '../core/ranges.ts'

const LEAST_BYTES = 512 * 1024
/** A crowd is worth more: what it falls behind is read from the disk for each of its readers. */
const BYTES_PER_READER = 64 * 1024
const MOST_BYTES = 8 * 1024 * 1024
const MAX_CHUNKS = 64

export class RecentBytes {
  #chunks: { readonly start: number; readonly bytes: Uint8Array }[] = []
  #length = 0

  /**
   * Remembers `bytes`, not a copy of them, at `offset`, and forgets the oldest beyond 64 chunks, or beyond 512 KiB and
   * 64 KiB for each reader, 8 MiB in all.
   */
  add(offset: number, bytes: Uint8Array, readers = 0): void {
    const mostBytes = Math.min(LEAST_BYTES + readers * BYTES_PER_READER, MOST_BYTES)
    this.#chunks.push({ start: offset, bytes })
    this.#length += bytes.length
    while (this.#length > mostBytes || this.#chunks.length > MAX_CHUNKS) {
      this.#length -= this.#chunks.shift()?.bytes.length ?? 0
    }
  }

  /** Remembered bytes from the start of `span`, at least one and at most all of it; `undefined` when there are none. */
  from(span: ByteSpan): Uint8Array | undefined {
    const chunk = this.#chunks.findLast(
      ({ start, bytes }) => start <= span.start && span.start < start + bytes.length,
    )
    return chunk?.bytes.subarray(span.start - chunk.start, span.end - chunk.start)
  }

  clear(): void {
    this.#chunks = []
    this.#length = 0
  }
}
