/**
 * The bodies of the disk store: `bodies/ab/<sha256>`, small ones together in `segments/` (cache/segment-files.ts), what is
 * growing or going in `growing/`, and the lock of the directory. A name in `bodies/` is only ever given to a whole body, by
 * renaming.
 */
import { existsSync, readdirSync, renameSync, statSync, truncateSync } from 'node:fs'
import { readdir, rm, statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Sha256 } from '../core/digest.ts'
import { isMissing } from '../core/error-code.ts'
import { describe, Fault } from '../core/fault.ts'
import { makeDirectory } from '../core/make-directory.ts'
import type { Random } from '../core/random.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Allocate } from '../core/store.ts'
import type { Bodies, ReservedBytes, SweepView } from './bodies.ts'
import { BodyReader, ofItsOwn } from './body-reader.ts'
import { lockDirectory, type Unlock } from './directory-lock.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { createGrowingFile, type GrowingFileSettings, reopenGrowingFile } from './growing-file.ts'
import { GrowingMemoryBudget, GrowingSmall } from './growing-small.ts'
import { OpenFiles } from './open-files.ts'
import type { Place, StoredBody } from './place.ts'
import type { PlaceIndex } from './place-index.ts'
import type { FreedBody } from './response-index.ts'
import { LEAST_QUOTA, MAX_SEGMENT_BODY, SegmentFiles } from './segment-files.ts'
import { storeFault } from './store-fault.ts'
import type { StoreLog } from './store-log.ts'

/** All bodies lie in one of these directories, by the first digits of their digest. */
const PREFIXES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** What a file takes on the disk is told in blocks of so many bytes, whatever the file system. */
const BYTES_PER_STAT_BLOCK = 512

/** Enough for every small download of a package manager at once; what comes beyond it goes through files. */
const GROWING_MEMORY_BYTES = 32 * 1024 * 1024

export interface BodyFilesSettings {
  readonly directory: string
  /** The quota in bytes. */
  readonly maxBytes: number
  /** Bytes of the file system that are left to others. */
  readonly reserveBytes: number
  /** Bytes of bodies that stay in memory. */
  readonly memoryBytes: number
}

export interface BodyFilesComponents {
  readonly index: PlaceIndex
  readonly random: Random
  readonly log: StoreLog
}

export class BodyFiles implements Bodies {
  readonly #settings: BodyFilesSettings
  /** Where bodies that are files of their own lie, in folders by the first byte of their digests. */
  readonly #bodies: string
  readonly #index: PlaceIndex
  readonly #random: Random
  readonly #log: StoreLog
  readonly #open = new OpenFiles()
  readonly #segments: SegmentFiles
  readonly #reader: BodyReader
  readonly #growingFiles: GrowingFileSettings = {
    pathOf: (name) => this.#bodyPath(name),
    onKept: (path) => this.#open.forget(path),
    onUnremoved: (path, error) => this.#unremoved(path, error),
  }
  readonly #growingMemory = new GrowingMemoryBudget(GROWING_MEMORY_BYTES)
  /** Paths in `growing/` of a former process. */
  #leftovers: readonly string[] = []
  #unlock: Unlock | undefined

  constructor(settings: BodyFilesSettings, { index, random, log }: BodyFilesComponents) {
    this.#settings = settings
    this.#bodies = join(settings.directory, 'bodies')
    this.#index = index
    this.#random = random
    this.#log = log
    const parts = { index, log, open: this.#open, freeBytes: () => this.freeBytes() }
    this.#segments = new SegmentFiles(settings, parts)
    this.#reader = new BodyReader(
      this.#open,
      (digest, place) => this.#pathOf(digest, place),
      settings.memoryBytes,
    )
  }

  async start(): Promise<void> {
    const { directory } = this.#settings
    const growing = join(directory, 'growing')
    try {
      for (const path of [this.#bodies, growing]) makeDirectory(path)
      this.#unlock = lockDirectory(directory, join(directory, 'lock'))
      this.#leftovers = readdirSync(growing).map((name) => join(growing, name))
      this.#segments.start()
    } catch (error) {
      this.#release()
      throw storeFault(`cannot use the cache directory ${directory}`, error)
    }
  }

  async quiesce(): Promise<void> {
    await this.#segments.stop()
    await this.#open.closeAll()
  }

  async stop(): Promise<void> {
    this.#release()
  }

  async grow(): Promise<GrowingBytes> {
    this.#mustBeStarted()
    return new GrowingSmall(this.#growingMemory, {
      largestSmall: this.#settings.maxBytes < LEAST_QUOTA ? -1 : MAX_SEGMENT_BODY,
      createFile: () => this.#createFile(),
      keepSmall: (name, bytes) => this.#keepSmall(name, bytes),
    })
  }

  reserve(size: number): ReservedBytes | undefined {
    const isSmall = size <= MAX_SEGMENT_BODY && this.#settings.maxBytes >= LEAST_QUOTA
    if (!isSmall || this.#unlock === undefined || !this.#growingMemory.take(size)) return undefined
    return {
      // In memory it stays from the first time that it is read: most of what comes is not asked for again soon.
      keep: (_, bytes) => this.#segments.append(bytes),
      giveBack: () => this.#growingMemory.giveBack(size),
    }
  }

  regrow(name: string): GrowingBytes | undefined {
    const path = this.#leftPath(name)
    return path !== undefined && existsSync(path) ? reopenGrowingFile(path, this.#growingFiles) : undefined
  }

  cutLeft(name: string, end: number): number | undefined {
    const path = this.#leftPath(name)
    if (path === undefined || !existsSync(path)) return undefined
    try {
      if (statSync(path).size > end) truncateSync(path, end)
    } catch (error) {
      this.#unremoved(path, error)
    }
    return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * BYTES_PER_STAT_BLOCK
  }

  read(body: StoredBody, span: ByteSpan, allocate: Allocate = ofItsOwn): AsyncIterable<Uint8Array> {
    return this.#reader.read(body, span, allocate)
  }

  held(digest: Sha256, size: number): Uint8Array | undefined {
    return this.#reader.held(digest, size)
  }

  readAnew(body: StoredBody): AsyncIterable<Uint8Array> {
    return this.#reader.readAnew(body)
  }

  settle(place: Place): void {
    this.#segments.settle(place)
  }

  async remove({ digest, size, place }: FreedBody): Promise<void> {
    this.#reader.forget(digest)
    if (place === undefined) await this.#removeFile(digest)
    else await this.#segments.free(place, size)
  }

  neighbours(place: Place): readonly FreedBody[] {
    return this.#segments.neighbours(place)
  }

  recount(): void {
    this.#segments.recount()
  }

  get overheadBytes(): number {
    return this.#segments.overheadBytes
  }

  async freeBytes(): Promise<number> {
    const { directory, reserveBytes } = this.#settings
    try {
      const { bavail, bsize } = await statfs(directory)
      return bavail * bsize - reserveBytes
    } catch (error) {
      throw storeFault(`cannot ask for the free space of ${directory}`, error)
    }
  }

  async sweep(view: SweepView, signal: AbortSignal): Promise<void> {
    const leftovers = this.#leftovers.filter((path) => !view.isPartial(basename(path)))
    let files = leftovers.length
    for (const path of leftovers) await rm(path, { force: true, recursive: true })
    this.#leftovers = []
    const folders = new Set(await readdir(this.#bodies).catch(noneIfMissing))
    for (const prefix of PREFIXES) {
      // Requests come in between.
      await setImmediate()
      if (signal.aborted) return
      const names = folders.has(prefix) ? await readdir(join(this.#bodies, prefix)).catch(noneIfMissing) : []
      files += await this.#sweepPrefix(prefix, names, view)
    }
    files += await this.#segments.sweep()
    await reportAll(this.#segments.missing(), view, signal)
    if (files > 0) this.#log({ kind: 'leftovers-removed', files })
  }

  /** Files may come and go between listing and comparing, so what seems wrong is looked at once more. */
  async #sweepPrefix(prefix: string, names: readonly string[], view: SweepView): Promise<number> {
    const listed = new Set(names)
    const unwanted = names.filter((name) => !view.isWanted(name as Sha256))
    await Promise.all(unwanted.map((name) => this.#removeFile(name as Sha256)))
    const isHere = (digest: Sha256) => listed.has(digest) || existsSync(this.#bodyPath(digest))
    const missing = view
      .bodiesFrom(prefix)
      .filter(({ digest, place }) => place !== undefined || !isHere(digest))
    await reportAll(missing, view)
    return unwanted.length
  }

  async #createFile(): Promise<GrowingBytes> {
    const create = () => createGrowingFile(this.#growingPath(), this.#growingFiles)
    try {
      return await create()
    } catch (error) {
      if (!(error instanceof Fault && isMissing(error.cause))) throw error
      // Somebody emptied the directory meanwhile.
      makeDirectory(join(this.#settings.directory, 'growing'))
      return create()
    }
  }

  async #keepSmall(name: Sha256, bytes: Uint8Array): Promise<Place> {
    const place = await this.#segments.append(bytes)
    this.#reader.remember(name, bytes)
    return place
  }

  /** Renamed at once and unlinked later, so that a body of the same name may come right behind it. */
  async #removeFile(digest: Sha256): Promise<void> {
    const path = this.#bodyPath(digest)
    const going = this.#growingPath()
    try {
      // The row that named it is gone before it is.
      this.#index.flush()
      renameSync(path, going)
      await this.#open.close(path)
      await rm(going, { force: true })
    } catch (error) {
      if (!isMissing(error)) this.#unremoved(path, error)
    }
  }

  #unremoved(path: string, error: unknown): void {
    this.#log({ kind: 'removal-failed', path, reason: describe(error) })
  }

  #pathOf(digest: Sha256, place: Place | undefined): string {
    return place === undefined ? this.#bodyPath(digest) : this.#segments.pathOf(place.segment)
  }

  #bodyPath(digest: Sha256): string {
    return join(this.#bodies, digest.slice(0, 2), digest)
  }

  /** Of what a former process wrote; `undefined` where the index names what no process of ours wrote. */
  #leftPath(name: string): string | undefined {
    return /^[0-9a-f]+$/.test(name) ? join(this.#settings.directory, 'growing', name) : undefined
  }

  #growingPath(): string {
    return join(this.#settings.directory, 'growing', this.#random.hex(16))
  }

  #release(): void {
    this.#unlock?.()
    this.#unlock = undefined
  }

  #mustBeStarted(): void {
    if (this.#unlock === undefined) throw new Fault('STORE_FAILED', 'the store is not started')
  }
}

/** Thousands may be missing, and requests must not wait for all of them. */
async function reportAll(
  missing: Iterable<Omit<FreedBody, 'size'>>,
  view: SweepView,
  signal?: AbortSignal,
): Promise<void> {
  for (const body of missing) {
    if (signal?.aborted) return
    view.missing(body)
    await setImmediate()
  }
}

function noneIfMissing(error: unknown): string[] {
  if (isMissing(error)) return []
  throw error
}
