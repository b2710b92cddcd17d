/**
 * What a program (PE) says of itself inside its signed part: the original file name and the versions of its version resource
 * (VS_VERSIONINFO). Only what is needed for that is read, at most some 100 kB.
 */
import type { ByteSpan } from '../core/ranges.ts'
import { demand, Refusal } from './refusal.ts'

export interface ProgramInfo {
  readonly name: string
  /** FileVersion and ProductVersion, as numbers and as text. */
  readonly versions: readonly string[]
}

/** Reads a part of a file; less where the file ends. */
export type ReadBytes = (span: ByteSpan) => Promise<Buffer>

const HEAD_BYTES = 65_536
const RESOURCE_ENTRY = 2
const VERSION_RESOURCE = 16
const MAX_SECTIONS = 96
const MAX_ENTRIES = 4_096
const MAX_INFO_BYTES = 65_536

/** @param end where the signed part ends. @throws Refusal unnamed, malformed */
export async function readProgramInfo(read: ReadBytes, end: number): Promise<ProgramInfo> {
  const head = await read({ start: 0, end: Math.min(HEAD_BYTES, end) })
  const image = guarded(() => readImage(head))
  const at = await versionResource(image, read, end)
  const bytes = await part(read, at, end)
  return guarded(() => infoIn(bytes))
}

interface Section {
  /** Where it lies in memory, and how long it is there. */
  readonly address: number
  readonly size: number
  /** Where it lies in the file. */
  readonly at: number
}

interface Image {
  readonly sections: readonly Section[]
  /** Where its resources lie in memory; 0: it has none. */
  readonly resources: number
}

/** Whatever lies beyond the bytes that are there is a malformed file. */
function guarded<Value>(work: () => Value): Value {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof RangeError) throw new Refusal('malformed', 'a program that is cut off', { cause })
    throw cause
  }
}

function readImage(head: Buffer): Image {
  const at = head.readUInt32LE(0x3c)
  demand(
    head.subarray(at, at + 4).toString('latin1') === 'PE\0\0',
    'malformed',
    'a program without its header',
  )
  const optionalAt = at + 24
  const directoriesAt = optionalAt + (head.readUInt16LE(optionalAt) === 0x20b ? 112 : 96)
  const hasResources = head.readUInt32LE(directoriesAt - 4) > RESOURCE_ENTRY
  const count = head.readUInt16LE(at + 6)
  demand(count <= MAX_SECTIONS, 'malformed', `expected at most ${MAX_SECTIONS} sections, got ${count}`)
  const sectionsAt = optionalAt + head.readUInt16LE(at + 20)
  return {
    resources: hasResources ? head.readUInt32LE(directoriesAt + RESOURCE_ENTRY * 8) : 0,
    sections: Array.from({ length: count }, (_, index) => {
      const section = sectionsAt + index * 40
      const [address, size, raw] = [12, 16, 20].map((offset) => head.readUInt32LE(section + offset))
      return { address: address ?? 0, size: size ?? 0, at: raw ?? 0 }
    }),
  }
}

/** Resources are a tree of three levels: type, name, language. The first of each is taken. */
async function versionResource(image: Image, read: ReadBytes, end: number): Promise<ByteSpan> {
  demand(image.resources !== 0, 'unnamed', 'the program has no version information')
  const base = place(image, image.resources, 0)
  let directory = 0
  for (const id of [VERSION_RESOURCE, undefined, undefined]) {
    const found = await entryIn(read, base + directory, end, id)
    demand(found !== undefined, 'unnamed', 'the program has no version information')
    directory = found
  }
  const data = await part(read, { start: base + directory, end: base + directory + 8 }, end)
  return guarded(() => {
    const size = data.readUInt32LE(4)
    demand(size <= MAX_INFO_BYTES, 'malformed', 'version information that is too long')
    const start = place(image, data.readUInt32LE(0), size)
    return { start, end: start + size }
  })
}

/** Where the entry of a resource directory leads, from the beginning of the resources; the first where `id` is not given. */
async function entryIn(
  read: ReadBytes,
  at: number,
  end: number,
  id: number | undefined,
): Promise<number | undefined> {
  const head = await part(read, { start: at, end: at + 16 }, end)
  const count = head.readUInt16LE(12) + head.readUInt16LE(14)
  demand(count <= MAX_ENTRIES, 'malformed', `expected at most ${MAX_ENTRIES} resources, got ${count}`)
  const entries = await part(read, { start: at + 16, end: at + 16 + count * 8 }, end)
  for (let entry = 0; entry < count; entry++)
    if (id === undefined || entries.readUInt32LE(entry * 8) === id)
      return entries.readUInt32LE(entry * 8 + 4) & 0x7fffffff
  return undefined
}

/** From an address in memory to a place in the file. */
function place({ sections }: Image, address: number, bytes: number): number {
  const section = sections.find(
    (each) => address >= each.address && address + bytes <= each.address + each.size,
  )
  demand(section !== undefined, 'malformed', 'resources outside of every section')
  return section.at + address - section.address
}

/** A part of what is signed, whole. */
async function part(read: ReadBytes, span: ByteSpan, end: number): Promise<Buffer> {
  demand(span.end <= end, 'malformed', 'version information outside of the signed part')
  const bytes = await read(span)
  demand(bytes.length === span.end - span.start, 'malformed', 'a program that is cut off')
  return bytes
}

interface Block {
  readonly key: string
  readonly value: Buffer
  readonly children: Buffer
}

/** VS_FIXEDFILEINFO begins so. */
const FIXED = 0xfeef04bd

function infoIn(bytes: Buffer): ProgramInfo {
  const [root] = blocksIn(bytes)
  demand(root?.key === 'VS_VERSION_INFO', 'malformed', 'version information of an unknown kind')
  const strings = new Map(
    blocksIn(root.children)
      .filter(({ key }) => key === 'StringFileInfo')
      .flatMap(({ children }) => blocksIn(children).slice(0, 1))
      .flatMap(({ children }) => blocksIn(children))
      .map(({ key, value }) => [key, textIn(value)] as const),
  )
  const name = strings.get('OriginalFilename') ?? ''
  demand(name !== '', 'unnamed', 'the program does not say its original file name')
  const texts = ['FileVersion', 'ProductVersion'].map((key) => strings.get(key) ?? '')
  return { name, versions: [...new Set([...numbersIn(root.value), ...texts])].filter((each) => each !== '') }
}

/** Blocks of this format: length, length of the value, kind, key, value, children, each part at a multiple of four. */
function blocksIn(bytes: Buffer): readonly Block[] {
  const blocks: Block[] = []
  for (let at = 0; at + 6 <= bytes.length;) {
    const length = bytes.readUInt16LE(at)
    if (length < 6 || at + length > bytes.length) break
    blocks.push(readBlock(bytes.subarray(at, at + length)))
    at = aligned(at + length)
  }
  return blocks
}

function readBlock(block: Buffer): Block {
  let keyEnd = 6
  while (keyEnd + 2 <= block.length && block.readUInt16LE(keyEnd) !== 0) keyEnd += 2
  // The length of a text is in characters, that of anything else in bytes.
  const isText = block.readUInt16LE(4) === 1
  const valueBytes = block.readUInt16LE(2) * (isText ? 2 : 1)
  const valueAt = aligned(keyEnd + 2)
  const childrenAt = aligned(valueAt + valueBytes)
  return {
    key: block.toString('utf16le', 6, keyEnd),
    value: block.subarray(valueAt, valueAt + valueBytes),
    children: block.subarray(Math.min(childrenAt, block.length)),
  }
}

function aligned(at: number): number {
  return (at + 3) & ~3
}

function textIn(value: Buffer): string {
  return value.toString('utf16le').replace(/\0.*$/s, '').trim()
}

/** The file's version and the product's, as four numbers. */
function numbersIn(fixed: Buffer): readonly string[] {
  if (fixed.length < 24 || fixed.readUInt32LE(0) !== FIXED) return []
  return [8, 16].map((at) =>
    [at + 2, at, at + 6, at + 4].map((offset) => fixed.readUInt16LE(offset)).join('.'),
  )
}
