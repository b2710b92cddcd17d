import type { Apt, AptTarget } from '../../verify/apt.ts'
import type { ListsFiles } from '../../verify/lists-files.ts'
import { CommandFailed } from '../../verify/run.ts'

/** A machine with apt, in memory. */
export interface FakeApt {
  readonly apt: Apt
  readonly files: ListsFiles
  /** Text of each trusted list by its file; every change is a change of the directory. */
  set(file: string, text: string): void
  remove(file: string): void
  /** Makes reading this list fail after its text came. */
  breaks(file: string): void
  /** What the next readings wait for before they go on. */
  hold(): { release(): void }
  /** Tells whoever watches the directory. */
  notify(): void
  /** Lists that were read, in order. */
  readonly reads: readonly string[]
  /** How often apt was asked for its targets. */
  readonly askings: number
  readonly isWatched: boolean
  isMissing: boolean
}

export const REPOSITORY = 'http://deb.example/debian/'

export function fakeApt(): FakeApt {
  const texts = new Map<string, { readonly text: string; readonly stamp: string }>()
  const broken = new Set<string>()
  const reads: string[] = []
  const listeners = new Set<() => void>()
  let changes = 0
  let askings = 0
  let held: Promise<void> | undefined

  const apt: Apt = {
    async listsDirectory() {
      if (fake.isMissing) throw new CommandFailed('apt-config cannot be run', { isMissing: true })
      return '/lists/'
    },
    async targets(signal) {
      askings++
      const seen: AptTarget[] = [...texts.keys()].map((file) => ({ repository: REPOSITORY, file }))
      await Promise.race([held, aborted(signal)])
      signal.throwIfAborted()
      return seen
    },
    async *cat(file) {
      reads.push(file)
      yield Buffer.from(texts.get(file)?.text ?? '')
      if (broken.has(file)) throw new CommandFailed('cat-file: broken', { isMissing: false })
    },
  }
  const files: ListsFiles = {
    stamp: async (path) => (path === '/lists/' ? `${changes}` : texts.get(path)?.stamp),
    watch(_directory, onChange) {
      listeners.add(onChange)
      return () => void listeners.delete(onChange)
    },
  }
  const fake: FakeApt = {
    apt,
    files,
    reads,
    isMissing: false,
    get askings() {
      return askings
    },
    get isWatched() {
      return listeners.size > 0
    },
    set: (file, text) => void texts.set(file, { text, stamp: `${++changes}` }),
    remove(file) {
      changes++
      texts.delete(file)
    },
    breaks: (file) => void broken.add(file),
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return {
        release() {
          held = undefined
          resolve()
        },
      }
    },
    notify: () => listeners.forEach((listener) => listener()),
  }
  return fake
}

function aborted(signal: AbortSignal): Promise<void> | undefined {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** A `Packages` stanza. */
export function stanza(filename: string, sha256: string, size = 7): string {
  return `Package: x\nFilename: ${filename}\nSize: ${size}\nSHA256: ${sha256}\n\n`
}
