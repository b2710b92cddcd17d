/** Digests of representations. */

/** The algorithms that count as proof; weaker ones (MD5, SHA-1) never do (V§1). */
export const DIGEST_ALGORITHMS = ['sha-256', 'sha-512', 'blake2b-256'] as const
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number]

/** The SHA-256 of a whole body as 64 lower-case hexadecimal digits: its name in the cache. */
export type Sha256 = string & { readonly brand: 'Sha256' }

/** A digest of a whole representation body, as lower-case hexadecimal. */
export interface Digest {
  readonly algorithm: DigestAlgorithm
  readonly hex: string
}
