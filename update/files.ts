/** Files that are there entirely or not at all, whatever happens: written aside, synced, renamed. No link is followed. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { errorCode, isMissing } from '../core/error-code.ts'

/** Windows has neither (`undefined`, which adds nothing); there a link needs a right of its own. */
const { O_NOFOLLOW, O_NONBLOCK } = constants

/** @param mode of a new file. @throws Error of the file system, and nothing of the new file is left */
export function writeDurably(path: string, bytes: Uint8Array | string, mode = 0o644): void {
  const aside = `${path}.new`
  // What an interrupted run left; where it is a link, the link.
  rmSync(aside, { force: true })
  try {
    writeSynced(aside, bytes, mode)
    renameSync(aside, path)
  } catch (error) {
    removeQuietly(aside)
    throw error
  }
  syncFolder(dirname(path))
}

/** On a disk that is full, half of a file would stay in the way of everything else. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // Why it could not be written is thrown already.
  }
}

/** Resolves what is written to the disk before it returns. The file is a new one. @throws Error of the file system */
export function writeSynced(path: string, bytes: Uint8Array | string, mode = 0o644): void {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants
  const file = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
  try {
    const content = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes
    for (let at = 0; at < content.length;) at += writeSync(file, content, at)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** One line more, on the disk before it returns. @throws Error of the file system, ELOOP where `path` is a link */
export function appendSynced(path: string, line: string): void {
  const { O_WRONLY, O_CREAT, O_APPEND } = constants
  const file = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o644)
  try {
    writeSync(file, line)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** `undefined` where there is no plain file of that name: nothing, a link, a pipe. @throws Error of the file system */
export function readPlainFile(path: string): Buffer | undefined {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    return fstatSync(file).isFile() ? readFileSync(file) : undefined
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes(errorCode(error))) return undefined
    throw error
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/**
 * A folder that is not there yet, with just this mode: a umask of 0 would let everybody write, one of 077 nobody read.
 * @throws Error of the file system
 */
export function newFolder(path: string, mode = 0o755): void {
  mkdirSync(path, mode)
  // Windows has no modes, and opens no folders.
  if (process.platform === 'win32') return
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | O_NOFOLLOW)
  try {
    fchmodSync(folder, mode)
  } finally {
    closeSync(folder)
  }
}

/**
 * With those above it; modes as newFolder. Node's own (`recursive`) never returns where the parent can hold none, as /proc.
 * @throws Error of the file system
 */
export function makeFolder(path: string, mode = 0o755): void {
  try {
    newFolder(path, mode)
  } catch (error) {
    const above = dirname(path)
    if (errorCode(error) === 'EEXIST') {
      if (statSync(path).isDirectory()) return
      throw new Error(`${path} is there already, and no folder`, { cause: error })
    }
    if (!isMissing(error) || isFolder(above)) throw error
    makeFolder(above)
    makeFolder(path, mode)
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** Names in a folder are on the disk after this. Where folders cannot be synced (Windows), nothing happens. */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
