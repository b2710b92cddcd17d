/** The index of the disk store, in SQLite: look-ups in tens of microseconds, whole or not at all after a crash. */
import type { DatabaseSync, StatementSync, SQLInputValue } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { ResponseHead, StoredResponse, UseOrder } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { IndexDamage, isDamage, openIndexFile, renewIndexFile } from './index-file.ts'
import { readContent, readPieces, type ResponseRow, writeContent } from './index-schema.ts'
import { partialTable } from './partial-table.ts'
import type { BodyDigests, PieceDigests } from './piece-digests.ts'
import {
  type Deletion,
  type FreedBody,
  type Insertion,
  mostRecentFirst,
  type ResponseIndex,
  variantKey,
} from './response-index.ts'
import { storeFault } from './store-fault.ts'
import type { StoreLog } from './store-log.ts'

/** So many responses' uses are written at once; a killed process forgets the last uses of fewer than these. */
const USES_PER_WRITE = 256
const ROWS_PER_PAGE = 128
const REMEMBERED_URIS = 10_000
/** Characters of header fields and URIs that are remembered, at most. */
const REMEMBERED_CHARACTERS = 16 * 1024 * 1024

const COLUMNS = 'SELECT id, used, digest, content, seal FROM responses'

export class IndexDatabase implements ResponseIndex {
  readonly #path: string
  readonly #log: StoreLog
  readonly partials = partialTable({
    all: (sql, ...values) => this.#all(sql, ...values),
    run: (sql, ...values) => void this.#set(sql, ...values),
    guarded: (work) => this.#guarded(work),
    atomically: (work) => this.#atomically(work),
  })
  #database: DatabaseSync | undefined
  #onLost: () => void = () => {}
  readonly #statements = new Map<string, StatementSync>()
  readonly #remembered = new LRUCache<TargetUri, readonly StoredResponse[]>({
    max: REMEMBERED_URIS,
    maxSize: REMEMBERED_CHARACTERS,
    sizeCalculation: (responses, uri) => JSON.stringify(responses).length + uri.length + 1,
  })
  /** Uses not yet written: response id → number of the use. */
  readonly #uses = new Map<number, number>()
  #lastUse = 0

  constructor(path: string, log: StoreLog) {
    this.#path = path
    this.#log = log
  }

  open(onLost: () => void): void {
    this.#onLost = onLost
    try {
      this.#database = openIndexFile(this.#path, this.#log)
    } catch (error) {
      throw storeFault(`cannot open ${this.#path}`, error)
    }
    const lastUse = this.#guarded(() => Number(this.#get('SELECT max(used) AS n FROM responses')?.['n'] ?? 0))
    this.#lastUse = this.partials.all().reduce((last, { used }) => Math.max(last, used), lastUse)
  }

  close(): void {
    if (this.#database === undefined) return
    try {
      this.#writeUses()
    } finally {
      this.#forget()
      this.#database?.close()
      this.#database = undefined
    }
  }

  /** The sum is taken from the rows and from the tree over their sizes: were one of them damaged, the quota would not hold. */
  totals(): { bytes: number; responses: number } {
    return this.#guarded(() => {
      const [bytes, again] = [' NOT INDEXED', ''].map((how) =>
        Number(this.#get(`SELECT sum(size) AS n FROM bodies${how}`)?.['n'] ?? 0),
      )
      if (bytes === undefined || bytes !== again) throw new IndexDamage(`${bytes} bytes, or ${again}`)
      return { bytes, responses: Number(this.#get('SELECT count(*) AS n FROM responses')?.['n']) }
    })
  }

  check(): void {
    this.#guarded(() => {
      const found = this.#get('PRAGMA integrity_check(1)')?.['integrity_check']
      if (found !== 'ok') throw new IndexDamage(String(found))
    })
  }

  lookup(uri: TargetUri): readonly StoredResponse[] {
    const known = this.#remembered.get(uri)
    if (known !== undefined) return known
    const found = this.#responses(`${COLUMNS} WHERE uri = ?`, uri)
    // A damaged search tree could lead to the row of another URI.
    const responses = found.filter((response) => response.uri === uri).toSorted(mostRecentFirst)
    this.#remembered.set(uri, responses)
    return responses
  }

  byDigest(digest: Sha256): readonly StoredResponse[] {
    const found = this.#responses(`${COLUMNS} WHERE digest = ? ORDER BY id DESC`, digest)
    return found.filter((response) => response.digest === digest)
  }

  pieces(digest: Sha256): PieceDigests | undefined {
    const row = this.#guarded(() => this.#get('SELECT pieces FROM bodies WHERE digest = ?', digest))
    return row === undefined ? undefined : readPieces(row['pieces'])
  }

  digestsFrom(prefix: string): readonly Sha256[] {
    // '~' is beyond every hexadecimal digit.
    const sql = 'SELECT digest FROM bodies WHERE digest >= ? AND digest < ?'
    return this.#guarded(() => this.#all(sql, prefix, `${prefix}~`)).map((row) => row['digest'] as Sha256)
  }

  insert(head: ResponseHead, body: BodyDigests): Insertion {
    const response = { ...head, size: body.size, digest: body.sha256 }
    const { content, seal } = writeContent(response)
    const variant = variantKey(head.selecting)
    const insertion = this.#atomically(() => {
      const replaced = this.#read(`${COLUMNS} WHERE uri = ? AND variant = ?`, head.uri, variant)
      for (const { id } of replaced) this.#set('DELETE FROM responses WHERE id = ?', id)
      const isNewBody = this.#get('SELECT 1 FROM bodies WHERE digest = ?', body.sha256) === undefined
      this.#set('INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)', body.sha256, body.size, body.pieces)
      const id = this.#set(
        'INSERT INTO responses (uri, variant, digest, used, content, seal) VALUES (?, ?, ?, ?, ?, ?)',
        head.uri,
        variant,
        body.sha256,
        (this.#lastUse += 1),
        content,
        seal,
      )
      const freed = this.#deleteUnused(replaced)
      return { stored: { ...response, id }, replaced, freed, isNewBody }
    })
    this.#remembered.delete(head.uri)
    return insertion
  }

  update(response: StoredResponse): boolean {
    const { id, ...rest } = response
    const { content, seal } = writeContent(rest)
    const sql = 'UPDATE responses SET content = ?, seal = ? WHERE id = ? RETURNING id'
    const changed = this.#atomically(() => this.#all(sql, content, seal, id).length > 0)
    this.#remembered.delete(response.uri)
    return changed
  }

  delete(responses: readonly StoredResponse[]): readonly FreedBody[] {
    const freed = this.#atomically(() => {
      for (const { id } of responses) this.#set('DELETE FROM responses WHERE id = ?', id)
      return this.#deleteUnused(responses)
    })
    for (const { uri } of responses) this.#remembered.delete(uri)
    return freed
  }

  /** A damaged index may have a body that no response has: it goes as well, or the quota would count it for good. */
  deleteBody(digest: Sha256): Deletion {
    const deleted = this.byDigest(digest)
    const freed = this.#atomically(() => {
      for (const { id } of deleted) this.#set('DELETE FROM responses WHERE id = ?', id)
      const sql = 'DELETE FROM bodies WHERE digest = ? RETURNING digest, size'
      return this.#all(sql, digest).map(readFreed)
    })
    for (const { uri } of deleted) this.#remembered.delete(uri)
    return { deleted, freed }
  }

  use(id: number): void {
    this.#uses.set(id, this.nextUse())
    if (this.#uses.size >= USES_PER_WRITE) this.#writeUses()
  }

  nextUse(): number {
    return (this.#lastUse += 1)
  }

  leastRecent(): Iterable<{ used: number; response: StoredResponse }> {
    return this.#inOrder('least-recent-first')
  }

  *list(order: UseOrder): Generator<StoredResponse> {
    for (const { response } of this.#inOrder(order)) yield response
  }

  *#inOrder(order: UseOrder): Generator<{ used: number; response: StoredResponse }> {
    this.#writeUses()
    const isFalling = order === 'most-recent-first'
    const sql = `${COLUMNS} WHERE used ${isFalling ? '<' : '>'} ? ORDER BY used ${isFalling ? 'DESC' : 'ASC'} LIMIT ?`
    let last: number | undefined = isFalling ? Number.MAX_SAFE_INTEGER : -1
    while (last !== undefined) {
      const from: number = last
      const rows = this.#guarded(() => this.#all(sql, from, ROWS_PER_PAGE)) as unknown as ResponseRow[]
      const intact = new Map(this.#guarded(() => this.#intact(rows)).map((each) => [each.id, each]))
      for (const { id, used } of rows) {
        const response = intact.get(id)
        if (response !== undefined) yield { used, response }
      }
      last = rows.at(-1)?.used
    }
  }

  #responses(sql: string, ...values: SQLInputValue[]): StoredResponse[] {
    return this.#guarded(() => this.#read(sql, ...values))
  }

  #read(sql: string, ...values: SQLInputValue[]): StoredResponse[] {
    return this.#intact(this.#all(sql, ...values) as unknown as ResponseRow[])
  }

  /** The responses in these rows, without the rows that are not what was written: those are dropped. */
  #intact(rows: readonly ResponseRow[]): StoredResponse[] {
    return rows.flatMap((row) => {
      const response = readContent(row)
      if (response === undefined) this.#dropDamaged(row)
      return response ?? []
    })
  }

  #dropDamaged(row: ResponseRow): void {
    this.#log({ kind: 'row-corrupt', id: row.id })
    this.#set('DELETE FROM responses WHERE id = ?', row.id)
    this.#deleteUnused([row])
    this.#onLost()
  }

  #deleteUnused(responses: readonly { readonly digest: string }[]): FreedBody[] {
    const sql = `DELETE FROM bodies WHERE digest = ?1 AND NOT EXISTS
      (SELECT 1 FROM responses WHERE digest = ?1) RETURNING digest, size`
    return responses.flatMap(({ digest }) => this.#all(sql, digest).map(readFreed))
  }

  /** On a full disk they wait in memory: nobody's read, and no eviction, fails for them. */
  #writeUses(): void {
    if (this.#uses.size === 0) return
    try {
      this.#atomically(() => {
        for (const [id, used] of this.#uses) this.#set('UPDATE responses SET used = ? WHERE id = ?', used, id)
      })
      this.#uses.clear()
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'STORE_FULL') throw error
    }
  }

  #atomically<Result>(work: () => Result): Result {
    return this.#guarded(() => this.#transact(work))
  }

  #transact<Result>(work: () => Result): Result {
    const database = this.#open()
    database.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      database.exec('COMMIT')
      return result
    } catch (error) {
      // SQLite has already rolled back by itself after some errors, a full disk among them.
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  /** Turns errors into faults; a damaged index is replaced by an empty one, on which `work` is done again. */
  #guarded<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      if (!isDamage(error)) throw storeFault(`cannot use ${this.#path}`, error)
      this.#renew(error)
      return work()
    }
  }

  #renew(reason: unknown): void {
    this.#forget()
    const damaged = this.#database
    this.#database = undefined
    try {
      damaged?.close()
      this.#database = renewIndexFile(this.#path, reason, this.#log)
    } catch (error) {
      throw storeFault(`cannot renew ${this.#path}`, error)
    }
    this.#onLost()
  }

  #forget(): void {
    this.#statements.clear()
    this.#remembered.clear()
    this.#uses.clear()
  }

  #get(sql: string, ...values: SQLInputValue[]) {
    return this.#statement(sql).get(...values)
  }

  #all(sql: string, ...values: SQLInputValue[]) {
    return this.#statement(sql).all(...values)
  }

  /** @returns the id of the row that was inserted last. */
  #set(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid)
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#open().prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #open(): DatabaseSync {
    if (this.#database !== undefined) return this.#database
    throw new Fault('STORE_FAILED', `${this.#path} is not open`)
  }
}

/** @throws IndexDamage: with a wrong size the books of the quota would be wrong for good. */
function readFreed({ digest, size }: Record<string, unknown>): FreedBody {
  if (typeof digest === 'string' && Number.isSafeInteger(size))
    return { digest: digest as Sha256, size: Number(size) }
  throw new IndexDamage(`a body of ${typeof size} bytes`)
}
