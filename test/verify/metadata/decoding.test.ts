import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { accessSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { decodedText } from '../../../verify/metadata/decoding.ts'
import { UnreadableIndex } from '../../../verify/metadata/mention.ts'
import { CommandFailed, runOnMachine, type Run } from '../../../verify/run.ts'

const TEXT = 'some text, with an umlaut: ä'.repeat(100)
const BOUNDS = { maxDecodedBytes: 100_000, run: runOnMachine, signal: new AbortController().signal }

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

for (const [program, args] of [
  ['xz', ['-9', '--check=crc64']],
  ['bzip2', ['-9']],
] as const) {
  const skip = isMissing(program)
  const pack = (bytes: Uint8Array, more: readonly string[] = args) =>
    execFileSync(program, [...more, '--stdout'], { input: bytes, maxBuffer: 1e9 })

  test(`a file packed with ${program} is read, and one that is coded again`, { skip }, async () => {
    assert.equal(await decode(pack(plain)), TEXT)
    assert.equal(await decode(gzipSync(pack(plain)), 'gzip'), TEXT)
  })

  test(`${program} that is cut, damaged or no text is unreadable`, { skip }, async () => {
    const packed = pack(plain)
    const damaged = Buffer.from(packed)
    damaged[packed.length >> 1] = (damaged[packed.length >> 1] ?? 0) ^ 0xff
    const binary = pack(Buffer.concat([plain, Buffer.alloc(1)]))
    for (const each of [packed.subarray(0, -20), packed.subarray(0, 7), damaged, binary])
      await assert.rejects(decode(each), UnreadableIndex)
  })

  test(
    `a file packed with ${program} that would be enormous is given up at the bound`,
    { skip },
    async () => {
      const bomb = pack(Buffer.alloc(64 * 1024 * 1024, 'x'), ['-1'])
      let length = 0
      const reading = async () => {
        for await (const piece of decodedText(chunksOf(bomb, 65_536), undefined, BOUNDS))
          length += piece.length
      }
      await assert.rejects(reading(), /more than 100000 bytes when unpacked/)
      assert.ok(length <= BOUNDS.maxDecodedBytes, `${length} characters came`)
    },
  )

  test(`what goes wrong in reading is not taken for a fault of ${program}`, { skip }, async () => {
    const lost = new Error('the disk is gone')
    async function* breaking() {
      yield pack(plain).subarray(0, 30)
      throw lost
    }
    const reading = async () => {
      for await (const _ of decodedText(breaking(), undefined, BOUNDS));
    }
    await assert.rejects(reading(), lost)
  })
}

test('xz that asks for much memory is unreadable', { skip: isMissing('xz') }, async () => {
  const greedy = execFileSync('xz', ['--lzma2=dict=256MiB', '--threads=1', '--stdout'], { input: plain })
  await assert.rejects(decode(greedy), /[Mm]emory/)
})

test('a machine without xz says so', async () => {
  const none: Run = () => {
    throw new CommandFailed('xz cannot be run', { isMissing: true })
  }
  const packed = Buffer.from('fd377a585a0000', 'hex')
  await assert.rejects(decode(packed, undefined, { ...BOUNDS, run: none }), /this machine does not have/)
})

test('a program that hangs is ended, with the reason of who ended it', async () => {
  const ending = new AbortController()
  const hangs: Run = (_program, _args, options) =>
    runOnMachine(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], options)
  const reading = decode(Buffer.from('BZh9'), undefined, { ...BOUNDS, run: hangs, signal: ending.signal })
  const reason = new Error('too long')
  setImmediate(() => ending.abort(reason))
  await assert.rejects(reading, reason)
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

function isMissing(program: string): string | false {
  const has = (directory: string) => {
    try {
      accessSync(join(directory, program))
      return true
    } catch {
      return false
    }
  }
  return (process.env['PATH'] ?? '').split(delimiter).some(has) ? false : `no ${program} here`
}
