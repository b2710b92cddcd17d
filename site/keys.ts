/**
 * The keys of a site: P-256 for the authority, which signs a few times in a year, and Ed25519 for members, who sign every
 * packet (V§5: 69 µs to sign, 163 µs to verify). Keys travel and rest as base64url of their DER form or of the raw point.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'

/** A member: the first 128 bits of SHA-256 over its public key, 32 lower-case hexadecimal digits. */
export type MemberId = string & { readonly brand: 'MemberId' }

/** A site: the same of its authority's public key. */
export type SiteId = string & { readonly brand: 'SiteId' }

/** Signs and verifies with one algorithm; `key` is of that algorithm. */
export interface Algorithm {
  sign(bytes: Uint8Array, key: KeyObject): Buffer
  verify(bytes: Uint8Array, key: KeyObject, signature: Uint8Array): boolean
}

export const ED25519: Algorithm = {
  sign: (bytes, key) => sign(null, bytes, key),
  verify: (bytes, key, signature) => verify(null, bytes, key, signature),
}

/** ECDSA with SHA-256; the signature is the two numbers, 64 bytes. */
export const P256: Algorithm = {
  sign: (bytes, key) => sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }),
  verify: (bytes, key, signature) => verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature),
}

/** A private key, and the public one as it travels. */
export interface OwnKey {
  readonly key: KeyObject
  readonly publicKey: string
}

export function newMemberKey(): OwnKey {
  return memberKeyOf(generateKeyPairSync('ed25519').privateKey)
}

export function newAuthorityKey(): OwnKey {
  return authorityKeyOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
}

/** How a private key rests in its file. */
export function privateText(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'der' }).toString('base64url')
}

/** @returns `undefined` when the text is no Ed25519 private key. */
export function readMemberKey(text: string): OwnKey | undefined {
  const key = readPrivate(text)
  return key?.asymmetricKeyType === 'ed25519' ? memberKeyOf(key) : undefined
}

/** @returns `undefined` when the text is no P-256 private key. */
export function readAuthorityKey(text: string): OwnKey | undefined {
  const key = readPrivate(text)
  return key !== undefined && isP256(key) ? authorityKeyOf(key) : undefined
}

/** The raw Ed25519 point, 32 bytes as 43 characters. @returns `undefined` when the text is none. */
export function readMemberPublic(text: string): KeyObject | undefined {
  if (!/^[\w-]{43}$/.test(text)) return undefined
  return attempt(() => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: text }, format: 'jwk' }))
}

/** @returns `undefined` when the text is no P-256 public key in its SPKI form. */
export function readAuthorityPublic(text: string): KeyObject | undefined {
  const der = Buffer.from(text, 'base64url')
  const key = attempt(() => createPublicKey({ key: der, type: 'spki', format: 'der' }))
  return key !== undefined && isP256(key) ? key : undefined
}

export function memberIdOf(publicKey: string): MemberId {
  return fingerprintOf(publicKey).slice(0, 32) as MemberId
}

export function siteIdOf(authorityKey: string): SiteId {
  return fingerprintOf(authorityKey).slice(0, 32) as SiteId
}

/** SHA-256 of the key's bytes, 64 hexadecimal digits. */
export function fingerprintOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex')
}

function memberKeyOf(key: KeyObject): OwnKey {
  return { key, publicKey: createPublicKey(key).export({ format: 'jwk' }).x ?? '' }
}

function authorityKeyOf(key: KeyObject): OwnKey {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return { key, publicKey: spki.toString('base64url') }
}

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
}

function readPrivate(text: string): KeyObject | undefined {
  const der = Buffer.from(text, 'base64url')
  return attempt(() => createPrivateKey({ key: der, type: 'pkcs8', format: 'der' }))
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined // the only thing that reading a key throws for: it is none
  }
}
