/** The numbers of the cabinet format (MS-CAB) that reader and writer share. */

export const CABINET = {
  /** Bytes of the header without anything optional. */
  headerBytes: 36,
  folderBytes: 8,
  /** Bytes of a file's entry before its name. */
  fileBytes: 16,
  /** Bytes of a data block's head. */
  blockBytes: 8,
  /** Bytes of every unpacked block but the last. */
  unpackedBlockBytes: 32_768,
  /** The most that a packed block may take. */
  maxPackedBlockBytes: 32_768 + 6_144,
  maxBlocksPerFolder: 65_535,
  flagPrevious: 1,
  flagNext: 2,
  flagReserve: 4,
  compressionStore: 0,
  compressionMszip: 1,
  attributeExecutable: 0x40,
  attributeUtf8: 0x80,
  maxNameBytes: 255,
} as const

/** "MSCF" */
export const SIGNATURE = Buffer.from('MSCF', 'latin1')

/** The checksum of a data block: an exclusive or of its 32-bit words. */
export function checksum(bytes: Buffer, seed = 0): number {
  const whole = bytes.length - (bytes.length % 4)
  let rest = 0
  for (let at = whole; at < bytes.length; at++) rest = (rest << 8) | (bytes[at] ?? 0)
  return (seed ^ rest ^ xorOfWords(bytes.subarray(0, whole))) >>> 0
}

/** Word by word as the machine has them, which is quick; the bytes of the sum are the same in any order of bytes. */
function xorOfWords(bytes: Buffer): number {
  const { buffer, byteOffset } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes)
  const words = new Int32Array(buffer, byteOffset, bytes.length / 4)
  let sum = 0
  for (let at = 0; at < words.length; at++) sum ^= words[at] ?? 0
  return Buffer.from(Int32Array.of(sum).buffer).readUInt32LE()
}

/** A time of day and date as MS-DOS wrote them, in UTC and whole two seconds. Before 1980 there is none. */
export function dosTime(epochMs: number): { readonly date: number; readonly time: number } {
  const when = new Date(Math.max(epochMs, Date.UTC(1980, 0, 1)))
  return {
    date: ((when.getUTCFullYear() - 1980) << 9) | ((when.getUTCMonth() + 1) << 5) | when.getUTCDate(),
    time: (when.getUTCHours() << 11) | (when.getUTCMinutes() << 5) | (when.getUTCSeconds() >> 1),
  }
}
