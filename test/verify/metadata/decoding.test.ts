import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { decodedText } from '../../../verify/metadata/decoding.ts'
import { UnreadableIndex } from '../../../verify/metadata/mention.ts'

const TEXT = 'some text, with an umlaut: ä'.repeat(100)
const BOUNDS = { maxDecodedBytes: 100_000 }

async function* chunksOf(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function decode(bytes: Uint8Array, coding?: string, bounds = BOUNDS): Promise<string> {
  let text = ''
  for await (const piece of decodedText(chunksOf(bytes), coding, bounds)) text += piece
  return text
}

const plain = Buffer.from(TEXT)
for (const [what, bytes, coding] of [
  ['plain', plain, undefined],
  ['identity', plain, 'identity'],
  ['a gzip file', gzipSync(plain), undefined],
  ['a zstd file', zstdCompressSync(plain), undefined],
  ['gzip on the way', gzipSync(plain), 'GZIP'],
  ['deflate on the way', deflateSync(plain), 'deflate'],
  ['brotli on the way', brotliCompressSync(plain), 'br'],
  ['zstd on the way', zstdCompressSync(plain), 'zstd'],
  ['a gzip file that is coded again', brotliCompressSync(gzipSync(plain)), 'br'],
] as const)
  test(`${what} is read`, async () => {
    assert.equal(await decode(bytes, coding), TEXT)
  })

test('nothing is nothing', async () => {
  assert.equal(await decode(Buffer.alloc(0)), '')
})

for (const [what, bytes, coding] of [
  ['xz', Buffer.from('fd377a585a0000', 'hex'), undefined],
  ['bzip2', Buffer.from('BZh91AY'), undefined],
  ['an unknown coding', plain, 'compress'],
  ['several codings', gzipSync(gzipSync(plain)), 'gzip, gzip'],
  ['gzip that is cut', gzipSync(plain).subarray(0, -20), undefined],
  ['gzip that is none', plain, 'gzip'],
  ['what is no text', Buffer.concat([plain, Buffer.alloc(1), plain]), undefined],
  ['what is no text when unpacked', gzipSync(Buffer.concat([plain, Buffer.alloc(1)])), undefined],
] as const)
  test(`${what} is unreadable`, async () => {
    await assert.rejects(decode(bytes, coding), UnreadableIndex)
  })

for (const [what, pack] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
] as const)
  test(`a ${what} file that would be enormous is given up at the bound`, async () => {
    const bomb = pack(Buffer.alloc(64 * 1024 * 1024))
    let bytes = 0
    const reading = async () => {
      for await (const piece of decodedText(chunksOf(bomb, 65_536), undefined, BOUNDS)) bytes += piece.length
    }
    await assert.rejects(reading(), UnreadableIndex)
    assert.ok(bytes <= BOUNDS.maxDecodedBytes, `${bytes} characters came`)
  })

test('what goes wrong in reading is not taken for a fault of the index', async () => {
  const lost = new Error('the disk is gone')
  async function* breaking() {
    yield gzipSync(plain).subarray(0, 30)
    throw lost
  }
  const reading = async () => {
    for await (const _ of decodedText(breaking(), undefined, BOUNDS));
  }
  await assert.rejects(reading(), lost)
})

test('whatever bytes come, they are read or found unreadable', async () => {
  const coding = fc.constantFrom(undefined, 'gzip', 'br', 'zstd', 'deflate')
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.uint8Array().map((each) => Buffer.concat([Buffer.from('1f8b', 'hex'), each])),
  )
  await fc.assert(
    fc.asyncProperty(bytes, coding, async (each, name) => {
      await decode(each, name).catch((error: unknown) =>
        assert.ok(error instanceof UnreadableIndex, String(error)),
      )
    }),
  )
})
