/** The index of the disk store, in SQLite: look-ups in tens of microseconds, whole or not at all after a crash. */
import type { DatabaseSync, StatementSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { ResponseHead, StoredResponse, UseOrder } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { IndexDamage, isBeyondReading, openIndexFile, renewIndex } from './index-file.ts'
import {
  isCount,
  keyOf,
  MAX_NUMBER,
  readContent,
  readPieces,
  readPlace,
  type ResponseRow,
  writeContent,
} from './index-schema.ts'
import { partialTable } from './partial-table.ts'
import { isSamePlace, type StoredBody } from './place.ts'
import type { Move, PlacedBody, PlaceIndex, SegmentUse } from './place-index.ts'
import {
  type Deletion,
  type FreedBody,
  type Insertion,
  mostRecentFirst,
  type ResponseIndex,
  variantKey,
} from './response-index.ts'
import { AbsentUris } from './absent-uris.ts'
import { SharedLines } from './shared-lines.ts'
import { isFull, storeFault } from './store-fault.ts'
import type { StoreLog } from './store-log.ts'
import { WriteBatch } from './write-batch.ts'

/** So many responses' uses are written at once; a killed process forgets the last uses of fewer than these. */
const USES_PER_WRITE = 256
/** So many insertions after a start are looked up at once, and then one in so many, which costs nothing. */
const CHECKED_FIRST = 64
const INSERTIONS_PER_CHECK = 32
/** Rows that are listed at once: few at first, for mostly the first one is all that is wanted, then more. */
const FIRST_PAGE = 4
const LARGEST_PAGE = 128
/** About 3 kB each; as many as answers are kept ready for (retrieval/hot-responses.ts). */
const REMEMBERED_URIS = 4_096
/** Characters of header fields and URIs that are remembered, at most. */
const REMEMBERED_CHARACTERS = 16 * 1024 * 1024

const NONE: readonly StoredResponse[] = []

/** Each of them is at the end of its tree. */
const HIGHEST_NUMBERS = `SELECT (SELECT max(used) FROM responses) AS used, (SELECT max(id) FROM responses) AS id,
  (SELECT max(id) FROM bodies) AS body, (SELECT max(seq) FROM sqlite_sequence) AS before`
const FREED = 'digest, size, segment, start'
const COLUMNS = 'SELECT id, used, body, content, seal FROM responses'
const IS_WITHIN = 'key BETWEEN ? AND ?'
const IS_DIGEST = 'key = ? AND digest = ?'
/**
 * Of one that is not there; mostly it is not. `INSERT … SELECT … WHERE NOT EXISTS` would say the same and take twice the
 * time: SQLite first copies what a table is to be given out of itself.
 */
const INSERT_BODY = `INSERT INTO bodies (id, key, digest, size, segment, start, pieces)
  VALUES ((SELECT id FROM bodies WHERE key = ?1 AND digest = ?2), ?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING`

/** A response as it is written down. */
interface NewRow {
  readonly uri: TargetUri
  readonly variant: string
  readonly used: number
  readonly content: string
  readonly seal: string
}

export class IndexDatabase implements ResponseIndex, PlaceIndex {
  readonly #path: string
  readonly #log: StoreLog
  readonly partials = partialTable({
    all: (sql, ...values) => this.#all(sql, ...values),
    run: (sql, ...values) => void this.#set(sql, ...values),
    guarded: (work) => this.#guarded(work),
    atomically: (work) => this.#atomically(work),
    removing: (work) => this.#removing(work),
  })
  #database: DatabaseSync | undefined
  #onLost: () => void = () => {}
  readonly #statements = new Map<string, StatementSync>()
  readonly #remembered = new LRUCache<TargetUri, readonly StoredResponse[]>({
    max: REMEMBERED_URIS,
    maxSize: REMEMBERED_CHARACTERS,
  })
  readonly #lines = new SharedLines()
  readonly #absent = new AbsentUris()
  /** Uses not yet written: response id → number of the use. */
  readonly #uses = new Map<number, number>()
  readonly #batch = new WriteBatch({
    database: () => this.#open(),
    guarded: (work) => this.#guarded(work),
    lost: () => this.#loseBatch(),
  })
  #lastUse = 0
  /** Since the start. */
  #insertions = 0

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
    this.#dropUncounted()
    this.#lastUse = this.#guarded(() => this.#highestUse())
    this.#insertions = 0
  }

  close(): void {
    if (this.#database === undefined) return
    try {
      this.#writeUses()
      this.flush()
    } finally {
      this.#forget()
      this.#batch.forget()
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
    if (this.#absent.has(uri)) return NONE
    const rows = this.#guarded(() => this.#all(`${COLUMNS} WHERE uri = ?`, uri)) as unknown as ResponseRow[]
    const found = this.#guarded(() => this.#intact(rows))
    // A damaged search tree could lead to the row of another URI.
    if (found.length === 0) {
      this.#absent.add(uri)
      return NONE
    }
    const own = found.filter((response) => response.uri === uri).toSorted(mostRecentFirst)
    const responses = own.map((response) => ({ ...response, fields: this.#lines.of(response.fields) }))
    const size = rows.reduce((sum, { content }) => sum + String(content).length, uri.length + 1)
    this.#remembered.set(uri, responses, { size })
    return responses
  }

  byDigest(digest: Sha256): readonly StoredResponse[] {
    const sql = `${COLUMNS} WHERE body IN (SELECT id FROM bodies WHERE ${IS_DIGEST}) ORDER BY id DESC`
    const found = this.#responses(sql, keyOf(digest), digest)
    return found.filter((response) => response.digest === digest)
  }

  body(digest: Sha256): Pick<StoredBody, 'pieces' | 'place'> | undefined {
    const sql = `SELECT segment, start, pieces FROM bodies WHERE ${IS_DIGEST}`
    const row = this.#guarded(() => this.#get(sql, keyOf(digest), digest))
    return row === undefined ? undefined : { pieces: readPieces(row['pieces']), place: readPlace(row) }
  }

  digestsFrom(prefix: string): readonly Sha256[] {
    const sql = `SELECT id, key, digest FROM bodies WHERE ${IS_WITHIN} ORDER BY key`
    return this.#guarded(() =>
      this.#sound(this.#all(sql, ...keysFrom(prefix))).map((row) => row['digest'] as Sha256),
    )
  }

  bodiesFrom(prefix: string): readonly FreedBody[] {
    const sql = `SELECT id, key, ${FREED}, EXISTS (SELECT 1 FROM responses WHERE body = bodies.id) AS used
      FROM bodies WHERE ${IS_WITHIN}`
    return this.#guarded(() => {
      const rows = this.#sound(this.#all(sql, ...keysFrom(prefix)))
      return rows.filter(({ segment, used }) => segment === null || used === 0).map(readFreed)
    })
  }

  segments(): readonly SegmentUse[] {
    const sql = `SELECT segment, count(*) AS bodies, sum(size) AS bytes FROM bodies
      WHERE segment IS NOT NULL GROUP BY segment`
    return this.#guarded(() => this.#all(sql).map(readUse))
  }

  bodiesIn(segment: number, from = 0): readonly PlacedBody[] {
    const sql =
      'SELECT digest, size, segment, start FROM bodies WHERE segment = ? AND start >= ? ORDER BY start'
    return this.#guarded(() => this.#all(sql, segment, from).map(readFreed)).filter(isPlaced)
  }

  async committed(): Promise<void> {
    await this.#batch.committed()
  }

  flush(): void {
    try {
      this.#batch.commit()
    } catch (error) {
      if (!isFull(error)) throw error
    }
  }

  move(moves: readonly Move[]): ReadonlySet<Sha256> {
    const sql = `UPDATE bodies SET segment = ?, start = ? WHERE ${IS_DIGEST} AND segment = ? AND start = ?
      RETURNING digest`
    return this.#atomically(() => {
      const moved = moves.flatMap(({ to, body: { digest, place } }) =>
        this.#all(sql, to.segment, to.start, keyOf(digest), digest, place.segment, place.start),
      )
      return new Set(moved.map((row) => row['digest'] as Sha256))
    })
  }

  insert(head: ResponseHead, body: StoredBody): Insertion {
    const response = { ...head, size: body.size, digest: body.sha256 }
    const { content, seal } = writeContent(response)
    const { uri } = head
    const row = { uri, variant: variantKey(head.selecting), used: (this.#lastUse += 1), content, seal }
    // Mostly it was looked up right before, and not there.
    const isNew = this.#absent.has(uri)
    this.#insertions += 1
    const isChecked = this.#insertions <= CHECKED_FIRST || this.#insertions % INSERTIONS_PER_CHECK === 0
    const { id, ...insertion } = this.#atomically(() => {
      const inserted = this.#insertRows(row, body, isNew)
      if (isChecked) this.#requireFound(uri, inserted.id)
      return inserted
    })
    // It is remembered when it is looked up: most of what comes is not asked for again soon.
    this.#absent.delete(uri)
    this.#remembered.delete(uri)
    return { ...insertion, stored: { ...response, id } }
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
    const freed = this.#removing(() => this.#deleteUnused(this.#deleteRows(responses)))
    for (const { uri } of responses) this.#remembered.delete(uri)
    return freed
  }

  /** A damaged index may have a body that no response has: it goes as well, or the quota would count it for good. */
  deleteBody(digest: Sha256): Deletion {
    const deleted = this.byDigest(digest)
    const freed = this.#removing(() => {
      this.#deleteRows(deleted)
      const sql = `DELETE FROM bodies WHERE ${IS_DIGEST} RETURNING ${FREED}`
      return this.#all(sql, keyOf(digest), digest).map(readFreed)
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
    for (let page = FIRST_PAGE; last !== undefined; page = Math.min(2 * page, LARGEST_PAGE)) {
      const from: number = last
      const size = page
      const rows = this.#guarded(() => this.#all(sql, from, size)) as unknown as ResponseRow[]
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

  /** The bodies in these rows that can be found by their digest. The others go, with their responses. */
  #sound(rows: readonly Record<string, SQLOutputValue>[]): readonly Record<string, SQLOutputValue>[] {
    for (const { id = null } of rows.filter((row) => !isSound(row))) {
      this.#log({ kind: 'row-corrupt', id: Number(id) })
      this.#set('DELETE FROM responses WHERE body = ?', id)
      this.#set('DELETE FROM bodies WHERE id = ?', id)
      this.#remembered.clear()
      this.#onLost()
    }
    return rows.filter(isSound)
  }

  /** The rows whose use is no number that there can be: the next uses would be counted from there. */
  #dropUncounted(): void {
    const sql = 'SELECT id FROM responses WHERE used < 0 OR used >= ?'
    const rows = this.#guarded(() => this.#all(sql, MAX_NUMBER)).map(({ id }) => ({ id: Number(id) }))
    if (rows.length === 0) return
    for (const { id } of rows) this.#log({ kind: 'row-corrupt', id })
    this.#atomically(() => this.#deleteUnused(this.#deleteRows(rows)))
  }

  /** @throws IndexDamage: from other numbers no row could be counted on. */
  #highestUse(): number {
    const { used, ...others } = this.#get(HIGHEST_NUMBERS) ?? {}
    const uses = [used ?? 0, ...this.partials.all().map((partial) => partial.used)]
    const wrong = [...uses, ...Object.values(others)].find((each) => each !== null && !isNumber(each))
    if (wrong !== undefined) throw new IndexDamage(`a number that there cannot be: ${String(wrong)}`)
    return Math.max(...uses.map(Number))
  }

  #dropDamaged(row: ResponseRow): void {
    this.#log({ kind: 'row-corrupt', id: row.id })
    this.#deleteUnused(this.#deleteRows([row]))
    this.#onLost()
  }

  #insertRows(
    { uri, variant, used, content, seal }: NewRow,
    body: StoredBody,
    isNew: boolean,
  ): Omit<Insertion, 'stored'> & { readonly id: number } {
    const replaced = isNew ? [] : this.#read(`${COLUMNS} WHERE uri = ? AND variant = ?`, uri, variant)
    const bodies = this.#deleteRows(replaced)
    const { before, rowid } = this.#putBody(body)
    const sql = 'INSERT INTO responses (uri, variant, body, used, content, seal) VALUES (?, ?, ?, ?, ?, ?)'
    const id = this.#set(sql, uri, variant, rowid, used, content, seal)
    const freed = this.#deleteUnused(bodies)
    const isNewBody = before === undefined
    const superseded = isNewBody || isSamePlace(before.place, body.place) ? undefined : before
    return { id, replaced, freed, isNewBody, superseded }
  }

  /** @throws IndexDamage: a damaged search tree can take a row in where no look-up comes by. */
  #requireFound(uri: TargetUri, id: number): void {
    const rows = this.#all(`${COLUMNS} WHERE uri = ?`, uri)
    if (!rows.some((row) => row['id'] === id)) throw new IndexDamage(`row ${id} is not found by its URI`)
  }

  /** @returns the number of its row, and the body with this digest that was there before. */
  #putBody(body: StoredBody): { readonly rowid: number; readonly before: FreedBody | undefined } {
    const { sha256, size, place, pieces } = body
    const key = keyOf(sha256)
    const values = [size, place?.segment ?? null, place?.start ?? null, pieces] as const
    const { changes, lastInsertRowid } = this.#statement(INSERT_BODY).run(key, sha256, ...values)
    if (changes !== 0) return { rowid: Number(lastInsertRowid), before: undefined }
    const known = this.#get(`SELECT id, ${FREED} FROM bodies WHERE ${IS_DIGEST}`, key, sha256)
    const rowid = Number(known?.['id'])
    this.#set('UPDATE bodies SET size = ?, segment = ?, start = ?, pieces = ? WHERE id = ?', ...values, rowid)
    return { rowid, before: readFreed(known ?? {}) }
  }

  /** @returns the rows of their bodies. */
  #deleteRows(responses: readonly { readonly id: number }[]): SQLOutputValue[] {
    const sql = 'DELETE FROM responses WHERE id = ? RETURNING body'
    return responses.flatMap(({ id }) => this.#all(sql, id).flatMap((row) => row['body'] ?? []))
  }

  #deleteUnused(rowids: readonly SQLOutputValue[]): FreedBody[] {
    const sql = `DELETE FROM bodies WHERE id = ?1 AND NOT EXISTS
      (SELECT 1 FROM responses WHERE body = ?1) RETURNING ${FREED}`
    return rowids.flatMap((rowid) => this.#all(sql, rowid).map(readFreed))
  }

  /** On a full disk they wait in memory: nobody's read, and no eviction, fails for them. */
  #writeUses(): void {
    if (this.#uses.size === 0) return
    const uses = [...this.#uses]
    try {
      this.#atomically(() => {
        for (const [id, used] of uses) this.#set('UPDATE responses SET used = ? WHERE id = ?', used, id)
      })
      this.#uses.clear()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      // What was used last is no reason for a request to fail. On a disk that has failed it is not tried again with each use.
      if (!isFull(error)) this.#uses.clear()
    }
  }

  #atomically<Result>(work: () => Result): Result {
    return this.#guarded(() => this.#batch.run(work))
  }

  #removing<Result>(work: () => Result): Result {
    return this.#guarded(() => this.#batch.run(work, true))
  }

  /** What had been done and could not be committed is undone. */
  #loseBatch(): void {
    this.#remembered.clear()
    this.#absent.clear()
    this.#onLost()
  }

  /**
   * Turns errors into faults. An index that cannot be read is read once more, for a disk that has failed once may have what it has not
   * given; then it is replaced by an empty one, on which `work` is done again.
   */
  #guarded<Result>(work: () => Result): Result {
    try {
      return this.#orFault(work)
    } catch (error) {
      if (!isBeyondReading(error)) throw error
    }
    try {
      return this.#orFault(work)
    } catch (error) {
      if (!isBeyondReading(error)) throw error
      this.#renew(error)
      return work()
    }
  }

  /** @throws Fault STORE_FAILED or STORE_FULL, or as SQLite says it what means that the index cannot be read. */
  #orFault<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      throw isBeyondReading(error) ? error : storeFault(`cannot use ${this.#path}`, error)
    }
  }

  #renew(reason: unknown): void {
    this.#forget()
    this.#batch.forget()
    const damaged = this.#database
    this.#database = undefined
    try {
      damaged?.close()
    } catch {
      // Its disk may be gone. What was written lies there, or does not.
    }
    this.#database = renewIndex(this.#path, reason, this.#log)
    this.#onLost()
  }

  #forget(): void {
    this.#statements.clear()
    this.#remembered.clear()
    this.#absent.clear()
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

function isSound({ digest, key }: Record<string, SQLOutputValue>): boolean {
  return keyOf(String(digest)) === key
}

/** The keys of all digests that begin so, from the first one to the last one. */
function keysFrom(prefix: string): [number, number] {
  return [keyOf(prefix.padEnd(12, '0')), keyOf(prefix.padEnd(12, 'f'))]
}

/** @throws IndexDamage: with a wrong size the books of the quota would be wrong for good. */
function readFreed(row: Record<string, unknown>): FreedBody {
  const { digest, size } = row
  if (typeof digest === 'string' && Number.isSafeInteger(size))
    return { digest: digest as Sha256, size: Number(size), place: readPlace(row) }
  throw new IndexDamage(`a body of ${typeof size} bytes`)
}

/** Is it a number that a row, or a use, can have? */
function isNumber(value: unknown): boolean {
  return isCount(value) && value < MAX_NUMBER
}

function isPlaced(body: FreedBody): body is PlacedBody {
  return body.place !== undefined
}

/** @throws IndexDamage. */
function readUse({ segment, bodies, bytes }: Record<string, unknown>): SegmentUse {
  if (Number.isSafeInteger(segment) && Number.isSafeInteger(bytes))
    return { segment: Number(segment), bodies: Number(bodies), bytes: Number(bytes) }
  throw new IndexDamage(`${typeof bytes} bytes in a segment`)
}
