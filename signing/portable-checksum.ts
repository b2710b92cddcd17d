/**
 * The checksum in a program's header (PE), which its signature leaves out: a sum of 16-bit words with the carry added, and the
 * length. It guards against nothing; but as long as it must be right, its four bytes cannot carry anything.
 */

export class PortableChecksum {
  readonly #checksumAt: number
  #sum = 0
  #at = 0
  /** The byte of a word whose other byte has not come. */
  #low = 0

  /** @param checksumAt where it lies, a multiple of two: there it counts as zero. */
  constructor(checksumAt: number) {
    this.#checksumAt = checksumAt
  }

  /** The next bytes of the file, from its beginning. */
  update(bytes: Uint8Array): void {
    for (const byte of bytes) {
      const isOwn = this.#at >= this.#checksumAt && this.#at < this.#checksumAt + 4
      if (this.#at % 2 === 0) this.#low = isOwn ? 0 : byte
      else this.#add(this.#low + (isOwn ? 0 : byte * 256))
      this.#at++
    }
  }

  /** What it must be, all bytes being there. */
  value(): number {
    const sum = this.#at % 2 === 0 ? this.#sum : folded(this.#sum + this.#low)
    return (sum + this.#at) >>> 0
  }

  #add(word: number): void {
    this.#sum = folded(this.#sum + word)
  }
}

function folded(sum: number): number {
  return (sum & 0xffff) + (sum >>> 16)
}
