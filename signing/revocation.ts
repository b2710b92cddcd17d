/** Certificate revocation lists (RFC 5280 5): which certificates their issuers have taken back. */
import { isRightSignature } from './algorithms.ts'
import type { Certificate } from './certificate.ts'
import type { ChainQuestion } from './chain.ts'
import { bitsOf, expectTag, integerOf, oidOf, readDer, sequenceOf, TAG, timeOf, type Der } from './der.ts'
import { OID } from './oids.ts'
import { pemBlocks } from './pem.ts'
import { demand, Refusal } from './refusal.ts'

export interface RevocationList {
  readonly issuer: Buffer
  /** Milliseconds since 1970. */
  readonly nextUpdate: number | undefined
  /** By serial number in hexadecimal. */
  readonly revoked: ReadonlyMap<string, Revocation>
  readonly signed: { readonly bytes: Buffer; readonly algorithm: Der; readonly signature: Buffer }
}

interface Revocation {
  readonly at: number
  /** The key was stolen: then no time of signing proves anything. */
  readonly isCompromised: boolean
}

/** From PEM or DER. @throws Refusal malformed */
export function readRevocationList(bytes: Buffer): RevocationList {
  const pem = pemBlocks(bytes.toString('latin1'), 'X509 CRL')[0]
  const [body, algorithm, signature] = sequenceOf(readDer(pem ?? bytes))
  demand(algorithm !== undefined && body !== undefined, 'malformed', 'a revocation list that is cut off')
  const fields = sequenceOf(body).filter((each) => each.tag !== TAG.integer)
  const [inner, issuer, thisUpdate, ...rest] = fields
  demand(inner?.whole.equals(algorithm.whole) ?? false, 'altered', 'a revocation list with two algorithms')
  timeOf(thisUpdate)
  const next = rest.find(({ tag }) => tag === TAG.utcTime || tag === TAG.generalizedTime)
  const entries = rest.find(({ tag }) => tag === TAG.sequence)
  return {
    issuer: expectTag(issuer, TAG.sequence).whole,
    nextUpdate: next && timeOf(next),
    revoked: new Map((entries === undefined ? [] : sequenceOf(entries)).map((each) => readEntry(each))),
    signed: { bytes: body.whole, algorithm, signature: bitsOf(signature) },
  }
}

function readEntry(entry: Der): readonly [string, Revocation] {
  const [serial, date, extensions] = sequenceOf(entry)
  return [
    integerOf(serial).toString('hex'),
    { at: timeOf(date), isCompromised: extensions !== undefined && isCompromise(extensions) },
  ]
}

/** keyCompromise (1) and cACompromise (2). */
function isCompromise(extensions: Der): boolean {
  return sequenceOf(extensions).some((extension) => {
    const [id, ...rest] = sequenceOf(extension)
    if (oidOf(id) !== OID.crlReason) return false
    const reason = expectTag(readDer(expectTag(rest.at(-1), TAG.octetString).content), TAG.enumerated)
      .content[0]
    return reason === 1 || reason === 2
  })
}

/**
 * Nothing is known of issuers without a list; a list that is out of date says nothing any more, and then nothing is
 * believed. @throws Refusal certificate-revoked, revocation-unknown
 */
export function checkRevocation(
  certificate: Certificate,
  issuer: Certificate,
  lists: readonly RevocationList[],
  { at, isProved, now }: ChainQuestion,
): void {
  const own = lists.filter((list) => list.issuer.equals(issuer.subject) && isSignedBy(list, issuer))
  for (const list of own) {
    const revocation = list.revoked.get(certificate.serial.toString('hex'))
    if (revocation === undefined) continue
    const isEarlier = isProved && !revocation.isCompromised && at < revocation.at
    if (!isEarlier)
      throw new Refusal(
        'certificate-revoked',
        `the certificate of "${certificate.name}" was revoked on ${new Date(revocation.at).toISOString()}`,
      )
  }
  const isCurrent =
    own.length === 0 || own.some(({ nextUpdate }) => nextUpdate === undefined || nextUpdate >= now)
  demand(isCurrent, 'revocation-unknown', `the revocation list of "${issuer.name}" is out of date`)
}

function isSignedBy({ signed }: RevocationList, issuer: Certificate): boolean {
  const mayList = issuer.keyUsage === undefined || issuer.keyUsage.has('cRLSign')
  return mayList && isRightSignature(signed.bytes, signed.signature, signed.algorithm, issuer.key)
}
