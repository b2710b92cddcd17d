/**
 * The checksum in a program's header (PE), which its signature leaves out: a sum of 16-bit words with the carry added, and the
 * length. It guards against nothing; but as long as it must be right, its four bytes cannot carry anything.
 */

export class PortableChecksum {
  readonly #checksumAt: number
  /** Of even and of odd bytes; exact up to files of 2^45 bytes. */
  readonly #sums: [number, number] = [0, 0]
  #at = 0

  /** @param checksumAt where it lies: there it counts as zero. */
  constructor(checksumAt: number) {
    this.#checksumAt = checksumAt
  }

  /** The next bytes of the file, from its beginning. */
  update(bytes: Uint8Array): void {
    const parity = this.#at % 2
    this.#add(parity, sumOf(bytes, 0))
    this.#add(1 - parity, sumOf(bytes, 1))
    for (let own = this.#checksumAt; own < this.#checksumAt + 4; own++)
      this.#add(own % 2, -(bytes[own - this.#at] ?? 0))
    this.#at += bytes.length
  }

  /** What it must be, all bytes being there. */
  value(): number {
    const [even, odd] = this.#sums
    let sum = even + odd * 256
    while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
    return (sum + this.#at) % 0x100000000
  }

  #add(parity: number, sum: number): void {
    this.#sums[parity === 0 ? 0 : 1] += sum
  }
}

/** The sum of every second byte. */
function sumOf(bytes: Uint8Array, from: number): number {
  let sum = 0
  for (let at = from; at < bytes.length; at += 2) sum += bytes[at] ?? 0
  return sum
}
