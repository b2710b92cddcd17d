/**
 * How what is new becomes public: as one, or not at all.
 *
 *     .publish/making/     everything that is to change, written and synced; until it is whole, nothing has happened
 *     .publish/next/       the same, renamed: from now on it is decided, and is gone through with however often that fails
 *
 * Then each file is renamed to its place, in an order in which `myupdate.cab`, all that updaters read to decide, comes last:
 * whatever it leads to (packages, roots) is there before. The separate metadata files are renamed one by one, so a TUF client
 * that reads in that moment finds files that do not belong together, refuses them, and is right the next time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import type { CataloguePackage } from '../catalogue.ts'
import { syncFolder, writeSynced } from '../files.ts'
import { PREPARED, saveSite, stagedFolder, STAGED, type Site } from './site.ts'

export interface Publication {
  /** As it is afterwards. A version once used is so written down before anybody can see it. */
  readonly site: Site
  /** Packages that are made by it. */
  readonly made: readonly CataloguePackage[]
  /** In the order in which they become public. */
  readonly files: readonly PublicFile[]
}

export interface PublicFile {
  /** Below the site's folder, with `/`. */
  readonly path: string
  readonly bytes: Buffer
}

/** What is written down beside the files, which have their numbers as names. */
interface Decided {
  readonly site: Site
  readonly made: readonly CataloguePackage[]
  readonly paths: readonly string[]
}

const DECIDED = 'publication.json'

/**
 * @throws Fault STORE_FAILED where it is decided and could not be ended: the next command goes on with it. Whatever else is
 *   thrown, nothing has changed.
 */
export function publish(folder: string, { site, made, files }: Publication): void {
  const making = join(folder, PREPARED, 'making')
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making, { recursive: true, mode: 0o700 })
  for (const [at, { bytes }] of files.entries()) writeSynced(join(making, String(at)), bytes)
  const decided: Decided = { site, made, paths: files.map(({ path }) => path) }
  writeSynced(join(making, DECIDED), JSON.stringify(decided), 0o600)
  syncFolder(making)
  renameSync(making, nextFolder(folder))
  try {
    syncFolder(join(folder, PREPARED))
    finishPublication(folder)
  } catch (cause) {
    const detail = `it could not be ended: ${String(cause)}`
    throw new Fault(
      'STORE_FAILED',
      `${folder}: what is new is whole and decided, but ${detail}. Once that is mended, "ihave publish release" or "refresh" goes on with it`,
      { cause },
    )
  }
}

/** Goes on with what was decided and not ended. @returns the packages that it made public; `undefined`: there was nothing */
export function finishPublication(folder: string): readonly CataloguePackage[] | undefined {
  const next = nextFolder(folder)
  const decided = readDecided(next)
  if (decided === undefined) {
    rmSync(next, { recursive: true, force: true })
    return undefined
  }
  for (const [at, path] of decided.paths.entries()) show(join(next, String(at)), join(folder, path))
  saveSite(folder, decided.site)
  removeStaged(folder, decided.site)
  rmSync(join(next, DECIDED))
  tidy(next)
  return decided.made
}

/** Whether something is decided that was broken off. */
export function isUnfinished(folder: string): boolean {
  return existsSync(join(nextFolder(folder), DECIDED))
}

function nextFolder(folder: string): string {
  return join(folder, PREPARED, 'next')
}

function readDecided(next: string): Decided | undefined {
  const path = join(next, DECIDED)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/** What is not there any more has been renamed before. */
function show(aside: string, path: string): void {
  if (!existsSync(aside)) return
  mkdirSync(dirname(path), { recursive: true })
  renameSync(aside, path)
  syncFolder(dirname(path))
}

/** All is public: what cannot be removed now is removed by the next command. */
function tidy(next: string): void {
  try {
    syncFolder(next)
    rmSync(next, { recursive: true, force: true })
  } catch {
    // Nothing is to be gone on with in it.
  }
}

function removeStaged(folder: string, { staged }: Site): void {
  const path = join(folder, PREPARED, STAGED)
  for (const name of existsSync(path) ? readdirSync(path) : [])
    if (!staged.some(({ component }) => component === name))
      rmSync(stagedFolder(folder, name), { recursive: true, force: true })
}
