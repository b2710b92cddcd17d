/** The quota, the order of eviction, the reserve and the memory of the disk store, on a real file system (R7.2, R7.4). */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { seededRandom, systemRandom } from '../../core/random.ts'
import type { EpochMs } from '../../core/clock.ts'
import type { Store } from '../../core/store.ts'
import {
  bytesOf,
  bytesOnDisk,
  fault,
  headOf,
  MIB,
  openDiskStore,
  put,
  readAll,
  temporaryDirectory,
  until,
  uriOf,
} from './store-fixtures.ts'
import { onFileSystem, withoutFileSystem } from './small-file-system.ts'

describe('the quota on the disk', () => {
  for (const mebibytes of [16, 64])
    it(`of ${mebibytes} MiB holds within 1 % at every moment, whoever writes, replaces and removes meanwhile`, async (test) => {
      const seed = Number(process.env['IHAVE_TEST_SEED'] ?? systemRandom.uint32())
      test.diagnostic(`seed ${seed}: set IHAVE_TEST_SEED to repeat`)
      const random = seededRandom(seed)
      const maxBytes = mebibytes * MIB
      const directory = temporaryDirectory(test)
      const { store } = await openDiskStore(test, { directory, maxBytes })
      let [most, looks] = [0, 0]
      const running = new Set(Array.from({ length: 6 }, (_, writer) => writer))
      const write = async (writer: number) => {
        for (let turn = 0; turn < 30 + mebibytes / 2; turn += 1) {
          const bytes = bytesOf(Math.floor(random.fraction() ** 2 * 2 * MIB), random.uint32())
          await put(store, String(random.uint32() % (4 * mebibytes)), bytes)
          if (random.fraction() < 0.1) store.remove(uriOf(String(random.uint32() % (4 * mebibytes))))
        }
        running.delete(writer)
      }
      const writers = Promise.all([...running].map(write))
      for (; running.size > 0; looks += 1) {
        most = Math.max(most, bytesOnDisk(directory))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await writers
      test.diagnostic(`at most ${((most / maxBytes) * 100).toFixed(2)} % of the quota in ${looks} looks`)
      assert.ok(most <= maxBytes * 1.01, `${most} bytes lay on the disk`)
      assert.ok(most >= maxBytes * 0.9, 'and it was used')
      await store.stop()
      assert.ok(bytesOnDisk(directory) >= store.usage().bytes)
      assert.ok(bytesOnDisk(directory) <= maxBytes * 1.01)
    })

  it('holds soon after a start with a smaller one, where nothing is stored either', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const size = 300_000
    for (let number = 0; number < 80; number += 1) await put(store, String(number), bytesOf(size, number + 1))
    await readOne(store, '0')
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory, maxBytes: 5 * size })
    assert.equal(names(again).length, 80, 'the start does not wait for it')
    await until(() => bytesOnDisk(directory) <= 5 * size)
    assert.deepEqual(names(again), ['0', '79', '78', '77', '76'])
  })

  it('is not made to hold by whoever only looks into the store', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    for (let number = 0; number < 3; number += 1) await put(store, String(number), bytesOf(MIB, number + 1))
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory, maxBytes: MIB, sweeps: false })
    await again.stop()
    assert.equal(bytesOnDisk(directory), 3 * MIB)
  })

  it('holds after a restart with a smaller one', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    for (let number = 0; number < 20; number += 1) await put(store, String(number), bytesOf(MIB, number + 1))
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory, maxBytes: 5 * MIB })
    await put(again, 'next', bytesOf(MIB, 100))
    assert.deepEqual(names(again), ['next', '19', '18', '17', '16'])
    assert.equal(bytesOnDisk(directory), 5 * MIB)
  })
})

describe('the order of use', () => {
  it('decides alone what goes, over restarts too, and whatever the clock says', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory, maxBytes: 10 * MIB })
    // Each was stored a year before the last one: the clock goes back.
    const year = 365 * 24 * 3600 * 1000
    for (let number = 0; number < 10; number += 1) {
      const time = (1e12 - number * year) as EpochMs
      await put(store, String(number), bytesOf(MIB, number + 1), { requestTime: time, responseTime: time })
    }
    for (const name of ['0', '5', '2']) await readOne(store, name)
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory, maxBytes: 10 * MIB })
    await readOne(again, '1')
    const order = ['1', '2', '5', '0', '9', '8', '7', '6', '4', '3']
    assert.deepEqual(names(again), order)
    for (let left = 10; left > 1; left -= 1) {
      await put(again, `new ${left}`, bytesOf(MIB, 100 + left))
      assert.deepEqual(
        names(again).filter((name) => !name.startsWith('new')),
        order.slice(0, left - 1),
      )
    }
  })
})

describe('the reserve', () => {
  it('of a small file system stays free', { skip: withoutFileSystem }, onFileSystem('12m', fillUpToReserve))

  it(
    'that is touched by others does not keep a store from starting, nor do no free bytes at all',
    { skip: withoutFileSystem },
    onFileSystem('4m', startOnFullDisk),
  )
})

describe('a disk that is smaller than the quota', () => {
  it(
    'has no space for what is larger than itself, and has it for what fits when all else goes',
    { skip: withoutFileSystem },
    onFileSystem('8m', async (test, directory) => {
      const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
      for (const name of ['a', 'b', 'c']) await put(store, name, bytesOf(MIB, name.charCodeAt(0)))
      assert.deepEqual([store.mayHold(9 * MIB), await store.hasSpaceFor(9 * MIB)], [true, false])
      assert.equal(await store.hasSpaceFor(6 * MIB), true)
      assert.deepEqual(names(store), ['c', 'b', 'a'])
    }),
  )
})

/** The index grows a little between two looks at the file system, and so may take of the reserve. */
const FOR_THE_INDEX = MIB / 4

async function fillUpToReserve(test: TestContext, directory: string): Promise<void> {
  const reserveBytes = 4 * MIB
  const { store } = await openDiskStore(test, { directory, reserveBytes })
  for (let number = 0; number < 60; number += 1) {
    await put(store, String(number), bytesOf(300_000, number + 1))
    const { bavail, bsize } = statfsSync(directory)
    assert.ok(bavail * bsize >= reserveBytes - FOR_THE_INDEX, `${bavail * bsize} bytes are free`)
  }
  // The rest of what is not in reserve is the index and its log.
  assert.ok(store.usage().bytes > 4 * MIB)
  assert.deepEqual(names(store).slice(0, 3), ['59', '58', '57'])
  await store.stop()
}

async function startOnFullDisk(test: TestContext, directory: string): Promise<void> {
  const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
  const stored = await put(store, 'a', bytesOf(500_000))
  await store.stop()
  spawnSync('sh', ['-c', 'head -c 8m /dev/zero > "$0/filler"', directory])
  assert.equal(statfsSync(directory).bavail, 0)
  const { store: again, events } = await openDiskStore(test, { directory, reserveBytes: 0 })
  assert.ok(bytesOf(500_000).equals(await readAll(again, stored)))
  await assert.rejects(put(again, 'b', bytesOf(3 * MIB)), fault('STORE_FULL'))
  assert.equal(again.usage().responses, [...again.list()].length)
  await again.stop()
  assert.deepEqual(events, [])
}

describe('a disk that others fill while a body comes in small pieces', () => {
  /** Too large to stay in memory until it is whole. */
  const body = bytesOf(1_600_000, 9)
  const FULL_AT = 1_300_000

  it(
    'is freed for what was not written yet',
    { skip: withoutFileSystem },
    onFileSystem('4m', async (test, directory) => {
      const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
      await put(store, 'old', bytesOf(1_100_000, 8))
      const copy = await store.create(body.length)
      for (let at = 0; at < FULL_AT; at += 10_000) await copy.write(at, body.subarray(at, at + 10_000))
      spawnSync('sh', ['-c', 'head -c 8m /dev/zero > "$0/filler"', directory])
      for (let at = FULL_AT; at < body.length; at += 10_000)
        await copy.write(at, body.subarray(at, at + 10_000))
      copy.setSize(body.length)
      const stored = await store.commit(copy, headOf('new'))
      assert.ok(body.equals(await readAll(store, stored)))
      assert.deepEqual(names(store), ['new'])
    }),
  )

  it(
    'ends the copy where nothing can be freed, and what was held is read until then',
    { skip: withoutFileSystem },
    onFileSystem('4m', async (test, directory) => {
      const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
      const copy = await store.create(body.length)
      copy.release(Infinity)
      spawnSync('sh', ['-c', 'head -c 8m /dev/zero > "$0/filler"', directory])
      let held = 0
      const filling = async () => {
        for (; held < body.length; held += 10_000) await copy.write(held, body.subarray(held, held + 10_000))
      }
      await assert.rejects(filling(), fault('STORE_FULL'))
      assert.equal(copy.heldUntil(0), held)
      const parts: Uint8Array[] = []
      for await (const part of copy.read({ start: 0, end: held })) parts.push(part)
      assert.ok(body.subarray(0, held).equals(Buffer.concat(parts)))
      await copy.discard()
      assert.equal(store.usage().bytes, 0)
    }),
  )
})

describe('memory', () => {
  it('does not follow the size of a body: 512 MiB', async (test) => {
    const { store } = await openDiskStore(test, { directory: temporaryDirectory(test), maxBytes: 1024 * MIB })
    const chunk = Buffer.alloc(MIB, 5)
    await put(store, 'warm-up', bytesOf(8 * MIB))
    const before = process.memoryUsage().rss
    let most = 0
    const look = () => (most = Math.max(most, process.memoryUsage().rss - before))
    const copy = await store.create(512 * MIB)
    for (let at = 0; at < 512 * MIB; at += MIB) {
      chunk.writeUInt32LE(at)
      await copy.write(at, chunk)
      look()
    }
    copy.setSize(512 * MIB)
    const stored = await store.commit(copy, headOf('large'))
    let read = 0
    for await (const bytes of store.read(stored, { start: 0, end: Infinity })) {
      read += bytes.length
      look()
    }
    for await (const _ of store.verify()) look()
    test.diagnostic(`at most ${(most / MIB).toFixed()} MiB more`)
    assert.equal(read, 512 * MIB)
    assert.ok(most < 160 * MIB, `${most / MIB} MiB more`)
  })
})

/** The most recently used first. */
function names(store: Store): string[] {
  return [...store.list()].map(({ uri }) => decodeURI(uri.slice(uriOf('').length)))
}

async function readOne(store: Store, name: string): Promise<void> {
  for (const response of store.lookup(uriOf(name))) await readAll(store, response)
}
