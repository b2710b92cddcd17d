/** The attestations that this node has made or was shown, kept over restarts: whoever passes a copy on passes its proof on. */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe } from '../core/fault.ts'

export interface AttestationBook {
  /** The lines about this URI, the most recent first, at most `MAX_LINES`. */
  of(uri: string): readonly string[]
  /** @param key what makes two lines the same: body and member. */
  add(uri: string, key: string, line: string): void
  close(): void
}

/** Lines about one URI that are told. */
export const MAX_LINES = 6
/** Lines that are kept, about 1 kB each; the oldest goes first. */
export const MAX_KEPT = 100_000

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS attestations (
    serial INTEGER PRIMARY KEY, uri TEXT NOT NULL, key TEXT NOT NULL, line TEXT NOT NULL, UNIQUE (uri, key));
  PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;`

const FIND = 'SELECT line FROM attestations WHERE uri = ? ORDER BY serial DESC LIMIT ?'
const INSERT = 'INSERT OR REPLACE INTO attestations (uri, key, line) VALUES (?, ?, ?)'
const TRIM = 'DELETE FROM attestations WHERE serial <= ?'

/** A file that cannot be used is put aside under this ending. */
const PUT_ASIDE = '.damaged'

/**
 * Never fails: lines can be had again, so that damage is only loss.
 * @param path of the database; `:memory:` for simulations.
 * @param maxKept absent: `MAX_KEPT`.
 * @param onDamage told of a file that cannot be used; it is put aside, or else the book is in memory.
 */
export function attestationBook(
  path: string,
  maxKept: number = MAX_KEPT,
  onDamage: (reason: string) => void = () => {},
): AttestationBook {
  const { database, find, insert, trim } = openBook(path, onDamage)
  const guarded = <Result>(work: () => Result, otherwise: Result): Result => {
    try {
      return work()
    } catch (error) {
      onDamage(`${path}: ${describe(error)}`)
      return otherwise
    }
  }
  return {
    of: (uri) => guarded(() => find.all(uri, MAX_LINES).map(({ line }) => String(line)), []),
    add(uri, key, line) {
      guarded(() => {
        const { lastInsertRowid } = insert.run(uri, key, line)
        trim.run(Number(lastInsertRowid) - maxKept)
      }, undefined)
    },
    close: () => guarded(() => database.close(), undefined),
  }
}

const SQLITE_FULL = 13

function openBook(path: string, onDamage: (reason: string) => void) {
  try {
    return openUsable(path)
  } catch (error) {
    onDamage(`${path}: ${describe(error)}`)
    try {
      if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_FULL) throw error
      putAside(path)
      return openUsable(path)
    } catch {
      return openUsable(':memory:')
    }
  }
}

function openUsable(path: string) {
  const database = new DatabaseSync(path)
  try {
    database.exec(SCHEMA)
    const find = database.prepare(FIND)
    find.all('', 1)
    return { database, find, insert: database.prepare(INSERT), trim: database.prepare(TRIM) }
  } catch (error) {
    database.close()
    throw error
  }
}

function putAside(path: string): void {
  const aside = path + PUT_ASIDE
  for (const each of [aside, `${path}-wal`, `${path}-shm`]) rmSync(each, { force: true, recursive: true })
  if (existsSync(path)) renameSync(path, aside)
}
