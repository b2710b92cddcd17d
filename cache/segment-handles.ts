/** The segments that are open for reading: those read last, and not many. */
import { type FileHandle, open } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import { deferred } from '../core/deferred.ts'
import { storeFault } from './store-fault.ts'

/** Open segments at most, beyond those in use at the moment. */
const MAX_OPEN = 64

export class SegmentHandles {
  readonly #pathOf: (segment: number) => string
  readonly #open = new LRUCache<number, SegmentHandle>({ max: MAX_OPEN, dispose: (handle) => handle.end() })
  /** All that are not closed yet: somebody may use one that was pushed out. */
  readonly #handles = new Set<SegmentHandle>()

  constructor(pathOf: (segment: number) => string) {
    this.#pathOf = pathOf
  }

  /** The file is open and stays where it is until `work` has ended. @throws Fault STORE_FAILED when it cannot be opened. */
  async use<Result>(segment: number, work: (file: FileHandle) => Promise<Result>): Promise<Result> {
    const handle = this.#open.get(segment) ?? this.#openAnew(segment)
    const letGo = handle.hold()
    try {
      return await work(await handle.file)
    } catch (error) {
      throw storeFault(`cannot read ${this.#pathOf(segment)}`, error)
    } finally {
      letGo()
    }
  }

  /** Ends when nobody has the file open any more. */
  async close(segment: number): Promise<void> {
    this.#open.delete(segment)
    const handles = [...this.#handles].filter((handle) => handle.segment === segment)
    await Promise.all(handles.map(({ ended }) => ended))
  }

  async closeAll(): Promise<void> {
    this.#open.clear()
    await Promise.all([...this.#handles].map(({ ended }) => ended))
  }

  #openAnew(segment: number): SegmentHandle {
    const handle = new SegmentHandle(segment, open(this.#pathOf(segment), 'r'))
    this.#handles.add(handle)
    void handle.ended.then(() => this.#handles.delete(handle))
    // What cannot be opened now may be tried again.
    handle.file.catch(() => this.#open.delete(segment))
    this.#open.set(segment, handle)
    return handle
  }
}

class SegmentHandle {
  readonly segment: number
  readonly file: Promise<FileHandle>
  readonly #closed = deferred<void>()
  #users = 0
  #isEnding = false

  constructor(segment: number, file: Promise<FileHandle>) {
    this.segment = segment
    this.file = file
  }

  /** Settles once the file is closed. */
  get ended(): Promise<void> {
    return this.#closed.promise
  }

  hold(): () => void {
    this.#users += 1
    return () => {
      this.#users -= 1
      this.#closeIfUnused()
    }
  }

  /** Nobody begins to use it any more. */
  end(): void {
    this.#isEnding = true
    this.#closeIfUnused()
  }

  #closeIfUnused(): void {
    if (!this.#isEnding || this.#users > 0) return
    const close = this.file.then((file) => file.close())
    // It was only read: closing it has nothing to report.
    void close.catch(() => {}).then(() => this.#closed.resolve())
  }
}
