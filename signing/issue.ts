/** Makes certificates and revocation lists: for a trial, and for tests. */
import { createHash, createPublicKey, sign, type KeyObject } from 'node:crypto'
import {
  bits,
  context,
  contextBytes,
  encode,
  enumerated,
  integer,
  octets,
  oid,
  sequence,
  set,
  time,
  utf8,
  written,
  yes,
  type Asn1,
} from './asn1.ts'
import { readCertificate, type Certificate } from './certificate.ts'
import { OID } from './oids.ts'
import { signatureAlgorithm } from './sign.ts'

export interface CertificateRequest {
  readonly name: string
  readonly key: KeyObject
  /** Milliseconds since 1970, whole seconds. */
  readonly notBefore: number
  readonly notAfter: number
  readonly role: 'authority' | 'codeSigning' | 'timeStamping'
}

/** @param issuer its own key and certificate; absent: the certificate is self-signed */
export function issueCertificate(
  { name, key, notBefore, notAfter, role }: CertificateRequest,
  issuer?: { readonly key: KeyObject; readonly certificate: Certificate },
): Certificate {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const subject = nameOf(name)
  const signingKey = issuer?.key ?? key
  const extensions = [
    ...(role === 'authority' ? authority() : leaf(role)),
    extension(OID.subjectKeyIdentifier, octets(keyIdentifier(spki))),
    ...(issuer ? [extension(OID.authorityKeyIdentifier, authorityOf(issuer.key))] : []),
  ]
  const body = sequence(
    context(0, integer(2)),
    integer(serialFrom(spki, name, notBefore)),
    signatureAlgorithm(signingKey),
    issuer ? written(issuer.certificate.subject) : subject,
    sequence(time(notBefore), time(notAfter)),
    subject,
    written(spki),
    context(3, sequence(...extensions)),
  )
  return readCertificate(signedBy(body, signingKey))
}

/** @param revoked serial numbers with the time of revocation in milliseconds since 1970 */
export function issueRevocationList(
  issuer: { readonly key: KeyObject; readonly certificate: Certificate },
  revoked: readonly { readonly serial: Buffer; readonly at: number; readonly isCompromised?: boolean }[],
  thisUpdate: number,
  nextUpdate: number,
): Buffer {
  const entries = revoked.map(({ serial, at, isCompromised = false }) =>
    sequence(
      integer(serial),
      time(at),
      ...(isCompromised ? [sequence(extension(OID.crlReason, enumerated(1)))] : []),
    ),
  )
  const body = sequence(
    integer(1),
    signatureAlgorithm(issuer.key),
    written(issuer.certificate.subject),
    time(thisUpdate),
    time(nextUpdate),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    context(0, sequence(extension(OID.crlNumber, integer(1)))),
  )
  return signedBy(body, issuer.key)
}

function signedBy(body: Asn1, key: KeyObject): Buffer {
  const signature = sign('sha256', encode(body), key)
  return encode(sequence(body, signatureAlgorithm(key), bits(signature)))
}

function nameOf(commonName: string): Asn1 {
  return sequence(set(sequence(oid(OID.commonName), utf8(commonName))))
}

/** Positive, and the same for the same key, name and time. */
function serialFrom(spki: Buffer, name: string, notBefore: number): Buffer {
  const serial = createHash('sha256').update(spki).update(`${name} ${notBefore}`).digest().subarray(0, 16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

function keyIdentifier(spki: Buffer): Buffer {
  return createHash('sha256').update(spki).digest().subarray(0, 20)
}

function authorityOf(key: KeyObject): Asn1 {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return sequence(contextBytes(0, keyIdentifier(spki)))
}

function authority(): readonly Asn1[] {
  return [
    critical(OID.basicConstraints, sequence(yes())),
    critical(OID.keyUsage, bits(Buffer.from([0x06]), 1)), // keyCertSign, cRLSign
  ]
}

function leaf(role: 'codeSigning' | 'timeStamping'): readonly Asn1[] {
  return [
    critical(OID.basicConstraints, sequence()),
    critical(OID.keyUsage, bits(Buffer.from([0x80]), 7)), // digitalSignature
    critical(OID.extendedKeyUsage, sequence(oid(OID[role]))),
  ]
}

function extension(id: string, value: Asn1): Asn1 {
  return sequence(oid(id), octets(encode(value)))
}

function critical(id: string, value: Asn1): Asn1 {
  return sequence(oid(id), yes(), octets(encode(value)))
}
