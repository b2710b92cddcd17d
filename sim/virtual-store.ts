/**
 * The store of a virtual node: the product's store (cache/response-store.ts) over bodies that are views of the arrays
 * that the files were published from, as long as they are that and nothing else. Ten thousand nodes that hold the same
 * file hold one array.
 */
import type { GrowingBytes } from '../cache/growing-bytes.ts'
import { GrowingMemory } from '../cache/growing-memory.ts'
import { MemoryIndex } from '../cache/memory-index.ts'
import { MemoryBodies } from '../cache/memory-store.ts'
import { ResponseStore } from '../cache/response-store.ts'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Store } from '../core/store.ts'
import type { KnownBytes } from './known-bytes.ts'

/** A store whose responses end with the process. `maxBytes` is its quota. */
export function virtualStore(maxBytes: number, known: KnownBytes): Store {
  return new ResponseStore(
    { maxBytes, sweeps: false },
    {
      index: new MemoryIndex(),
      bodies: new MemoryBodies((keep) => new GrowingViews(keep)),
      log: () => {},
      digester: known.digester,
    },
  )
}

/** Everything written so far, as one view of somebody's array. */
interface View {
  readonly array: ArrayBufferLike
  /** Where the body's first byte is in it. */
  readonly origin: number
}

/** As long as every write is a view of one array, each at its own place, nothing is copied. */
class GrowingViews implements GrowingBytes {
  readonly #store: (name: Sha256, bytes: Uint8Array) => void
  #view: View | undefined
  #copied: GrowingMemory | undefined
  #length = 0
  #isRemoved = false

  constructor(store: (name: Sha256, bytes: Uint8Array) => void) {
    this.#store = store
  }

  async named(): Promise<string> {
    return ''
  }

  readNow(span: ByteSpan): Uint8Array | undefined {
    if (this.#isRemoved) return undefined
    return this.#copied === undefined ? this.#viewed(span) : this.#copied.readNow(span)
  }

  async read(span: ByteSpan): Promise<Uint8Array> {
    if (this.#isRemoved) throw new Fault('STORE_FAILED', 'the copy was discarded')
    return this.#copied?.read(span) ?? this.#viewed(span)
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#copied === undefined) {
      this.#view ??= { array: bytes.buffer, origin: bytes.byteOffset - offset }
      const { array, origin } = this.#view
      const isInPlace = array === bytes.buffer && origin === bytes.byteOffset - offset && origin >= 0
      if (isInPlace) this.#length = Math.max(this.#length, offset + bytes.length)
      if (isInPlace) return
      await this.#copy()
    }
    await this.#copied?.write(offset, bytes)
  }

  async settle(): Promise<void> {}

  async clear(): Promise<void> {
    this.#view = undefined
    this.#copied = undefined
    this.#length = 0
  }

  async keep(name: Sha256): Promise<undefined> {
    if (this.#copied !== undefined) return this.#copied.keep(name)
    this.#store(name, this.#viewed({ start: 0, end: this.#length }))
  }

  async rest(): Promise<void> {}

  async remove(): Promise<void> {
    this.#isRemoved = true
    await this.clear()
  }

  hold(): () => void {
    return () => {}
  }

  /** Bytes of another array have come: from here on the body has one of its own. */
  async #copy(): Promise<void> {
    this.#copied = new GrowingMemory(this.#store)
    if (this.#length > 0) await this.#copied.write(0, this.#viewed({ start: 0, end: this.#length }))
  }

  #viewed({ start, end }: ByteSpan): Uint8Array {
    if (this.#view === undefined) return new Uint8Array()
    const { array, origin } = this.#view
    return new Uint8Array(array, origin + start, Math.min(end, this.#length) - start)
  }
}
