/**
 * CMS SignedData (RFC 5652) and its older form PKCS #7, which Authenticode uses: taken apart, and one signer's signature
 * checked. Whether the signer is to be believed is chain.ts's question.
 */
import { createHash } from 'node:crypto'
import { hashOf, isRightSignature, type Hash } from './algorithms.ts'
import { readCertificate, type Certificate } from './certificate.ts'
import {
  contextTag,
  elementsOf,
  expectTag,
  integerOf,
  oidOf,
  onlyElement,
  readDer,
  sequenceOf,
  smallIntegerOf,
  TAG,
  timeOf,
  type Der,
} from './der.ts'
import { OID } from './oids.ts'
import { demand, Refusal } from './refusal.ts'

export interface SignedData {
  readonly contentType: string
  /** Absent in a detached signature. */
  readonly content: Der | undefined
  readonly certificates: readonly Certificate[]
  readonly signers: readonly SignerInfo[]
  /** Whether it holds more than is read of it: lists of revocation. */
  readonly hasOthers: boolean
}

export interface SignerInfo {
  readonly certificate: Certificate
  readonly hash: Hash
  /** In the form in which they are signed: a SET. `undefined` where the content itself is signed. */
  readonly signedAttributes: Attributes | undefined
  readonly algorithm: Der
  readonly signature: Buffer
  readonly unsignedAttributes: Attributes
}

export interface Attributes {
  readonly whole: Buffer
  /** The values of each attribute, by its object identifier. */
  readonly values: ReadonlyMap<string, readonly Der[]>
}

const NONE: Attributes = { whole: Buffer.alloc(0), values: new Map() }
const MAX_CERTIFICATES = 20

/** @throws Refusal malformed, weak-signature, wrong-signer (the signer's certificate is not there) */
export function readSignedData(bytes: Uint8Array): SignedData {
  const [type, tagged, ...more] = sequenceOf(readDer(bytes))
  demand(
    oidOf(type) === OID.signedData && more.length === 0,
    'malformed',
    'expected a signature (CMS SignedData)',
  )
  const [version, digests, encapsulated, ...rest] = sequenceOf(onlyElement(expectTag(tagged, contextTag(0))))
  const known = [1, 3].includes(smallIntegerOf(version))
  demand(known, 'malformed', 'a signature of an unknown version')
  const [contentType, content, ...beyond] = sequenceOf(encapsulated)
  demand(beyond.length === 0, 'malformed', 'a signature with more than one content')
  const tagOfFirst = rest[0]?.tag
  const certificates = readCertificates(tagOfFirst === contextTag(0) ? rest[0] : undefined)
  const signers = elementsOf(expectTag(rest.at(-1), TAG.set)).map((each) => readSigner(each, certificates))
  checkDigests(expectTag(digests, TAG.set), signers)
  return {
    contentType: oidOf(contentType),
    content: content && onlyElement(expectTag(content, contextTag(0))),
    certificates,
    signers,
    hasOthers: rest.length > (tagOfFirst === contextTag(0) ? 2 : 1),
  }
}

/**
 * Checks one signer's signature over `content` (the octets without tag and length), and what the signed attributes say
 * of it. @throws Refusal altered, weak-signature, malformed
 */
export function checkSigner(signer: SignerInfo, contentType: string, content: Uint8Array): void {
  const { signedAttributes, hash } = signer
  if (signedAttributes === undefined) return checkSignature(signer, content)
  checkSignerOfDigest(signer, contentType, createHash(hash).update(content).digest())
}

/** The same for content of which the digest by `signer.hash` is known. @throws Refusal as above */
export function checkSignerOfDigest(signer: SignerInfo, contentType: string, digest: Buffer): void {
  const { signedAttributes } = signer
  demand(signedAttributes !== undefined, 'malformed', 'a signature without signed attributes')
  const type = oneValue(signedAttributes, OID.contentType)
  demand(oidOf(type) === contentType, 'altered', 'the signature is for another type of content')
  const expected = expectTag(oneValue(signedAttributes, OID.messageDigest), TAG.octetString).content
  demand(digest.equals(expected), 'altered', 'the content is not what was signed')
  checkSignature(signer, signedAttributes.whole)
}

function checkSignature({ certificate, signature, algorithm, hash }: SignerInfo, signed: Uint8Array): void {
  const isRight = isRightSignature(signed, signature, algorithm, certificate.key, hash)
  demand(isRight, 'altered', `the signature of "${certificate.name}" does not match`)
}

/** The signer's own word on when it signed, which proves nothing; milliseconds since 1970. */
export function claimedTime({ signedAttributes }: SignerInfo): number | undefined {
  const value = signedAttributes?.values.get(OID.signingTime)?.[0]
  return value && timeOf(value)
}

/** The one value of an attribute. @throws Refusal malformed where there is none, or several. */
export function oneValue({ values }: Attributes, oid: string): Der {
  const [value, ...more] = values.get(oid) ?? []
  if (value && more.length === 0) return value
  throw new Refusal('malformed', `expected one attribute ${oid} in the signature`)
}

/** @throws Refusal malformed, weak-signature, wrong-signer */
export function readSigner(der: Der, certificates: readonly Certificate[]): SignerInfo {
  const [version, id, digest, ...rest] = sequenceOf(der)
  demand([1, 3].includes(smallIntegerOf(version)), 'malformed', 'a signer of an unknown version')
  const signed = rest[0]?.tag === contextTag(0) ? rest.shift() : undefined
  const [algorithm, signature, unsigned, ...more] = rest
  demand(algorithm !== undefined && more.length === 0, 'malformed', 'a signer that is cut off, or too long')
  const certificate = certificateFor(id, certificates)
  if (certificate === undefined)
    throw new Refusal('wrong-signer', 'the signer’s certificate is not with the signature')
  return {
    certificate,
    hash: hashOf(digest),
    signedAttributes: signed && readAttributes(signed),
    algorithm,
    signature: expectTag(signature, TAG.octetString).content,
    unsignedAttributes: unsigned === undefined ? NONE : readAttributes(expectTag(unsigned, contextTag(1))),
  }
}

/** Exactly the digest algorithms of the signers: nothing beside them could be changed unnoticed. */
function checkDigests(set: Der, signers: readonly SignerInfo[]): void {
  const named = elementsOf(set).map((each) => hashOf(each))
  const isExact =
    new Set(named).size === named.length && named.every((hash) => signers.some((each) => each.hash === hash))
  demand(isExact && named.length > 0, 'malformed', 'the digest algorithms are not those of the signers')
}

function readCertificates(tagged: Der | undefined): readonly Certificate[] {
  const all = tagged === undefined ? [] : elementsOf(tagged)
  demand(
    all.length <= MAX_CERTIFICATES,
    'oversized',
    `more than ${MAX_CERTIFICATES} certificates in one signature`,
  )
  return all.map(({ whole }) => readCertificate(whole))
}

/** By IssuerAndSerialNumber; signers that are named by their key's identifier are not known here. */
function certificateFor(id: Der | undefined, certificates: readonly Certificate[]): Certificate | undefined {
  const [issuer, serial, ...more] = sequenceOf(id)
  demand(more.length === 0, 'malformed', 'a signer that is named by more than issuer and number')
  const number = integerOf(serial)
  return certificates.find(
    (each) => each.serial.equals(number) && each.issuer.equals(issuer?.whole ?? Buffer.alloc(0)),
  )
}

/** What is signed is not the tagged form that is stored but the same as a SET (RFC 5652 5.4). */
function readAttributes(tagged: Der): Attributes {
  const values = new Map<string, readonly Der[]>()
  for (const attribute of elementsOf(tagged)) {
    const [type, set, ...more] = sequenceOf(attribute)
    const oid = oidOf(type)
    demand(more.length === 0 && !values.has(oid), 'malformed', `an attribute that comes twice: ${oid}`)
    values.set(oid, elementsOf(expectTag(set, TAG.set)))
  }
  const whole = Buffer.from(tagged.whole)
  whole[0] = TAG.set
  return { whole, values }
}
