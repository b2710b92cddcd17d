/** The seam to the file system for apt's lists: have they changed? */
import { watch } from 'node:fs'
import { stat } from 'node:fs/promises'

export interface ListsFiles {
  /** Changes when the file, or the directory's set of files, does; `undefined` when it is not there. */
  stamp(path: string): Promise<string | undefined>
  /**
   * Calls `onChange` for every change in the directory, often more than once, until the returned function is called.
   * Best effort: where the machine cannot watch, it never calls; `stamp` tells all the same.
   */
  watch(directory: string, onChange: () => void): () => void
}

/** This machine's files. Watching does not keep the process alive. */
export const machineFiles: ListsFiles = {
  async stamp(path) {
    try {
      const { mtimeNs, size, ino } = await stat(path, { bigint: true })
      return `${ino}:${mtimeNs}:${size}`
    } catch {
      return undefined
    }
  },
  watch(directory, onChange) {
    try {
      const watcher = watch(directory, { persistent: false }, onChange)
      watcher.on('error', () => watcher.close())
      return () => watcher.close()
    } catch {
      return () => {}
    }
  },
}
