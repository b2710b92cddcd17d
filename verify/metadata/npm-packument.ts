/**
 * npm's packuments: `versions.<version>.dist` with `tarball` and `integrity` (Subresource Integrity).
 *
 * Stops a peer that sends a changed tarball under a right name. `shasum` beside it is SHA-1 and is not read.
 */
import type { Digest } from '../../core/digest.ts'
import { JsonScanner } from './json-scanner.ts'
import { mention, strongDigest, type Emit, type IndexReader } from './mention.ts'

export function npmPackument(emit: Emit): IndexReader {
  let tarball: string | undefined
  let integrity: string | undefined
  return new JsonScanner({
    value(path, value) {
      const [root, , dist, name, ...deeper] = path
      if (root !== 'versions' || dist !== 'dist' || deeper.length > 0) return
      if (name === 'tarball') tarball = value
      if (name === 'integrity') integrity = value
    },
    close(path) {
      if (path.length !== 3 || path[0] !== 'versions' || path[2] !== 'dist') return
      const digest = integrityDigest(integrity ?? '')
      if (tarball !== undefined && digest !== undefined) emit(mention(tarball, digest, undefined))
      tarball = undefined
      integrity = undefined
    },
  })
}

/**
 * The strongest digest of an integrity string (SRI 3.3.3): several of one strength are alternatives, so that two
 * different ones prove nothing; SHA-1 and SHA-384 are not read.
 */
export function integrityDigest(integrity: string): Digest | undefined {
  for (const [prefix, algorithm] of [
    ['sha512-', 'sha-512'],
    ['sha256-', 'sha-256'],
  ] as const) {
    const values = integrity.split(/\s+/).filter((each) => each.startsWith(prefix))
    const encoded = new Set(values.map((each) => each.slice(prefix.length).replace(/\?.*$/s, '')))
    const [first, ...others] = encoded
    if (first !== undefined) return others.length === 0 ? base64Digest(algorithm, first) : undefined
  }
  return undefined
}

/** A digest in base64 with its padding; `undefined` when it is not of the algorithm's length. */
export function base64Digest(algorithm: 'sha-256' | 'sha-512', encoded: string): Digest | undefined {
  const bytes = Buffer.from(encoded, 'base64')
  return bytes.toString('base64') === encoded ? strongDigest(algorithm, bytes.toString('hex')) : undefined
}
