/**
 * A body that is still being filled: one writer, any number of readers that follow it (R5.4, R7.4).
 * Bytes once held never change, so what a reader was given and what was digested is what will be stored.
 */
import type { DigestAlgorithm } from '../core/digest.ts'
import { asFault, Fault } from '../core/fault.ts'
import { createDigest } from '../core/hash.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingCopy } from '../core/store.ts'
import { ChangeSignal } from './change-signal.ts'
import { CopyDigests, type Digested } from './copy-digests.ts'
import { CopyReader, type Followed } from './copy-reader.ts'
import {
  blockBytes,
  type Extents,
  missingFrom,
  NO_EXTENTS,
  runEnd,
  wholeBlocks,
  withSpan,
} from './extents.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { PIECE_BYTES } from '../core/pieces.ts'
import type { BodyDigests, Digester } from './piece-digests.ts'
import { digestOf, isRight, joinable, type SpanDigest } from './span-digests.ts'
import { isOutOfReach } from './store-fault.ts'
import { MOST_BYTES as MOST_UNWRITTEN_BYTES } from './unwritten-bytes.ts'

const NOTHING: ByteSpan = { start: 0, end: 0 }
const EVERYTHING: ByteSpan = { start: 0, end: Infinity }

/** The share of the quota that one growing copy has (cache/room.ts). */
export interface CopyRoom {
  /** `bytes` more are about to be written to a body of `size` bytes. @throws Fault STORE_FULL. */
  claim(bytes: number, size: number | undefined): Promise<void>
  /** The file system said that it is full: frees something. @throws Fault STORE_FULL when nothing is left to free. */
  freeDisk(bytes: number): Promise<void>
  /** `bytes` more are held; negative: fewer. */
  hold(bytes: number): void
  /** Nothing is held any more, but more will come. */
  reset(): void
  /** Nobody has the copy in use: what it holds may be evicted. */
  rest(): void
  /** It is in use again. */
  wake(): void
  /** `closed` is called when the room is closed. */
  onceClosed(closed: () => void): void
  /** The copy takes no room any more. */
  close(): void
}

/** What a former process left of a body. */
export interface LeftBehind {
  /** Bytes of the whole body. */
  readonly size: number
  readonly spans: readonly SpanDigest[]
  /** Bytes that its room holds for it. */
  readonly takenBytes: number
}

export class GrowingBody implements GrowingCopy {
  readonly #bytes: GrowingBytes
  readonly room: CopyRoom
  readonly #change = new ChangeSignal()
  readonly #digests: CopyDigests
  #extents = NO_EXTENTS
  /** What is held, and what waits to be recalled. */
  #present: Extents = NO_EXTENTS
  /** What waits to be recalled, by its first byte. */
  readonly #dormant = new Map<number, SpanDigest>()
  /** The digests that `inventory` told last, by the first byte. */
  #told: ReadonlyMap<number, SpanDigest> = new Map()
  #isResting: boolean
  /** Bytes that the room holds for it. */
  #taken: number
  /** Those of them that a former process wrote and did not write down: they lie among the others, and nobody can tell where. */
  #unknown: number
  #size: number | undefined
  #released = 0
  #readers = 0
  /** Those of them who also read what is not released. */
  #heldReaders = 0
  readonly #followed = this.#forReaders('released')
  readonly #followedHeld = this.#forReaders('held')
  #end: Error | undefined
  #state: 'growing' | 'committing' | 'committed' | 'removed' = 'growing'
  #turn: Promise<unknown> = Promise.resolve()
  /** Lets go of a whole body that no response has. */
  #letGo: (() => void) | undefined

  constructor(bytes: GrowingBytes, room: CopyRoom, left?: LeftBehind, newDigester?: () => Digester) {
    this.#bytes = bytes
    this.room = room
    this.#digests = new CopyDigests(this.#toDigest(), newDigester)
    this.#size = left?.size
    this.#isResting = left !== undefined
    for (const span of left?.spans ?? []) this.#dormant.set(span.start, span)
    this.#present = this.#allPresent()
    this.#taken = left?.takenBytes ?? 0
    this.#unknown = Math.max(0, this.#taken - blockBytes(this.#present))
  }

  /** Bytes that are here. */
  get presentBytes(): number {
    return bytesOf(this.#present)
  }

  /** Bytes of the quota that it takes: in memory its own, in a file all blocks in which some of them lie. */
  get takenBytes(): number {
    return this.#taken
  }

  get size(): number | undefined {
    return this.#size
  }

  get readers(): number {
    return this.#readers
  }

  get hasFailed(): boolean {
    return this.#end !== undefined
  }

  setSize(size: number): void {
    if (this.#size === size) return
    if (this.#size !== undefined) {
      throw new Fault('RESPONSE_CHANGED', `expected a body of ${this.#size} bytes, now it has ${size}`)
    }
    const held = this.#present.at(-1)?.end ?? 0
    if (!Number.isSafeInteger(size) || size < held) {
      throw new Fault('RESPONSE_INVALID', `a body of ${size} bytes, of which ${held} are held`)
    }
    this.#size = size
    this.#count()
    this.#change.raise()
  }

  heldUntil(offset: number): number {
    return runEnd(this.#extents, offset)
  }

  missing({ start, end }: ByteSpan): readonly ByteSpan[] {
    return missingFrom(this.#present, { start, end: Math.min(end, this.#size ?? Infinity) })
  }

  async recall(span: ByteSpan, signal?: AbortSignal): Promise<void> {
    for (const each of this.#dormantIn(span)) {
      if (signal?.aborted) return
      await this.#inTurn(() => this.#recallOne(each))
    }
  }

  /**
   * Everything that is here, with its digests: what may be written down for a later process, and where that finds it. Nothing of what ends
   * with this process.
   */
  inventory(): Promise<{ readonly name: string; readonly spans: readonly SpanDigest[] }> {
    return this.#inTurn(async () => {
      this.#mustBeGrowing()
      await this.#settled()
      const name = await this.#leavingMemory(() => this.#bytes.named())
      if (this.#isInMemory) return { name, spans: [] }
      for (const spans of joinable([...this.#dormant.values()])) await this.#join(spans)
      const spans = this.#spans()
      this.#told = new Map(spans.map((span) => [span.start, span]))
      return { name, spans }
    })
  }

  /** Nobody needs it just now. */
  async rest(): Promise<void> {
    await this.#inTurn(() => this.#digests.idle())
    await this.#inTurn(() => this.#settled())
    await this.#bytes.rest()
    this.room.rest()
    this.#isResting = true
    this.#count()
    this.#layAside()
  }

  /** It is in use again. */
  wake(): void {
    this.room.wake()
    this.#isResting = false
    this.#count()
    this.#layAside()
  }

  /** Compares what waits to be recalled with its digests, and goes on waiting; what is wrong is missing from then on. */
  async *check(): AsyncGenerator<{ readonly bytes: number; readonly isRight: boolean }> {
    try {
      for (const span of this.#dormant.values()) {
        const found = await this.#inTurn(() => this.#checkOne(span))
        if (found !== undefined) yield { bytes: span.end - span.start, isRight: found }
      }
    } finally {
      if (this.#isResting) await this.#inTurn(() => this.#bytes.rest())
    }
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      this.#mustBeGrowing()
      const span = { start: offset, end: offset + bytes.length }
      this.#mustBeWithin(span)
      for (const each of this.#dormantIn(span)) await this.#recallOne(each)
      for (const gap of missingFrom(this.#extents, span)) {
        await this.#fill(gap, bytes.subarray(gap.start - offset, gap.end - offset))
      }
    })
  }

  release(upTo: number): void {
    if (!(upTo > this.#released)) return
    this.#released = upTo
    this.#change.raise()
  }

  read(
    span: ByteSpan,
    signal?: AbortSignal,
    which: 'released' | 'held' = 'released',
  ): AsyncIterableIterator<Uint8Array> {
    return new CopyReader(which === 'held' ? this.#followedHeld : this.#followed, span, signal)
  }

  async digest(algorithm: DigestAlgorithm): Promise<string> {
    if (algorithm === 'sha-256') return (await this.#wholeDigests()).sha256
    const size = this.#wholeSize()
    const digest = createDigest(algorithm)
    const letGo = this.#bytes.hold()
    try {
      for (let at = 0; at < size;) {
        const bytes = await this.#bytes.read({ start: at, end: Math.min(at + PIECE_BYTES, size) })
        digest.update(bytes)
        at += bytes.length
      }
    } finally {
      letGo()
    }
    return digest.hex()
  }

  reset(): Promise<void> {
    return this.#inTurn(async () => {
      this.#mustBeGrowing()
      if (this.#released > 0) throw new Fault('STORE_FAILED', 'readers already have bytes of this copy')
      await this.#digests.idle()
      await this.#bytes.clear()
      this.#extents = NO_EXTENTS
      this.#dormant.clear()
      this.#present = NO_EXTENTS
      this.#size = undefined
      this.#digests.clear()
      this.#told = new Map()
      this.#taken = 0
      this.#unknown = 0
      this.room.reset()
    })
  }

  fail(error: Error): void {
    this.#end ??= error
    this.#change.raise()
  }

  async discard(): Promise<void> {
    if (this.#state === 'growing') this.fail(discarded())
    await this.#inTurn(() => this.#remove())
  }

  /**
   * Gives the whole copy to `keep`, which makes it a stored body; from then on it is nothing to discard.
   * @param keep returns what lets go of the body where no response has it: then it is the readers', until the copy is discarded.
   * @throws Fault STORE_FAILED when bytes are missing, and what `keep` throws; the copy is then discarded.
   */
  commit(keep: (body: BodyDigests, bytes: GrowingBytes) => Promise<(() => void) | undefined>): Promise<void> {
    return this.#inTurn(async () => {
      try {
        this.#mustBeGrowing()
        this.#state = 'committing'
        await this.#settled()
        this.#letGo = await keep(await this.#wholeDigests(), this.#bytes)
        this.#state = 'committed'
        this.release(Infinity)
      } catch (error) {
        if (this.#state !== 'committed') await this.#remove()
        throw error
      }
    })
  }

  /** As its readers see it. */
  #forReaders(which: 'released' | 'held'): Followed {
    const end = () => this.#size ?? Infinity
    return {
      get end() {
        return end()
      },
      readableUntil: (at) => Math.min(this.heldUntil(at), which === 'held' ? Infinity : this.#released),
      mustGoOn: () => this.#mustNotHaveEnded(),
      bytes: async (span) => this.#bytes.readNow(span) ?? this.#readHeld(span),
      onChange: (wake) => this.#change.onNext(wake),
      hold: () => this.#hold(which === 'held' ? 1 : 0),
    }
  }

  #hold(heldReaders: number): () => void {
    const letGo = this.#bytes.hold()
    this.#readers += 1
    this.#heldReaders += heldReaders
    return () => {
      this.#readers -= 1
      this.#heldReaders -= heldReaders
      letGo()
    }
  }

  /** Writes, resets and the end happen one after the other, whoever asks. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }

  async #fill(gap: ByteSpan, bytes: Uint8Array): Promise<void> {
    await this.#leavingMemory(() => this.#writeWhereRoom(gap.start, bytes))
    this.#mustBeGrowing()
    this.#mustBeWithin(gap)
    this.#filled(gap, bytes)
  }

  #filled(gap: ByteSpan, bytes: Uint8Array): void {
    this.#extents = withSpan(this.#extents, gap)
    this.#present = withSpan(this.#present, gap)
    this.#count()
    this.#digests.add(gap, bytes)
    // Hardly anybody waits for what may not be read yet.
    if (gap.start < this.#released || this.#heldReaders > 0) this.#change.raise()
  }

  /** Whether all bytes lie in memory, where they stay what they are. */
  get #isInMemory(): boolean {
    return this.#bytes.readNow(NOTHING) !== undefined
  }

  /** What is in memory before `work`, and after it in a file, is digested from there. */
  async #leavingMemory<Result>(work: () => Promise<Result>): Promise<Result> {
    const memory = this.#bytes.readNow(EVERYTHING)
    if (memory === undefined) return work()
    try {
      return await work()
    } finally {
      if (!this.#isInMemory) {
        this.#digests.leavesMemory(memory, this.#extents)
        this.#count()
      }
    }
  }

  /** Nobody knows what becomes of a file that nobody uses: as after a restart, no byte is held before it was recalled. */
  #layAside(): void {
    if (this.#extents.length === 0 || this.#isInMemory) return
    for (const span of this.#spans()) this.#dormant.set(span.start, span)
    this.#extents = NO_EXTENTS
    this.#digests.clear()
    // Who reads still goes on with what is right.
    if (this.#readers > 0) void this.recall(EVERYTHING)
  }

  #dormantIn(span: ByteSpan): SpanDigest[] {
    const [hole] = this.#dormant.size === 0 ? [span] : missingFrom(this.#present, span)
    if (hole?.start === span.start && hole.end === span.end) return []
    return [...this.#dormant.values()].filter(({ start, end }) => start < span.end && end > span.start)
  }

  async #recallOne(span: SpanDigest): Promise<void> {
    if (!this.#waits(span)) return
    const bytes = await this.#readRight(span)
    this.#dormant.delete(span.start)
    if (bytes === undefined) this.#lose()
    else {
      this.#extents = withSpan(this.#extents, span)
      this.#digests.addCompared(span, bytes)
    }
    this.#change.raise()
  }

  /** Whether it has not been recalled meanwhile, nor all of the copy removed. */
  #waits(span: SpanDigest): boolean {
    return this.#state === 'growing' && this.#dormant.get(span.start) === span
  }

  /** @returns `undefined` where it has been recalled meanwhile, or could not be looked at. */
  async #checkOne(span: SpanDigest): Promise<boolean | undefined> {
    if (!this.#waits(span)) return undefined
    try {
      if (isRight(span, await this.#readAll(span))) return true
    } catch (error) {
      if (isOutOfReach(error)) return undefined
    }
    this.#dormant.delete(span.start)
    this.#lose()
    return false
  }

  #lose(): void {
    this.#present = this.#allPresent()
    this.#count()
  }

  /** The room holds what is taken now. */
  #count(): void {
    const more = this.#takenBy(this.#present) - this.#taken
    if (more === 0 || this.#state !== 'growing') return
    this.#taken += more
    if (this.#isResting) this.room.wake()
    this.room.hold(more)
    if (this.#isResting) this.room.rest()
  }

  /** A body that may yet be stored takes no more than its own size, which may be the last that the quota has. */
  #takenBy(present: Extents): number {
    if (this.#isInMemory) return bytesOf(present)
    const size = this.#size ?? present.at(-1)?.end ?? 0
    return Math.min(this.#isResting ? wholeBlocks(size) : size, blockBytes(present) + this.#unknown)
  }

  #allPresent(): Extents {
    return [...this.#dormant.values()].reduce(withSpan, this.#extents)
  }

  /** Everything that is here, with its digests, which were made of it in memory. What was told before is the very same object. */
  #spans(): readonly SpanDigest[] {
    const digested = this.#digests.spans((span, sha256) => this.#digested(span, sha256))
    return [...this.#dormant.values(), ...digested]
  }

  #digested(span: ByteSpan, sha256: Uint8Array | undefined): SpanDigest {
    const told = this.#told.get(span.start)
    if (told?.end === span.end) return told
    if (sha256 === undefined)
      throw new Fault('STORE_FAILED', `no digest of bytes ${span.start} to ${span.end}`)
    return { ...span, sha256 }
  }

  /** Makes one span of these. What is wrong is found out by whoever wants it. */
  async #join(spans: readonly SpanDigest[]): Promise<void> {
    const read: Uint8Array[] = []
    for (const span of spans) {
      const bytes = await this.#readRight(span)
      if (bytes === undefined) return
      read.push(bytes)
    }
    const [start, end] = [spans[0]?.start ?? 0, spans.at(-1)?.end ?? 0]
    for (const span of spans) this.#dormant.delete(span.start)
    this.#dormant.set(start, { start, end, sha256: digestOf(Buffer.concat(read)) })
  }

  /** @returns `undefined` where they cannot be read, or are not what they were. */
  async #readRight(span: SpanDigest): Promise<Uint8Array | undefined> {
    const bytes = await this.#readAll(span).catch(() => undefined)
    return bytes !== undefined && isRight(span, bytes) ? bytes : undefined
  }

  async #readAll({ start, end }: ByteSpan): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for (let at = start; at < end; at += chunks.at(-1)?.length ?? 0)
      chunks.push(await this.#bytes.read({ start: at, end }))
    return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
  }

  async #writeWhereRoom(offset: number, bytes: Uint8Array): Promise<void> {
    const present = withSpan(this.#present, { start: offset, end: offset + bytes.length })
    await this.room.claim(Math.max(0, this.#takenBy(present) - this.#taken), this.#size)
    await this.#freeing(bytes.length, () => this.#bytes.write(offset, bytes))
  }

  /** What is held of a file is written. @throws Fault STORE_FULL, STORE_FAILED. */
  #settled(): Promise<void> {
    return this.#freeing(MOST_UNWRITTEN_BYTES, () => this.#bytes.settle())
  }

  /** Writes, and frees `bytes` of the disk as often as that does not do. */
  async #freeing(bytes: number, write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await write()
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== 'STORE_FULL') throw error
        await this.room.freeDisk(bytes)
      }
    }
  }

  async #wholeDigests(): Promise<BodyDigests> {
    return this.#digests.whole(this.#wholeSize())
  }

  /** As its digests see it. */
  #toDigest(): Digested {
    return {
      heldUntil: (offset) => this.heldUntil(offset),
      readNow: (span) => this.#bytes.readNow(span),
      read: (span) => this.#readAll(span),
      isRemoved: () => this.#state === 'removed',
      removed: discarded,
      damaged: (start) => this.#damaged(start),
    }
  }

  /** Readers may have been promised the bytes, so that they cannot become missing: nothing of the copy is used any more. */
  #damaged(start: number): Fault {
    const damage = new Fault('STORE_CORRUPT', `what was written of the copy at ${start} is not what came`)
    this.fail(damage)
    return damage
  }

  /** What is gone or cannot be read ends the copy, which is then fetched again. */
  async #readHeld(span: ByteSpan): Promise<Uint8Array> {
    try {
      return await this.#bytes.read(span)
    } catch (error) {
      if (this.#state === 'growing' && !isOutOfReach(error)) this.fail(asFault(error, 'STORE_FAILED'))
      throw error
    }
  }

  async #remove(): Promise<void> {
    this.#letGo?.()
    this.#letGo = undefined
    if (this.#state === 'committed' || this.#state === 'removed') return
    this.#state = 'removed'
    this.fail(discarded())
    await this.#digests.idle()
    await this.#bytes.remove()
    this.room.close()
  }

  #wholeSize(): number {
    const size = this.#size
    if (size !== undefined && this.heldUntil(0) === size) return size
    throw new Fault(
      'STORE_FAILED',
      `expected a whole body of ${size ?? '?'} bytes, ${this.heldUntil(0)} are held`,
    )
  }

  #mustBeGrowing(): void {
    this.#mustNotHaveEnded()
    if (this.#state !== 'growing') throw new Fault('STORE_FAILED', 'the copy grows no more')
  }

  #mustNotHaveEnded(): void {
    if (this.#end !== undefined) throw this.#end
  }

  #mustBeWithin(span: ByteSpan): void {
    const size = this.#size ?? Number.MAX_SAFE_INTEGER
    if (Number.isSafeInteger(span.start) && span.start >= 0 && span.end <= size) return
    throw new Fault('RESPONSE_INVALID', `bytes ${span.start} to ${span.end} of a body of ${size} bytes`)
  }
}

function bytesOf(extents: Extents): number {
  return extents.reduce((sum, { start, end }) => sum + end - start, 0)
}

function discarded(): Fault {
  return new Fault('STORE_FAILED', 'the copy was discarded')
}
