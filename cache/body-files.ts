/**
 * The bodies of the disk store: `bodies/ab/<sha256>`, what is growing or going in `growing/`, and the lock of the
 * directory. A name in `bodies/` is only ever given to a whole body, by renaming.
 */
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { readdir, rm, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Sha256 } from '../core/digest.ts'
import { describe, Fault } from '../core/fault.ts'
import type { Random } from '../core/random.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Allocate } from '../core/store.ts'
import type { Bodies, SweepView } from './bodies.ts'
import { BodyReader, ofItsOwn } from './body-reader.ts'
import { lockDirectory, type Unlock } from './directory-lock.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { createGrowingFile, reopenGrowingFile } from './growing-file.ts'
import { GrowingMemoryBudget, GrowingSmall } from './growing-small.ts'
import type { BodyDigests } from './piece-digests.ts'
import { isMissing, storeFault } from './store-fault.ts'
import type { StoreLog } from './store-log.ts'

/** All bodies lie in one of these directories, by the first digits of their digest. */
const PREFIXES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Enough for every small download of a package manager at once; what comes beyond it goes through files. */
const GROWING_MEMORY_BYTES = 32 * 1024 * 1024

export interface BodyFilesSettings {
  readonly directory: string
  /** Bytes of the file system that are left to others. */
  readonly reserveBytes: number
  /** Bytes of bodies that stay in memory. */
  readonly memoryBytes: number
}

export class BodyFiles implements Bodies {
  readonly #settings: BodyFilesSettings
  readonly #random: Random
  readonly #log: StoreLog
  readonly #reader: BodyReader
  readonly #growingMemory = new GrowingMemoryBudget(GROWING_MEMORY_BYTES)
  /** Paths in `growing/` of a former process. */
  #leftovers: readonly string[] = []
  #unlock: Unlock | undefined

  constructor(settings: BodyFilesSettings, components: { readonly random: Random; readonly log: StoreLog }) {
    this.#settings = settings
    this.#reader = new BodyReader((digest) => this.#bodyPath(digest), settings.memoryBytes)
    this.#random = components.random
    this.#log = components.log
  }

  async start(): Promise<void> {
    const { directory } = this.#settings
    const growing = join(directory, 'growing')
    try {
      for (const path of [join(directory, 'bodies'), growing]) makeDirectory(path)
      this.#unlock = lockDirectory(directory, join(directory, 'lock'))
      this.#leftovers = readdirSync(growing).map((name) => join(growing, name))
    } catch (error) {
      this.#release()
      throw storeFault(`cannot use the cache directory ${directory}`, error)
    }
  }

  async stop(): Promise<void> {
    this.#release()
  }

  async grow(): Promise<GrowingBytes> {
    this.#mustBeStarted()
    return new GrowingSmall(this.#growingMemory, () => this.#createFile())
  }

  regrow(name: string): GrowingBytes | undefined {
    const path = join(this.#settings.directory, 'growing', name)
    const isOurs = /^[0-9a-f]+$/.test(name) && existsSync(path)
    return isOurs ? reopenGrowingFile(path, (digest) => this.#bodyPath(digest)) : undefined
  }

  read(body: BodyDigests, span: ByteSpan, allocate: Allocate = ofItsOwn): AsyncIterable<Uint8Array> {
    return this.#reader.read(body, span, allocate)
  }

  held(digest: Sha256, size: number): Uint8Array | undefined {
    return this.#reader.held(digest, size)
  }

  readAnew(body: BodyDigests): AsyncIterable<Uint8Array> {
    return this.#reader.readAnew(body)
  }

  /** Renamed at once and unlinked later, so that a body of the same name may come right behind it. */
  async remove(digest: Sha256): Promise<void> {
    this.#reader.forget(digest)
    const path = this.#bodyPath(digest)
    const going = this.#growingPath()
    try {
      renameSync(path, going)
      await rm(going, { force: true })
    } catch (error) {
      if (!isMissing(error)) this.#log({ kind: 'removal-failed', path, reason: describe(error) })
    }
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
    for (const prefix of PREFIXES) {
      if (signal.aborted) return
      files += await this.#sweepPrefix(prefix, view)
    }
    if (files > 0) this.#log({ kind: 'leftovers-removed', files })
  }

  /** Files may come and go between listing and comparing, so what seems wrong is looked at once more. */
  async #sweepPrefix(prefix: string, view: SweepView): Promise<number> {
    const names = await readdir(join(this.#settings.directory, 'bodies', prefix)).catch(noneIfMissing)
    const listed = new Set(names)
    const unwanted = names.filter((name) => !view.isWanted(name as Sha256))
    await Promise.all(unwanted.map((name) => this.remove(name as Sha256)))
    for (const digest of view.digestsFrom(prefix)) {
      if (listed.has(digest) || existsSync(this.#bodyPath(digest))) continue
      view.missing(digest)
      // Thousands may be missing, and requests must not wait for all of them.
      await setImmediate()
    }
    return unwanted.length
  }

  async #createFile(): Promise<GrowingBytes> {
    const create = () => createGrowingFile(this.#growingPath(), (name) => this.#bodyPath(name))
    try {
      return await create()
    } catch (error) {
      if (!(error instanceof Fault && isMissing(error.cause))) throw error
      // Somebody emptied the directory meanwhile.
      makeDirectory(join(this.#settings.directory, 'growing'))
      return create()
    }
  }

  #bodyPath(digest: Sha256): string {
    return join(this.#settings.directory, 'bodies', digest.slice(0, 2), digest)
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

function noneIfMissing(error: unknown): string[] {
  if (isMissing(error)) return []
  throw error
}

/**
 * With its parents, one by one: Node's own recursive way never ends where a parent takes no directories (/proc), and
 * hides why (a read-only file system).
 */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  const parent = dirname(path)
  if (parent !== path) makeDirectory(parent)
  mkdirSync(path, { mode: 0o700 })
}
