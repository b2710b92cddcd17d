/** Body files and segments that are open for reading: those read last, and not many. */
import { close, fstatSync, open as openFile } from 'node:fs'
import { promisify } from '../core/node-util.ts'
import { LRUCache } from 'lru-cache'
import { deferred } from '../core/deferred.ts'
import { storeFault } from './store-fault.ts'

const open = promisify(openFile)

/** Open files at most, beyond those in use at the moment. */
export const MAX_OPEN = 128

export class OpenFiles {
  readonly #open = new LRUCache<string, OpenFile>({ max: MAX_OPEN, dispose: (file) => file.end() })
  /** All that are not closed yet: somebody may use one that was pushed out. */
  readonly #files = new Set<OpenFile>()

  /**
   * The file at `path`, which stays open and where it is until `letGo` is called.
   * @throws Fault STORE_FAILED when it cannot be opened.
   */
  async hold(path: string): Promise<OpenFile> {
    const file = this.#known(path) ?? this.#openAnew(path)
    file.hold()
    try {
      await file.ready
      return file
    } catch (error) {
      // What cannot be opened now may be tried again.
      if (this.#open.peek(path) === file) this.#open.delete(path)
      file.letGo()
      throw storeFault(`cannot open ${path}`, error)
    }
  }

  /** The same when the file is open already; otherwise `undefined`. */
  held(path: string): OpenFile | undefined {
    const file = this.#known(path)
    return file?.isOpen === true ? file.hold() : undefined
  }

  /** Closes the file that was opened at `path` once nobody reads it: until then its blocks stay taken, named or not. */
  forget(path: string): void {
    this.#open.delete(path)
  }

  /** Resolves when nobody has the file open any more. */
  async close(path: string): Promise<void> {
    this.forget(path)
    const files = [...this.#files].filter((file) => file.path === path)
    await Promise.all(files.map(({ ended }) => ended))
  }

  async closeAll(): Promise<void> {
    this.#open.clear()
    await Promise.all([...this.#files].map(({ ended }) => ended))
  }

  /** One that has lost its name was removed, by somebody else perhaps, and there may be another one in its place. */
  #known(path: string): OpenFile | undefined {
    const file = this.#open.get(path)
    if (file?.isUnlinked !== true) return file
    this.#open.delete(path)
    return undefined
  }

  #openAnew(path: string): OpenFile {
    const file = new OpenFile(path)
    this.#files.add(file)
    void file.ended.then(() => this.#files.delete(file))
    this.#open.set(path, file)
    return file
  }
}

/** What changes whenever a file is written to or replaced. */
interface FileState {
  readonly dev: number
  readonly ino: number
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
}

export class OpenFile {
  readonly path: string
  /** Resolves when the file is open. */
  readonly ready: Promise<void>
  readonly #closed = deferred<void>()
  #fd: number | undefined
  #state: FileState | undefined
  #identity = ''
  #users = 0
  #isEnding = false
  #isClosing = false

  constructor(path: string) {
    this.path = path
    this.ready = open(path, 'r').then((fd) => void (this.#fd = fd))
    // Told to those who wait for it.
    this.ready.catch(() => {})
  }

  get isOpen(): boolean {
    return this.#fd !== undefined
  }

  /** Its descriptor, for as long as somebody holds it. */
  get fd(): number {
    if (this.#fd !== undefined) return this.#fd
    throw new Error(`${this.path} is not open`)
  }

  /** Settles once the file is closed. */
  get ended(): Promise<void> {
    return this.#closed.promise
  }

  /** Names this very file in its present state: another name, other bytes perhaps. Empty when nobody can tell. */
  identity(): string {
    const now = this.#look()
    if (now === undefined) return ''
    const { dev, ino, size, mtimeMs, ctimeMs } = now
    if (this.#state === undefined || !isSameState(this.#state, now)) {
      this.#state = now
      this.#identity = `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`
    }
    return this.#identity
  }

  get isUnlinked(): boolean {
    return this.isOpen && (this.#look()?.nlink ?? 0) === 0
  }

  /** A reader begins. */
  hold(): this {
    this.#users += 1
    return this
  }

  /** A reader has ended. */
  letGo(): void {
    this.#users -= 1
    this.#closeIfUnused()
  }

  /** Nobody begins to use it any more. */
  end(): void {
    this.#isEnding = true
    this.#closeIfUnused()
  }

  #look() {
    try {
      return fstatSync(this.fd)
    } catch {
      return undefined
    }
  }

  #closeIfUnused(): void {
    if (!this.#isEnding || this.#users > 0) return
    if (this.#isClosing) return
    this.#isClosing = true
    const fd = this.#fd
    if (fd === undefined) return void this.ready.finally(() => this.#closed.resolve()).catch(() => {})
    // It was only read: closing it has nothing to report.
    close(fd, () => this.#closed.resolve())
  }
}

function isSameState(one: FileState, other: FileState): boolean {
  const isSameFile = one.dev === other.dev && one.ino === other.ino
  return (
    isSameFile && one.size === other.size && one.mtimeMs === other.mtimeMs && one.ctimeMs === other.ctimeMs
  )
}
