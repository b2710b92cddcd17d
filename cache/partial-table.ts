/** The partial copies in the index of the disk store: a row for each, and one for each of its spans. */
import type { SQLInputValue } from 'node:sqlite'
import type { LeftRecord, PartialIndex, PartialRecord, SpanChanges } from './partial-index.ts'
import { readSealed, sealed } from './index-schema.ts'
import type { SpanDigest } from './span-digests.ts'

/** What the table needs of its database. */
export interface Queries {
  readonly all: (sql: string, ...values: SQLInputValue[]) => readonly Record<string, unknown>[]
  readonly run: (sql: string, ...values: SQLInputValue[]) => void
  /** Faults instead of errors; a damaged index is replaced by an empty one. */
  readonly guarded: <Result>(work: () => Result) => Result
  readonly atomically: <Result>(work: () => Result) => Result
  /** The same for what only deletes: a disk that takes nothing does not bring it back. */
  readonly removing: <Result>(work: () => Result) => Result
}

/** A row whose columns are not what was written is passed over: its bytes are then left over, and removed. */
export function partialTable({ all, run, guarded, atomically, removing }: Queries): PartialIndex {
  return {
    all: () =>
      guarded(() => all(ALL)).flatMap((row) => {
        const record = readSealed(row['content'], row['seal']) as PartialRecord | undefined
        if (record === undefined) return []
        const [presentBytes, presentEnd] = [Number(row['present'] ?? 0), Number(row['last'] ?? 0)]
        return { ...record, presentBytes, presentEnd }
      }) as LeftRecord[],
    spans: (id) => guarded(() => all(SPANS, id)).flatMap(readSpan),
    save(record: PartialRecord, { written, dropped }: SpanChanges) {
      const { id } = record
      const { content, seal } = sealed(record)
      atomically(() => {
        run('INSERT OR REPLACE INTO partials VALUES (?, ?, ?)', id, content, seal)
        for (const start of dropped) run('DELETE FROM spans WHERE partial = ? AND first = ?', id, start)
        for (const { start, end, sha256 } of written)
          run('INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)', id, start, end, sha256)
      })
    },
    delete: (id) =>
      removing(() => {
        run('DELETE FROM partials WHERE id = ?', id)
        run('DELETE FROM spans WHERE partial = ?', id)
      }),
  }
}

const ALL = `SELECT content, seal,
  (SELECT sum(beyond - first) FROM spans WHERE partial = partials.id) AS present,
  (SELECT max(beyond) FROM spans WHERE partial = partials.id) AS last FROM partials`
const SPANS = 'SELECT first, beyond, digest FROM spans WHERE partial = ? ORDER BY first'

/** What a flipped bit made impossible is left out; a wrong digest is noticed when the bytes are recalled. */
function readSpan({ first: start, beyond: end, digest: sha256 }: Record<string, unknown>): SpanDigest[] {
  const isSpan = Number.isSafeInteger(start) && Number.isSafeInteger(end) && sha256 instanceof Uint8Array
  return isSpan ? [{ start: Number(start), end: Number(end), sha256 }] : []
}
