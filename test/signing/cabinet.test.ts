import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as check, integer, property, uint8Array } from 'fast-check'
import { checksum } from '../../signing/cabinet/layout.ts'
import { readCabinet, unpack, unpackFile } from '../../signing/cabinet/read.ts'
import { writeCabinet, type NewFile } from '../../signing/cabinet/write.ts'
import { patterned, refusal } from './fixtures.ts'

const LIMITS = { maxFiles: 100, maxUnpackedBytes: 10_000_000 }
const AT = Date.UTC(2001, 0, 13, 15, 11)

const FILES: readonly NewFile[] = [
  { name: 'cabinfo.ini', bytes: Buffer.from('[cabinfo]\r\n') },
  { name: 'bin/scan', bytes: patterned(100_000), isExecutable: true },
  { name: 'empty', bytes: Buffer.alloc(0) },
  { name: 'übung.dat', bytes: patterned(40_000) },
]

function contents(bytes: Buffer): Map<string, string> {
  const found = new Map<string, Buffer[]>()
  for (const { file, bytes: piece } of unpack(readCabinet(bytes, LIMITS)))
    found.set(file.name, [...(found.get(file.name) ?? []), piece])
  return new Map([...found].map(([name, pieces]) => [name, Buffer.concat(pieces).toString('hex')]))
}

function written(files: readonly NewFile[]): Map<string, string> {
  return new Map(files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString('hex')]))
}

for (const compression of ['store', 'mszip'] as const) {
  test(`what is written with ${compression} is read back, file by file`, () => {
    const cabinet = writeCabinet(FILES, compression, AT)
    assert.deepEqual(contents(cabinet), written(FILES))
    const { files } = readCabinet(cabinet, LIMITS)
    assert.deepEqual(
      files.map(({ isExecutable }) => isExecutable),
      [false, true, false, false],
    )
    assert.equal(unpackFile(readCabinet(cabinet, LIMITS), 'cabinfo.ini')?.toString(), '[cabinfo]\r\n')
  })

  test(`any files come back from ${compression}`, () => {
    const bodies = array(integer({ min: 0, max: 70_000 }), { maxLength: 6 })
    check(
      property(bodies, (sizes) => {
        const files = sizes.map((size, at) => ({ name: `file${at}`, bytes: patterned(size) }))
        assert.deepEqual(contents(writeCabinet(files, compression, AT)), written(files))
      }),
      { numRuns: 30 },
    )
  })
}

test('the same files give the same bytes', () => {
  assert.ok(writeCabinet(FILES, 'mszip', AT).equals(writeCabinet(FILES, 'mszip', AT)))
})

test('a flipped bit anywhere is an error or the same files, never other bytes of a file and never a fault', () => {
  const cabinet = writeCabinet(FILES.slice(0, 1), 'mszip', AT)
  for (let bit = 0; bit < cabinet.length * 8; bit++) {
    const bytes = Buffer.from(cabinet)
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    try {
      contents(bytes)
    } catch (error) {
      assert.match(String(error), /^Refusal/)
    }
  }
})

for (const [name, is] of [
  ['../outside', 'a parent folder'],
  ['/etc/passwd', 'an absolute path'],
  ['a/../../b', 'a parent folder in between'],
  ['C:\\x', 'a drive'],
  ['a/./b', 'a dot'],
  ['nul.txt', 'a device'],
  ['name ', 'a trailing space'],
  ['a\u0007b', 'a control character'],
] as const) {
  test(`a file named with ${is} is neither written nor unpacked`, () => {
    assert.equal(
      refusal(() => writeCabinet([{ name, bytes: Buffer.from('x') }], 'store', AT)),
      'unsafe-name',
    )
    // As somebody else would write it: a harmless name of the same length, replaced afterwards.
    const bytes = Buffer.from(name, 'latin1')
    const harmless = 'x'.repeat(bytes.length)
    const cabinet = writeCabinet([{ name: harmless, bytes: Buffer.from('y') }], 'store', AT)
    bytes.copy(cabinet, cabinet.indexOf(harmless))
    assert.equal(
      refusal(() => readCabinet(cabinet, LIMITS)),
      'unsafe-name',
    )
  })
}

test('two names that differ in case only are refused', () => {
  const cabinet = writeCabinet(
    [
      { name: 'one', bytes: Buffer.from('1') },
      { name: 'ONE', bytes: Buffer.from('2') },
    ],
    'store',
    AT,
  )
  assert.equal(
    refusal(() => readCabinet(cabinet, LIMITS)),
    'unsafe-name',
  )
})

test('more files or more bytes than allowed are refused before anything is unpacked', () => {
  const cabinet = writeCabinet(FILES, 'mszip', AT)
  assert.equal(
    refusal(() => readCabinet(cabinet, { ...LIMITS, maxFiles: 3 })),
    'oversized',
  )
  assert.equal(
    refusal(() => readCabinet(cabinet, { ...LIMITS, maxUnpackedBytes: 139_000 })),
    'oversized',
  )
})

test('the checksum is the exclusive or of little-endian words, wherever the bytes lie', () => {
  assert.equal(checksum(Buffer.from([1, 2, 3, 4, 0x10, 0x20, 0x30, 0x40, 5, 6, 7])), 0x44332211 ^ 0x050607)
  const wordByWord = (bytes: Buffer) => {
    let sum = 0
    for (let at = 0; at < bytes.length; at += 4) sum ^= bytes.readUInt32LE(at)
    return sum >>> 0
  }
  const bytes = uint8Array({ minLength: 8, maxLength: 400 })
  check(
    property(bytes, integer({ min: 0, max: 3 }), (given, shift) => {
      const length = Math.floor((given.length - shift) / 4) * 4
      const part = Buffer.from(given).subarray(shift, shift + length)
      assert.equal(checksum(part), wordByWord(part))
    }),
  )
})

test('a bomb that announces little unpacks no more than it announces', () => {
  const cabinet = writeCabinet([{ name: 'bomb', bytes: Buffer.alloc(32_768) }], 'mszip', AT)
  const { folders } = readCabinet(cabinet, LIMITS)
  const at = folders[0]?.dataAt ?? 0
  cabinet.writeUInt32LE(0, at) // no checksum
  cabinet.writeUInt16LE(10, at + 6)
  cabinet.writeUInt32LE(10, 36 + 8)
  assert.equal(
    refusal(() => contents(cabinet)),
    'malformed',
  )
})

test('a cabinet that is cut off anywhere is refused', () => {
  const cabinet = writeCabinet(FILES, 'mszip', AT)
  for (let length = 0; length < cabinet.length; length += 97)
    assert.equal(
      refusal(() => contents(cabinet.subarray(0, length))),
      'malformed',
    )
})
