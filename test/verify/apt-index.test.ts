import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { aptIndexParser, MAX_LINE_BYTES, type IndexedFile } from '../../verify/apt-index.ts'

const SHA = 'ab01'.repeat(16)
const STANZA = `Package: foo
Filename: pool/main/f/foo/foo_1+b_amd64.deb
Size: 1234
MD5sum: ${'0'.repeat(32)}
SHA256: ${SHA}
`
const FILE: IndexedFile = { filename: 'pool/main/f/foo/foo_1+b_amd64.deb', size: 1234, sha256: SHA }

const CASES: readonly (readonly [behaviour: string, text: string, files: readonly IndexedFile[]])[] = [
  ['a stanza gives its file', `${STANZA}\n`, [FILE]],
  ['the last stanza needs no empty line', STANZA, [FILE]],
  ['the last line needs no end', STANZA.trimEnd(), [FILE]],
  ['several empty lines part stanzas like one', `\n\n${STANZA}\n\n\n${STANZA}\n\n`, [FILE, FILE]],
  ['the order of fields does not matter', `SHA256: ${SHA}\nSize:1234\nFilename:\t${FILE.filename}\n`, [FILE]],
  ['digits in capitals are the same digest', STANZA.replace(SHA, SHA.toUpperCase()), [FILE]],
  ['an empty index has no files', '', []],
  ['a field of a similar name is another field', STANZA.replace('Size:', 'Sizes:'), []],
  ['a continuation line is no field', STANZA.replace('Size:', ' Size:'), []],
  ['no SHA256, no proof', STANZA.replace('SHA256', 'SHA1'), []],
  ['a digest that is too short is no proof', STANZA.replace(SHA, SHA.slice(1)), []],
  ['a negative size is no proof', STANZA.replace('1234', '-1'), []],
  ['an empty file name is no proof', STANZA.replace(FILE.filename, ''), []],
  ['two digests in one stanza are no proof', `${STANZA}SHA256: ${SHA}\n`, []],
  ['what is wrong in one stanza leaves the next alone', `${STANZA}Size: 1\n\n${STANZA}`, [FILE]],
  ['fields of a broken stanza do not leak into the next', `Filename: a.deb\n\nSize: 1\nSHA256: ${SHA}\n`, []],
  [
    'a line within the bound counts',
    withNameOf(MAX_LINE_BYTES),
    [{ ...FILE, filename: nameOf(MAX_LINE_BYTES) }],
  ],
  ['a line beyond the bound is no proof', withNameOf(MAX_LINE_BYTES + 1), []],
  ['a long line of another field does no harm', `Depends: ${'x'.repeat(99_999)}\n${STANZA}`, [FILE]],
]

for (const [behaviour, text, files] of CASES) {
  test(behaviour, () => {
    assert.deepEqual(parse([Buffer.from(text)]), files)
    assert.deepEqual(parse([...Buffer.from(text)].map((byte) => Uint8Array.of(byte))), files, 'byte by byte')
  })
}

test('where the chunks are cut changes nothing', () => {
  const stanza = fc
    .tuple(fc.constantFrom('a_1.deb', 'ü_2.deb', ''), fc.constantFrom('Size', 'Filename', 'SHA256', 'Tag'))
    .map(([name, extra]) => `${STANZA.replace(FILE.filename, name)}${extra}: 7\n\n`)
  const text = fc.array(stanza, { maxLength: 5 }).map((stanzas) => Buffer.from(stanzas.join('')))
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (bytes, sizes) => {
      assert.deepEqual(parse(cut(bytes, sizes)), parse([bytes]))
    }),
  )
})

test('chunks may be written over after they were pushed', () => {
  const parser = aptIndexParser()
  const chunk = Buffer.from(STANZA.slice(0, 60))
  parser.push(chunk)
  chunk.fill(0x78)
  assert.deepEqual([...parser.push(Buffer.from(STANZA.slice(60))), ...parser.end()], [FILE])
})

test('any bytes are read without an error', () => {
  fc.assert(fc.property(fc.array(fc.uint8Array()), (chunks) => void parse(chunks)))
})

function parse(chunks: readonly Uint8Array[]): IndexedFile[] {
  const parser = aptIndexParser()
  return [...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()]
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = at + (sizes[turn % sizes.length] ?? 1)
    chunks.push(bytes.subarray(at, end))
    at = end
  }
  return chunks
}

/** A file name that makes its line so many bytes long. */
function nameOf(lineBytes: number): string {
  return 'x'.repeat(lineBytes - 'Filename: '.length)
}

function withNameOf(lineBytes: number): string {
  return STANZA.replace(FILE.filename, nameOf(lineBytes))
}
