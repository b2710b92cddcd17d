/**
 * Reads cabinets, strictly and within bounds: nothing is believed of sizes, offsets and names, and nothing is unpacked
 * beyond what was announced. Cabinets that span several files, LZX and Quantum are refused.
 */
import { inflateRawSync } from 'node:zlib'
import { demand, Refusal } from '../refusal.ts'
import { CABINET, checksum, SIGNATURE } from './layout.ts'
import { safeName } from './names.ts'

export interface CabinetLimits {
  readonly maxFiles: number
  /** Bytes of all files together. */
  readonly maxUnpackedBytes: number
}

export interface CabinetFile {
  /** Safe to unpack, with `/` between its parts. */
  readonly name: string
  readonly size: number
  readonly isExecutable: boolean
  readonly folder: number
  /** Where it begins in the unpacked folder. */
  readonly offset: number
}

export interface Cabinet {
  readonly bytes: Buffer
  /** Where the cabinet ends, or what is held of it; a signature may follow. */
  readonly end: number
  readonly files: readonly CabinetFile[]
  readonly folders: readonly Folder[]
}

interface Folder {
  readonly dataAt: number
  readonly blocks: number
  readonly compression: number
  /** Bytes before each block's data that are reserved. */
  readonly reserved: number
}

/** A piece of a file, in order. Every file has at least one piece, which may be empty. */
export interface Piece {
  readonly file: CabinetFile
  readonly bytes: Buffer
}

/**
 * @param size bytes of the file, where `bytes` is only its beginning: then what lies beyond cannot be unpacked.
 * @throws Refusal malformed, unsafe-name, oversized
 */
export function readCabinet(bytes: Buffer, limits: CabinetLimits, size = bytes.length): Cabinet {
  const isCabinet = bytes.length >= CABINET.headerBytes && bytes.subarray(0, 4).equals(SIGNATURE)
  demand(isCabinet, 'malformed', 'expected a cabinet, got other bytes')
  const [end, filesAt] = [bytes.readUInt32LE(8), bytes.readUInt32LE(16)]
  const [folders, files, flags] = [bytes.readUInt16LE(26), bytes.readUInt16LE(28), bytes.readUInt16LE(30)]
  demand(end <= size, 'malformed', `expected a cabinet of ${end} bytes, got ${size}`)
  demand(bytes[24] === 3 && bytes[25] === 1, 'malformed', 'expected a cabinet of version 1.3')
  demand(
    (flags & ~CABINET.flagReserve) === 0,
    'malformed',
    'a cabinet that spans several files, or has unknown flags',
  )
  demand(files <= limits.maxFiles, 'oversized', `expected at most ${limits.maxFiles} files, got ${files}`)
  const within = bytes.subarray(0, end)
  const { foldersAt, reservedPerFolder, reservedPerBlock } = reserves(within, flags)
  const stride = CABINET.folderBytes + reservedPerFolder
  demand(
    foldersAt + folders * stride <= filesAt && filesAt <= within.length,
    'malformed',
    'a cabinet whose parts overlap',
  )
  return {
    bytes,
    end: within.length,
    folders: Array.from({ length: folders }, (_, at) =>
      readFolder(within, foldersAt + at * stride, reservedPerBlock),
    ),
    files: readFiles(within, filesAt, files, folders, limits),
  }
}

/** Every file's bytes, as they are unpacked. @throws Refusal malformed */
export function* unpack(cabinet: Cabinet): Generator<Piece> {
  for (const [at, folder] of cabinet.folders.entries()) {
    const files = cabinet.files.filter((file) => file.folder === at)
    yield* unpackFolder(cabinet, folder, files)
  }
}

/** One file's bytes, or `undefined` where there is none of that name. @throws Refusal malformed */
export function unpackFile(cabinet: Cabinet, name: string): Buffer | undefined {
  const wanted = cabinet.files.find((file) => file.name === name)
  const folder = wanted && cabinet.folders[wanted.folder]
  if (!wanted || !folder) return undefined
  const pieces: Buffer[] = []
  let bytes = 0
  for (const piece of unpackFolder(
    cabinet,
    folder,
    cabinet.files.filter((file) => file.folder === wanted.folder),
  )) {
    if (piece.file !== wanted) continue
    pieces.push(piece.bytes)
    bytes += piece.bytes.length
    if (bytes === wanted.size) break
  }
  return Buffer.concat(pieces)
}

function reserves(bytes: Buffer, flags: number) {
  if ((flags & CABINET.flagReserve) === 0)
    return { foldersAt: CABINET.headerBytes, reservedPerFolder: 0, reservedPerBlock: 0 }
  demand(bytes.length >= CABINET.headerBytes + 4, 'malformed', 'a cabinet that is cut off')
  return {
    foldersAt: CABINET.headerBytes + 4 + bytes.readUInt16LE(36),
    reservedPerFolder: bytes.readUInt8(38),
    reservedPerBlock: bytes.readUInt8(39),
  }
}

function readFolder(bytes: Buffer, at: number, reserved: number): Folder {
  demand(at + CABINET.folderBytes <= bytes.length, 'malformed', 'a cabinet that is cut off')
  const compression = bytes.readUInt16LE(at + 6)
  const isKnown = compression === CABINET.compressionStore || compression === CABINET.compressionMszip
  demand(isKnown, 'malformed', `expected stored or MSZIP, got compression ${compression}`)
  return { dataAt: bytes.readUInt32LE(at), blocks: bytes.readUInt16LE(at + 4), compression, reserved }
}

function readFiles(
  bytes: Buffer,
  filesAt: number,
  count: number,
  folders: number,
  { maxUnpackedBytes }: CabinetLimits,
): readonly CabinetFile[] {
  const files: CabinetFile[] = []
  const names = new Set<string>()
  const ends = new Map<number, number>()
  let [at, total] = [filesAt, 0]
  for (let index = 0; index < count; index++) {
    const { file, next } = readFile(bytes, at)
    demand(file.folder < folders, 'malformed', 'a file in a folder that is not there')
    demand(
      file.offset === (ends.get(file.folder) ?? 0),
      'malformed',
      'files of a cabinet that overlap or leave gaps',
    )
    const folded = file.name.toLowerCase()
    demand(!names.has(folded), 'unsafe-name', `two files with the name ${file.name}`)
    names.add(folded)
    ends.set(file.folder, file.offset + file.size)
    total += file.size
    demand(total <= maxUnpackedBytes, 'oversized', `it unpacks to more than ${maxUnpackedBytes} bytes`)
    files.push(file)
    at = next
  }
  return files
}

function readFile(bytes: Buffer, at: number): { file: CabinetFile; next: number } {
  const nameAt = at + CABINET.fileBytes
  const end = bytes.indexOf(0, nameAt)
  const isWhole = nameAt < bytes.length && end > nameAt && end - nameAt <= CABINET.maxNameBytes
  demand(isWhole, 'malformed', 'a file name that does not end')
  const attributes = bytes.readUInt16LE(at + 14)
  const isUtf8 = (attributes & CABINET.attributeUtf8) !== 0
  return {
    file: {
      name: safeName(bytes.toString(isUtf8 ? 'utf8' : 'latin1', nameAt, end)),
      size: bytes.readUInt32LE(at),
      isExecutable: (attributes & CABINET.attributeExecutable) !== 0,
      folder: bytes.readUInt16LE(at + 8),
      offset: bytes.readUInt32LE(at + 4),
    },
    next: end + 1,
  }
}

/** Cuts the folder's blocks into its files, which follow each other without gaps. */
function* unpackFolder(cabinet: Cabinet, folder: Folder, files: readonly CabinetFile[]): Generator<Piece> {
  let [index, start] = [0, 0]
  for (const block of unpackedBlocks(cabinet, folder)) {
    const end = start + block.length
    for (; index < files.length; index++) {
      const file = files[index]
      if (file === undefined || file.offset >= end) break
      const fileEnd = file.offset + file.size
      yield {
        file,
        bytes: block.subarray(Math.max(file.offset, start) - start, Math.min(fileEnd, end) - start),
      }
      if (fileEnd > end) break
    }
    start = end
  }
  for (const file of files.slice(index)) {
    demand(file.size === 0, 'malformed', `the cabinet ends within ${file.name}`)
    yield { file, bytes: Buffer.alloc(0) }
  }
  const last = files.at(-1)
  demand(start === (last ? last.offset + last.size : 0), 'malformed', 'a cabinet with more data than files')
}

function* unpackedBlocks({ bytes, end }: Cabinet, folder: Folder): Generator<Buffer> {
  let at = folder.dataAt
  let before: Buffer | undefined
  for (let block = 0; block < folder.blocks; block++) {
    const dataAt = at + CABINET.blockBytes + folder.reserved
    demand(dataAt <= end, 'malformed', 'a cabinet that is cut off')
    const [sum, packedBytes, unpackedBytes] = [
      bytes.readUInt32LE(at),
      bytes.readUInt16LE(at + 4),
      bytes.readUInt16LE(at + 6),
    ]
    at = dataAt + packedBytes
    const isWithin = at <= end && packedBytes <= CABINET.maxPackedBlockBytes
    demand(isWithin && unpackedBytes <= CABINET.unpackedBlockBytes, 'malformed', 'a block out of bounds')
    const isLast = block === folder.blocks - 1
    const isFull = unpackedBytes === CABINET.unpackedBlockBytes || isLast
    demand(isFull, 'malformed', 'a block that is not full, before the last')
    const packed = bytes.subarray(dataAt, at)
    const head = bytes.subarray(dataAt - folder.reserved - 4, dataAt)
    demand(
      sum === 0 || sum === checksum(head, checksum(packed)),
      'malformed',
      'a block with a wrong checksum',
    )
    before = unpackBlock(packed, unpackedBytes, folder.compression, before)
    yield before
  }
}

function unpackBlock(packed: Buffer, size: number, compression: number, before: Buffer | undefined): Buffer {
  const unpacked = compression === CABINET.compressionStore ? packed : inflate(packed, size, before)
  demand(unpacked.length === size, 'malformed', `a block of ${unpacked.length} bytes instead of ${size}`)
  return unpacked
}

function inflate(packed: Buffer, size: number, before: Buffer | undefined): Buffer {
  demand(packed.subarray(0, 2).toString('latin1') === 'CK', 'malformed', 'a block that is not MSZIP')
  try {
    return inflateRawSync(packed.subarray(2), {
      maxOutputLength: Math.max(size, 1),
      ...(before && { dictionary: before }),
    })
  } catch (cause) {
    throw new Refusal('malformed', 'a block that cannot be unpacked', { cause })
  }
}
