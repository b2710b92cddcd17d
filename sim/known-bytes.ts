/**
 * The right bytes of a simulation's files, so that thousands of machines can hold them without thousands of copies and
 * without thousands of digests.
 *
 * A file is one array. What travels and what is stored are views of it; a view is recognised by its array and its place
 * in it, which proves the bytes without reading them. Anything else (what a liar sends) is read and digested like in
 * production, and so is one copy in every `REAL_EVERY` all the same.
 */
import type { Sha256 } from '../core/digest.ts'
import type { ByteSpan } from '../core/ranges.ts'
import { BodyDigester, type BodyDigests, type Digester } from '../cache/piece-digests.ts'

/** One copy in so many is digested byte by byte. */
export const REAL_EVERY = 64

interface Known {
  readonly bytes: Uint8Array
  readonly digests: BodyDigests
}

export class KnownBytes {
  readonly #byArray = new WeakMap<ArrayBufferLike, Known>()
  #begun = 0

  /** Digests a file once for everybody. @returns its SHA-256. */
  add(bytes: Uint8Array): Sha256 {
    const known = this.#byArray.get(bytes.buffer)
    if (known !== undefined && isSame(known.bytes, bytes)) return known.digests.sha256
    const digests = digestsOf(bytes)
    this.#byArray.set(bytes.buffer, { bytes, digests })
    return digests.sha256
  }

  /** A digest in the making that reads only what it does not know. */
  readonly digester = (): Digester => {
    const isReal = this.#begun++ % REAL_EVERY === 0
    return isReal ? new BodyDigester() : new KnowingDigester((bytes) => this.#byArray.get(bytes.buffer))
  }
}

class KnowingDigester implements Digester {
  readonly #find: (bytes: Uint8Array) => Known | undefined
  #known: Known | undefined
  #length = 0
  #real: BodyDigester | undefined

  constructor(find: (bytes: Uint8Array) => Known | undefined) {
    this.#find = find
  }

  get length(): number {
    return this.#real?.length ?? this.#length
  }

  update(bytes: Uint8Array): void {
    if (this.#real !== undefined) return this.#real.update(bytes)
    if (this.#length === 0) this.#known = this.#find(bytes)
    const expected = this.#known?.bytes
    const isNext =
      expected?.buffer === bytes.buffer &&
      bytes.byteOffset === expected.byteOffset + this.#length &&
      this.#length + bytes.length <= expected.length
    if (isNext) this.#length += bytes.length
    else this.#read().update(bytes)
  }

  digestOf(span: ByteSpan): Uint8Array | undefined {
    return this.#read().digestOf(span)
  }

  result(): BodyDigests {
    const known = this.#known
    const isWhole = this.#real === undefined && known !== undefined && this.#length === known.bytes.length
    return isWhole ? known.digests : this.#read().result()
  }

  /** What was recognised up to now is read after all. */
  #read(): BodyDigester {
    if (this.#real !== undefined) return this.#real
    this.#real = new BodyDigester()
    if (this.#known !== undefined) this.#real.update(this.#known.bytes.subarray(0, this.#length))
    return this.#real
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.byteOffset === other.byteOffset && one.length === other.length
}

function digestsOf(bytes: Uint8Array): BodyDigests {
  const digester = new BodyDigester()
  digester.update(bytes)
  return digester.result()
}
