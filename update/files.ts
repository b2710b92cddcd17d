/** Files that are there entirely or not at all, whatever happens: written aside, synced, renamed. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** @param mode of a new file. @throws Error of the file system */
export function writeDurably(path: string, bytes: Uint8Array | string, mode = 0o644): void {
  const aside = `${path}.new`
  writeSynced(aside, bytes, mode)
  renameSync(aside, path)
  syncFolder(dirname(path))
}

/** Resolves what is written to the disk before it returns. */
export function writeSynced(path: string, bytes: Uint8Array | string, mode = 0o644): void {
  const file = openSync(path, 'w', mode)
  try {
    const content = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes
    for (let at = 0; at < content.length;) at += writeSync(file, content, at)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
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
