/** X.509 certificates (RFC 5280), as far as judging a signature needs them. */
import { createPublicKey, createHash, type KeyObject } from 'node:crypto'
import { isRightSignature } from './algorithms.ts'
import {
  bitsOf,
  booleanOf,
  contextTag,
  elementsOf,
  expectTag,
  integerOf,
  oidOf,
  readDer,
  sequenceOf,
  smallIntegerOf,
  TAG,
  timeOf,
  type Der,
} from './der.ts'
import { OID } from './oids.ts'
import { pemBlocks } from './pem.ts'
import { demand, Refusal } from './refusal.ts'

export interface Certificate {
  /** As it was read. */
  readonly der: Buffer
  /** SHA-256 of the DER, in lower-case hexadecimal. */
  readonly fingerprint: string
  /** Content octets of the serial number. */
  readonly serial: Buffer
  /** Names in DER: compared byte by byte. */
  readonly issuer: Buffer
  readonly subject: Buffer
  /** For people: the common name, else the organization, else nothing. */
  readonly name: string
  /** Milliseconds since 1970, both included. */
  readonly notBefore: number
  readonly notAfter: number
  readonly key: KeyObject
  readonly isAuthority: boolean
  /** How many further authorities may follow below; `undefined`: any. */
  readonly pathLength: number | undefined
  /** `undefined` where the certificate does not say. */
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined
  readonly extendedKeyUsage: ReadonlySet<string> | undefined
  readonly signed: { readonly bytes: Buffer; readonly algorithm: Der; readonly signature: Buffer }
}

/** Bits of RFC 5280 4.2.1.3, in their order. */
const KEY_USAGES = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
] as const
export type KeyUsage = (typeof KEY_USAGES)[number]

/** @throws Refusal malformed, certificate-unsuitable (a critical extension that is not understood) */
export function readCertificate(bytes: Uint8Array): Certificate {
  const whole = readDer(bytes)
  const [body, algorithm, signature, ...more] = sequenceOf(whole)
  demand(more.length === 0, 'malformed', 'a certificate with more than its signature')
  const [version, serial, inner, issuer, validity, subject, key, ...rest] = sequenceOf(body)
  demand(version?.tag === contextTag(0), 'malformed', 'expected a certificate of version 3')
  demand(algorithm !== undefined && body !== undefined, 'malformed', 'a certificate that is cut off')
  demand(
    inner?.whole.equals(algorithm.whole) ?? false,
    'altered',
    'a certificate with two signature algorithms',
  )
  const [notBefore, notAfter] = sequenceOf(validity)
  return {
    der: whole.whole,
    fingerprint: createHash('sha256').update(whole.whole).digest('hex'),
    serial: integerOf(serial),
    issuer: expectTag(issuer, TAG.sequence).whole,
    subject: expectTag(subject, TAG.sequence).whole,
    name: nameOf(expectTag(subject, TAG.sequence)),
    notBefore: timeOf(notBefore),
    notAfter: timeOf(notAfter),
    key: publicKey(expectTag(key, TAG.sequence)),
    ...extensions(rest.find(({ tag }) => tag === contextTag(3))),
    signed: { bytes: body.whole, algorithm, signature: bitsOf(signature) },
  }
}

/** The certificates of a PEM file; other blocks are left aside. @throws Refusal malformed */
export function readPemCertificates(text: string): readonly Certificate[] {
  return pemBlocks(text, 'CERTIFICATE').map((der) => readCertificate(der))
}

/** Whether `issuer` signed `certificate`; what `issuer` may do is not looked at. @throws Refusal weak-signature */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  const { bytes, signature, algorithm } = certificate.signed
  return (
    certificate.issuer.equals(issuer.subject) && isRightSignature(bytes, signature, algorithm, issuer.key)
  )
}

function publicKey(der: Der): KeyObject {
  try {
    return createPublicKey({ key: der.whole, format: 'der', type: 'spki' })
  } catch (cause) {
    throw new Refusal('malformed', 'a certificate whose key cannot be read', { cause })
  }
}

/** RDNSequence, SET, AttributeTypeAndValue. */
function nameOf(name: Der): string {
  const values = new Map<string, string>()
  for (const set of elementsOf(name))
    for (const pair of elementsOf(set)) {
      const [type, value] = sequenceOf(pair)
      values.set(oidOf(type), value?.content.toString('utf8') ?? '')
    }
  return values.get(OID.commonName) ?? values.get(OID.organization) ?? ''
}

type Extensions = Pick<Certificate, 'isAuthority' | 'pathLength' | 'keyUsage' | 'extendedKeyUsage'>

/** Understood, or harmless to leave aside although critical. */
const KNOWN: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.subjectAltName,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
])

function extensions(tagged: Der | undefined): Extensions {
  const found = new Map<string, Buffer>()
  for (const extension of tagged === undefined ? [] : sequenceOf(elementsOf(tagged)[0])) {
    const [id, second, third] = sequenceOf(extension)
    const oid = oidOf(id)
    const isCritical = second?.tag === TAG.boolean && booleanOf(second)
    demand(
      !isCritical || KNOWN.has(oid),
      'certificate-unsuitable',
      `a critical extension that is not known: ${oid}`,
    )
    demand(!found.has(oid), 'malformed', `an extension that comes twice: ${oid}`)
    found.set(oid, expectTag(third ?? second, TAG.octetString).content)
  }
  return {
    ...basicConstraints(found.get(OID.basicConstraints)),
    keyUsage: keyUsage(found.get(OID.keyUsage)),
    extendedKeyUsage: extendedKeyUsage(found.get(OID.extendedKeyUsage)),
  }
}

function basicConstraints(bytes: Buffer | undefined): Pick<Extensions, 'isAuthority' | 'pathLength'> {
  const [first, second] = bytes === undefined ? [] : sequenceOf(readDer(bytes))
  const isAuthority = first?.tag === TAG.boolean && booleanOf(first)
  return { isAuthority, pathLength: second === undefined ? undefined : smallIntegerOf(second) }
}

function keyUsage(bytes: Buffer | undefined): Extensions['keyUsage'] {
  if (bytes === undefined) return undefined
  const { content } = expectTag(readDer(bytes), TAG.bitString)
  const isSet = (bit: number) => ((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0
  return new Set(KEY_USAGES.filter((_, bit) => isSet(bit)))
}

function extendedKeyUsage(bytes: Buffer | undefined): Extensions['extendedKeyUsage'] {
  return bytes === undefined ? undefined : new Set(sequenceOf(readDer(bytes)).map((each) => oidOf(each)))
}
