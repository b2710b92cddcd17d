/**
 * What a node holds, in a few bytes: a Bloom filter over the keys of its resources. It never denies what is there, and in
 * one case of a hundred claims what is not, which costs a question the usual wait.
 */
import { createHash } from 'node:crypto'

/** The first 64 bits of the SHA-256 of a resource's name, as 16 lower-case hexadecimal digits. */
export type ResourceKey = string & { readonly brand: 'ResourceKey' }

export function resourceKey(resource: string): ResourceKey {
  return createHash('sha256').update(resource).digest('hex').slice(0, 16) as ResourceKey
}

export function isResourceKey(text: string): text is ResourceKey {
  return /^[\da-f]{16}$/.test(text)
}

/** Bits for each key, and positions that each key sets: one false claim in a hundred. */
const BITS_PER_KEY = 10
const POSITIONS = 7

const MIN_BYTES = 1024

/** As much memory as one peer's summary may take; beyond 100,000 keys it says "perhaps" ever more often. */
export const MAX_SUMMARY_BYTES = 128 * 1024

export class Summary {
  readonly #bits: Uint8Array
  readonly #mask: number

  /** @param bits a power of two of bytes, from `MIN_BYTES` to `MAX_SUMMARY_BYTES`; changed by `add`. */
  private constructor(bits: Uint8Array) {
    this.#bits = bits
    this.#mask = bits.length * 8 - 1
  }

  /** One that has room for so many keys. */
  static for(keys: number): Summary {
    let bytes = MIN_BYTES
    while (bytes * 8 < keys * BITS_PER_KEY && bytes < MAX_SUMMARY_BYTES) bytes *= 2
    return new Summary(new Uint8Array(bytes))
  }

  /** As a peer sent it; `undefined` when it is none. */
  static from(bits: Uint8Array): Summary | undefined {
    const { length } = bits
    const isSize = length >= MIN_BYTES && length <= MAX_SUMMARY_BYTES && (length & (length - 1)) === 0
    return isSize ? new Summary(bits.slice()) : undefined
  }

  /** Keys that it holds without saying "perhaps" too often. */
  get capacity(): number {
    return this.#bits.length === MAX_SUMMARY_BYTES ? Infinity : (this.#bits.length * 8) / BITS_PER_KEY
  }

  /** The filter itself, not a copy. */
  get bytes(): Uint8Array {
    return this.#bits
  }

  add(key: ResourceKey): void {
    for (const at of this.#positions(key))
      this.#bits[at >>> 3] = (this.#bits[at >>> 3] ?? 0) | (1 << (at & 7))
  }

  has(key: ResourceKey): boolean {
    return this.#positions(key).every((at) => ((this.#bits[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0)
  }

  /** Double hashing (Kirsch and Mitzenmacher): the halves of the key make all positions. */
  #positions(key: ResourceKey): number[] {
    const first = Number.parseInt(key.slice(0, 8), 16)
    const step = Number.parseInt(key.slice(8), 16) | 1
    return Array.from({ length: POSITIONS }, (_, at) => (first + Math.imul(at, step)) & this.#mask)
  }
}
