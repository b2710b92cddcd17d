/**
 * A few bytes for one receiver: X25519 with a fresh key on either side, HKDF, AES-256-GCM. Who records the exchange and steals a
 * key later learns nothing from it.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'

/** Half of an exchange: good for one key. */
export interface Box {
  readonly key: KeyObject
  /** The point that the other side needs: 43 characters of base64url. */
  readonly publicKey: string
}

export function newBox(): Box {
  const { privateKey: key } = generateKeyPairSync('x25519')
  return { key, publicKey: createPublicKey(key).export({ format: 'jwk' }).x ?? '' }
}

/**
 * The key that both sides come to. @param bound what else both must agree on: nonces, a shared secret.
 * @returns `undefined` when the other's half is none, or one that leads every exchange to the same key.
 */
export function sharedKey(own: Box, other: string, bound: string): Buffer | undefined {
  if (!/^[\w-]{43}$/.test(other)) return undefined
  try {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: other }, format: 'jwk' })
    const secret = diffieHellman({ privateKey: own.key, publicKey })
    return Buffer.from(hkdfSync('sha256', secret, '', `ihave sealed 1\n${bound}`, 32))
  } catch {
    return undefined // a point of small order
  }
}

/** To be used once for each key. */
export function seal(key: Uint8Array, text: string): string {
  const cipher = createCipheriv('aes-256-gcm', key, NO_COUNTER)
  return Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  )
}

/** @returns `undefined` when it was sealed with another key, or changed. */
export function unseal(key: Uint8Array, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  if (bytes.length < TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, NO_COUNTER)
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString()
  } catch {
    return undefined
  }
}

/** The key is fresh, so the nonce need not be. */
const NO_COUNTER = Buffer.alloc(12)
const TAG_BYTES = 16
