/** What the operating system and SQLite report, as faults of the store. */
import { isMissing, errorCode } from '../core/error-code.ts'
import { describe, Fault } from '../core/fault.ts'

const SQLITE_FULL = 13
const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** STORE_FULL when there is no space, otherwise STORE_FAILED; a `Fault` stays what it is. `doing` begins the message. */
export function storeFault(doing: string, thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  const code = saysFull(thrown) ? 'STORE_FULL' : 'STORE_FAILED'
  return new Fault(code, `${doing}: ${describe(thrown)}`, { cause: thrown })
}

/** Is it the fault that there is no space? */
export function isFull(thrown: unknown): boolean {
  return thrown instanceof Fault && thrown.code === 'STORE_FULL'
}

/** Is a body gone or damaged, rather than merely out of reach just now (too many open files, say)? */
export function isLoss(thrown: unknown): thrown is Fault {
  return thrown instanceof Fault && (thrown.code === 'STORE_CORRUPT' || isMissing(thrown.cause))
}

const OUT_OF_REACH = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** Was there merely no means to look just now (too many open files, say)? */
export function isOutOfReach(thrown: unknown): boolean {
  return thrown instanceof Fault && OUT_OF_REACH.has(errorCode(thrown.cause))
}

/** The number of an SQLite error, `undefined` for anything else. */
export function sqliteCode(thrown: unknown): number | undefined {
  const code = sqliteExtendedCode(thrown)
  return code === undefined ? undefined : code & 0xff
}

/** The same, with what SQLite knows of the reason (its extended result codes). */
export function sqliteExtendedCode(thrown: unknown): number | undefined {
  const isSqlite = thrown instanceof Error && 'errcode' in thrown && typeof thrown.errcode === 'number'
  return isSqlite ? Number(thrown.errcode) : undefined
}

/** Does this thrown value say that there is no space? */
export function saysFull(thrown: unknown): boolean {
  return sqliteCode(thrown) === SQLITE_FULL || NO_SPACE.has(errorCode(thrown))
}
