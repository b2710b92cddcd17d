/**
 * A file that carries its publisher's signature (R8.2): Authenticode in a cabinet or a program (PE).
 *
 * Stops a peer that changes a byte, or makes a file of its own: nobody else can sign in the publisher's name. What a signature
 * cannot stop alone, a genuine file under another name, own-info.ts and named-file.ts stop. Bytes that Authenticode leaves
 * unsigned have one right value each, so that nothing can be hidden in them.
 */
import type { Candidate } from '../../core/verifier.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { HEAD_BYTES, readAuthenticode, signaturePlace } from '../../signing/authenticode.ts'
import type { Trust } from '../../signing/chain.ts'
import { PortableChecksum } from '../../signing/portable-checksum.ts'
import { demand } from '../../signing/refusal.ts'
import { bytesIn, digestOver, pass } from './file-bytes.ts'
import { checkNamed } from './named-file.ts'
import { ownInfo } from './own-info.ts'

/** Signatures are 2 to 20 kB; this is far above, and far below what would fill a memory. */
export const MAX_SIGNATURE_BYTES = 1_048_576

/**
 * @param now milliseconds since 1970
 * @throws Refusal; Fault STORE_FAILED when the candidate cannot be read
 */
export async function checkEmbedded(
  candidate: Candidate,
  uri: TargetUri,
  trust: Trust,
  now: number,
): Promise<void> {
  const { size } = candidate
  const place = signaturePlace(await bytesIn(candidate, { start: 0, end: HEAD_BYTES }), size)
  const isBounded = size - place.at <= MAX_SIGNATURE_BYTES
  demand(isBounded, 'oversized', `a signature of ${size - place.at} bytes`)
  const { hash, check } = readAuthenticode(place, await bytesIn(candidate, { start: place.at, end: size }))
  const { loose } = check(await digestOver(candidate, hash, place.covered), trust, now)
  demand(loose.length === 0, 'altered', `the signature holds what nothing covers: ${loose.join(', ')}`)
  if (place.checksumAt !== undefined) await checkChecksum(candidate, place.checksumAt)
  checkNamed(await ownInfo(candidate, place.at), uri)
}

async function checkChecksum(candidate: Candidate, at: number): Promise<void> {
  const sum = new PortableChecksum(at)
  await pass(candidate, { start: 0, end: candidate.size }, (chunk) => sum.update(chunk))
  const written = (await bytesIn(candidate, { start: at, end: at + 4 })).readUInt32LE()
  demand(
    written === sum.value(),
    'altered',
    'the checksum, which no signature covers, is not what it must be',
  )
}
