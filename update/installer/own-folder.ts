/**
 * Whether what the updater is about to write into is its own. Whoever may write beside it could plant a link there, and have
 * a file elsewhere truncated, or a folder elsewhere tidied away, with the updater's rights.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { newFolder } from '../files.ts'
import { insist, Refused } from '../refused.ts'

/** A folder of our own, made where it is not there. @throws Refused unsafe-place, Error of the file system */
export function ownFolder(path: string, mode: number): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) newFolder(path, mode)
  else insistOnFolder(path, found)
}

/** Everything in the folder is a plain file, apart from the folders named. @throws Refused unsafe-place */
export function insistOnPlainFiles(folder: string, folders: readonly string[] = []): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined || folders.includes(name)) continue
    if (!found.isFile()) throw unsafe(path, found, 'a file')
    insistOnOwner(path, found)
  }
}

/** A link, or nothing: what else lies there is somebody's, and would be in the way only after everything was fetched. @throws Refused unsafe-place */
export function insistOnLink(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.isSymbolicLink()) return
  throw new Refused(
    'unsafe-place',
    `${path}: expected a link, or nothing, there is ${kindOf(found)}; move it away, or choose another folder`,
  )
}

function insistOnFolder(path: string, found: Stats): void {
  if (!found.isDirectory()) throw unsafe(path, found, 'a folder')
  insistOnOwner(path, found)
}

/** Ours, or the system's; and not everybody's. Windows has no such owners. */
function insistOnOwner(path: string, { uid, mode }: Stats): void {
  const own = process.geteuid?.()
  if (own === undefined) return
  insist(
    uid === own || uid === 0,
    'unsafe-place',
    `${path} belongs to user ${uid}, and this is run by user ${own}; run it as that user`,
  )
  insist(
    (mode & 0o002) === 0,
    'unsafe-place',
    `${path} may be written by everybody; nothing was changed (chmod o-w)`,
  )
}

function unsafe(path: string, found: Stats, expected: string): Refused {
  return new Refused(
    'unsafe-place',
    `${path}: expected ${expected}, there is ${kindOf(found)}, which is not followed; nothing was changed`,
  )
}

function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return 'a symbolic link'
  if (found.isDirectory()) return 'a folder'
  return found.isFile() ? 'a file' : 'something else'
}
