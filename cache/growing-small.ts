/**
 * The bytes of a growing copy in memory as long as they are few, then in a file. Most downloads are small, and one that
 * is never a file while it grows keeps nobody waiting for the disk: its first byte goes out as it came in. One that is
 * small to the end is never a file of its own at all: it becomes a part of a segment (cache/segment-files.ts).
 */
import type { Sha256 } from '../core/digest.ts'
import type { ByteSpan } from '../core/ranges.ts'
import { type Extents, NO_EXTENTS, withSpan } from './extents.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { GrowingMemory } from './growing-memory.ts'
import { PIECE_BYTES } from '../core/pieces.ts'
import type { Place } from './place.ts'

/** Bytes of the largest copy that stays in memory until it is whole. */
const MAX_SMALL_BYTES = PIECE_BYTES

/** Memory for all growing copies of a store together. */
export class GrowingMemoryBudget {
  #left: number

  /** @param bytes what they may take together; beyond it, copies are files from their first byte. */
  constructor(bytes: number) {
    this.#left = bytes
  }

  /** Takes `bytes` if they are there. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}

/** What becomes of copies. */
export interface SmallParts {
  /** Bytes of the largest body that is kept as a small one; -1 when none is. */
  readonly largestSmall: number
  readonly createFile: () => Promise<GrowingBytes>
  /** Keeps a small body, which lies in an array of its own. @throws Fault STORE_FULL, STORE_FAILED. */
  readonly keepSmall: (name: Sha256, bytes: Uint8Array) => Promise<Place>
}

const NOTHING = () => {}

export class GrowingSmall implements GrowingBytes {
  readonly #budget: GrowingMemoryBudget
  readonly #parts: SmallParts
  readonly #memory = new GrowingMemory(() => {})
  /** The bytes that were written to memory; what lies between them is no part of the copy. */
  #extents: Extents = NO_EXTENTS
  /** What was taken from the budget for all memory up to the last of them. */
  #taken = 0
  #file: GrowingBytes | undefined
  #isKept = false
  /** Those who read now: a file that comes later must know of them. */
  readonly #readers = new Set<{ letGo: () => void }>()

  constructor(budget: GrowingMemoryBudget, parts: SmallParts) {
    this.#budget = budget
    this.#parts = parts
  }

  /** Only a file outlives the process. */
  async named(): Promise<string> {
    if (this.#file === undefined) await this.#toFile()
    return (await this.#file?.named()) ?? ''
  }

  read(span: ByteSpan): Promise<Uint8Array> {
    return (this.#file ?? this.#memory).read(span)
  }

  readNow(span: ByteSpan): Uint8Array | undefined {
    return this.#file === undefined ? this.#memory.readNow(span) : undefined
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const end = offset + bytes.length
    if (this.#file === undefined && !this.#fits(end)) await this.#toFile()
    if (this.#file !== undefined) return this.#file.write(offset, bytes)
    this.#extents = withSpan(this.#extents, { start: offset, end })
    return this.#memory.write(offset, bytes)
  }

  async settle(): Promise<void> {
    await this.#file?.settle()
  }

  async clear(): Promise<void> {
    this.#extents = NO_EXTENTS
    await (this.#file ?? this.#memory).clear()
  }

  /** What is kept in a segment stays in memory as well, for the readers of this copy. */
  async keep(name: Sha256, pin: () => () => void): Promise<Place | undefined> {
    const length = this.#extents.at(-1)?.end ?? 0
    if (this.#file === undefined && length > this.#parts.largestSmall) await this.#toFile()
    if (this.#file !== undefined) return this.#file.keep(name, pin)
    const place = await this.#parts.keepSmall(name, this.#memory.exact())
    this.#isKept = true
    this.#freeIfIdle()
    return place
  }

  async rest(): Promise<void> {
    await this.#file?.rest()
  }

  async remove(): Promise<void> {
    this.#freeMemory()
    await this.#memory.remove()
    await this.#file?.remove()
  }

  hold(): () => void {
    const reader = { letGo: this.#file?.hold() ?? NOTHING }
    this.#readers.add(reader)
    return () => {
      if (this.#readers.delete(reader)) reader.letGo()
      this.#freeIfIdle()
    }
  }

  #fits(end: number): boolean {
    const more = end - this.#taken
    if (more <= 0) return true
    if (end > MAX_SMALL_BYTES || !this.#budget.take(more)) return false
    this.#taken = end
    return true
  }

  /** What was written to memory goes to a file, each run to its own place: the gaps take nothing on the disk. */
  async #toFile(): Promise<void> {
    const file = await this.#parts.createFile()
    try {
      // It keeps more in memory when it knows how many read it.
      this.#holdFor(file)
      for (const run of this.#extents) await file.write(run.start, await this.#memory.read(run))
    } catch (error) {
      this.#letGoOfAll()
      await file.remove()
      throw error
    }
    this.#holdFor(file) // for who has come meanwhile
    this.#file = file
    this.#freeMemory()
  }

  /** Once nobody reads, the bytes end with this object. */
  #freeIfIdle(): void {
    if (this.#isKept && this.#readers.size === 0) this.#freeMemory()
  }

  #holdFor(file: GrowingBytes): void {
    for (const reader of this.#readers) if (reader.letGo === NOTHING) reader.letGo = file.hold()
  }

  #letGoOfAll(): void {
    for (const reader of this.#readers) {
      reader.letGo()
      reader.letGo = NOTHING
    }
  }

  #freeMemory(): void {
    this.#budget.giveBack(this.#taken)
    this.#taken = 0
    if (this.#file !== undefined) void this.#memory.clear()
  }
}
