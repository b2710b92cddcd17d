/** Which signatures count: RSA of 2048 bits or more and the curves P-256 and P-384, with SHA-2 (V§8). */
import { verify, type KeyObject } from 'node:crypto'
import { expectTag, oidOf, sequenceOf, TAG, type Der } from './der.ts'
import { OID } from './oids.ts'
import { demand, Refusal } from './refusal.ts'

export type Hash = 'sha256' | 'sha384' | 'sha512'

const HASHES: Readonly<Record<string, Hash>> = {
  [OID.sha256]: 'sha256',
  [OID.sha384]: 'sha384',
  [OID.sha512]: 'sha512',
}

const WEAK: Readonly<Record<string, string>> = {
  [OID.md5]: 'MD5',
  [OID.md5WithRsa]: 'MD5',
  [OID.sha1]: 'SHA-1',
  [OID.sha1WithRsa]: 'SHA-1',
  [OID.ecdsaWithSha1]: 'SHA-1',
}

type Scheme = { readonly key: 'rsa' | 'ec'; readonly hash: Hash | undefined }

/** Those without a hash leave it to the digest algorithm that stands beside them (CMS, PKCS #7). */
const SCHEMES: Readonly<Record<string, Scheme>> = {
  [OID.rsaEncryption]: { key: 'rsa', hash: undefined },
  [OID.sha256WithRsa]: { key: 'rsa', hash: 'sha256' },
  [OID.sha384WithRsa]: { key: 'rsa', hash: 'sha384' },
  [OID.sha512WithRsa]: { key: 'rsa', hash: 'sha512' },
  [OID.ecPublicKey]: { key: 'ec', hash: undefined },
  [OID.ecdsaWithSha256]: { key: 'ec', hash: 'sha256' },
  [OID.ecdsaWithSha384]: { key: 'ec', hash: 'sha384' },
  [OID.ecdsaWithSha512]: { key: 'ec', hash: 'sha512' },
}

const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1'])
const NAMED_CURVES: readonly string[] = [OID.prime256v1, OID.secp384r1]
const LEAST_RSA_BITS = 2048

/** The hash of an AlgorithmIdentifier. @throws Refusal weak-signature for MD5, SHA-1 and what is not known. */
export function hashOf(algorithm: Der | undefined): Hash {
  const oid = algorithmOid(algorithm)
  const hash = HASHES[oid]
  if (hash !== undefined) return hash
  throw new Refusal('weak-signature', `expected SHA-256, SHA-384 or SHA-512, got ${WEAK[oid] ?? oid}`)
}

/**
 * Verifies one signature.
 * @param algorithm the AlgorithmIdentifier of the signature
 * @param digest the digest algorithm that stands beside it, where the format has one
 * @returns whether it is right. @throws Refusal weak-signature for keys and algorithms that do not count.
 */
export function isRightSignature(
  signed: Uint8Array,
  signature: Uint8Array,
  algorithm: Der | undefined,
  key: KeyObject,
  digest?: Hash,
): boolean {
  checkKey(key)
  const oid = algorithmOid(algorithm)
  const scheme = SCHEMES[oid]
  if (scheme === undefined)
    throw new Refusal('weak-signature', `expected RSA or ECDSA with SHA-2, got ${WEAK[oid] ?? oid}`)
  const hash = scheme.hash ?? digest
  demand(hash !== undefined, 'malformed', 'a signature algorithm without a digest algorithm')
  demand(
    digest === undefined || digest === hash,
    'altered',
    'digest and signature algorithm contradict each other',
  )
  return scheme.key === key.asymmetricKeyType && verify(hash, signed, key, signature)
}

/** @throws Refusal weak-signature */
export function checkKey(key: KeyObject): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0
    demand(
      bits >= LEAST_RSA_BITS,
      'weak-signature',
      `expected RSA with at least ${LEAST_RSA_BITS} bits, got ${bits}`,
    )
    return
  }
  const curve = details?.namedCurve ?? ''
  const isCurve = type === 'ec' && CURVES.has(curve)
  demand(
    isCurve,
    'weak-signature',
    `expected an RSA or a P-256 key, got ${type ?? 'another'} ${curve}`.trim(),
  )
}

/** Parameters are absent, NULL, or the curve's name: anything else could be changed unnoticed. */
function algorithmOid(algorithm: Der | undefined): string {
  const [oid, parameters, ...more] = sequenceOf(algorithm)
  const name = oidOf(oid)
  demand(more.length === 0, 'malformed', 'an algorithm with more than its parameters')
  if (name === OID.ecPublicKey && parameters?.tag === TAG.oid) {
    demand(NAMED_CURVES.includes(oidOf(parameters)), 'weak-signature', 'expected a named curve')
    return name
  }
  if (parameters !== undefined && expectTag(parameters, TAG.null).content.length > 0)
    throw new Refusal('malformed', 'an algorithm with strange parameters')
  return name
}
