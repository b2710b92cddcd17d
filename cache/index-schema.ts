/** The tables of the index, and the form in which a response is written there. */
import { hash } from 'node:crypto'
import type { StoredResponse } from '../core/store.ts'
import type { PieceDigests } from './piece-digests.ts'

/** Raised with every change of the tables; an index of another version is put aside. */
export const SCHEMA_VERSION = 2

/**
 * `content` is the response as JSON; the other columns of `responses` only serve to find it. `seal` is the digest
 * of `content`: SQLite has no checksums of its own, and a flipped bit must not become a header field (R7.2).
 * `used` numbers the uses: the higher, the more recent. The index on `size` lets the sum be taken without a visit
 * to the rows, whose piece digests can be long.
 */
export const SCHEMA = `
  CREATE TABLE bodies (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, pieces BLOB NOT NULL);
  CREATE INDEX bodies_size ON bodies (size);
  CREATE TABLE responses (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uri TEXT NOT NULL, variant TEXT NOT NULL, digest TEXT NOT NULL, used INTEGER NOT NULL UNIQUE,
    content TEXT NOT NULL, seal TEXT NOT NULL
  );
  CREATE INDEX responses_uri ON responses (uri);
  CREATE INDEX responses_digest ON responses (digest);
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** A row of `responses`, as far as it is read back. A flipped bit may have made any column something else. */
export interface ResponseRow {
  readonly id: number
  readonly used: number
  readonly digest: string
  readonly content: unknown
  readonly seal: unknown
}

export function writeContent(response: Omit<StoredResponse, 'id'>): { content: string; seal: string } {
  const content = JSON.stringify(response)
  return { content, seal: sealOf(content) }
}

/** The response in this row; `undefined` when the row is not what was written. */
export function readContent({ id, content, seal }: ResponseRow): StoredResponse | undefined {
  if (typeof content !== 'string' || sealOf(content) !== seal) return undefined
  return { ...(JSON.parse(content) as Omit<StoredResponse, 'id'>), id }
}

/** The piece digests in this column; none at all, which no large body is complete with, when it is not what was written. */
export function readPieces(column: unknown): PieceDigests {
  return column instanceof Uint8Array ? column : new Uint8Array()
}

function sealOf(content: string): string {
  return hash('sha256', content, 'base64url')
}
