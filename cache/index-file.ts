/** Opens the index's file with SQLite; what cannot be used is put aside and begun anew, so a start never fails for it. */
import { accessSync, constants, existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe } from '../core/fault.ts'
import { keyOf, SCHEMA, SCHEMA_VERSION, UPGRADE_FROM_2 } from './index-schema.ts'
import type { StoreLog } from './store-log.ts'
import { saysFull, sqliteCode, sqliteExtendedCode } from './store-fault.ts'

const SQLITE_ERROR = 1
const SQLITE_IO_ERROR = 10
const SQLITE_CORRUPT = 11
const SQLITE_CANNOT_OPEN = 14
const SQLITE_NOT_A_DATABASE = 26
/** SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_CORRUPTFS. */
const READ_ERRORS = new Set([266, 522, 8458])

/**
 * WAL with `synchronous = NORMAL`: a killed process loses nothing that was committed, a power cut at most the last
 * commits, and never the consistency. Small pages, because most rows change a few bytes in the middle of some tree, and a log of 4000 of them,
 * because a page that is changed again meanwhile is written back once. Exclusive locking saves the shared-memory file: this process alone has the directory. The log is
 * written back every 8 MiB, half as often as SQLite does it by itself: small writes often go to the same pages.
 */
const SETTINGS = `
  PRAGMA page_size = 2048;
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA cache_size = -8192;
  PRAGMA wal_autocheckpoint = 4000;
`

/** @throws what SQLite or the file system says when even an empty index cannot be made. */
export function openIndexFile(path: string, log: StoreLog, open = openUsable): DatabaseSync {
  try {
    return open(path)
  } catch (error) {
    if (saysFull(error)) return openInMemory(error, log)
    if (isDamage(error)) return renewIndex(path, error, log)
    if (!isUnreadable(error, path)) throw error
    return openOnceMore(path, error, log, open)
  }
}

/** A disk that has failed once may have what it has not given, and one that cannot be written to keeps it as it is. */
function openOnceMore(path: string, reason: unknown, log: StoreLog, open: typeof openUsable): DatabaseSync {
  try {
    return open(path)
  } catch {
    return isWritable(path) ? renewIndex(path, reason, log) : openInMemory(reason, log)
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(dirname(path), constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** There is no place for an empty one: nothing is stored that a restart could lose. */
function openInMemory(reason: unknown, log: StoreLog): DatabaseSync {
  log({ kind: 'index-in-memory', reason: describe(reason) })
  return openUsable(':memory:')
}

/** The disk does not give it back, or something else lies in its place. Without permission it is not: that can be mended. */
function isUnreadable(error: unknown, path: string): boolean {
  const code = sqliteCode(error)
  return code === SQLITE_IO_ERROR || (code === SQLITE_CANNOT_OPEN && [path, `${path}-wal`].some(isNoFile))
}

function isNoFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === false
}

/** Puts the index aside and begins an empty one; in memory where the disk does not even allow that: what is there stays for the next start. */
export function renewIndex(path: string, reason: unknown, log: StoreLog): DatabaseSync {
  try {
    return renewIndexFile(path, reason, log)
  } catch (error) {
    return openInMemory(error, log)
  }
}

/** @throws what the file system says. Nothing that belongs to the index is gone then before it was put aside. */
function renewIndexFile(path: string, reason: unknown, log: StoreLog): DatabaseSync {
  const setAside = `${path}.damaged`
  rmSync(setAside, { force: true, recursive: true })
  if (existsSync(path)) renameSync(path, setAside)
  for (const each of [`${path}-wal`, `${path}-shm`]) rmSync(each, { force: true, recursive: true })
  const empty = openUsable(path)
  log({ kind: 'index-rebuilt', reason: describe(reason), setAside })
  return empty
}

/**
 * Does this error mean that the index does not say what it has: it is damaged, or its disk does not give it back? An error of writing does
 * not: what is there can be read. (SQLite itself takes EIO for damage, and no other error of the disk.)
 */
export function isBeyondReading(thrown: unknown): boolean {
  return isDamage(thrown) || READ_ERRORS.has(sqliteExtendedCode(thrown) ?? 0)
}

/** Does this error mean that the index's file is not (any more) what was written? */
function isDamage(thrown: unknown): boolean {
  const code = sqliteCode(thrown)
  const isRefused = code === SQLITE_CORRUPT || code === SQLITE_NOT_A_DATABASE
  return isRefused || thrown instanceof IndexDamage || isBeyondNumbers(thrown) || isOtherSchema(thrown)
}

/** A bit of the schema itself flipped: what is asked for was there when the index was made. */
function isOtherSchema(thrown: unknown): boolean {
  return sqliteCode(thrown) === SQLITE_ERROR && /^no such (column|table|index)/.test(describe(thrown))
}

/** SQLite read it without complaint, and yet this index cannot have written it. */
export class IndexDamage extends Error {}

/** No column is ever given an integer that JavaScript cannot represent; `node:sqlite` refuses to read one. */
function isBeyondNumbers(thrown: unknown): boolean {
  return thrown instanceof RangeError && 'code' in thrown && thrown.code === 'ERR_OUT_OF_RANGE'
}

function openUsable(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  try {
    database.exec(SETTINGS)
    requireSchema(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function requireSchema(database: DatabaseSync): void {
  const found = database.prepare('PRAGMA user_version').get()?.['user_version']
  const tables = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n']
  if (found === 0 && tables === 0) database.exec(`BEGIN; ${SCHEMA} COMMIT;`)
  else if (found === 2) upgrade(database)
  else if (found !== SCHEMA_VERSION)
    throw new IndexDamage(`schema ${String(found)}, expected ${SCHEMA_VERSION}`)
  requireWords(database)
}

/**
 * SQLite takes a column's type to be anything, so a flipped bit in these words can make a key a mere column: every row
 * would then be refused, for good. @throws IndexDamage.
 */
function requireWords(database: DatabaseSync): void {
  const words = wordsOf(database)
  expectedWords ??= wordsOfEmpty()
  if (words !== expectedWords) throw new IndexDamage(`the tables are not those of schema ${SCHEMA_VERSION}`)
}

/** Of an index that nothing has happened to. */
let expectedWords: string | undefined

function wordsOfEmpty(): string {
  const empty = new DatabaseSync(':memory:')
  empty.exec(SCHEMA)
  const words = wordsOf(empty)
  empty.close()
  return words
}

/** All that is said of tables and indexes; white space says nothing. */
function wordsOf(database: DatabaseSync): string {
  const sql = 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name'
  return JSON.stringify(database.prepare(sql).all()).replaceAll(/(?:\\n|\s)+/g, ' ')
}

/** @throws IndexDamage when it cannot be done: to begin anew is better than not to start. */
function upgrade(database: DatabaseSync): void {
  try {
    database.function('key_of', { deterministic: true }, (digest) => keyOf(String(digest)))
    database.exec(`BEGIN; ${UPGRADE_FROM_2} COMMIT;`)
  } catch (error) {
    throw new IndexDamage(`schema 2 cannot be upgraded: ${describe(error)}`, { cause: error })
  }
}
