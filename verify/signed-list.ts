/**
 * Digests from a signed catalogue of updates that this machine's own updater has verified (V2, V§8): signature, chain, expiry
 * and version were looked at there, and nothing of it came from a peer. A catalogue that only passes through is not read.
 *
 * Stops a peer that sends another package, or an older one, under the name that the catalogue gives. It speaks for files below
 * its own folder only, as every index does: a publisher may not vouch for other servers' files.
 */
import { createHash } from 'node:crypto'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import { oneSpelling } from './apt-uri.ts'
import type { DigestRecords } from './digest-records.ts'
import { claimRow, type Claim } from './digest-rows.ts'
import type { Grant, IndexCounts } from './index-reading.ts'

/** What a verified catalogue says of files. */
export interface SignedList {
  /** The catalogue's absolute URL. */
  readonly catalog: string
  readonly files: readonly SignedFile[]
}

export interface SignedFile {
  /** Absolute. */
  readonly url: string
  /** Bytes. */
  readonly size: number
  /** Lower-case hexadecimal. */
  readonly sha256: string
}

/** Files of one catalogue; what is beyond has no proof. */
export const MAX_LISTED_FILES = 10_000

const SIGNED = 'signed:'

/** Whether what is recorded in this version came from a verified catalogue. */
export function isOfSignedList(version: string): boolean {
  return version.startsWith(SIGNED)
}

/**
 * Replaces what an earlier version of the catalogue said.
 * @returns `undefined` where it says what it said before. @throws RangeError when there is no room for so many
 */
export function recordSignedList(
  { catalog, files }: SignedList,
  records: DigestRecords,
  grantFor: (index: TargetUri) => Grant,
): IndexCounts | undefined {
  const index = parseTargetUri(catalog)
  if (index === undefined) return undefined
  const grant = grantFor(index)
  const scope = index.slice(0, index.lastIndexOf('/') + 1)
  const listed = files.slice(0, MAX_LISTED_FILES)
  const claims = listed.flatMap((file) => claimOf(file, scope, grant))
  const said = JSON.stringify(claims)
  const version = `${SIGNED}${createHash('sha256').update(said).digest('hex')} ${grant.id}`
  if (records.versionOf(index) === version) return undefined
  const recording = records.begin(index, version)
  try {
    recording.add(claims.map(([file, claim]) => claimRow(file, claim)))
  } catch (error) {
    recording.giveUp()
    throw error
  }
  recording.finish()
  records.sweep()
  return { digests: claims.length, outside: files.length - claims.length }
}

function claimOf(
  { url, size, sha256: hex }: SignedFile,
  scope: string,
  grant: Grant,
): readonly (readonly [TargetUri, Claim])[] {
  const uri = parseTargetUri(url)
  const isSpokenFor = uri !== undefined && (uri.startsWith(scope) || grant.includes(uri))
  return isSpokenFor ? [[oneSpelling(uri), { digest: { algorithm: 'sha-256', hex }, size }]] : []
}
