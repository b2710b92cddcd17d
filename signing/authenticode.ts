/** Authenticode: a signature over the digest of a file's signed parts (SpcIndirectDataContent). */
import { createHash } from 'node:crypto'
import type { ByteSpan } from '../core/ranges.ts'
import { hashOf, type Hash } from './algorithms.ts'
import { cabinetSignature } from './authenticode-cabinet.ts'
import { portableSignature } from './authenticode-pe.ts'
import type { Trust } from './chain.ts'
import { readSignedData } from './cms.ts'
import { expectTag, oidOf, sequenceOf, TAG, type Der } from './der.ts'
import { judge, type AwaitingDigest, type Signed } from './judge.ts'
import { OID } from './oids.ts'
import { demand, Refusal } from './refusal.ts'

/** Where a format keeps its signature, and what that covers. */
export interface SignaturePlace {
  /** The first byte; the file ends with it. */
  readonly at: number
  /** What the digest is over, in order. */
  readonly covered: readonly ByteSpan[]
  /** The type that the signature must name. */
  readonly dataType: string
  /** Where the file holds a checksum of itself that the signature does not cover (portable-checksum.ts). */
  readonly checksumAt: number | undefined
  /** The PKCS #7 structure in the bytes from `at` on. @throws Refusal altered, malformed */
  readonly signatureIn: (rest: Buffer) => Buffer
}

/** As much of the beginning of a file as `signaturePlace` looks at. */
export const HEAD_BYTES = 65_536

/**
 * Verifies the signature of a cabinet or a program (PE). Bytes that no signature covers must be what the format demands.
 * @param now milliseconds since 1970. @throws Refusal
 */
export function checkAuthenticode(file: Buffer, trust: Trust, now: number): Signed {
  const place = signaturePlace(file, file.length)
  const { hash, check } = readAuthenticode(place, file.subarray(place.at))
  const actual = createHash(hash)
  for (const { start, end } of place.covered) actual.update(file.subarray(start, end))
  return check(actual.digest(), trust, now)
}

/**
 * The same in steps, for files that are not held in memory: first where the signature is.
 * @param head the file's first `HEAD_BYTES`; @param size bytes of the file. @throws Refusal unsigned, altered, malformed
 */
export function signaturePlace(head: Buffer, size: number): SignaturePlace {
  const magic = head.subarray(0, 4).toString('latin1')
  if (magic === 'MSCF') return cabinetSignature(head, size)
  if (magic.startsWith('MZ')) return portableSignature(head, size)
  throw new Refusal('malformed', 'expected a cabinet or a program, got other bytes')
}

/** Then what it says. @param rest the file from `place.at` on. @throws Refusal */
export function readAuthenticode({ signatureIn, dataType }: SignaturePlace, rest: Buffer): AwaitingDigest {
  const data = readSignedData(signatureIn(rest))
  demand(data.contentType === OID.indirectData, 'malformed', 'the signature is not an Authenticode signature')
  const content = expectTag(data.content, TAG.sequence)
  const { hash, digest } = indirectData(content, dataType)
  return {
    hash,
    check(actual, trust, now) {
      demand(actual.equals(digest), 'altered', 'the file is not what was signed')
      return judge(data, content.content, trust, now)
    },
  }
}

function indirectData(content: Der, dataType: string): { readonly hash: Hash; readonly digest: Buffer } {
  const [data, info] = sequenceOf(content)
  const [type] = sequenceOf(data)
  demand(oidOf(type) === dataType, 'altered', 'the signature is for another type of file')
  const [algorithm, digest] = sequenceOf(info)
  return { hash: hashOf(algorithm), digest: expectTag(digest, TAG.octetString).content }
}
