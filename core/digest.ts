/** Digests of representations. */

/** The algorithms that count as proof everywhere (V§1). */
export const DIGEST_ALGORITHMS = ['sha-256', 'sha-512', 'blake2b-256'] as const

/** `md5` is weak: it counts only as what an origin server publishes right now (V3), and never under `strict`. */
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number] | 'md5'

/** Whether somebody can make two files with one such digest. SHA-1 is not known here at all. */
export function isWeak(algorithm: DigestAlgorithm): boolean {
  return algorithm === 'md5'
}

/** The SHA-256 of a whole body as 64 lower-case hexadecimal digits: its name in the cache. */
export type Sha256 = string & { readonly brand: 'Sha256' }

/** A digest of a whole representation body, as lower-case hexadecimal. */
export interface Digest {
  readonly algorithm: DigestAlgorithm
  readonly hex: string
}
