/**
 * Small bodies, many to a file: `segments/<number>`. To create a file for a body of 10 KiB costs ten times what it costs
 * to append it to an open one.
 *
 * A segment is only ever appended to, and by one process: the next process begins a new one. Where in it a body lies, the
 * index knows (`PlaceIndex`), and nothing else; what a place has become, whoever reads it finds out by the digest (R7.3),
 * so nothing here waits for the disk. Bodies that go leave dead bytes. A segment without live bodies is unlinked, and when
 * all dead bytes together are too many, the segment with the largest share of them is emptied: its live bodies are
 * appended to the newest segment (cache/segment-compaction.ts).
 *
 * How many are too many is a trade. Responses are mostly evicted in the order in which they came, and then segments empty
 * by themselves. But where bodies go in any order, as those that were used again do, each dead byte is spread thin, and
 * with only half a percent dead a hundred bytes are moved to free one. So a sixteenth may be dead. What may be dead, and the
 * segment that is twice on the disk while it is emptied, is counted as if it were bodies (`overheadBytes`), but for 0.5 % of
 * the quota: so the quota holds on the disk within 1 %.
 */
import { mkdirSync, readdirSync, statSync, writevSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { isMissing } from '../core/error-code.ts'
import { describe } from '../core/fault.ts'
import { isCount, MAX_SEGMENTS } from './index-schema.ts'
import type { OpenFiles } from './open-files.ts'
import type { Place } from './place.ts'
import type { PlacedBody, PlaceIndex } from './place-index.ts'
import { SegmentBooks } from './segment-books.ts'
import { emptySegment, type MovedFiles } from './segment-compaction.ts'
import { type OpenSegment, type SegmentFile, SegmentWriter } from './segment-writer.ts'
import { isFull } from './store-fault.ts'
import type { StoreLog } from './store-log.ts'

/** Bytes of the largest body that goes into a segment. It fits into every segment, and one write takes little time. */
export const MAX_SEGMENT_BODY = 256 * 1024

/** Between these, a segment's length follows the quota and the free space, for what is dead is a part of one. */
const MIN_SEGMENT_BYTES = 256 * 1024
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024
/** While a segment is emptied its live bodies are there twice: that must be well below 1 % of the quota. */
const SEGMENTS_PER_QUOTA = 256
/** With less, what may be dead in a few segments were more than 1 %: every body has a file of its own. */
export const LEAST_QUOTA = SEGMENTS_PER_QUOTA * MIN_SEGMENT_BYTES
/** A small file system must not be filled by a few segments that nothing but all their bodies' end can free. */
const SEGMENTS_PER_FREE_SPACE = 64
/** Dead bytes at most, as a part of the quota; one small segment at least. */
const DEAD_PER_QUOTA = 1 / 200
/** Dead bytes at most, as a part of the live ones, if that is more. */
const DEAD_PER_LIVE = 1 / 16
/** Of all that is not counted: with a segment that is being removed, 1/256, the quota is to hold within a hundredth. */
const UNCOUNTED_PER_QUOTA = 0.005

export interface SegmentFilesSettings {
  /** The store's directory. */
  readonly directory: string
  /** The quota of the store in bytes. */
  readonly maxBytes: number
}

export interface SegmentFilesParts {
  readonly index: PlaceIndex
  readonly log: StoreLog
  readonly open: OpenFiles
  /** Bytes that the file system may still take. */
  readonly freeBytes: () => Promise<number>
}

export class SegmentFiles {
  readonly #directory: string
  readonly #maxBytes: number
  readonly #parts: SegmentFilesParts
  readonly #books = new SegmentBooks()
  readonly #writer: SegmentWriter
  readonly #removals = new Map<number, Promise<void>>()
  readonly #moved: MovedFiles = {
    hold: ({ segment }) => this.#parts.open.hold(this.pathOf(segment)),
    append: (bytes) => this.#writer.append(bytes),
    settle: (place) => this.settle(place),
    free: (place, size) => this.free(place, size),
  }
  /** Segments that cannot be read, say. */
  readonly #immovable = new Set<number>()
  #compacting: Promise<void> | undefined
  #stopping = new AbortController()
  /** The number that the newest segment has. */
  #last = 0

  constructor(settings: SegmentFilesSettings, parts: SegmentFilesParts) {
    this.#directory = join(settings.directory, 'segments')
    this.#maxBytes = settings.maxBytes
    this.#parts = parts
    this.#writer = new SegmentWriter({
      open: () => this.#begin(),
      written: (place, size) => this.#books.add(place, size),
      sealed: (segment) => void this.#removeIfEmpty(segment),
    })
  }

  /** Looks for the segments of former processes. @throws what the file system says. */
  start(): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    this.#stopping = new AbortController()
    this.#books.clear()
    for (const name of readdirSync(this.#directory)) {
      const number = Number(name)
      // Whatever else is in the directory is not ours.
      if (!isSegment(number) || String(number) !== name) continue
      this.#books.found(number, statSync(this.pathOf(number)).size)
      this.#last = Math.max(this.#last, number)
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#compacting
    await this.#writer.stop()
    await Promise.all(this.#removals.values())
  }

  /** The index was opened, or has lost something: what lives is counted anew. */
  recount(): void {
    const uses = this.#parts.index.segments()
    this.#books.recount(uses)
    for (const { segment } of uses) if (isSegment(segment)) this.#last = Math.max(this.#last, segment)
  }

  /** Bytes that dead bytes may take at the cost of bodies. */
  get overheadBytes(): number {
    const { liveBytes, deadBytes } = this.#books
    const dead = Math.min(this.#maxDeadBytes, liveBytes + deadBytes)
    const twice = Math.min(this.#segmentBytes(Infinity), liveBytes)
    return Math.max(0, dead + twice - this.#maxBytes * UNCOUNTED_PER_QUOTA)
  }

  /**
   * Nothing takes the body away before `settle` is called. Waits where dead bytes become more than can be cleared away
   * meanwhile, and for a segment that is being removed. @throws Fault STORE_FULL, STORE_FAILED.
   */
  append(bytes: Uint8Array): Promise<Place> {
    const append = () => this.#writer.append(bytes)
    const waits = this.#hasTooManyDead() ? this.#compacting : this.#removing()
    return waits === undefined ? append() : waits.then(append)
  }

  /** An appended body has its row in the index, or will have none. */
  settle(place: Place): void {
    this.#books.settle(place)
    if (this.#books.isEmpty(place.segment)) void this.#removeIfEmpty(place.segment)
  }

  pathOf(segment: number): string {
    return `${this.#directory}${sep}${segment}`
  }

  /** The body there lives no more. Resolves when what could be freed for it is free. */
  async free(place: Place, size: number): Promise<void> {
    this.#books.subtract(place, size)
    await this.#removeIfEmpty(place.segment)
    if (this.#hasTooManyDead())
      this.#compacting ??= this.#compact().finally(() => (this.#compacting = undefined))
  }

  /** All bodies that lie in one segment: its space is free when they all have gone. */
  neighbours({ segment }: Place): readonly PlacedBody[] {
    return this.#parts.index.bodiesIn(segment)
  }

  /** Removes segments that no body is in. @returns how many there were. */
  async sweep(): Promise<number> {
    const isFilled = (segment: number) => segment === this.#writer.current && !this.#writer.isIdle
    const empty = this.#books.empty().filter((segment) => !isFilled(segment))
    await Promise.all(empty.map((segment) => this.#removeIfEmpty(segment)))
    return empty.length
  }

  /** The bodies that the index has where no segment is, or beyond its end. */
  *missing(): Generator<PlacedBody> {
    for (const { segment } of this.#parts.index.segments()) {
      const length = this.#books.lengthOf(segment)
      const last = this.#parts.index.bodiesIn(segment, length - MAX_SEGMENT_BODY)
      yield* last.filter(({ size, place }) => place.start + size > length)
    }
  }

  get #maxDeadBytes(): number {
    const { liveBytes } = this.#books
    return Math.max(liveBytes * DEAD_PER_LIVE, this.#maxBytes * DEAD_PER_QUOTA, MIN_SEGMENT_BYTES)
  }

  #segmentBytes(free: number): number {
    const wanted = Math.min(
      MAX_SEGMENT_BYTES,
      this.#maxBytes / SEGMENTS_PER_QUOTA,
      free / SEGMENTS_PER_FREE_SPACE,
    )
    return Math.max(MIN_SEGMENT_BYTES, wanted)
  }

  #hasTooManyDead(): boolean {
    return this.#books.deadBytes > this.#maxDeadBytes
  }

  /** A segment that is being removed is still on the disk, and in no account any more. */
  #removing(): Promise<unknown> | undefined {
    return this.#removals.size > 0 ? Promise.allSettled(this.#removals.values()) : undefined
  }

  async #begin(): Promise<OpenSegment> {
    const maxBytes = this.#segmentBytes(await this.#parts.freeBytes())
    this.#last = this.#nextNumber()
    const handle = await this.#create(this.pathOf(this.#last))
    this.#books.found(this.#last, 0)
    return { number: this.#last, file: segmentFile(handle), maxBytes }
  }

  /** Where damage, or somebody's file, has used up the highest number, the lowest free one is next. */
  #nextNumber(): number {
    let next = this.#last + 1
    if (next >= MAX_SEGMENTS) next = 1
    while (this.#books.lengthOf(next) >= 0 || this.#removals.has(next)) next += 1
    return next
  }

  async #create(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx', 0o600)
    } catch (error) {
      if (!isMissing(error)) throw error
      // Somebody emptied the directory meanwhile.
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
      return open(path, 'wx', 0o600)
    }
  }

  /** More than once at the same time is harmless. Never fails. */
  async #removeIfEmpty(segment: number): Promise<void> {
    if (segment === this.#writer.current && !this.#writer.isIdle) return
    try {
      if (!this.#books.isEmpty(segment)) return await this.#removals.get(segment)
      // The books can be wrong where the index was damaged; the index itself is asked before anything is lost.
      if (this.#parts.index.bodiesIn(segment).length > 0) return this.recount()
      this.#books.forget(segment)
      const removal = this.#remove(segment)
      this.#removals.set(segment, removal)
      await removal.finally(() => this.#removals.delete(segment))
    } catch (error) {
      this.#parts.log({ kind: 'removal-failed', path: this.pathOf(segment), reason: describe(error) })
    }
  }

  /** Closed before it is unlinked: Windows does not unlink open files. */
  async #remove(segment: number): Promise<void> {
    if (segment === this.#writer.current) await this.#writer.seal()
    await this.#parts.open.close(this.pathOf(segment))
    // The rows that named its bodies are gone before it is.
    this.#parts.index.flush()
    await rm(this.pathOf(segment), { force: true })
  }

  /** Empties segments until little enough is dead; each once at most, for readers may keep one. */
  async #compact(): Promise<void> {
    const { signal } = this.#stopping
    const tried = new Set([this.#writer.current, ...this.#immovable])
    while (this.#hasTooManyDead() && !signal.aborted) {
      const segment = this.#books.mostDead(tried)
      if (segment === undefined) break
      tried.add(segment)
      if ((await this.#empty(segment, signal)) === 'disk full') break
    }
  }

  async #empty(segment: number, signal: AbortSignal): Promise<'emptied' | 'failed' | 'disk full'> {
    try {
      await emptySegment(segment, this.#moved, this.#parts.index, signal)
      return 'emptied'
    } catch (error) {
      if (isFull(error)) return 'disk full'
      this.#immovable.add(segment)
      this.#parts.log({ kind: 'compaction-failed', segment, reason: describe(error) })
      return 'failed'
    }
  }
}

/** Another number is none of ours: the index could not name a place there. */
function isSegment(number: number): boolean {
  return isCount(number) && number < MAX_SEGMENTS
}

function segmentFile(handle: FileHandle): SegmentFile {
  return {
    writev: (buffers, position) => writevSync(handle.fd, buffers, position),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  }
}
