/**
 * Where a cabinet keeps its signature, and what that covers: everything but bytes 4 to 7 and 34 to 55 of the header, and
 * the signature itself. What it leaves out has exactly one right value, which is checked (V§8).
 */
import type { Embedded } from './authenticode.ts'
import { CABINET } from './cabinet/layout.ts'
import { readDerPrefix } from './der.ts'
import { OID } from './oids.ts'
import { demand } from './refusal.ts'

/** Bytes that a signed cabinet reserves in its header, and their meaning. */
export const RESERVE = {
  /** Sizes of the reserves: 20 bytes in the header, none elsewhere; and a constant. */
  head: Buffer.from([0x14, 0, 0, 0, 0, 0, 0x10, 0]),
  /** Where the header says where the signature lies, and how long it is. */
  positionAt: 44,
  lengthAt: 48,
  /** Bytes that the header grows by. */
  bytes: 24,
  headerBytes: CABINET.headerBytes + 24,
  /** Signatures are padded to a multiple of this. */
  alignment: 8,
} as const

/** @throws Refusal unsigned, altered, malformed */
export function cabinetSignature(file: Buffer): Embedded {
  demand(file.length >= CABINET.headerBytes, 'malformed', 'a cabinet that is cut off')
  const isReserving = (file.readUInt16LE(30) & CABINET.flagReserve) !== 0
  demand(isReserving && file.length >= RESERVE.headerBytes, 'unsigned', 'the cabinet is not signed')
  const [position, length] = [file.readUInt32LE(RESERVE.positionAt), file.readUInt32LE(RESERVE.lengthAt)]
  demand(position !== 0 && length !== 0, 'unsigned', 'the cabinet is not signed')
  checkUnsigned(file, position, length)
  const signature = readDerPrefix(file.subarray(position, position + length)).whole
  const padding = file.subarray(position + signature.length)
  const isZero = padding.every((byte) => byte === 0)
  demand(padding.length < RESERVE.alignment && isZero, 'altered', 'bytes follow the signature')
  return { signature, covered: coveredBytes(file, position), dataType: OID.cabinetData }
}

/** In the order in which they are digested. */
export function coveredBytes(file: Buffer, end: number): readonly Buffer[] {
  return [file.subarray(0, 4), file.subarray(8, 34), file.subarray(56, end)]
}

function checkUnsigned(file: Buffer, position: number, length: number): void {
  demand(file.readUInt32LE(8) === position, 'altered', 'the signature does not follow the cabinet')
  demand(
    position + length === file.length,
    'altered',
    `expected ${position + length} bytes, got ${file.length}`,
  )
  const isRight =
    file.readUInt32LE(4) === 0 &&
    file.readUInt16LE(34) === 0 &&
    file.subarray(36, 44).equals(RESERVE.head) &&
    file.readUInt32LE(52) === 0
  demand(isRight, 'altered', 'bytes that the signature does not cover are not what they must be')
}
