/** What stays in memory of the disk store's bodies, and what memory they are read into. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Sha256 } from '../../core/digest.ts'
import {
  bytesOf,
  collect,
  MIB,
  openDiskStore,
  put,
  readAll,
  removeBody,
  temporaryDirectory,
} from './store-fixtures.ts'

async function open(test: TestContext, memoryBytes: number) {
  const directory = temporaryDirectory(test)
  const { store } = await openDiskStore(test, { directory, memoryBytes })
  const pathOf = (digest: Sha256) => join(directory, 'bodies', digest.slice(0, 2), digest)
  return { store, directory, pathOf }
}

describe('a body in memory', () => {
  it('is held whole from the beginning when it is small, and needs no file', async (test) => {
    const { store, directory } = await open(test, MIB)
    const stored = await put(store, 'a', bytesOf(1000))
    removeBody(directory, stored)
    assert.ok(bytesOf(1000).equals(store.held(stored) ?? Buffer.alloc(0)))
    assert.ok(bytesOf(1000).equals(await readAll(store, stored)))
    assert.ok(
      bytesOf(1000)
        .subarray(5, 10)
        .equals(await collect(store.read(stored, { start: 5, end: 10 }))),
    )
  })

  it('is held whole after its first reading when it is small and was stored by a former process', async (test) => {
    const { store: before, directory } = await open(test, MIB)
    const stored = await put(before, 'a', bytesOf(1000))
    await before.stop()
    const { store } = await openDiskStore(test, { directory })
    assert.equal(store.held(stored), undefined)
    await readAll(store, stored)
    assert.ok(bytesOf(1000).equals(store.held(stored) ?? Buffer.alloc(0)))
  })

  it('that is larger stays when it is read for the second time, and is never held as one run', async (test) => {
    const { store, pathOf } = await open(test, 8 * MIB)
    const stored = await put(store, 'a', bytesOf(3 * MIB + 5))
    for (let time = 0; time < 2; time++) assert.ok(bytesOf(3 * MIB + 5).equals(await readAll(store, stored)))
    assert.equal(store.held(stored), undefined)
    rmSync(pathOf(stored.digest))
    assert.ok(bytesOf(3 * MIB + 5).equals(await readAll(store, stored)))
  })

  it('was checked when it came there', async (test) => {
    const { store, pathOf } = await open(test, 8 * MIB)
    const bytes = bytesOf(2 * MIB)
    const stored = await put(store, 'a', bytes)
    await readAll(store, stored)
    bytes[MIB + 1] = 0
    bytes[MIB + 2] = 0
    writeFileSync(pathOf(stored.digest), bytes)
    await assert.rejects(readAll(store, stored), /does not match its digest/)
  })

  it('is no larger than half of the memory, and small ones take no more than all of it', async (test) => {
    const { store, pathOf } = await open(test, 3 * MIB)
    const large = await put(store, 'a', bytesOf(2 * MIB))
    const small = [1, 2, 3, 4].map((seed) => put(store, String(seed), bytesOf(MIB, seed)))
    for (const stored of [large, large, large]) await readAll(store, stored)
    const held = await Promise.all(small)
    for (const stored of held) await readAll(store, stored)
    assert.deepEqual(
      held.map((stored) => store.held(stored) !== undefined),
      [false, true, true, true],
    )
    rmSync(pathOf(large.digest))
    await assert.rejects(readAll(store, large))
  })

  it('is never held where memory is not to be used', async (test) => {
    const { store } = await open(test, 0)
    const stored = await put(store, 'a', bytesOf(10))
    assert.ok(bytesOf(10).equals(await readAll(store, stored)))
    assert.equal(store.held(stored), undefined)
  })

  it('goes with its response', async (test) => {
    const { store } = await open(test, MIB)
    const stored = await put(store, 'a', bytesOf(10))
    await readAll(store, stored)
    store.remove(stored.uri)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(store.held(stored), undefined)
  })

  it('is used when its reader says so', async (test) => {
    const { store } = await open(test, MIB)
    const a = await put(store, 'a', bytesOf(10))
    await readAll(store, a)
    const b = await put(store, 'b', bytesOf(11))
    assert.deepEqual([...store.list()], [b, a])
    store.held(a)
    assert.deepEqual([...store.list()], [b, a])
    store.use(a)
    assert.deepEqual([...store.list()], [a, b])
  })
})

describe('memory that a reader lends', () => {
  it('is used for what only passes by, and never for what stays', async (test) => {
    const { store } = await open(test, 5 * MIB)
    const taken: number[] = []
    const allocate = (bytes: number) => {
      taken.push(bytes)
      return Buffer.alloc(bytes)
    }
    const small = await put(store, 'a', bytesOf(10))
    const large = await put(store, 'b', bytesOf(2 * MIB + 1))
    const read = (stored: typeof small) =>
      collect(store.read(stored, { start: 0, end: stored.size }, allocate))
    await read(small)
    assert.deepEqual(taken, [])
    assert.ok(bytesOf(2 * MIB + 1).equals(await read(large)))
    assert.deepEqual(taken, [MIB, MIB, 1])
    await read(large) // stays from now on
    await read(large)
    assert.deepEqual(taken, [MIB, MIB, 1])
  })
})
