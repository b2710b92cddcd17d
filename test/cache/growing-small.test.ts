import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Sha256 } from '../../core/digest.ts'
import type { GrowingBytes } from '../../cache/growing-bytes.ts'
import { GrowingMemory } from '../../cache/growing-memory.ts'
import { GrowingMemoryBudget, GrowingSmall } from '../../cache/growing-small.ts'
import { MAX_SEGMENT_BODY } from '../../cache/segment-files.ts'
import { bytesOf, MIB } from './store-fixtures.ts'

/** Files are memory here that remembers what was made of it. */
function scene(budgetBytes = 32 * MIB) {
  const budget = new GrowingMemoryBudget(budgetBytes)
  const files: (GrowingBytes & {
    holds: number
    holdsAtWrite: number | undefined
    removed: boolean
    written: [offset: number, bytes: number][]
    kept: Uint8Array | undefined
  })[] = []
  const createFile = async () => {
    const memory = new GrowingMemory((_, bytes) => (file.kept = bytes))
    const file = Object.assign(memory, {
      holds: 0,
      holdsAtWrite: undefined as number | undefined,
      removed: false,
      written: [] as [offset: number, bytes: number][],
      kept: undefined as Uint8Array | undefined,
    })
    const remove = memory.remove.bind(memory)
    file.remove = () => ((file.removed = true), remove())
    const write = memory.write.bind(memory)
    file.write = (offset, bytes) => {
      file.holdsAtWrite ??= file.holds
      file.written.push([offset, bytes.length])
      return write(offset, bytes)
    }
    file.hold = () => {
      file.holds += 1
      return () => void (file.holds -= 1)
    }
    files.push(file)
    return file
  }
  const small: Uint8Array[] = []
  const keepSmall = async (_: Sha256, bytes: Uint8Array) => ({ segment: 1, start: small.push(bytes) })
  return {
    budget,
    files,
    small,
    grow: () => new GrowingSmall(budget, { largestSmall: MAX_SEGMENT_BODY, createFile, keepSmall }),
  }
}

const all = (bytes: GrowingBytes, end: number) => bytes.read({ start: 0, end })

describe('a growing copy that is small', () => {
  it('is no file before it is kept, whole', async () => {
    const { files, grow } = scene()
    const copy = grow()
    await copy.write(0, bytesOf(MIB))
    assert.equal(files.length, 0)
    assert.deepEqual(Buffer.from(await all(copy, MIB)), bytesOf(MIB))
    await copy.keep('a' as Sha256, () => () => {})
    assert.deepEqual(Buffer.from(files[0]?.kept ?? []), bytesOf(MIB))
  })

  it('becomes a file with the first byte beyond a piece, gaps and readers included', async () => {
    const { files, grow } = scene()
    const copy = grow()
    const letGo = copy.hold()
    const bytes = bytesOf(MIB + 1)
    await copy.write(500, bytes.subarray(500, MIB))
    await copy.write(MIB, bytes.subarray(MIB))
    assert.equal(files.length, 1)
    assert.equal(files[0]?.holds, 1)
    await copy.write(0, bytes.subarray(0, 500))
    assert.deepEqual(Buffer.from(await all(copy, MIB + 1)), bytes)
    letGo()
    letGo()
    assert.equal(files[0]?.holds, 0)
  })

  it('gives a file only the bytes that it has, each run at its own place', async () => {
    const { files, grow } = scene()
    const copy = grow()
    const bytes = bytesOf(MIB)
    await copy.write(MIB - 1000, bytes.subarray(MIB - 1000))
    await copy.write(500, bytes.subarray(500, 600))
    await copy.write(600, bytes.subarray(600, 700))
    await copy.named()
    assert.deepEqual(files[0]?.written, [
      [500, 200],
      [MIB - 1000, 1000],
    ])
    assert.deepEqual(Buffer.from(await copy.read({ start: 500, end: 700 })), bytes.subarray(500, 700))
    assert.deepEqual(
      Buffer.from(await copy.read({ start: MIB - 1000, end: MIB })),
      bytes.subarray(MIB - 1000),
    )
  })

  it('as a file knows from its first byte how many read it, and forgets those that leave', async () => {
    const { files, grow } = scene()
    const copy = grow()
    await copy.write(0, bytesOf(MIB))
    const letGo = [copy.hold(), copy.hold()]
    await copy.write(MIB, bytesOf(1))
    assert.deepEqual([files[0]?.holdsAtWrite, files[0]?.holds], [2, 2])
    for (const each of letGo) each()
    assert.equal(files[0]?.holds, 0)
  })

  it('what a reader was given stays as it was when the copy goes on', async () => {
    const { grow } = scene()
    const copy = grow()
    await copy.write(0, bytesOf(1000))
    const given = await all(copy, 1000)
    await copy.write(1000, bytesOf(MIB, 2))
    assert.deepEqual(Buffer.from(given), bytesOf(1000))
  })

  it('is a file from its first byte when all copies together have too much memory', async () => {
    const { files, grow, budget } = scene(MIB)
    const first = grow()
    await first.write(0, bytesOf(MIB - 10))
    const second = grow()
    await second.write(0, bytesOf(11))
    assert.equal(files.length, 1)
    await first.remove()
    const third = grow()
    await third.write(0, bytesOf(MIB))
    assert.equal(files.length, 1)
    await third.keep('a' as Sha256, () => () => {})
    assert.ok(budget.take(MIB), 'a copy that is kept has given its memory back')
  })

  it('gives its memory back once, however often it is removed', async () => {
    const { grow, budget } = scene(MIB)
    const copy = grow()
    await copy.write(0, bytesOf(MIB))
    await copy.remove()
    await copy.remove()
    assert.ok(budget.take(MIB))
    assert.ok(!budget.take(1))
  })

  it('is nothing but an error when the file cannot take what memory held', async () => {
    const budget = new GrowingMemoryBudget(10)
    let removed = 0
    const file = new GrowingMemory(() => {})
    file.write = () => Promise.reject(new Error('full'))
    file.remove = async () => void (removed += 1)
    const copy = new GrowingSmall(budget, {
      largestSmall: MAX_SEGMENT_BODY,
      createFile: async () => file,
      keepSmall: async () => ({ segment: 1, start: 0 }),
    })
    await copy.write(0, bytesOf(10))
    await assert.rejects(copy.write(10, bytesOf(1)), /full/)
    assert.equal(removed, 1)
    assert.deepEqual(Buffer.from(await all(copy, 10)), bytesOf(10))
  })
})
