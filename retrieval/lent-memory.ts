/** Memory for small bodies on their way to the store, used again and again: fresh memory costs as much as the hashing. */

/** Bytes of a piece of memory: by what most bodies are smaller than. */
const SIZES = [16_384, 65_536, 262_144] as const
/** Bytes of each size that are kept while nobody needs them. */
const KEPT_BYTES = 1024 * 1024

export class LentMemory {
  readonly #free = new Map<number, Uint8Array[]>(SIZES.map((size) => [size, []]))

  /** @returns at least so many bytes, which hold anything. */
  take(bytes: number): Uint8Array {
    const size = SIZES.find((each) => each >= bytes)
    return (size && this.#free.get(size)?.pop()) || Buffer.allocUnsafeSlow(size ?? bytes)
  }

  /** Nobody holds a part of it now. */
  give(memory: Uint8Array): void {
    const free = this.#free.get(memory.length)
    if (free !== undefined && free.length * memory.length < KEPT_BYTES) free.push(memory)
  }
}
