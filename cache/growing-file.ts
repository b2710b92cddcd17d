/** The bytes of a growing copy in a file, which at the end is renamed to the body that it became. */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Sha256 } from '../core/digest.ts'
import { isMissing } from '../core/error-code.ts'
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { PIECE_BYTES } from '../core/pieces.ts'
import { RecentBytes } from './recent-bytes.ts'
import { storeFault } from './store-fault.ts'
import { MOST_BYTES, UnwrittenBytes } from './unwritten-bytes.ts'

export interface GrowingFileSettings {
  /** Where a body of a given name belongs. */
  readonly pathOf: (name: Sha256) => string
  /** There is a body at this path now; the one that was there before, if any, has no name any more. */
  readonly onKept: (path: string) => void
  /** A file could not be closed or removed. Who discards a copy can do nothing about it: the next start removes it. */
  readonly onUnremoved: (path: string, error: unknown) => void
}

/** What a former process wrote at `path`. */
export function reopenGrowingFile(path: string, settings: GrowingFileSettings): GrowingFile {
  return new GrowingFile(path, undefined, settings)
}

/** A new file at `path`. @throws Fault STORE_FULL, STORE_FAILED. */
export async function createGrowingFile(path: string, settings: GrowingFileSettings): Promise<GrowingFile> {
  try {
    return new GrowingFile(path, await open(path, 'wx+', 0o600), settings)
  } catch (error) {
    throw storeFault(`cannot create ${path}`, error)
  }
}

export class GrowingFile implements GrowingBytes {
  readonly #settings: GrowingFileSettings
  readonly #recent = new RecentBytes()
  readonly #unwritten = new UnwrittenBytes()
  #writing: Promise<void> | undefined
  readonly #operations = new Set<Promise<unknown>>()
  #path: string
  /** `undefined` while closed: a resting file, or a kept one without readers, is, and opens again for the next use. */
  #handle: Promise<FileHandle> | undefined
  #state: 'growing' | 'kept' | 'removed' = 'growing'
  #length = 0
  #readers = 0
  #pin: () => () => void = () => () => {}
  #unpin: () => void = () => {}

  constructor(path: string, handle: FileHandle | undefined, settings: GrowingFileSettings) {
    this.#path = path
    this.#handle = handle && Promise.resolve(handle)
    this.#settings = settings
  }

  async named(): Promise<string> {
    await this.settle()
    return basename(this.#path)
  }

  async read(span: ByteSpan): Promise<Uint8Array> {
    const recent = this.#recent.from(span) ?? this.#unwritten.from(span)
    if (recent !== undefined) return recent
    // Where the run begins the file may have a hole that goes on behind it.
    const end = this.#unwritten.beginsBefore(span.start, span.end) ? this.#unwritten.start : span.end
    const buffer = Buffer.allocUnsafe(end - span.start)
    const { bytesRead } = await this.#operate('read', (file) =>
      file.read(buffer, 0, buffer.length, span.start),
    )
    if (bytesRead === 0) throw new Fault('STORE_FAILED', `${this.#path} ends at ${span.start}`)
    return buffer.subarray(0, bytesRead)
  }

  /** Where it fails nothing of `bytes` is held; what was before them still is, and may be written later. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (!this.#unwritten.takes(offset, bytes)) await this.settle()
    this.#mustNotBeRemoved()
    if (bytes.length < MOST_BYTES) this.#unwritten.add(offset, bytes)
    else await this.#writeThrough(offset, bytes)
    this.#length = Math.max(this.#length, offset + bytes.length)
    this.#recent.add(offset, bytes, this.#readers)
  }

  readNow(): undefined {}

  async clear(): Promise<void> {
    this.#unwritten.clear()
    await this.#writing?.catch(() => {}) // whoever waits for it has been told
    await this.#operate('truncate', (file) => file.truncate(0))
    this.#recent.clear()
  }

  /**
   * Under its name once it is whole, whatever stops the process in between (R7.2). A power cut may leave less on the disk
   * than was written, which every read finds out (R7.3): large bodies are worth the wait that this does not happen to them.
   */
  async keep(name: Sha256, pin: () => () => void): Promise<undefined> {
    await this.settle()
    const path = this.#settings.pathOf(name)
    if (this.#length > PIECE_BYTES) await this.#operate('sync', (file) => file.datasync())
    await this.#operate('rename', () => renameInto(this.#path, path))
    this.#settings.onKept(path)
    this.#path = path
    this.#state = 'kept'
    this.#pin = pin
    if (this.#readers > 0) this.#unpin = pin()
    await this.#closeIfIdle()
  }

  async rest(): Promise<void> {
    if (this.#state !== 'growing') return
    await this.settle()
    this.#recent.clear()
    await this.#close()
  }

  async remove(): Promise<void> {
    if (this.#state !== 'growing') return
    this.#state = 'removed'
    this.#unwritten.clear()
    const failed = (error: unknown) => this.#settings.onUnremoved(this.#path, error)
    await this.#close().catch(failed)
    await rm(this.#path, { force: true }).catch(failed)
  }

  hold(): () => void {
    this.#readers += 1
    if (this.#readers === 1 && this.#state === 'kept') this.#unpin = this.#pin()
    return () => {
      this.#readers -= 1
      // Nothing depends on when the file closes; an error in closing a file that was only read says nothing.
      this.#closeIfIdle().catch(() => {})
    }
  }

  async settle(): Promise<void> {
    while (!this.#unwritten.isEmpty) {
      this.#writing ??= this.#writeOnce().finally(() => {
        this.#writing = undefined
      })
      await this.#writing
    }
  }

  async #writeOnce(): Promise<void> {
    const { start, pieces } = this.#unwritten
    const { bytesWritten } = await this.#operate('write', (file) => file.writev([...pieces], start))
    this.#unwritten.written(bytesWritten)
  }

  async #writeThrough(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#operate('write', (file) =>
        file.write(bytes, done, bytes.length - done, offset + done),
      )
      done += bytesWritten
    }
  }

  async #closeIfIdle(): Promise<void> {
    if (this.#state !== 'kept' || this.#readers > 0) return
    const unpin = this.#unpin
    this.#unpin = () => {}
    this.#recent.clear()
    await this.#close().finally(unpin)
  }

  /** Closes once no operation is at work: a file descriptor closed under a read could already be another file. */
  async #close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await Promise.allSettled(this.#operations)
    // One that could not be opened has told whoever wanted it.
    await (await handle?.catch(() => undefined))?.close()
  }

  async #operate<Result>(doing: string, work: (file: FileHandle) => Promise<Result>): Promise<Result> {
    this.#mustNotBeRemoved()
    const operation = this.#opened().then(work)
    this.#operations.add(operation)
    try {
      return await operation
    } catch (error) {
      throw storeFault(`cannot ${doing} ${this.#path}`, error)
    } finally {
      this.#operations.delete(operation)
    }
  }

  #mustNotBeRemoved(): void {
    if (this.#state === 'removed') throw new Fault('STORE_FAILED', `${this.#path} was discarded`)
  }

  #opened(): Promise<FileHandle> {
    if (this.#handle !== undefined) return this.#handle
    const opening = open(this.#path, this.#state === 'growing' ? 'r+' : 'r')
    this.#handle = opening
    // Whatever was in its way (no file descriptor left) may be over the next time.
    opening.catch(() => {
      if (this.#handle === opening) this.#handle = undefined
    })
    return opening
  }
}

/** Makes the directory when it is not there yet, which it hardly ever is not. */
async function renameInto(from: string, path: string): Promise<void> {
  try {
    await rename(from, path)
  } catch (error) {
    if (!isMissing(error)) throw error
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await rename(from, path)
  }
}
