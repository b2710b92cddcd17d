/** The tables of the digest records, and the form in which a claim is written there. */
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { DIGEST_ALGORITHMS, type Digest } from '../core/digest.ts'
import type { TargetUri } from '../core/target-uri.ts'

/** What an index says of one URI's bytes. */
export interface Claim {
  readonly digest: Digest
  /** Bytes, where the index says so. */
  readonly size?: number
}

/** Raised with every change of the tables; a file of another version is begun anew. */
export const VERSION = 1

/**
 * `name` and `other` are digests of a URI and of a digest, cut to 16 bytes: to find a second one with the same needs 2^128
 * tries. `seal` is a checksum over the row, for SQLite has none.
 */
export const SCHEMA = `
  CREATE TABLE indexes (id INTEGER PRIMARY KEY AUTOINCREMENT, uri TEXT NOT NULL, version TEXT NOT NULL,
    state TEXT NOT NULL, digests INTEGER NOT NULL);
  CREATE INDEX indexes_uri ON indexes (uri);
  CREATE TABLE claims (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, name BLOB NOT NULL,
    algorithm INTEGER NOT NULL, digest BLOB NOT NULL, size INTEGER, seal INTEGER NOT NULL);
  CREATE INDEX claims_name ON claims (name);
  CREATE INDEX claims_source ON claims (source);
  CREATE TABLE bodies (id INTEGER PRIMARY KEY AUTOINCREMENT, other BLOB NOT NULL UNIQUE, body TEXT NOT NULL);
  PRAGMA user_version = ${VERSION};
`

/** In the order in which they are numbered in the file. */
const ALGORITHM_NAMES: readonly string[] = DIGEST_ALGORITHMS

/** A claim as it is written: name, algorithm, digest, size, seal. */
export type ClaimRow = readonly [Buffer, number, Buffer, number | null, number]

export function claimRow(uri: TargetUri, { digest, size }: Claim): ClaimRow {
  const name = nameOf(uri)
  const algorithm = ALGORITHM_NAMES.indexOf(digest.algorithm)
  const bytes = Buffer.from(digest.hex, 'hex')
  return [name, algorithm, bytes, size ?? null, sealOf(name, algorithm, bytes, size ?? null)]
}

/**
 * Rows in the order of their names, which is nobody else's order: what lies side by side in the index is then written together, and
 * a page of it once for many rows instead of once for each.
 */
export function inOrder(rows: readonly ClaimRow[]): readonly ClaimRow[] {
  return rows.toSorted(([one], [other]) => one.readUInt32BE() - other.readUInt32BE())
}

/** What a URI is called here. */
export function nameOf(uri: string): Buffer {
  return hash('sha256', uri, 'buffer').subarray(0, 16)
}

/** What a digest is called here. */
export function otherOf({ algorithm, hex }: Digest): Buffer {
  return nameOf(`${algorithm}:${hex}`)
}

function sealOf(name: Uint8Array, algorithm: number, digest: Uint8Array, size: number | null): number {
  return crc32(digest, crc32(name, crc32(`${algorithm}:${size ?? ''}`)))
}

/** What the row says; nothing when it is not what was written. */
export function readClaim(name: Uint8Array, row: Record<string, unknown>): Claim[] {
  const { algorithm: at, digest, size, seal } = row
  const algorithm = DIGEST_ALGORITHMS[Number(at)]
  if (algorithm === undefined || !(digest instanceof Uint8Array)) return []
  const bytes = typeof size === 'number' ? size : null
  if (sealOf(name, Number(at), digest, bytes) !== seal) return []
  const proof = { algorithm, hex: Buffer.from(digest).toString('hex') }
  return [bytes === null ? { digest: proof } : { digest: proof, size: bytes }]
}
