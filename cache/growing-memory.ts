/** The bytes of a growing copy in memory. */
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingBytes } from './growing-bytes.ts'

export class GrowingMemory implements GrowingBytes {
  readonly #store: (name: Sha256, bytes: Uint8Array) => void
  #bytes: Uint8Array = new Uint8Array()
  #length = 0
  #isRemoved = false

  constructor(store: (name: Sha256, bytes: Uint8Array) => void) {
    this.#store = store
  }

  async named(): Promise<string> {
    return ''
  }

  readNow({ start, end }: ByteSpan): Uint8Array | undefined {
    return this.#isRemoved ? undefined : this.#bytes.subarray(start, end)
  }

  async read(span: ByteSpan): Promise<Uint8Array> {
    if (this.#isRemoved) throw new Fault('STORE_FAILED', 'the copy was discarded')
    return this.#bytes.subarray(span.start, span.end)
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const end = offset + bytes.length
    // What readers were handed stays as it is in the old array.
    if (end > this.#bytes.length) this.#grow(Math.max(end, 2 * this.#bytes.length))
    if (offset > this.#length) this.#bytes.fill(0, this.#length, offset)
    this.#bytes.set(bytes, offset)
    this.#length = Math.max(this.#length, end)
  }

  async settle(): Promise<void> {}

  async clear(): Promise<void> {
    this.#bytes = new Uint8Array()
    this.#length = 0
  }

  async keep(name: Sha256): Promise<undefined> {
    this.#store(name, this.exact())
  }

  /** All bytes, in an array that has no others. */
  exact(): Uint8Array {
    if (this.#bytes.length > this.#length) this.#bytes = new Uint8Array(this.#bytes.subarray(0, this.#length))
    return this.#bytes
  }

  async rest(): Promise<void> {}

  async remove(): Promise<void> {
    this.#isRemoved = true
    await this.clear()
  }

  hold(): () => void {
    return () => {}
  }

  #grow(length: number): void {
    // Whatever was in that memory before is written over, or never read.
    const larger = Buffer.allocUnsafeSlow(length)
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}
