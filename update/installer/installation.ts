/**
 * What is installed below one folder:
 *
 *     current -> versions/200101131511-7     what applications use; switched by one rename
 *     versions/200101131511-7/               a whole set: every component's files, and set.json
 *     .ihave/                                what the updater remembers
 */
import { existsSync, lstatSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe } from '../../core/fault.ts'
import { makeFolder, readPlainFile, syncFolder, writeDurably } from '../files.ts'
import { insist, Refused } from '../refused.ts'
import type { RefusalReason } from '../refused.ts'
import { SET_FILE } from '../set-names.ts'
import type { Remembered } from '../tuf/trusted.ts'
import type { OwnCommand } from './command.ts'
import type { Received } from './events.ts'
import { insistOnLink, insistOnPlainFiles, ownFolder } from './own-folder.ts'
import { isJournal, isSet, isState } from './shapes.ts'

/** Minute and number of the release; one that was installed again has a further number. */
const SET_NAME = /^\d{12}-\d{1,15}(?:\.\d{1,9})?$/

/** A whole set, as it was installed. */
export interface InstalledSet {
  readonly format: 1
  readonly id: string
  readonly product: string
  readonly released: string
  readonly number: number
  readonly components: readonly InstalledComponent[]
}

export interface InstalledComponent {
  readonly component: string
  readonly version: string
  /** Of the package. */
  readonly sha256: string
  readonly files: readonly InstalledFile[]
}

export interface InstalledFile {
  /** Below the set's folder, with `/`. */
  readonly name: string
  readonly size: number
  readonly sha256: string
  readonly isExecutable: boolean
}

export interface LastCheck {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly outcome: string
  readonly detail: string
  /** Of a refusal. */
  readonly reason?: RefusalReason | undefined
}

/** What is remembered between runs. */
export interface UpdaterState {
  readonly format: 1
  readonly catalog?: string
  readonly product?: string
  readonly remembered?: Remembered
  /** When the catalogue expires that was seen last, in milliseconds since 1970. */
  readonly expiresAt?: number
  readonly lastCheck?: LastCheck
  /** A release that was rolled back: not installed again by itself. */
  readonly heldBack?: { readonly number: number; readonly reason: string } | undefined
  readonly refused: Readonly<Partial<Record<RefusalReason, number>>>
}

/** What is under way, so that the next run can end it. */
export type Journal =
  /** `versions/<id>` is being made; nobody uses it. */
  | { readonly phase: 'staging'; readonly id: string }
  /** `current` may point to either; the new set is not confirmed yet. */
  | {
      readonly phase: 'confirming'
      readonly id: string
      readonly from: string | undefined
      readonly kind: 'update' | 'rollback'
      /** What whoever ends it runs, as the one who began it would have. */
      readonly commands?: {
        readonly installCommand?: OwnCommand | undefined
        readonly checkCommand?: OwnCommand | undefined
      }
      /** What has come for it. */
      readonly received?: Received
    }

export class Installation {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /**
   * Makes what is missing. @throws Refused disk where the folder cannot be made, or is somebody else's: what lies in `versions`
   * would be tidied away; unsafe-place where a link lies where the updater would write
   */
  prepare(): void {
    try {
      makeFolder(this.folder)
    } catch (cause) {
      throw new Refused('disk', `${this.folder} cannot be made: ${describe(cause)}`, { cause })
    }
    for (const link of [this.#link, this.#nextLink]) insistOnLink(link)
    ownFolder(this.versions, 0o755)
    const isForeign = !existsSync(this.#private) && readdirSync(this.versions).length > 0
    insist(
      !isForeign,
      'disk',
      `${this.versions} is not of an installation by ihave; expected another folder, or none`,
    )
    ownFolder(this.#private, 0o755)
    ownFolder(this.downloads, 0o700)
    insistOnPlainFiles(this.#private, [basename(this.downloads)])
    insistOnPlainFiles(this.downloads)
  }

  get versions(): string {
    return join(this.folder, 'versions')
  }

  get downloads(): string {
    return join(this.#private, 'downloads')
  }

  get lock(): string {
    return join(this.#private, 'lock')
  }

  get history(): string {
    return join(this.#private, 'history.jsonl')
  }

  get #private(): string {
    return join(this.folder, '.ihave')
  }

  get #link(): string {
    return join(this.folder, 'current')
  }

  /** Becomes `current`. */
  get #nextLink(): string {
    return join(this.folder, '.current.new')
  }

  set(id: string): string {
    return join(this.versions, id)
  }

  /** The name of the set that `current` points to; a link that leads elsewhere is not ours, and the next switch replaces it. */
  currentId(): string | undefined {
    const isLink = lstatSync(this.#link, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
    const target = isLink ? readlinkSync(this.#link) : ''
    const id = basename(target)
    return SET_NAME.test(id) && target === join('versions', id) ? id : undefined
  }

  current(): InstalledSet | undefined {
    const id = this.currentId()
    return id === undefined ? undefined : this.readSet(id)
  }

  /** `undefined` where there is no whole set of that name. */
  readSet(id: string): InstalledSet | undefined {
    const isFolder = lstatSync(this.set(id), { throwIfNoEntry: false })?.isDirectory() ?? false
    return SET_NAME.test(id) && isFolder ? readJson(join(this.set(id), SET_FILE), isSet) : undefined
  }

  /** Names of the sets that are whole, the oldest first. */
  sets(): readonly string[] {
    return existsSync(this.versions)
      ? readdirSync(this.versions)
          .filter((name) => !name.startsWith('.'))
          .toSorted()
      : []
  }

  /** One rename: whoever looks sees the old set or the new one. */
  switchTo(id: string): void {
    const aside = this.#nextLink
    if (this.currentId() !== id) {
      rmSync(aside, { force: true })
      symlinkSync(join('versions', id), aside)
      renameSync(aside, this.#link)
    }
    syncFolder(this.folder)
  }

  /** Before anything was installed there is no link. */
  unlink(): void {
    rmSync(this.#link, { force: true })
    syncFolder(this.folder)
  }

  /** Removes what an interrupted run left, and sets that are not to be kept. */
  tidy(keep: ReadonlySet<string>): void {
    for (const name of existsSync(this.versions) ? readdirSync(this.versions) : [])
      if (!keep.has(name)) rmSync(join(this.versions, name), { recursive: true, force: true })
    rmSync(join(this.folder, '.current.new'), { force: true })
  }

  state(): UpdaterState {
    return readJson(join(this.#private, 'state.json'), isState) ?? { format: 1, refused: {} }
  }

  remember(change: Partial<UpdaterState>): void {
    writeDurably(
      join(this.#private, 'state.json'),
      `${JSON.stringify({ ...this.state(), ...change }, undefined, 2)}\n`,
    )
  }

  journal(): Journal | undefined {
    return readJson(join(this.#private, 'journal.json'), isJournal)
  }

  /** Whether a run has left a journal; everybody may ask. */
  isInterrupted(): boolean {
    return existsSync(join(this.#private, 'journal.json'))
  }

  /** For its owner alone: there may be words in the commands that nobody else is to read. */
  begin(journal: Journal): void {
    writeDurably(join(this.#private, 'journal.json'), JSON.stringify(journal), 0o600)
  }

  end(): void {
    rmSync(join(this.#private, 'journal.json'), { force: true })
    syncFolder(this.#private)
  }
}

/** Written by this program, whole or not at all (files.ts): what cannot be read was damaged by somebody else, and is put aside. */
function readJson<Wanted>(path: string, isWanted: (value: unknown) => value is Wanted): Wanted | undefined {
  const text = readPlainFile(path)?.toString('utf8')
  if (text === undefined) return undefined
  const value = parsed(text)
  if (isWanted(value)) return value
  putAside(path)
  return undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function putAside(path: string): void {
  try {
    renameSync(path, `${path}.damaged`)
  } catch {
    // Whoever only looks may not write here.
  }
}
