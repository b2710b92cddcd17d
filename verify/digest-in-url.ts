/**
 * Digests in the URL (V1): names that say what their bytes are. The user agent took such a URL from an index that it
 * trusts, so a copy with this digest is what it wants, whoever sent it. Pure; costs no request.
 *
 * MD5 and SHA-1 names are not proof and have no row here: two files with one such digest can be made.
 */
import { namedDigest } from '../core/content-name.ts'
import type { Digest } from '../core/digest.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { sha256FromNixBase32 } from './nix-base32.ts'

/** One way of writing a digest into a URL. */
export interface DigestInUrl {
  /** Whose way it is: for docs, logs and "why". */
  readonly ecosystem: string
  /** Matched against the path, and the query where the ecosystem adds one that does not select other bytes. */
  readonly pattern: RegExp
  /** `undefined`: it looked like a digest and is none. */
  readonly read: (match: RegExpExecArray) => Digest | undefined
}

/** Every way that this node knows; each row says which attack by a peer it stops. */
export const DIGESTS_IN_URLS: readonly DigestInUrl[] = [
  // Stops a changed or older package index: apt asks by the digest that the signed InRelease names.
  { ecosystem: 'apt', pattern: /\/by-hash\/SHA256\/([0-9a-f]{64})$/, read: sha256 },
  { ecosystem: 'apt', pattern: /\/by-hash\/SHA512\/([0-9a-f]{128})$/, read: sha512 },
  // Stops a changed layer or image under a right name. Mirrors add `?ns=…`, object stores a signed query.
  { ecosystem: 'oci', pattern: /\/(?:blobs|manifests)\/sha256(?::|%3A)([0-9a-f]{64})(?:\?|$)/, read: sha256 },
  {
    ecosystem: 'oci',
    pattern: /\/(?:blobs|manifests)\/sha512(?::|%3A)([0-9a-f]{128})(?:\?|$)/,
    read: sha512,
  },
  // Likewise where a registry redirects to the storage behind it.
  {
    ecosystem: 'oci-storage',
    pattern: /\/v2\/blobs\/sha256\/([0-9a-f]{2})\/(\1[0-9a-f]{62})\/data(?:\?|$)/,
    read: ([, , hex]) => digest('sha-256', hex),
  },
  // Stops a changed wheel or source archive. Only the distribution itself: `….whl.metadata` and `….asc` lie beside
  // it under the same digest and are other bytes.
  {
    ecosystem: 'pypi',
    pattern:
      /\/packages\/([0-9a-f]{2})\/([0-9a-f]{2})\/([0-9a-f]{60})\/[^/?]+\.(?:whl|egg|zip|tar\.(?:gz|bz2|xz)|tgz)$/,
    read: ([, first, second, rest]) => digest('blake2b-256', `${first}${second}${rest}`),
  },
  // Stops a changed or older index: dnf and zypper ask by the digest that repomd.xml names. Detached signatures differ.
  {
    ecosystem: 'rpm-md',
    pattern: /\/repodata\/([0-9a-f]{64})-(?![^/]*\.(?:asc|sig|key)$)[^/?]+$/,
    read: sha256,
  },
  {
    ecosystem: 'rpm-md',
    pattern: /\/repodata\/([0-9a-f]{128})-(?![^/]*\.(?:asc|sig|key)$)[^/?]+$/,
    read: sha512,
  },
  // Stops a changed archive of a store path: the signed narinfo names the file's digest.
  {
    ecosystem: 'nix',
    pattern: /\/nar\/([0-9a-z]{52})\.nar(?:\.[a-z0-9]+)?$/,
    read: ([, text]) => digest('sha-256', sha256FromNixBase32(text ?? '')),
  },
]

/** The digest that this URI itself names, or `undefined`. */
export function digestInUrl(uri: TargetUri): Digest | undefined {
  const named = namedDigest(uri)
  if (named !== undefined) return named
  const path = uri.slice(uri.indexOf('/', uri.indexOf('://') + 3))
  for (const { pattern, read } of DIGESTS_IN_URLS) {
    const match = pattern.exec(path)
    if (match) return read(match)
  }
  return undefined
}

function sha256([, hex]: RegExpExecArray): Digest | undefined {
  return digest('sha-256', hex)
}

function sha512([, hex]: RegExpExecArray): Digest | undefined {
  return digest('sha-512', hex)
}

function digest(algorithm: Digest['algorithm'], hex: string | undefined): Digest | undefined {
  return hex === undefined ? undefined : { algorithm, hex }
}
