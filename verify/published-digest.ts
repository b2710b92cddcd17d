/**
 * What an origin server says of a representation's digest in the response to HEAD (V3). Pure.
 *
 * Stops a peer that sends anything but what the origin server has at this moment. Digests that speak of something else than
 * the whole representation as it is (of one part, of parts put together, of a coded or encrypted form) are passed over.
 */
import type { Digest } from '../core/digest.ts'
import { fieldValue, fieldValues, hasField, type Fields } from '../core/fields.ts'
import { base64Digest } from './metadata/npm-packument.ts'

/** One way of publishing a digest. */
interface PublishedForm {
  readonly field: string
  readonly read: (fields: Fields) => Digest | undefined
}

/** The strongest first. The last three are MD5: two such files can be made by whoever makes the first one (V§1). */
export const PUBLISHED_FORMS: readonly PublishedForm[] = [
  { field: 'repr-digest', read: fromReprDigest },
  { field: 'x-amz-checksum-sha256', read: fromAmazonChecksum },
  { field: 'content-md5', read: (fields) => md5(fieldValue(fields, 'content-md5')) },
  { field: 'x-goog-hash', read: fromGoogleHash },
  { field: 'etag', read: fromAmazonTag },
]

/** `undefined` when the response says nothing that could be used. */
export function publishedDigest(fields: Fields): Digest | undefined {
  // Of a coded representation the digest is of the coded bytes (RFC 9530 3.1), and peers have plain ones.
  const coding = fieldValue(fields, 'content-encoding')
  if (coding !== undefined && coding.trim().toLowerCase() !== 'identity') return undefined
  for (const { read } of PUBLISHED_FORMS) {
    const digest = read(fields)
    if (digest !== undefined) return digest
  }
  return undefined
}

/** RFC 9530 3: a dictionary of byte sequences. Two different values for one key prove nothing. */
function fromReprDigest(fields: Fields): Digest | undefined {
  const members = fieldValues(fields, 'repr-digest').flatMap((value) => value.split(','))
  for (const algorithm of ['sha-256', 'sha-512'] as const) {
    const values = members.flatMap((member) => {
      const [, key, encoded] = /^\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):\s*(?:;.*)?$/.exec(member) ?? []
      return key === algorithm && encoded !== undefined ? [encoded] : []
    })
    const [first, ...others] = new Set(values)
    if (first !== undefined && others.length === 0) return base64Digest(algorithm, first)
  }
  return undefined
}

/** Of an object that was uploaded in parts it is the digest of the parts' digests. */
function fromAmazonChecksum(fields: Fields): Digest | undefined {
  if (fieldValue(fields, 'x-amz-checksum-type')?.toUpperCase() === 'COMPOSITE') return undefined
  return base64Digest('sha-256', fieldValue(fields, 'x-amz-checksum-sha256') ?? '')
}

/** It is of the object as it is stored, which may be packed. */
function fromGoogleHash(fields: Fields): Digest | undefined {
  const stored = fieldValue(fields, 'x-goog-stored-content-encoding') ?? 'identity'
  if (stored.trim().toLowerCase() !== 'identity') return undefined
  const values = fieldValues(fields, 'x-goog-hash').flatMap((value) => value.split(','))
  const encoded = values.map((value) => value.trim()).find((value) => value.startsWith('md5='))
  return md5(encoded?.slice(4))
}

/** Elsewhere an entity tag of 32 digits can be anything, and a wrong guess would blame an honest peer. */
function fromAmazonTag(fields: Fields): Digest | undefined {
  const isAmazon = hasField(fields, 'x-amz-request-id')
  const isEncrypted =
    hasField(fields, 'x-amz-server-side-encryption-customer-algorithm') ||
    (fieldValue(fields, 'x-amz-server-side-encryption') ?? '').startsWith('aws:')
  const [, hex] = /^"([0-9a-f]{32})"$/.exec(fieldValue(fields, 'etag') ?? '') ?? []
  return isAmazon && !isEncrypted && hex !== undefined ? { algorithm: 'md5', hex } : undefined
}

function md5(encoded: string | undefined): Digest | undefined {
  const bytes = Buffer.from(encoded ?? '', 'base64')
  const isExact = bytes.length === 16 && bytes.toString('base64') === encoded
  return isExact ? { algorithm: 'md5', hex: bytes.toString('hex') } : undefined
}
