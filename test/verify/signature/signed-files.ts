/** Signed files for tests of the rung of signatures, and copies of them that wait for a verdict. */
import type { DigestAlgorithm, Sha256 } from '../../../core/digest.ts'
import { createDigest } from '../../../core/hash.ts'
import type { Policy } from '../../../core/policy.ts'
import type { TargetUri } from '../../../core/target-uri.ts'
import type { Candidate } from '../../../core/verifier.ts'
import { writeCabinetInfo, type CabinetInfo } from '../../../signing/cabinet-info.ts'
import { writeCabinet } from '../../../signing/cabinet/write.ts'
import { signCabinet } from '../../../signing/sign.ts'
import { patterned } from '../../signing/fixtures.ts'
import { NOW, publisher, type Publisher } from '../../signing/signers.ts'

export const STAMP = '202601131511'
export const NAME = `vsasap.${STAMP}.cab`
export const SIGNED_URI = `http://updates.test/av/${NAME}` as TargetUri

const INFO: CabinetInfo = {
  name: NAME,
  product: 'ViruScan',
  component: 'vsasap',
  version: '4.5.1',
  released: STAMP,
}

/** A package as a publisher signs it. */
export function signedCabinet(
  info: Partial<CabinetInfo> = {},
  who: Publisher = publisher('p256'),
  bytes = patterned(150_000),
): Buffer {
  const files = [
    { name: 'cabinfo.ini', bytes: writeCabinetInfo({ ...INFO, ...info }) },
    { name: 'data/signatures.dat', bytes },
  ]
  return signCabinet(writeCabinet(files, 'mszip', NOW), who.identity)
}

export function policy(more: Partial<Policy> = {}): Policy {
  const rule = { rule: 'test', share: true, immutable: true, store: true, verify: 'auto' } as const
  return { ...rule, waitForDownloads: true, ...more }
}

/** A whole copy, read in pieces. */
export function candidate(bytes: Uint8Array): Candidate {
  const digest = (algorithm: DigestAlgorithm) => {
    const actual = createDigest(algorithm)
    actual.update(bytes)
    return actual.hex()
  }
  return {
    size: bytes.length,
    sha256: digest('sha-256') as Sha256,
    digest: async (algorithm) => digest(algorithm),
    async *read({ start, end }) {
      for (let at = start; at < end; at += 7_001) yield bytes.subarray(at, Math.min(at + 7_001, end))
    },
  }
}
