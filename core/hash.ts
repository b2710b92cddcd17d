/** Computing digests: SHA-2 by node:crypto, and BLAKE2b with 32 bytes of output, which no Node hash offers. */
import { createHash } from 'node:crypto'
import { blake2b } from '@noble/hashes/blake2.js'
import type { DigestAlgorithm } from './digest.ts'

/** A digest in the making. */
export interface DigestInProgress {
  update(bytes: Uint8Array): void
  /** The digest of all bytes so far as lower-case hexadecimal. To be called once, at the end. */
  hex(): string
}

/**
 * Begins a digest. For `blake2b-256` the output length is a parameter of the hash itself (RFC 7693 2.5): it is not
 * a shortened BLAKE2b-512. Pure JavaScript, so update it in chunks.
 */
export function createDigest(algorithm: DigestAlgorithm): DigestInProgress {
  switch (algorithm) {
    case 'sha-256':
      return nodeDigest('sha256')
    case 'sha-512':
      return nodeDigest('sha512')
    case 'blake2b-256':
      return blake2b256()
    case 'md5':
      return nodeDigest('md5')
  }
}

function nodeDigest(name: 'sha256' | 'sha512' | 'md5'): DigestInProgress {
  const hash = createHash(name)
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') }
}

function blake2b256(): DigestInProgress {
  const hash = blake2b.create({ dkLen: 32 })
  return { update: (bytes) => void hash.update(bytes), hex: () => Buffer.from(hash.digest()).toString('hex') }
}
