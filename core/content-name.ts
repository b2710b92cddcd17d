/**
 * Names of content: URIs that say by a digest what their bytes are, wherever they lie. Here they have one spelling, that of
 * RFC 6920 without an authority: `ni:///sha-256;` and the digest in base64url. Whoever asks for one is not told wrong.
 */
import type { Digest, Sha256 } from './digest.ts'
import type { TargetUri } from './target-uri.ts'

const NI = /^ni:\/\/\/sha-256;([\w-]{43})$/

/** The name of what has this SHA-256. */
export function contentName(sha256: Sha256): TargetUri {
  return `ni:///sha-256;${Buffer.from(sha256, 'hex').toString('base64url')}` as TargetUri
}

/** The SHA-256 that a URI in that spelling is the name of; `undefined` for every other URI. */
export function namedSha256(uri: string): Sha256 | undefined {
  const [, base64url] = NI.exec(uri) ?? []
  if (base64url === undefined) return undefined
  const hex = Buffer.from(base64url, 'base64url').toString('hex') as Sha256
  // The last character has two bits too many: only one spelling is the name.
  return contentName(hex) === uri ? hex : undefined
}

/** What a copy under this URI must have, whoever sends it; `undefined` where the URI does not say. */
export function namedDigest(uri: string): Digest | undefined {
  const hex = namedSha256(uri)
  return hex && { algorithm: 'sha-256', hex }
}

export function isContentName(uri: string): boolean {
  return namedSha256(uri) !== undefined
}
