/** Makes signatures: CMS over data, and Authenticode over cabinets. RSA signatures are reproducible, ECDSA's are not. */
import { createHash, sign, type KeyObject } from 'node:crypto'
import { checkKey } from './algorithms.ts'
import {
  context,
  contextBytes,
  encode,
  integer,
  nothing,
  octets,
  oid,
  sequence,
  set,
  time,
  written,
  type Asn1,
} from './asn1.ts'
import { coveredSpans, RESERVE } from './authenticode-cabinet.ts'
import { CABINET } from './cabinet/layout.ts'
import type { Certificate } from './certificate.ts'
import { OID } from './oids.ts'
import { demand } from './refusal.ts'

/**
 * A private key, its certificate, and those between it and a trusted one. That one does not come along: nobody would
 * look at it, so its bytes could be changed unnoticed.
 */
export interface SigningIdentity {
  readonly key: KeyObject
  readonly certificate: Certificate
  readonly chain: readonly Certificate[]
}

/** A CMS signature over `content`. @param at the time that it claims, in milliseconds since 1970 */
export function signCms(
  content: Uint8Array,
  identity: SigningIdentity,
  at: number,
  form: 'attached' | 'detached',
): Buffer {
  const encapsulated = sequence(oid(OID.data), ...(form === 'attached' ? [context(0, octets(content))] : []))
  const attributes = [attribute(OID.signingTime, time(at))]
  return signedData(encapsulated, OID.data, content, attributes, identity)
}

/**
 * The same cabinet with an Authenticode signature.
 * @param cabinet without reserves, as cabinet/write.ts makes it. @throws Refusal malformed for others
 */
export function signCabinet(cabinet: Buffer, identity: SigningIdentity): Buffer {
  const room = withRoom(cabinet)
  const digest = createHash('sha256')
  for (const { start, end } of coveredSpans(room.length)) digest.update(room.subarray(start, end))
  const indirect = sequence(
    sequence(oid(OID.cabinetData), obsoleteLink()),
    sequence(digestAlgorithm(), octets(digest.digest())),
  )
  const content = encode(indirect)
  const attributes = [
    attribute(OID.opusInfo, sequence()),
    attribute(OID.statementType, sequence(oid(OID.individualCodeSigning))),
  ]
  const encapsulated = sequence(oid(OID.indirectData), context(0, indirect))
  // What is signed is the content without its own tag and length, which fits into two to four bytes.
  const inner = content.subarray(content.length - contentLength(content))
  const signature = signedData(encapsulated, OID.indirectData, inner, attributes, identity)
  const padded = Buffer.concat([signature, Buffer.alloc(-signature.length & (RESERVE.alignment - 1))])
  room.writeUInt32LE(room.length, RESERVE.positionAt)
  room.writeUInt32LE(padded.length, RESERVE.lengthAt)
  return Buffer.concat([room, padded])
}

function contentLength(der: Buffer): number {
  const first = der[1] ?? 0
  return first < 0x80 ? first : der.readUIntBE(2, first & 0x7f)
}

/** With the reserve in the header where the signature's place will be written. */
function withRoom(cabinet: Buffer): Buffer {
  demand((cabinet.readUInt16LE(30) & CABINET.flagReserve) === 0, 'malformed', 'the cabinet is signed already')
  const head = Buffer.from(cabinet.subarray(0, CABINET.headerBytes))
  head.writeUInt32LE(head.readUInt32LE(8) + RESERVE.bytes, 8)
  head.writeUInt32LE(head.readUInt32LE(16) + RESERVE.bytes, 16)
  head.writeUInt16LE(head.readUInt16LE(30) | CABINET.flagReserve, 30)
  const rest = Buffer.from(cabinet.subarray(CABINET.headerBytes))
  for (let folder = 0; folder < head.readUInt16LE(26); folder++) {
    const at = folder * CABINET.folderBytes
    rest.writeUInt32LE(rest.readUInt32LE(at) + RESERVE.bytes, at)
  }
  return Buffer.concat([head, RESERVE.head, Buffer.alloc(RESERVE.bytes - RESERVE.head.length), rest])
}

/** SpcLink with a file of no meaning, as every signed cabinet has it. */
function obsoleteLink(): Asn1 {
  return context(2, contextBytes(0, Buffer.from('<<<Obsolete>>>', 'utf16le').swap16()))
}

function signedData(
  encapsulated: Asn1,
  contentType: string,
  content: Uint8Array,
  attributes: readonly Asn1[],
  { key, certificate, chain }: SigningIdentity,
): Buffer {
  checkKey(key)
  const all = [
    attribute(OID.contentType, oid(contentType)),
    attribute(OID.messageDigest, octets(createHash('sha256').update(content).digest())),
    ...attributes,
  ]
  const signedSet = set(...all)
  const attributesInOrder = signedSet.value as Asn1[]
  const signature = sign('sha256', encode(signedSet), key)
  const signer = sequence(
    integer(1),
    sequence(written(certificate.issuer), integer(certificate.serial)),
    digestAlgorithm(),
    context(0, ...attributesInOrder),
    signatureAlgorithm(key),
    octets(signature),
  )
  const certificates = [certificate, ...chain].map(({ der }) => written(der))
  const data = sequence(
    integer(1),
    set(digestAlgorithm()),
    encapsulated,
    context(0, ...certificates),
    set(signer),
  )
  return encode(sequence(oid(OID.signedData), context(0, data)))
}

function attribute(type: string, value: Asn1): Asn1 {
  return sequence(oid(type), set(value))
}

function digestAlgorithm(): Asn1 {
  return sequence(oid(OID.sha256), nothing())
}

export function signatureAlgorithm(key: KeyObject): Asn1 {
  return key.asymmetricKeyType === 'rsa'
    ? sequence(oid(OID.sha256WithRsa), nothing())
    : sequence(oid(OID.ecdsaWithSha256))
}
