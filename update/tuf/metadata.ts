/**
 * TUF metadata (specification 1.0): who may sign what (root), which files there are (targets), which of these belong
 * together (snapshot), and that this is the latest (timestamp).
 */
import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { insist, Refused } from '../refused.ts'
import { canonicalJson, type Json } from './canonical-json.ts'
import { isMetadata } from './shapes.ts'

export const ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const
export type Role = (typeof ROLES)[number]

interface Common {
  readonly spec_version: string
  readonly version: number
  /** `2001-01-13T15:11:00Z` */
  readonly expires: string
}

export interface TufKey {
  readonly keytype: string
  readonly scheme: string
  readonly keyval: { readonly public: string }
}

export interface Root extends Common {
  readonly _type: 'root'
  readonly consistent_snapshot: boolean
  readonly keys: Readonly<Record<string, TufKey>>
  readonly roles: Readonly<Record<Role, { readonly keyids: readonly string[]; readonly threshold: number }>>
}

/** A file, by its digest. */
export interface FileMeta {
  readonly length: number
  readonly hashes: { readonly sha256: string }
}

export interface Targets extends Common {
  readonly _type: 'targets'
  readonly targets: Readonly<Record<string, FileMeta>>
}

export interface Snapshot extends Common {
  readonly _type: 'snapshot'
  readonly meta: Readonly<Record<'targets.json', FileMeta & { readonly version: number }>>
}

export interface Timestamp extends Common {
  readonly _type: 'timestamp'
  readonly meta: Readonly<Record<'snapshot.json', FileMeta & { readonly version: number }>>
}

export interface Signatures {
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[]
}

export type SignedMetadata<Signed> = Signatures & { readonly signed: Signed }

export const SPEC_VERSION = '1.0.31'

/** An Ed25519 key, or its public half, as TUF writes it. */
export function tufKey(key: KeyObject): TufKey {
  const { x = '' } = (key.type === 'public' ? key : createPublicKey(key)).export({ format: 'jwk' })
  const hex = Buffer.from(x, 'base64url').toString('hex')
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } }
}

export function keyId(key: TufKey): string {
  return sha256(canonicalJson(asJson(key)))
}

/** The bytes of a metadata file, signed by each of the keys. */
export function signMetadata(
  signed: Root | Targets | Snapshot | Timestamp,
  keys: readonly KeyObject[],
): Buffer {
  const bytes = Buffer.from(canonicalJson(asJson(signed)), 'utf8')
  const signatures = keys.map((key) => ({
    keyid: keyId(tufKey(key)),
    sig: sign(null, bytes, key).toString('hex'),
  }))
  return Buffer.from(canonicalJson(asJson({ signatures, signed })), 'utf8')
}

export function fileMeta(bytes: Uint8Array): FileMeta {
  return { length: bytes.length, hashes: { sha256: sha256(bytes) } }
}

/** `2001-01-13T15:11:00Z` */
export function expiryTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+/, '')
}

/**
 * The signed part of a metadata file, once as many of `root`'s keys for the role signed it as must.
 * @throws Refused malformed, wrong-signer
 */
export function readMetadata<Wanted extends { readonly _type: Role }>(
  bytes: Uint8Array,
  role: Wanted['_type'],
  root: Root,
): Wanted {
  const { signed, signatures } = parseMetadata<Wanted>(bytes, role)
  const { keyids, threshold } = root.roles[role]
  const content = Buffer.from(canonicalJson(asJson(signed)), 'utf8')
  const right = new Set(
    signatures
      .filter(({ keyid, sig }) => keyids.includes(keyid) && isRight(root.keys[keyid], content, sig))
      .map(({ keyid }) => keyid),
  )
  insist(
    threshold >= 1 && right.size >= threshold,
    'wrong-signer',
    `${role}.json has ${right.size} right signatures of ${threshold}`,
  )
  return signed
}

/** Whether one of these keys signed it, whatever it says of itself: who is named in a file has not signed it. @throws Refused malformed */
export function isSignedByOneOf(bytes: Uint8Array, role: Role, publicKeys: readonly string[]): boolean {
  const { signed, signatures } = parseMetadata(bytes, role)
  const content = Buffer.from(canonicalJson(asJson(signed)), 'utf8')
  const keys = publicKeys.map((key) => ({
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: key },
  }))
  return signatures.some(({ sig }) => keys.some((key) => isRight(key, content, sig)))
}

/** The same without looking at signatures: for finding out which root comes next. @throws Refused malformed */
export function parseMetadata<Wanted extends { readonly _type: Role }>(
  bytes: Uint8Array,
  role: Wanted['_type'],
): SignedMetadata<Wanted & Common> {
  const text = Buffer.from(bytes).toString('utf8')
  const value = parseJson(text, role)
  insist(isMetadata(value, role), 'malformed', `${role}.json is something else`)
  // One spelling, so that no byte of it can be changed without a signature noticing.
  insist(isCanonical(value, text), 'malformed', `${role}.json is not canonical`)
  return value as unknown as SignedMetadata<Wanted & Common>
}

function isCanonical(value: object, text: string): boolean {
  try {
    return canonicalJson(asJson(value)) === text
  } catch {
    return false // no number of ours, or nested without end
  }
}

function parseJson(text: string, role: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Refused('malformed', `${role}.json is not JSON`, { cause })
  }
}

function isRight(key: TufKey | undefined, content: Buffer, signature: string): boolean {
  if (
    key?.keytype !== 'ed25519' ||
    !/^[0-9a-f]{64}$/.test(key.keyval.public) ||
    !/^[0-9a-f]{128}$/.test(signature)
  )
    return false
  const x = Buffer.from(key.keyval.public, 'hex').toString('base64url')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, content, publicKey, Buffer.from(signature, 'hex'))
}

function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function asJson(value: object): Json {
  return value as Json
}
