/** The publisher's folder for one command alone, after whatever an earlier one left unfinished. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lockDirectory } from '../../cache/directory-lock.ts'
import type { CataloguePackage } from '../catalogue.ts'
import { settleKeys } from './settle-keys.ts'
import { finishPublication, isUnfinished } from './publication.ts'
import { hasSite, loadSite, METADATA, PREPARED, type Site } from './site.ts'

export interface OpenSite {
  readonly site: Site
  /** The bytes of the root that is public. */
  readonly root: Buffer
  /** Packages that an earlier command had decided on, and that became public now. */
  readonly finished: readonly CataloguePackage[]
}

/**
 * @param keys absent: they are not looked at
 * @throws Fault BAD_REQUEST where there is no such folder, STORE_FAILED where another process has it
 */
export function withSite<Result>(
  folder: string,
  keys: string | undefined,
  act: (open: OpenSite) => Result,
): Result {
  const unlock = lockSite(folder)
  try {
    const finished = finishPublication(folder) ?? []
    const site = loadSite(folder)
    const root = readFileSync(join(folder, METADATA, 'root.json'))
    if (keys !== undefined) settleKeys(keys, root)
    return act({ site, root, finished })
  } finally {
    unlock()
  }
}

function lockSite(folder: string) {
  const prepared = join(folder, PREPARED)
  // Where there is no site no file is made; `loadSite` says so.
  if (!hasSite(folder) && !isUnfinished(folder)) loadSite(folder)
  return lockDirectory(folder, join(prepared, 'lock'))
}
