/** Whether a signature is right and its signer is to be believed: the one place where both come together. */
import type { Hash } from './algorithms.ts'
import { chainOf, type Trust } from './chain.ts'
import { checkSigner, checkSignerOfDigest, readSignedData, type SignedData, type SignerInfo } from './cms.ts'
import { COUNTERSIGNATURES, countersigned, type ProvedTime } from './countersignature.ts'
import { expectTag, TAG } from './der.ts'
import { looseIn } from './loose.ts'
import { OID } from './oids.ts'
import { demand, Refusal, type SignatureRefusal } from './refusal.ts'

/** Who signed, and since when that is proved. */
export interface Signed {
  readonly signer: string
  /** SHA-256 of the signer's certificate. */
  readonly fingerprint: string
  readonly provedTime: ProvedTime | undefined
  /** What lies in the signature and is covered by nothing (loose.ts). */
  readonly loose: readonly string[]
}

/** A signature that waits for the digest of what it is over. */
export interface AwaitingDigest {
  readonly hash: Hash
  /** @param now milliseconds since 1970. @throws Refusal */
  readonly check: (digest: Buffer, trust: Trust, now: number) => Signed
}

export type SignatureVerdict<Value = Signed> =
  | { readonly kind: 'signed'; readonly value: Value }
  | { readonly kind: 'refused'; readonly reason: SignatureRefusal; readonly detail: string }

/** Makes a value of what `check` throws. */
export function verdictOf<Value>(check: () => Value): SignatureVerdict<Value> {
  try {
    return { kind: 'signed', value: check() }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { kind: 'refused', reason: error.reason, detail: error.message }
  }
}

/**
 * Verifies a signature in CMS, detached or attached (RFC 5652), over `content`.
 * @param content absent where the signature holds it; @param now milliseconds since 1970
 * @returns the content that was signed. @throws Refusal
 */
export function checkCms(
  signature: Uint8Array,
  content: Uint8Array | undefined,
  trust: Trust,
  now: number,
): Signed & { readonly content: Uint8Array } {
  const data = readSignedData(signature)
  demand(data.contentType === OID.data, 'malformed', 'the signature is for something else than data')
  const held = data.content && expectTag(data.content, TAG.octetString).content
  const isOne = held === undefined || content === undefined || held.equals(content)
  demand(isOne, 'altered', 'the signature holds another content')
  const signed = held ?? content
  if (signed === undefined) throw new Refusal('malformed', 'a detached signature without its content')
  return { ...judge(data, signed, trust, now), content: signed }
}

/**
 * A detached signature in CMS, for content that is not held in memory. Without signed attributes it would be over the content
 * itself, and is not taken.
 * @throws Refusal
 */
export function readDetached(signature: Uint8Array): AwaitingDigest {
  const data = readSignedData(signature)
  const isDetached = data.contentType === OID.data && data.content === undefined
  demand(isDetached, 'malformed', 'expected a detached signature over data')
  const signer = oneSigner(data)
  return {
    hash: signer.hash,
    check(digest, trust, now) {
      checkSignerOfDigest(signer, data.contentType, digest)
      return believed(data, signer, trust, now)
    },
  }
}

/** Exactly one signer, a right signature, a trusted chain at the time that counts. @throws Refusal */
export function judge(data: SignedData, content: Uint8Array, trust: Trust, now: number): Signed {
  const signer = oneSigner(data)
  checkSigner(signer, data.contentType, content)
  return believed(data, signer, trust, now)
}

function oneSigner({ signers: [signer, ...more] }: SignedData): SignerInfo {
  demand(signer !== undefined && more.length === 0, 'unsigned', 'expected exactly one signer')
  return signer
}

function believed(data: SignedData, signer: SignerInfo, trust: Trust, now: number): Signed {
  const { earliest: proved, used, loose } = countersigned(data, signer, trust, now)
  const question = {
    purpose: 'codeSigning',
    at: proved?.at ?? now,
    isProved: proved !== undefined,
    now,
  } as const
  const chain = chainOf(signer.certificate, data.certificates, trust, question)
  const { name, fingerprint } = signer.certificate
  const beside = looseIn(data, signer, [...chain, ...used], COUNTERSIGNATURES)
  return { signer: name, fingerprint, provedTime: proved, loose: [...loose, ...beside] }
}
