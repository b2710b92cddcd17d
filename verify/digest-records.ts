/**
 * What indexes said, on disk: very many digests, found in some ten microseconds, kept over restarts (V2). Everything here
 * can be had again from the origin servers, so that damage is only loss: a file that cannot be used is begun anew, and a row
 * that is not what was written does not count.
 */
import { rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { Digest, Sha256 } from '../core/digest.ts'
import { describe } from '../core/fault.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { type Claim, type ClaimRow, nameOf, otherOf, readClaim, SCHEMA, VERSION } from './digest-rows.ts'

export interface DigestRecords {
  open(): void
  close(): void
  /** What every index that was read to its end says of this URI. */
  find(uri: TargetUri): readonly Claim[]
  /** The version of the index that was read last under this URI. */
  versionOf(index: TargetUri): string | undefined
  /** Begins to write what an index says; nothing of it counts before `finish`. */
  begin(index: TargetUri, version: string): IndexRecording
  /** What other indexes said does not count any more. */
  keepOnly(isWanted: (index: TargetUri, version: string) => boolean): void
  /** A stored body has this digest too. */
  noteBody(digest: Digest, body: Sha256): void
  /** The SHA-256 of the body that was noted with this digest. */
  bodyOf(digest: Digest): Sha256 | undefined
  /** Digests that count now, or will when their index has been read. */
  count(): number
  /** Removes some of what no longer counts, a few milliseconds' worth. @returns whether there is more. */
  sweep(): boolean
}

/** One index on its way into the records. */
export interface IndexRecording {
  add(rows: readonly ClaimRow[]): void
  /** From now on this is what the index says, and nothing that it said before. */
  finish(): void
  /** Nothing of it counts. */
  giveUp(): void
}

export interface DigestRecordsSettings {
  /** A file of this process alone; `:memory:` for none. */
  readonly path: string
  /** Digests kept, about 120 bytes of disk each; the index that was read first makes room. */
  readonly maxDigests: number
}

export interface DigestRecordsComponents {
  /** The file could not be used and was begun anew, or cannot be used at all. */
  readonly onDamage: (reason: string) => void
}

/** Bodies that are noted by another digest than SHA-256. */
export const MAX_NOTED_BODIES = 50_000

const SWEEP = `DELETE FROM claims WHERE id IN (SELECT claims.id FROM indexes JOIN claims ON source = indexes.id
  WHERE state = 'retired' LIMIT 1000)`

/** A killed process loses nothing, a power cut the last commits; both are only loss. The file cannot grow without end. */
const PRAGMAS = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA max_page_count = 131072;
`

export function digestRecords(
  settings: DigestRecordsSettings,
  components: DigestRecordsComponents,
): DigestRecords {
  return new Records(settings, components)
}

class Records implements DigestRecords {
  readonly #settings: DigestRecordsSettings
  readonly #components: DigestRecordsComponents
  readonly #statements = new Map<string, StatementSync>()
  #database: DatabaseSync | undefined

  constructor(settings: DigestRecordsSettings, components: DigestRecordsComponents) {
    this.#settings = settings
    this.#components = components
  }

  open(): void {
    try {
      this.#openFile()
    } catch (error) {
      this.#renew(error)
    }
  }

  close(): void {
    this.#statements.clear()
    const database = this.#database
    this.#database = undefined
    try {
      database?.close()
    } catch (error) {
      this.#components.onDamage(describe(error))
    }
  }

  find(uri: TargetUri): readonly Claim[] {
    const name = nameOf(uri)
    const sql = `SELECT algorithm, digest, size, seal FROM claims JOIN indexes ON indexes.id = source
      WHERE name = ? AND state = 'read' LIMIT 16`
    return this.#guarded(() => this.#all(sql, name).flatMap((row) => readClaim(name, row)), [])
  }

  versionOf(index: TargetUri): string | undefined {
    const sql = "SELECT version FROM indexes WHERE uri = ? AND state = 'read'"
    return this.#guarded(() => this.#all(sql, index)[0]?.['version'] as string | undefined, undefined)
  }

  keepOnly(isWanted: (index: TargetUri, version: string) => boolean): void {
    this.#guarded(() => {
      for (const { id, uri, version } of this.#all(
        "SELECT id, uri, version FROM indexes WHERE state = 'read'",
      ))
        if (!isWanted(String(uri) as TargetUri, String(version))) this.#retire('id = ?', Number(id))
    }, undefined)
  }

  begin(index: TargetUri, version: string): IndexRecording {
    const sql = "INSERT INTO indexes (uri, version, state, digests) VALUES (?, ?, 'begun', 0)"
    const id = this.#guarded(() => Number(this.#run(sql, index, version).lastInsertRowid), undefined)
    return {
      add: (rows) => this.#guarded(() => this.#atomically(() => this.#add(id, rows)), undefined),
      finish: () => this.#guarded(() => this.#atomically(() => this.#finish(id, index)), undefined),
      giveUp: () => this.#guarded(() => this.#retire('id = ?', id ?? 0), undefined),
    }
  }

  noteBody(digest: Digest, body: Sha256): void {
    const sql = 'INSERT OR REPLACE INTO bodies (other, body) VALUES (?, ?)'
    this.#guarded(() => {
      const id = Number(this.#run(sql, otherOf(digest), body).lastInsertRowid)
      this.#run('DELETE FROM bodies WHERE id <= ?', id - MAX_NOTED_BODIES)
    }, undefined)
  }

  bodyOf(digest: Digest): Sha256 | undefined {
    const sql = 'SELECT body FROM bodies WHERE other = ?'
    return this.#guarded(() => this.#all(sql, otherOf(digest))[0]?.['body'] as Sha256 | undefined, undefined)
  }

  count(): number {
    return this.#guarded(() => this.#digests(), 0)
  }

  sweep(): boolean {
    return this.#guarded(() => {
      const isMore = this.#run(SWEEP).changes > 0
      if (!isMore) this.#run("DELETE FROM indexes WHERE state = 'retired'")
      return isMore
    }, false)
  }

  #digests(): number {
    const sql = "SELECT sum(digests) AS n FROM indexes WHERE state <> 'retired'"
    return Number(this.#all(sql)[0]?.['n'] ?? 0)
  }

  #add(id: number | undefined, rows: readonly ClaimRow[]): void {
    if (id === undefined) return
    const sql = 'INSERT INTO claims (source, name, algorithm, digest, size, seal) VALUES (?, ?, ?, ?, ?, ?)'
    const statement = this.#statement(sql)
    for (const row of rows) statement.run(id, ...row)
    this.#run('UPDATE indexes SET digests = digests + ? WHERE id = ?', rows.length, id)
    this.#makeRoom(id)
  }

  #finish(id: number | undefined, index: TargetUri): void {
    if (id === undefined) return
    this.#run("UPDATE indexes SET state = 'read' WHERE id = ?", id)
    this.#retire('uri = ? AND id <> ?', index, id)
  }

  /** The index that was read first goes; at last the one that is being read, which is too large for this node. */
  #makeRoom(id: number): void {
    const sql =
      "SELECT id FROM indexes WHERE id <> ? AND digests > 0 AND state <> 'retired' ORDER BY id LIMIT 1"
    while (this.#digests() > this.#settings.maxDigests) {
      const [oldest] = this.#all(sql, id)
      if (oldest === undefined) throw new RangeError(`more than ${this.#settings.maxDigests} digests`)
      this.#retire('id = ?', Number(oldest['id']))
    }
  }

  /** They count no more; `sweep` gives their space back. */
  #retire(where: string, ...values: SQLInputValue[]): void {
    this.#run(`UPDATE indexes SET state = 'retired' WHERE ${where}`, ...values)
  }

  #openFile(): void {
    const database = new DatabaseSync(this.#settings.path)
    this.#database = database
    database.exec(PRAGMAS)
    const version = database.prepare('PRAGMA user_version').get()?.['user_version']
    if (version === 0) database.exec(`BEGIN; ${SCHEMA} COMMIT;`)
    else if (version !== VERSION) throw new Error(`version ${String(version)}, expected ${VERSION}`)
    // What was being read when the process ended.
    this.#retire("state = 'begun'")
  }

  #renew(reason: unknown): void {
    this.#components.onDamage(describe(reason))
    this.close()
    const { path } = this.#settings
    try {
      for (const each of [path, `${path}-wal`, `${path}-shm`]) rmSync(each, { force: true, recursive: true })
      this.#openFile()
    } catch (error) {
      this.#components.onDamage(describe(error))
      this.close()
    }
  }

  /** What SQLite cannot do is lost, and said; a bound that is exceeded is thrown, for it is not SQLite's. */
  #guarded<Result>(work: () => Result, otherwise: Result): Result {
    if (this.#database === undefined) return otherwise
    try {
      return work()
    } catch (error) {
      if (error instanceof RangeError) throw error
      if (isDamage(error)) this.#renew(error)
      else this.#components.onDamage(describe(error))
      return otherwise
    }
  }

  #atomically(work: () => void): void {
    const database = this.#database
    if (database === undefined) return
    database.exec('BEGIN IMMEDIATE')
    try {
      work()
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  #all(sql: string, ...values: SQLInputValue[]) {
    return this.#statement(sql).all(...values)
  }

  #run(sql: string, ...values: SQLInputValue[]) {
    return this.#statement(sql).run(...values)
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    if (this.#database === undefined) throw new Error('the records are not open')
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

const SQLITE_CORRUPT = 11
const SQLITE_NOT_A_DATABASE = 26

function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  return code === SQLITE_CORRUPT || code === SQLITE_NOT_A_DATABASE
}
