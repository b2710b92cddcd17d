/**
 * Whether what the updater is about to write into is its own. Whoever may write beside it could plant a link there, and have
 * a file elsewhere truncated, or a folder elsewhere tidied away, with the updater's rights.
 */
import { lstatSync, mkdirSync, readdirSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { insist, Refused } from '../refused.ts'

/** A folder of our own, made where it is not there. @throws Refused unsafe-place, Error of the file system */
export function ownFolder(path: string, mode: number): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) mkdirSync(path, mode)
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
  const got = found.isSymbolicLink() ? 'a symbolic link' : found.isDirectory() ? 'a folder' : 'something else'
  return new Refused(
    'unsafe-place',
    `${path}: expected ${expected}, there is ${got}, which is not followed; nothing was changed`,
  )
}
