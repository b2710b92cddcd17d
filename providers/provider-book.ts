/**
 * What a node knows of providers over restarts (FIG. 8, 404): the highest term of each function, which never becomes smaller, and
 * the last result that was believed.
 */
import { DatabaseSync } from 'node:sqlite'
import { functionName, type FunctionName } from './functions.ts'
import type { Result } from './result.ts'

export interface KnownFunction {
  readonly name: FunctionName
  /** The highest term that was heard of. */
  readonly seen: number
  readonly result: Result | undefined
}

export interface ProviderBook {
  load(): readonly KnownFunction[]
  save(known: KnownFunction): void
  close(): void
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS functions (name TEXT PRIMARY KEY, seen INTEGER NOT NULL, result TEXT);
  PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;`

/** A killed node loses nothing of it; a machine that loses power perhaps the last moments, and the others know better. */
export function providerBook(path: string): ProviderBook {
  const database = new DatabaseSync(path)
  database.exec(SCHEMA)
  const all = database.prepare('SELECT name, seen, result FROM functions')
  const write = database.prepare(`INSERT INTO functions (name, seen, result) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET seen = max(seen, excluded.seen), result = excluded.result`)
  return {
    load: () => all.all().flatMap(({ name, seen, result }) => read(String(name), Number(seen), result)),
    save: ({ name, seen, result }) =>
      void write.run(name, seen, result === undefined ? null : JSON.stringify(result)),
    close: () => database.close(),
  }
}

function read(text: string, seen: number, written: unknown): KnownFunction[] {
  const name = functionName(text)
  if (name === undefined) return []
  const result = typeof written === 'string' ? (JSON.parse(written) as Result) : undefined
  return [{ name, seen, result }]
}

/** For simulations, and nodes that keep nothing. */
export function providerMemory(): ProviderBook {
  const known = new Map<FunctionName, KnownFunction>()
  return {
    load: () => [...known.values()],
    save: (each) => void known.set(each.name, each),
    close() {},
  }
}
