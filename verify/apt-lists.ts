/**
 * The machine's own apt as a proof (V2): the digests in its signed lists, read in the background and kept up to date.
 *
 * Stops a peer that sends a changed or an older package under a right name: apt checked the lists' signature when it
 * got them, and no peer can write to their directory. Without apt on the machine it knows nothing, silently.
 */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { sleep, type CancelTimer, type Clock } from '../core/clock.ts'
import { describe } from '../core/fault.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { readLists, type ReadList } from './apt-reading.ts'
import { packageKey, type PackageKey } from './apt-uri.ts'
import type { Apt } from './apt.ts'
import { isSame, type ListedDigest } from './digest-table.ts'
import type { ListsFiles } from './lists-files.ts'
import { CommandFailed } from './run.ts'
import type { TrustedIndex } from './trusted-index.ts'

export interface AptListsSettings {
  /** How long a request may wait for lists that are being read. */
  readonly maxWaitMs: number
  /** Digests kept, about 200 bytes of memory each; files beyond have no proof. */
  readonly maxDigests: number
}

export type AptListsEvent =
  /** There is no apt on this machine, or it does not answer. */
  | { readonly kind: 'apt-absent'; readonly reason: string }
  | {
      readonly kind: 'apt-lists-read'
      readonly lists: number
      readonly digests: number
      readonly elapsedMs: number
    }
  /** One list has no proof to give. */
  | { readonly kind: 'apt-list-failed'; readonly file: string; readonly reason: string }
  /** The whole reading failed; what was known before stays known. */
  | { readonly kind: 'apt-lists-failed'; readonly reason: string }

export interface AptListsComponents {
  readonly clock: Clock
  readonly apt: Apt
  readonly files: ListsFiles
  readonly log: (event: AptListsEvent) => void
}

/** `apt-get update` changes the directory many times within a moment: read when it has been quiet for so long. */
const QUIET_MS = 1_000
/** A reading that takes longer hangs, and is ended. */
const MAX_READING_MS = 60_000

export function aptLists(settings: AptListsSettings, components: AptListsComponents): TrustedIndex {
  return new AptLists(settings, components)
}

class AptLists implements TrustedIndex {
  readonly #settings: AptListsSettings
  readonly #components: AptListsComponents
  readonly #stopping = new AbortController()
  #lists: readonly ReadList[] = []
  /** `undefined` until apt named it, and for good when there is no apt. */
  #directory: string | undefined
  /** The directory as it was before the last reading began. */
  #stamp: string | undefined
  #reading: Promise<void> | undefined
  #unwatch = () => {}
  #cancelTimer: CancelTimer = () => {}

  constructor(settings: AptListsSettings, components: AptListsComponents) {
    this.#settings = settings
    this.#components = components
  }

  async start(): Promise<void> {
    this.#reading ??= this.#begin().finally(() => (this.#reading = undefined))
  }

  async stop(): Promise<void> {
    this.#stopping.abort(NO_LONGER_NEEDED)
    this.#unwatch()
    this.#cancelTimer()
    await this.#reading
  }

  async find(uri: TargetUri): Promise<ListedDigest | undefined> {
    const key = packageKey(uri)
    if (key === undefined) return undefined
    if (!this.#isListed(key)) await this.#waitForReading()
    return this.#lookup(key)
  }

  known(uri: TargetUri): ListedDigest | undefined {
    const key = packageKey(uri)
    return key && this.#lookup(key)
  }

  async #begin(): Promise<void> {
    const { apt, files, log } = this.#components
    try {
      this.#directory = await apt.listsDirectory(this.#stopping.signal)
    } catch (error) {
      if (!this.#stopping.signal.aborted) log({ kind: 'apt-absent', reason: reasonOf(error) })
      return
    }
    if (this.#stopping.signal.aborted) return
    this.#unwatch = files.watch(this.#directory, () => this.#readWhenQuiet())
    await this.#read()
  }

  #readWhenQuiet(): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#components.clock.after(QUIET_MS, () => {
      if (this.#reading) this.#readWhenQuiet()
      else void this.#readOnce()
    })
  }

  /** A request waits for a reading that runs, or that the directory's change calls for; but not for ever. */
  async #waitForReading(): Promise<void> {
    const waiting = new AbortController()
    const signal = AbortSignal.any([waiting.signal, this.#stopping.signal])
    await Promise.race([this.#upToDate(), sleep(this.#components.clock, this.#settings.maxWaitMs, signal)])
    waiting.abort(NO_LONGER_NEEDED)
  }

  /** At most the reading under way, which may have begun before the change, and one more. */
  async #upToDate(): Promise<void> {
    await this.#reading
    if (this.#directory === undefined || this.#stopping.signal.aborted) return
    const stamp = await this.#components.files.stamp(this.#directory)
    if (stamp !== this.#stamp) await this.#readOnce()
  }

  #readOnce(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined))
    return this.#reading
  }

  async #read(): Promise<void> {
    const { clock, apt, files, log } = this.#components
    const begunAt = clock.monotonic()
    const tooLong = new AbortController()
    const cancelTimer = clock.after(MAX_READING_MS, () => tooLong.abort(NO_LONGER_NEEDED))
    const signal = AbortSignal.any([this.#stopping.signal, tooLong.signal])
    const onFailure = (file: string, reason: string) => log({ kind: 'apt-list-failed', file, reason })
    try {
      this.#stamp = await files.stamp(this.#directory ?? '')
      this.#lists = await readLists({ apt, files, onFailure }, this.#lists, this.#settings.maxDigests, signal)
      const digests = this.#lists.reduce((sum, { table }) => sum + table.count, 0)
      log({
        kind: 'apt-lists-read',
        lists: this.#lists.length,
        digests,
        elapsedMs: Math.round(clock.monotonic() - begunAt),
      })
    } catch (error) {
      if (!this.#stopping.signal.aborted) log({ kind: 'apt-lists-failed', reason: reasonOf(error) })
    } finally {
      cancelTimer()
    }
  }

  #isListed(key: PackageKey): boolean {
    return this.#lists.some(({ table }) => table.find(key) !== undefined)
  }

  /** Lists that disagree about a file prove nothing about it. */
  #lookup(key: PackageKey): ListedDigest | undefined {
    const found = this.#lists.flatMap(({ table }) => table.find(key) ?? [])
    const first = found[0]
    if (first === undefined || first === 'contradiction') return undefined
    return found.every((each) => isSame(each, first)) ? first : undefined
  }
}

function reasonOf(error: unknown): string {
  return error instanceof CommandFailed && error.isMissing ? 'not installed' : describe(error)
}
