/** What a signed file says of itself, from the parts of it that are signed. */
import type { Candidate } from '../../core/verifier.ts'
import { CABINET_INFO, readCabinetInfo } from '../../signing/cabinet-info.ts'
import { readCabinet } from '../../signing/cabinet/read.ts'
import { readProgramInfo } from '../../signing/program-info.ts'
import { demand } from '../../signing/refusal.ts'
import { bytesIn } from './file-bytes.ts'
import type { OwnInfo } from './named-file.ts'

/** A cabinet says it in its first file; the lists of its files fit in here too. */
const CABINET_HEAD_BYTES = 1_048_576
const LIMITS = { maxFiles: 65_535, maxUnpackedBytes: Number.MAX_SAFE_INTEGER }

/**
 * @param end where the signed part ends
 * @throws Refusal unnamed where it says nothing, malformed
 */
export async function ownInfo(candidate: Candidate, end: number): Promise<OwnInfo> {
  const magic = await bytesIn(candidate, { start: 0, end: 4 })
  if (magic.toString('latin1') === 'MSCF') return cabinetInfo(candidate)
  return readProgramInfo((span) => bytesIn(candidate, span), end)
}

async function cabinetInfo(candidate: Candidate): Promise<OwnInfo> {
  const head = await bytesIn(candidate, { start: 0, end: CABINET_HEAD_BYTES })
  const cabinet = readCabinet(head, LIMITS, candidate.size)
  const isNamed = cabinet.files.some(({ name }) => name === CABINET_INFO)
  demand(isNamed, 'unnamed', `the cabinet has no ${CABINET_INFO}, so it does not say what it is`)
  const { name, version, released } = readCabinetInfo(cabinet)
  return { name, versions: [version, released] }
}
