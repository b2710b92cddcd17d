/** One process alone uses a cache directory. */
import { truncateSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { Fault } from '../core/fault.ts'
import { sqliteCode, storeFault } from './store-fault.ts'

const SQLITE_BUSY = 5
const SQLITE_NOT_A_DATABASE = 26

/** Gives the directory back; more than once is harmless. */
export type Unlock = () => void

/**
 * Locks by an SQLite transaction that never ends: the operating system ends the lock with the process, however it
 * dies, so there is nothing stale to clear away. @throws Fault STORE_FAILED when another process has it.
 */
export function lockDirectory(directory: string, path: string): Unlock {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    begin(database, path)
  } catch (error) {
    database.close()
    if (sqliteCode(error) !== SQLITE_BUSY) throw storeFault(`cannot lock ${directory}`, error)
    throw new Fault('STORE_FAILED', `${directory} is in use by another process`, { cause: error })
  }
  return () => {
    if (database.isOpen) database.close()
  }
}

/** Without a journal on the disk: a full one must not keep a node from starting. */
const BEGIN = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'

function begin(database: DatabaseSync, path: string): void {
  try {
    database.exec(BEGIN)
  } catch (error) {
    if (sqliteCode(error) !== SQLITE_NOT_A_DATABASE) throw error
    // Somebody wrote into the file. Nobody holds the lock, or the answer had been "busy".
    truncateSync(path)
    database.exec(BEGIN)
  }
}
