import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { createGrowingFile, type GrowingFile } from '../../cache/growing-file.ts'
import { MOST_BYTES, MOST_PIECES, UnwrittenBytes } from '../../cache/unwritten-bytes.ts'
import type { Sha256 } from '../../core/digest.ts'
import { bytesOf, fault, temporaryDirectory } from './store-fixtures.ts'

const PIECE = 10_000
const NAME = 'a'.repeat(64) as Sha256

describe('bytes that are not written yet', () => {
  it('are one run, of so many bytes and pieces', () => {
    const run = new UnwrittenBytes()
    assert.ok(run.takes(500, bytesOf(MOST_BYTES)), 'the first ones begin anywhere')
    run.add(500, bytesOf(MOST_BYTES - 2))
    assert.deepEqual(
      [498, 500 + MOST_BYTES - 2, 500 + MOST_BYTES - 1].map((at) => run.takes(at, bytesOf(1))),
      [false, true, false],
    )
    assert.equal(run.takes(500 + MOST_BYTES - 2, bytesOf(3)), false)
    const many = new UnwrittenBytes()
    for (let at = 0; at < MOST_PIECES; at += 1) many.add(at, bytesOf(1))
    assert.equal(many.takes(MOST_PIECES, bytesOf(1)), false)
    assert.equal(new UnwrittenBytes().takes(0, bytesOf(0)), true)
  })

  it('are found from any offset, to the end of their piece at most, until they are written', () => {
    const run = new UnwrittenBytes()
    run.add(100, Buffer.from('abc'))
    run.add(103, Buffer.from('def'))
    const at = (start: number, end: number) => run.from({ start, end })?.toString()
    assert.deepEqual(
      [at(99, 103), at(100, 101), at(101, 900), at(103, 900), at(105, 106), at(106, 107)],
      [undefined, 'a', 'bc', 'def', 'f', undefined],
    )
    run.written(2)
    assert.deepEqual([run.start, at(101, 900), at(102, 900)], [102, undefined, 'c'])
    run.written(100)
    assert.deepEqual([run.isEmpty, run.start, at(104, 105)], [true, 106, undefined])
    run.add(7, Buffer.from('x'))
    run.clear()
    assert.deepEqual([run.isEmpty, at(7, 8)], [true, undefined])
  })
})

async function fileOf(test: TestContext): Promise<{ file: GrowingFile; path: string; kept: string }> {
  const directory = temporaryDirectory(test)
  const [path, kept] = [join(directory, 'growing'), join(directory, 'kept')]
  const file = await createGrowingFile(path, {
    pathOf: () => kept,
    onKept: () => {},
    onUnremoved: () => assert.fail(),
  })
  test.after(() => file.remove())
  return { file, path, kept }
}

async function readAll(file: GrowingFile, size: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for (let at = 0; at < size; at += parts.at(-1)?.length ?? 0)
    parts.push(await file.read({ start: at, end: size }))
  return Buffer.concat(parts)
}

describe('a growing file', () => {
  const body = bytesOf(1_000_000)

  it('writes small pieces together, and has them all at every moment', async (test) => {
    const { file, path, kept } = await fileOf(test)
    const sizes = new Set<number>()
    for (let at = 0; at < body.length; at += PIECE) {
      await file.write(at, body.subarray(at, at + PIECE))
      sizes.add(statSync(path).size)
      if (at % (10 * PIECE) === 0)
        assert.ok(body.subarray(0, at + PIECE).equals(await readAll(file, at + PIECE)), `${at}`)
    }
    assert.ok(sizes.size <= 1 + Math.ceil(body.length / (MOST_BYTES - PIECE)), `${sizes.size} writes`)
    await file.keep(NAME, () => () => {})
    assert.ok(body.equals(readFileSync(kept)))
  })

  for (const [name, settle] of [
    ['is named', (file: GrowingFile) => file.named()],
    ['rests', (file: GrowingFile) => file.rest()],
  ] as const)
    it(`has everything on the disk when it ${name}, and goes on`, async (test) => {
      const { file, path } = await fileOf(test)
      await file.write(0, body.subarray(0, PIECE))
      assert.equal(statSync(path).size, 0)
      await settle(file)
      assert.ok(body.subarray(0, PIECE).equals(readFileSync(path)))
      await file.write(PIECE, body.subarray(PIECE, 2 * PIECE))
      assert.ok(body.subarray(0, 2 * PIECE).equals(await readAll(file, 2 * PIECE)))
    })

  it('takes pieces in any order, and large ones between them', async (test) => {
    const { file } = await fileOf(test)
    const large = { start: 300_000, end: 300_000 + MOST_BYTES }
    const small = [...Array(30).keys()].map((at) => ({ start: at * PIECE, end: (at + 1) * PIECE }))
    const rest = { start: large.end, end: body.length }
    for (const { start, end } of [...small.slice(15), large, ...small.slice(0, 15).toReversed(), rest])
      await file.write(start, body.subarray(start, end))
    assert.ok(body.equals(await readAll(file, body.length)))
  })

  it('reads no hole behind which something is written already', async (test) => {
    const { file } = await fileOf(test)
    const tail = 900_000
    await file.write(tail, body.subarray(tail))
    for (let at = 0; at < tail; at += 1_400) {
      await file.write(at, body.subarray(at, Math.min(at + 1_400, tail)))
      const held = Math.min(at + 1_400, tail)
      if (at % 63_000 === 0) assert.ok(body.subarray(0, held).equals(await readAll(file, held)), `${at}`)
    }
    assert.ok(body.equals(await readAll(file, body.length)))
  })

  it('takes an empty piece for none', async (test) => {
    const { file } = await fileOf(test)
    await file.write(0, new Uint8Array())
    await file.settle()
    await file.write(0, body.subarray(0, PIECE))
    assert.ok(body.subarray(0, PIECE).equals(await readAll(file, PIECE)))
  })

  it('is cleared of what is being written', async (test) => {
    const { file } = await fileOf(test)
    await file.write(0, bytesOf(PIECE, 1))
    const settling = file.settle()
    await file.clear()
    await file.write(0, body.subarray(0, PIECE))
    await settling
    await file.settle()
    assert.ok(body.subarray(0, PIECE).equals(await readAll(file, PIECE)))
  })

  it('has nothing when it was cleared or removed', async (test) => {
    const { file, path } = await fileOf(test)
    await file.write(0, body.subarray(0, PIECE))
    await file.clear()
    await file.settle()
    assert.equal(statSync(path).size, 0)
    await file.write(0, body.subarray(0, PIECE))
    await file.remove()
    await assert.rejects(file.write(PIECE, body.subarray(0, PIECE)), fault('STORE_FAILED'))
  })
})
