/**
 * Where a program (PE) keeps its signature, and what that covers: everything but the checksum, the entry that points to
 * the signature, and the signature. Read only; for files of others that pass through.
 */
import type { SignaturePlace } from './authenticode.ts'
import { readDerPrefix } from './der.ts'
import { OID } from './oids.ts'
import { demand } from './refusal.ts'

const CERTIFICATE_TYPE_PKCS = 2
const CERTIFICATE_REVISION = 0x0200
/** Directory entries before that of certificates. */
const CERTIFICATE_ENTRY = 4

/** @param head the beginning of the file; @param size bytes of the file. @throws Refusal unsigned, altered, malformed */
export function portableSignature(head: Buffer, size: number): SignaturePlace {
  const { checksumAt, entryAt } = headerOf(head)
  const [position, length] = [head.readUInt32LE(entryAt), head.readUInt32LE(entryAt + 4)]
  demand(position !== 0 && length !== 0, 'unsigned', 'the program is not signed')
  const isLast = position > entryAt && length > 8 && position + length === size
  demand(isLast, 'altered', 'the signature is not at the end of the program')
  return {
    at: position,
    covered: [
      { start: 0, end: checksumAt },
      { start: checksumAt + 4, end: entryAt },
      { start: entryAt + 8, end: position },
    ],
    dataType: OID.peImageData,
    signatureIn,
    checksumAt,
  }
}

/** WIN_CERTIFICATE: length, revision, kind, and the structure, padded with zeros. */
function signatureIn(rest: Buffer): Buffer {
  const [size, revision, type] = [rest.readUInt32LE(0), rest.readUInt16LE(4), rest.readUInt16LE(6)]
  const isKnown = type === CERTIFICATE_TYPE_PKCS && revision === CERTIFICATE_REVISION
  demand(isKnown, 'malformed', 'a signature of an unknown kind')
  demand(size > 8 && rest.length - size < 8 && size <= rest.length, 'altered', 'bytes follow the signature')
  const signature = readDerPrefix(rest.subarray(8, size)).whole
  const padding = rest.subarray(8 + signature.length)
  demand(padding.length < 16 && padding.every((byte) => byte === 0), 'altered', 'bytes follow the signature')
  return signature
}

function headerOf(file: Buffer): { readonly checksumAt: number; readonly entryAt: number } {
  demand(file.length >= 0x40, 'malformed', 'a program that is cut off')
  const at = file.readUInt32LE(0x3c)
  const optionalAt = at + 24
  const isWhole = at < file.length - 256 && file.subarray(at, at + 4).toString('latin1') === 'PE\0\0'
  demand(isWhole, 'malformed', 'a program without its header')
  const magic = file.readUInt16LE(optionalAt)
  demand(magic === 0x10b || magic === 0x20b, 'malformed', 'a program of an unknown kind')
  const directoriesAt = optionalAt + (magic === 0x20b ? 112 : 96)
  const entries = file.readUInt32LE(directoriesAt - 4)
  demand(entries > CERTIFICATE_ENTRY, 'unsigned', 'the program is not signed')
  return { checksumAt: optionalAt + 64, entryAt: directoriesAt + CERTIFICATE_ENTRY * 8 }
}
