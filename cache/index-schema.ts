/** The tables of the index, and the form in which a response is written there. */
import { hash } from 'node:crypto'
import type { StoredResponse } from '../core/store.ts'
import { PIECE_BYTES } from '../core/pieces.ts'
import type { PieceDigests } from './piece-digests.ts'
import type { Place } from './place.ts'

/** Raised with every change of the tables; an index of another version is upgraded or put aside. */
export const SCHEMA_VERSION = 3

const TABLES = `
  CREATE TABLE bodies (
    id INTEGER PRIMARY KEY, key INTEGER NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    segment INTEGER, start INTEGER, pieces BLOB NOT NULL
  );
  CREATE TABLE responses (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uri TEXT NOT NULL, variant TEXT NOT NULL, body INTEGER NOT NULL, used INTEGER NOT NULL UNIQUE,
    content TEXT NOT NULL, seal TEXT NOT NULL
  );
`

const INDEXES = `
  CREATE INDEX bodies_key ON bodies (key);
  CREATE INDEX bodies_place ON bodies (segment, start, size);
  CREATE INDEX responses_uri ON responses (uri);
  CREATE INDEX responses_body ON responses (body);
`

/**
 * `content` is the response as JSON; the other columns of `responses` only serve to find it. `seal` is the digest
 * of `content`: SQLite has no checksums of its own, and a flipped bit must not become a header field (R7.2).
 * `used` numbers the uses: the higher, the more recent. `segment` and `start` are a body's place, NULL when it has a file
 * of its own. The index on places lets sums be taken without a visit to the rows, whose piece digests can be long.
 * `key` is the beginning of the digest: a row that is added changes pages in the middle of each index that is not in the
 * order of adding, and the fewer bytes an entry has, the fewer pages these are.
 * `spans` needs no seal: what it says is checked against the bytes.
 */
export const SCHEMA = `
  ${TABLES}
  ${INDEXES}
  CREATE TABLE partials (id INTEGER PRIMARY KEY, content TEXT NOT NULL, seal TEXT NOT NULL);
  CREATE TABLE spans (
    partial INTEGER NOT NULL, first INTEGER NOT NULL, beyond INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (partial, first)
  ) WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** What makes an index of version 2, which knew no segments, one of this version: every body has a file of its own. */
export const UPGRADE_FROM_2 = `
  ALTER TABLE bodies RENAME TO bodies_2;
  ALTER TABLE responses RENAME TO responses_2;
  DROP INDEX bodies_size;
  DROP INDEX responses_uri;
  DROP INDEX responses_digest;
  ${TABLES}
  INSERT INTO bodies SELECT rowid, key_of(digest), digest, size, NULL, NULL, iif(size > ${PIECE_BYTES}, pieces, x'')
    FROM bodies_2;
  INSERT INTO responses SELECT id, uri, variant, (SELECT rowid FROM bodies_2 WHERE digest = responses_2.digest),
    used, content, seal FROM responses_2;
  UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM sqlite_sequence) WHERE name = 'responses';
  ${INDEXES}
  DROP TABLE responses_2;
  DROP TABLE bodies_2;
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** A row of `responses`, as far as it is read back. A flipped bit may have made any column something else. */
export interface ResponseRow {
  readonly id: number
  readonly used: number
  readonly body: number
  readonly content: unknown
  readonly seal: unknown
}

export function writeContent(response: Omit<StoredResponse, 'id'>): { content: string; seal: string } {
  return sealed(response)
}

/** The response in this row; `undefined` when the row is not what was written. */
export function readContent({ id, content, seal }: ResponseRow): StoredResponse | undefined {
  const response = readSealed(content, seal) as Omit<StoredResponse, 'id'> | undefined
  return response && { ...response, id }
}

/** A value as JSON, and its seal. */
export function sealed(value: object): { content: string; seal: string } {
  const content = JSON.stringify(value)
  return { content, seal: sealOf(content) }
}

/** What `sealed` wrote; `undefined` when the columns are not that. */
export function readSealed(content: unknown, seal: unknown): unknown {
  if (typeof content !== 'string' || sealOf(content) !== seal) return undefined
  return JSON.parse(content)
}

/** The number under which a body of this digest is found: of its 64 hexadecimal digits, the first 12. */
export function keyOf(digest: string): number {
  return Number.parseInt(digest.slice(0, 12), 16)
}

/** The piece digests in this column; none at all, which no large body is complete with, when it is not what was written. */
export function readPieces(column: unknown): PieceDigests {
  return column instanceof Uint8Array ? column : new Uint8Array()
}

/** Segments have numbers below this one; a flipped bit must not use up all numbers there are. */
export const MAX_SEGMENTS = 2 ** 32

/**
 * Rows and uses have numbers below this one: a million a second take nine years to come here. A damaged number must not
 * leave so few that the next ones cannot be told apart (2^53), or that there are none (2^63).
 */
export const MAX_NUMBER = 2 ** 48

/** The place in these columns; a place where nothing can be when they are not what was written. */
export function readPlace({ segment, start }: Record<string, unknown>): Place | undefined {
  if (segment === null && start === null) return undefined
  const isPlace = isCount(segment) && isCount(start) && segment < MAX_SEGMENTS
  return isPlace ? { segment, start } : { segment: -1, start: 0 }
}

/** A number of something, or none of it: whole, not negative, and one that JavaScript counts with exactly. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function sealOf(content: string): string {
  return hash('sha256', content, 'base64url')
}
