/** The attestations that this node has made or was shown, kept over restarts: whoever passes a copy on passes its proof on. */
import { DatabaseSync } from 'node:sqlite'

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

/**
 * @param path of the database; `:memory:` for simulations..
 * @param maxKept absent: `MAX_KEPT`.
 */
export function attestationBook(path: string, maxKept: number = MAX_KEPT): AttestationBook {
  const database = new DatabaseSync(path)
  database.exec(SCHEMA)
  const find = database.prepare('SELECT line FROM attestations WHERE uri = ? ORDER BY serial DESC LIMIT ?')
  const insert = database.prepare('INSERT OR REPLACE INTO attestations (uri, key, line) VALUES (?, ?, ?)')
  const trim = database.prepare('DELETE FROM attestations WHERE serial <= ?')
  return {
    of: (uri) => find.all(uri, MAX_LINES).map(({ line }) => String(line)),
    add(uri, key, line) {
      const { lastInsertRowid } = insert.run(uri, key, line)
      trim.run(Number(lastInsertRowid) - maxKept)
    },
    close: () => database.close(),
  }
}
