/** The last bytes written to a growing copy, in memory: readers at its tail get them without asking the disk. */
import type { ByteSpan } from '../core/ranges.ts'

const MAX_BYTES = 512 * 1024
const MAX_CHUNKS = 64

export class RecentBytes {
  #chunks: { readonly start: number; readonly bytes: Uint8Array }[] = []
  #length = 0

  /** Remembers `bytes`, not a copy of them, at `offset`, and forgets the oldest beyond 512 KiB or 64 chunks. */
  add(offset: number, bytes: Uint8Array): void {
    this.#chunks.push({ start: offset, bytes })
    this.#length += bytes.length
    while (this.#length > MAX_BYTES || this.#chunks.length > MAX_CHUNKS) {
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
