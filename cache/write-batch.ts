/**
 * Many small writes in one SQLite transaction, for to commit costs as much as to write fifty rows. The transaction is held
 * open until some turns of the event loop bring nothing more, or for some tens of milliseconds: this process sees at once what was written,
 * a killed one loses those turns' writes together, and whoever must know that his will last waits for `committed`.
 *
 * What cannot be committed on a full disk is done again in a new transaction and waits there, so that room can be made:
 * rows can be deleted, and their bodies removed, without any of it needing space first.
 */
import type { DatabaseSync } from 'node:sqlite'
import { systemClock, type Monotonic } from '../core/clock.ts'
import { deferred, type Deferred } from '../core/deferred.ts'
import { Fault } from '../core/fault.ts'

/** Operations in one transaction, so that neither it nor what is needed to repeat it grows without end. */
export const MAX_OPERATIONS = 1000

/**
 * A disk that stays full must not make memory full: beyond so many operations they are given up, all together. But what was removed stays
 * so: it may have been outdated (RFC 9111 4.4).
 */
export const MAX_WAITING = 10_000

/** A transaction is held open for so long at most, in ms. */
export const MAX_HELD_MS = 50
/** Turns without anything new that end it: small bodies are written, and then come here, some at a time. */
export const QUIET_TURNS = 8

export interface WriteBatchParts {
  readonly database: () => DatabaseSync
  /** Does the work and turns its errors into faults. */
  readonly guarded: (work: () => void) => void
  /** Operations that seemed done are given up. */
  readonly lost: () => void
  /** The machine's unless given. */
  readonly now?: () => Monotonic
}

interface Operation {
  readonly work: () => unknown
  readonly isRemoval: boolean
}

export class WriteBatch {
  readonly #parts: WriteBatchParts
  /** What was done in the open transaction. */
  #operations: Operation[] = []
  #waiting: Deferred<void> | undefined
  #timer: NodeJS.Immediate | undefined
  readonly #now: () => Monotonic
  /** Whether anything came in this turn. */
  #isGrowing = false

  constructor(parts: WriteBatchParts) {
    this.#parts = parts
    this.#now = parts.now ?? (() => systemClock.monotonic())
  }

  /**
   * Does `work` as a whole or not at all. It may be done again, with the same outcome: it must depend on nothing but
   * the database. @param isRemoval it only deletes, and is not given up while there is something to delete. @throws what `work` throws.
   */
  run<Result>(work: () => Result, isRemoval = false): Result {
    this.#begin()
    try {
      const result = work()
      this.#operations.push({ work, isRemoval })
      this.#isGrowing = true
      if (this.#operations.length % MAX_OPERATIONS === 0) this.#tryCommit()
      return result
    } catch (error) {
      this.#repeat()
      throw error
    }
  }

  /** Resolves when everything up to now will last. @throws Fault STORE_FULL, STORE_FAILED; then it still waits. */
  committed(): Promise<void> {
    if (!this.#parts.database().isTransaction) return Promise.resolve()
    this.#schedule()
    this.#waiting ??= deferred()
    return this.#waiting.promise
  }

  /** Commits now. @throws Fault STORE_FULL, STORE_FAILED. */
  commit(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    clearImmediate(this.#timer)
    this.#timer = undefined
    try {
      this.#parts.guarded(() => this.#commit())
      waiting?.resolve()
    } catch (error) {
      waiting?.reject(error)
      throw error
    }
  }

  /** The database has gone, and with it what was not committed. */
  forget(): void {
    clearImmediate(this.#timer)
    this.#timer = undefined
    this.#operations = []
    this.#waiting?.reject(new Fault('STORE_FAILED', 'the index was lost'))
    this.#waiting = undefined
  }

  #begin(): void {
    const database = this.#parts.database()
    if (!database.isTransaction) database.exec('BEGIN IMMEDIATE')
    this.#schedule()
  }

  #schedule(): void {
    if (this.#timer === undefined) this.#waitTurn(this.#now(), 0)
  }

  #waitTurn(since: Monotonic, quietTurns: number): void {
    this.#timer = setImmediate(() => {
      this.#timer = undefined
      const quiet = this.#isGrowing ? 0 : quietTurns + 1
      this.#isGrowing = false
      if (quiet < QUIET_TURNS && this.#now() - since < MAX_HELD_MS) this.#waitTurn(since, quiet)
      else this.#tryCommit()
    })
  }

  #tryCommit(): void {
    try {
      this.commit()
    } catch {
      // It is told to those who wait; nobody else could do anything about it.
    }
  }

  #commit(): void {
    const database = this.#parts.database()
    if (!database.isTransaction) return
    try {
      database.exec('COMMIT')
      this.#operations = []
    } catch (error) {
      shrinkLog(database)
      if (this.#operations.length > MAX_WAITING) this.#giveUp()
      else this.#repeat()
      throw error
    }
  }

  /** Brings the transaction to where it was before what has just failed. */
  #repeat(): void {
    const database = this.#parts.database()
    try {
      // SQLite has already rolled back by itself after some errors, a full disk among them.
      if (database.isTransaction) database.exec('ROLLBACK')
      if (this.#operations.length === 0) return
      database.exec('BEGIN IMMEDIATE')
      for (const { work } of this.#operations) work()
    } catch (error) {
      this.#giveUp()
      throw error
    }
  }

  #giveUp(): void {
    const database = this.#parts.database()
    if (database.isTransaction) database.exec('ROLLBACK')
    const removals = this.#operations.filter(({ isRemoval }) => isRemoval)
    this.#operations = []
    try {
      this.#removeAgain(removals)
    } finally {
      this.#parts.lost()
    }
  }

  /** Those that still remove something: there are no more of them than rows that were committed. */
  #removeAgain(removals: readonly Operation[]): void {
    const database = this.#parts.database()
    if (removals.length === 0) return
    const changes = database.prepare('SELECT total_changes() AS n')
    database.exec('BEGIN IMMEDIATE')
    try {
      this.#operations = removals.filter(({ work }) => {
        const before = changes.get()?.['n']
        work()
        return changes.get()?.['n'] !== before
      })
    } catch {
      // Then they cannot be read either, and are lost with all the rest.
      if (database.isTransaction) database.exec('ROLLBACK')
    }
    if (this.#operations.length === 0 && database.isTransaction) database.exec('ROLLBACK')
  }
}

/** On a full disk the log may take what it lacks, and is not written back before a commit succeeds. */
function shrinkLog(database: DatabaseSync): void {
  try {
    if (!database.isTransaction) database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch {
    // There is no space for that either, or the index is damaged, which the next statement finds out.
  }
}
