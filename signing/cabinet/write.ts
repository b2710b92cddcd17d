/** Writes cabinets: one folder, stored or MSZIP. The same files give the same bytes. */
import { deflateRawSync } from 'node:zlib'
import { demand } from '../refusal.ts'
import { CABINET, checksum, dosTime, SIGNATURE } from './layout.ts'
import { cabinetName } from './names.ts'

export interface NewFile {
  /** With `/` between its parts. */
  readonly name: string
  readonly bytes: Uint8Array
  readonly isExecutable?: boolean
}

export type Compression = 'store' | 'mszip'

/**
 * @param at the time of every file, in milliseconds since 1970
 * @throws Refusal unsafe-name; oversized beyond 2 GiB, the format's limit
 */
export function writeCabinet(files: readonly NewFile[], compression: Compression, at: number): Buffer {
  const entries = fileEntries(files, at)
  const blocks = [...dataBlocks(Buffer.concat(files.map(({ bytes }) => bytes)), compression)]
  demand(
    blocks.length <= CABINET.maxBlocksPerFolder,
    'oversized',
    'more than 2 GiB do not fit into a cabinet',
  )
  const filesAt = CABINET.headerBytes + CABINET.folderBytes
  const dataAt = filesAt + entries.length
  const size = blocks.reduce((sum, block) => sum + block.length, dataAt)
  const folder = Buffer.alloc(CABINET.folderBytes)
  folder.writeUInt32LE(dataAt, 0)
  folder.writeUInt16LE(blocks.length, 4)
  folder.writeUInt16LE(compression === 'mszip' ? CABINET.compressionMszip : CABINET.compressionStore, 6)
  return Buffer.concat([header(size, filesAt, files.length), folder, entries, ...blocks])
}

function header(size: number, filesAt: number, files: number): Buffer {
  const bytes = Buffer.alloc(CABINET.headerBytes)
  SIGNATURE.copy(bytes)
  bytes.writeUInt32LE(size, 8)
  bytes.writeUInt32LE(filesAt, 16)
  bytes.writeUInt8(3, 24) // version 1.3
  bytes.writeUInt8(1, 25)
  bytes.writeUInt16LE(1, 26) // folders
  bytes.writeUInt16LE(files, 28)
  return bytes
}

function fileEntries(files: readonly NewFile[], at: number): Buffer {
  const { date, time } = dosTime(at)
  let offset = 0
  const entries = files.map(({ name, bytes, isExecutable = false }) => {
    const written = cabinetName(name)
    const entry = Buffer.alloc(CABINET.fileBytes)
    entry.writeUInt32LE(bytes.length, 0)
    entry.writeUInt32LE(offset, 4)
    entry.writeUInt16LE(date, 10)
    entry.writeUInt16LE(time, 12)
    const attributes = 0x20 | (isExecutable ? CABINET.attributeExecutable : 0)
    entry.writeUInt16LE(attributes | (written.isUtf8 ? CABINET.attributeUtf8 : 0), 14)
    offset += bytes.length
    return Buffer.concat([entry, written.bytes, Buffer.alloc(1)])
  })
  return Buffer.concat(entries)
}

/** Each block but the first is packed with the one before it as dictionary. */
function* dataBlocks(bytes: Buffer, compression: Compression): Generator<Buffer> {
  let before: Buffer | undefined
  for (let at = 0; at < bytes.length; at += CABINET.unpackedBlockBytes) {
    const unpacked = bytes.subarray(at, at + CABINET.unpackedBlockBytes)
    const packed = compression === 'store' ? unpacked : mszip(unpacked, before)
    const head = Buffer.alloc(CABINET.blockBytes)
    head.writeUInt16LE(packed.length, 4)
    head.writeUInt16LE(unpacked.length, 6)
    head.writeUInt32LE(checksum(head.subarray(4), checksum(packed)), 0)
    yield Buffer.concat([head, packed])
    before = unpacked
  }
}

function mszip(unpacked: Buffer, before: Buffer | undefined): Buffer {
  const packed = deflateRawSync(unpacked, { level: 9, ...(before && { dictionary: before }) })
  return Buffer.concat([Buffer.from('CK', 'latin1'), packed])
}
