/**
 * Where a cabinet keeps its signature, and what that covers: everything but bytes 4 to 7 and 34 to 55 of the header, and
 * the signature itself. What it leaves out has exactly one right value, which is checked (V§8).
 */
import type { ByteSpan } from '../core/ranges.ts'
import type { SignaturePlace } from './authenticode.ts'
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

/** @param head the beginning of the file; @param size bytes of the file. @throws Refusal unsigned, altered, malformed */
export function cabinetSignature(head: Buffer, size: number): SignaturePlace {
  demand(head.length >= CABINET.headerBytes, 'malformed', 'a cabinet that is cut off')
  const isReserving = (head.readUInt16LE(30) & CABINET.flagReserve) !== 0
  demand(isReserving && head.length >= RESERVE.headerBytes, 'unsigned', 'the cabinet is not signed')
  const [position, length] = [head.readUInt32LE(RESERVE.positionAt), head.readUInt32LE(RESERVE.lengthAt)]
  demand(position !== 0 && length !== 0, 'unsigned', 'the cabinet is not signed')
  checkUnsigned(head, size, position, length)
  return {
    at: position,
    covered: coveredSpans(position),
    dataType: OID.cabinetData,
    signatureIn,
    checksumAt: undefined,
  }
}

function signatureIn(rest: Buffer): Buffer {
  const signature = readDerPrefix(rest).whole
  const padding = rest.subarray(signature.length)
  const isZero = padding.every((byte) => byte === 0)
  demand(padding.length < RESERVE.alignment && isZero, 'altered', 'bytes follow the signature')
  return signature
}

/** In the order in which they are digested, of a cabinet whose signature begins at `end`. */
export function coveredSpans(end: number): readonly ByteSpan[] {
  return [
    { start: 0, end: 4 },
    { start: 8, end: 34 },
    { start: 56, end },
  ]
}

function checkUnsigned(file: Buffer, size: number, position: number, length: number): void {
  demand(position >= RESERVE.headerBytes, 'altered', 'the signature lies in the header')
  demand(file.readUInt32LE(8) === position, 'altered', 'the signature does not follow the cabinet')
  demand(position + length === size, 'altered', `expected ${position + length} bytes, got ${size}`)
  const isRight =
    file.readUInt32LE(4) === 0 &&
    file.readUInt16LE(34) === 0 &&
    file.subarray(36, 44).equals(RESERVE.head) &&
    file.readUInt32LE(52) === 0
  demand(isRight, 'altered', 'bytes that the signature does not cover are not what they must be')
}
