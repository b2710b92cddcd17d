/**
 * When something was signed, as far as a third party proves it: a time stamp (RFC 3161, in CMS or in Authenticode's
 * attribute) or Authenticode's older countersignature. One that is there and wrong is an alteration, not nothing.
 */
import { createHash } from 'node:crypto'
import { hashOf } from './algorithms.ts'
import type { Certificate } from './certificate.ts'
import { chainOf, type Trust } from './chain.ts'
import {
  checkSigner,
  claimedTime,
  readSignedData,
  readSigner,
  type SignedData,
  type SignerInfo,
} from './cms.ts'
import { expectTag, readDer, sequenceOf, TAG, timeOf, type Der } from './der.ts'
import { looseAttributes, looseIn } from './loose.ts'
import { OID } from './oids.ts'
import { demand, Refusal } from './refusal.ts'

export interface ProvedTime {
  /** Milliseconds since 1970. */
  readonly at: number
  /** The name of who proves it. */
  readonly by: string
}

/** What third parties prove. */
export interface Countersigned {
  /** `undefined` where nobody countersigned. */
  readonly earliest: ProvedTime | undefined
  /** Certificates of the signature itself that lead from one of them to a trusted one. */
  readonly used: readonly Certificate[]
  /** What lies in their signatures and is covered by nothing. */
  readonly loose: readonly string[]
}

/** One third party's word. */
interface Proof extends Omit<Countersigned, 'earliest'> {
  readonly time: ProvedTime
}

/** Attributes that are verified here. */
export const COUNTERSIGNATURES = [OID.authenticodeTimestamp, OID.timestampToken, OID.countersignature]

/** @param now milliseconds since 1970. @throws Refusal */
export function countersigned(
  data: SignedData,
  signer: SignerInfo,
  trust: Trust,
  now: number,
): Countersigned {
  const { values } = signer.unsignedAttributes
  const tokens = [...(values.get(OID.authenticodeTimestamp) ?? []), ...(values.get(OID.timestampToken) ?? [])]
  const older = values.get(OID.countersignature) ?? []
  const proofs = [
    ...tokens.map((token) => fromToken(token, signer, trust, now)),
    ...older.map((each) => fromCountersignature(each, data, signer, trust, now)),
  ]
  return {
    earliest: proofs.map(({ time }) => time).toSorted((one, other) => one.at - other.at)[0],
    used: proofs.flatMap(({ used }) => used),
    loose: proofs.flatMap(({ loose }) => loose),
  }
}

/** TSTInfo: version, policy, messageImprint, serialNumber, genTime, … (RFC 3161 2.4.2) */
function fromToken(token: Der, { signature }: SignerInfo, trust: Trust, now: number): Proof {
  const data = readSignedData(token.whole)
  const [signer, ...more] = data.signers
  demand(signer !== undefined && more.length === 0, 'malformed', 'a time stamp without exactly one signer')
  demand(data.contentType === OID.timestampInfo, 'malformed', 'a time stamp that holds something else')
  const content = expectTag(data.content, TAG.octetString).content
  checkSigner(signer, OID.timestampInfo, content)
  const fields = sequenceOf(readDer(content))
  const [algorithm, imprint] = sequenceOf(fields[2])
  const expected = createHash(hashOf(algorithm)).update(signature).digest()
  const isOurs = expectTag(imprint, TAG.octetString).content.equals(expected)
  demand(isOurs, 'altered', 'the time stamp is for another signature')
  const at = timeOf(wholeSeconds(expectTag(fields[4], TAG.generalizedTime)))
  const chain = believed(signer, data, trust, at, now)
  return { time: { at, by: signer.certificate.name }, used: [], loose: looseIn(data, signer, chain, []) }
}

/** Fractions of seconds are allowed in time stamps only, and decide nothing here. */
function wholeSeconds(time: Der): Der {
  const text = time.content.toString('latin1').replace(/\.\d{1,9}Z$/, 'Z')
  return { ...time, content: Buffer.from(text, 'latin1') }
}

function fromCountersignature(
  der: Der,
  data: SignedData,
  signed: SignerInfo,
  trust: Trust,
  now: number,
): Proof {
  const signer = readSigner(der, data.certificates)
  checkSigner(signer, OID.data, signed.signature)
  const at = claimedTime(signer)
  if (at === undefined) throw new Refusal('malformed', 'a countersignature without a time')
  const used = believed(signer, data, trust, at, now)
  const loose = looseAttributes(signer.unsignedAttributes, [])
  return { time: { at, by: signer.certificate.name }, used, loose }
}

/** The stamp is judged at its own time: it is for outliving the certificates of its maker. */
function believed(
  signer: SignerInfo,
  data: SignedData,
  trust: Trust,
  at: number,
  now: number,
): readonly Certificate[] {
  demand(at <= now + MAX_AHEAD_MS, 'altered', 'a time stamp from the future')
  const question = { purpose: 'timeStamping', at, isProved: true, now } as const
  return chainOf(signer.certificate, data.certificates, trust, question)
}

const MAX_AHEAD_MS = 10 * 60_000
