/** Authenticode: a signature over the digest of a file's signed parts (SpcIndirectDataContent). */
import { createHash } from 'node:crypto'
import { hashOf, type Hash } from './algorithms.ts'
import { cabinetSignature } from './authenticode-cabinet.ts'
import { portableSignature } from './authenticode-pe.ts'
import type { Trust } from './chain.ts'
import { readSignedData } from './cms.ts'
import { expectTag, oidOf, sequenceOf, TAG, type Der } from './der.ts'
import { judge, type Signed } from './judge.ts'
import { OID } from './oids.ts'
import { demand, Refusal } from './refusal.ts'

/** What a format says of its signature. */
export interface Embedded {
  /** The PKCS #7 structure. */
  readonly signature: Buffer
  /** What the digest is over, in order. */
  readonly covered: readonly Buffer[]
  /** The type that the signature must name. */
  readonly dataType: string
}

/**
 * Verifies the signature of a cabinet or a program (PE). Bytes that no signature covers must be what the format demands.
 * @param now milliseconds since 1970. @throws Refusal
 */
export function checkAuthenticode(file: Buffer, trust: Trust, now: number): Signed {
  const { signature, covered, dataType } = embeddedIn(file)
  const data = readSignedData(signature)
  demand(data.contentType === OID.indirectData, 'malformed', 'the signature is not an Authenticode signature')
  const content = expectTag(data.content, TAG.sequence)
  const { hash, digest } = indirectData(content, dataType)
  const actual = createHash(hash)
  for (const part of covered) actual.update(part)
  const isSame = actual.digest().equals(digest)
  demand(isSame, 'altered', 'the file is not what was signed')
  return judge(data, content.content, trust, now)
}

function embeddedIn(file: Buffer): Embedded {
  const magic = file.subarray(0, 4).toString('latin1')
  if (magic === 'MSCF') return cabinetSignature(file)
  if (magic.startsWith('MZ')) return portableSignature(file)
  throw new Refusal('malformed', 'expected a cabinet or a program, got other bytes')
}

function indirectData(content: Der, dataType: string): { readonly hash: Hash; readonly digest: Buffer } {
  const [data, info] = sequenceOf(content)
  const [type] = sequenceOf(data)
  demand(oidOf(type) === dataType, 'altered', 'the signature is for another type of file')
  const [algorithm, digest] = sequenceOf(info)
  return { hash: hashOf(algorithm), digest: expectTag(digest, TAG.octetString).content }
}
