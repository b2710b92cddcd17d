/** Small bodies in the disk store: what they take on the disk, and what is left of them when the disk is damaged. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { seededRandom, systemRandom } from '../../core/random.ts'
import type { Store, StoredResponse } from '../../core/store.ts'
import {
  bodyFiles,
  bytesOf,
  bytesOnDisk,
  collect,
  cutBody,
  fault,
  flipBit,
  headOf,
  MIB,
  openDiskStore,
  put,
  readAll,
  sha256,
  temporaryDirectory,
  until,
  uriOf,
} from './store-fixtures.ts'
import { onFileSystem, withoutFileSystem } from './small-file-system.ts'

const KIB = 1024

/** Stores `count` bodies of `size` bytes. */
async function fill(store: Store, count: number, size: number): Promise<StoredResponse[]> {
  const stored: StoredResponse[] = []
  for (let number = 0; number < count; number += 1)
    stored.push(await put(store, String(number), bytesOf(size, number + 1)))
  return stored
}

/** The URIs' last parts of what can be read; every byte of it must be right. */
async function readable(store: Store, responses: readonly StoredResponse[]): Promise<string[]> {
  const names: string[] = []
  for (const response of responses) {
    const bytes = await readAll(store, response).catch(() => undefined)
    if (bytes === undefined) continue
    assert.equal(sha256(bytes), response.digest)
    names.push(response.uri.slice(uriOf('').length))
  }
  return names
}

describe('small bodies', () => {
  it('are no files of their own', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    await Promise.all(
      Array.from({ length: 50 }, (_, number) => put(store, String(number), bytesOf(100, number + 1))),
    )
    await put(store, 'large', bytesOf(256 * KIB + 1))
    assert.deepEqual(
      bodyFiles(directory).filter((file) => file.startsWith('segments')),
      [join('segments', '1')],
    )
    assert.equal(bodyFiles(directory).length, 2)
    assert.equal(bytesOnDisk(directory), store.usage().bytes)
  })

  it('need no disk to be read right after they were stored', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await put(store, 'a', bytesOf(10 * KIB))
    rmSync(join(directory, 'segments', '1'))
    assert.ok(bytesOf(10 * KIB).equals(await readAll(store, stored)))
  })

  it('go on to readers of the growing copy, however late they come', async (test) => {
    const { store } = await openDiskStore(test, { directory: temporaryDirectory(test) })
    const copy = await store.create()
    await copy.write(0, bytesOf(1000))
    copy.setSize(1000)
    copy.release(10)
    const early = copy.read({ start: 0, end: Infinity })[Symbol.asyncIterator]()
    const first = await early.next()
    await store.commit(copy, headOf('a'))
    store.remove(uriOf('a'))
    const rest = await collect({ [Symbol.asyncIterator]: () => early })
    assert.ok(bytesOf(1000).equals(Buffer.concat([first.value ?? Buffer.alloc(0), rest])))
    assert.ok(bytesOf(1000).equals(await collect(copy.read({ start: 0, end: Infinity }))))
  })

  it('that are stored again lie somewhere else, and leave nothing behind', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    await put(store, 'other', bytesOf(10, 9))
    for (const name of ['a', 'b', 'a']) await put(store, name, bytesOf(1000))
    assert.deepEqual(store.usage(), { bytes: 1010, maxBytes: 64 * MIB, partialBytes: 0, responses: 3 })
    for (const name of ['a', 'b', 'other']) store.remove(uriOf(name))
    await store.stop()
    assert.deepEqual(bodyFiles(directory), [])
  })

  it('that are stored again while their removal waits leave nothing behind', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await put(store, 'a', bytesOf(1000))
    const reader = store.read(stored, { start: 0, end: 1000 })[Symbol.asyncIterator]()
    await reader.next()
    store.remove(uriOf('a'))
    const again = await put(store, 'b', bytesOf(1000))
    await reader.return?.(undefined)
    assert.ok(bytesOf(1000).equals(await readAll(store, again)))
    store.remove(uriOf('b'))
    assert.equal(store.usage().bytes, 0)
    await store.stop()
    assert.deepEqual(bodyFiles(directory), [])
  })

  it('keep the quota on the disk, whatever is used and evicted in which order', async (test) => {
    const seed = Number(process.env['IHAVE_TEST_SEED'] ?? systemRandom.uint32())
    test.diagnostic(`seed ${seed}: set IHAVE_TEST_SEED to repeat`)
    const random = seededRandom(seed)
    const directory = temporaryDirectory(test)
    const maxBytes = 64 * MIB
    const { store, events } = await openDiskStore(test, { directory, maxBytes })
    let most = 0
    for (let round = 0; round < 500; round += 1) {
      const names = Array.from({ length: 16 }, () => random.uint32() % 20_000)
      await Promise.all(
        names.map((name) =>
          put(store, String(name), Buffer.alloc(1 + (random.uint32() % (32 * KIB)), `${name} `)),
        ),
      )
      for (const name of names) {
        const [response] = store.lookup(uriOf(String(name - (name % 3))))
        if (response !== undefined) await readAll(store, response)
      }
      most = Math.max(most, bytesOnDisk(directory))
    }
    assert.ok(store.usage().bytes > 0.93 * maxBytes, `${store.usage().bytes} bytes of bodies`)
    assert.ok(most <= 1.01 * maxBytes, `${most} bytes on the disk`)
    assert.equal(
      [...store.list()].reduce((sum, { size }) => sum + size, 0),
      store.usage().bytes,
    )
    for (const response of store.list()) await readAll(store, response)
    await store.stop()
    assert.deepEqual(events, [])
  })
})

describe('small bodies after a restart', () => {
  /** Six bodies in two segments, on the disk of a stopped store. */
  const filled = async (test: TestContext) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await fill(store, 6, 70 * KIB)
    await store.stop()
    assert.deepEqual(readdirSync(join(directory, 'segments')), ['1', '2'])
    return { directory, stored }
  }

  it('are all there, and the next ones begin another segment', async (test) => {
    const { directory, stored } = await filled(test)
    const { store } = await openDiskStore(test, { directory })
    assert.equal((await readable(store, stored)).length, 6)
    await put(store, 'next', bytesOf(10))
    assert.equal(statSync(join(directory, 'segments', '3')).size, 10)
  })

  it('are lost where the last segment was cut, without being asked for', async (test) => {
    const { directory, stored } = await filled(test)
    const fifth = stored[4]
    assert.ok(fifth)
    cutBody(directory, fifth, 100)
    const { store, events } = await openDiskStore(test, { directory })
    await until(() => store.usage().responses === 4)
    assert.deepEqual(await readable(store, [...store.list()]), ['3', '2', '1', '0'])
    assert.equal(store.usage().bytes, 4 * 70 * KIB)
    assert.ok(events.every(({ kind }) => kind === 'body-lost'))
  })

  it('are lost where a segment is missing, without being asked for', async (test) => {
    const { directory } = await filled(test)
    rmSync(join(directory, 'segments', '1'))
    const { store } = await openDiskStore(test, { directory })
    await until(() => store.usage().responses === 3)
    assert.deepEqual(await readable(store, [...store.list()]), ['5', '4', '3'])
  })

  it('are lost one by one where a bit was flipped', async (test) => {
    const { directory, stored } = await filled(test)
    const second = stored[1]
    assert.ok(second)
    flipBit(directory, second, 5000)
    const { store, events } = await openDiskStore(test, { directory })
    assert.deepEqual(await readable(store, stored), ['0', '2', '3', '4', '5'])
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['body-lost'],
    )
    assert.equal(store.usage().responses, 5)
    const again = await put(store, '1', bytesOf(70 * KIB, 2))
    assert.ok(bytesOf(70 * KIB, 2).equals(await readAll(store, again)))
  })

  it('never yield a wrong byte when the index is older than they are', async (test) => {
    const { directory, stored } = await filled(test)
    const index = join(directory, 'index.sqlite')
    copyFileSync(index, `${index}.old`)
    const { store } = await openDiskStore(test, { directory })
    for (const number of [0, 1, 2]) store.remove(uriOf(String(number)))
    const newer = await put(store, 'newer', bytesOf(200 * KIB, 99))
    await store.stop()
    copyFileSync(`${index}.old`, index)
    const { store: again, events } = await openDiskStore(test, { directory })
    assert.deepEqual(await readable(again, stored), ['3', '4', '5'])
    await until(() => events.some(({ kind }) => kind === 'leftovers-removed'))
    assert.deepEqual(again.lookup(newer.uri), [])
    assert.deepEqual(bodyFiles(directory), [join('segments', '2')])
    assert.equal(again.usage().bytes, 3 * 70 * KIB)
  })

  it('never yield a wrong byte when a segment has become another one', async (test) => {
    const { directory, stored } = await filled(test)
    copyFileSync(join(directory, 'segments', '2'), join(directory, 'segments', '1'))
    const { store } = await openDiskStore(test, { directory })
    assert.deepEqual(await readable(store, stored), ['3', '4', '5'])
    assert.equal(store.usage().bytes, 3 * 70 * KIB)
  })

  it('that lived apart in many segments are put together again', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await fill(store, 70, 60 * KIB)
    for (let number = 0; number < 70; number += 1) if (number % 4 !== 0) store.remove(uriOf(String(number)))
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory })
    await put(again, 'more', bytesOf(10))
    again.remove(uriOf('more'))
    await until(() => bytesOnDisk(directory) < again.usage().bytes + 0.01 * 64 * MIB)
    assert.equal((await readable(again, stored)).length, 18)
    await again.stop()
    const { store: last } = await openDiskStore(test, { directory })
    assert.equal((await readable(last, stored)).length, 18)
  })
})

describe('small bodies that came at once', () => {
  it('outlast a stop', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    await (await store.create()).discard()
    const stored = await store.reserve(10 * KIB)?.keep(bytesOf(10 * KIB), headOf('a'))
    assert.ok(stored)
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory })
    assert.deepEqual(again.lookup(uriOf('a')), [stored])
    assert.ok(bytesOf(10 * KIB).equals(await readAll(again, stored)))
  })
})

describe('small bodies on a full file system', { skip: withoutFileSystem }, () => {
  it('make room by going together, and the next ones are stored', onFileSystem('16m', fillFileSystem))

  it(
    'are stored or refused, and nothing between, when others leave no space',
    onFileSystem('8m', fillByOthers),
  )

  it('that came at once are announced, or removed again, as they are there', onFileSystem('8m', fillAtOnce))
})

async function fillByOthers(test: TestContext, directory: string): Promise<void> {
  const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
  await fill(store, 20, 10 * KIB)
  const others = join(directory, 'others')
  // Until there is no page left: a write that meets the end may have been cut.
  spawnSync('/bin/dd', ['if=/dev/zero', `of=${others}`, 'bs=4096'])
  let refused = 0
  for (let number = 100; number < 160; number += 1) {
    const stored = await putIfRoom(store, number)
    if (stored === undefined) refused += 1
    else assert.deepEqual(store.lookup(stored.uri), [stored])
  }
  assert.ok(refused > 0)
  const left = [...store.list()]
  assert.equal(
    left.reduce((sum, { size }) => sum + size, 0),
    store.usage().bytes,
  )
  assert.equal(store.usage().responses, left.length)
  rmSync(others)
  const next = await put(store, 'next', bytesOf(10 * KIB))
  await store.stop()
  const { store: again } = await openDiskStore(test, { directory, reserveBytes: 0 })
  assert.deepEqual(again.lookup(next.uri), [next])
  assert.equal((await readable(again, [...again.list()])).length, again.usage().responses)
}

async function fillAtOnce(test: TestContext, directory: string): Promise<void> {
  const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
  await fill(store, 20, 10 * KIB)
  const there = new Set([...store.list()].map(({ uri }) => uri))
  store.subscribe(({ kind, response: { uri } }) => (kind === 'stored' ? there.add(uri) : there.delete(uri)))
  spawnSync('/bin/dd', ['if=/dev/zero', `of=${join(directory, 'others')}`, 'bs=4096'])
  for (let number = 100; number < 160; number += 1) await keepIfRoom(store, number)
  rmSync(join(directory, 'others'))
  const next = await put(store, 'next', bytesOf(10 * KIB))
  const left = [...store.list()]
  assert.deepEqual(left.map(({ uri }) => uri).toSorted(), [...there].toSorted())
  assert.equal(
    left.reduce((sum, { size }) => sum + size, 0),
    store.usage().bytes,
  )
  await store.stop()
  const { store: again } = await openDiskStore(test, { directory, reserveBytes: 0 })
  assert.deepEqual(again.lookup(next.uri), [next])
  assert.equal((await readable(again, [...again.list()])).length, left.length)
}

async function keepIfRoom(store: Store, number: number): Promise<void> {
  const room = store.reserve(10 * KIB)
  // Whoever grows looks how much room there is.
  if (room === undefined) return (await store.create()).discard()
  const keeping = room.keep(bytesOf(10 * KIB, number + 1), headOf(String(number)))
  await keeping.catch((error: unknown) => assert.ok(fault('STORE_FULL')(error), String(error)))
}

async function putIfRoom(store: Store, number: number): Promise<StoredResponse | undefined> {
  try {
    return await put(store, String(number), bytesOf(10 * KIB, number + 1))
  } catch (error) {
    assert.ok(fault('STORE_FULL')(error), String(error))
    return undefined
  }
}

async function fillFileSystem(test: TestContext, directory: string): Promise<void> {
  const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
  let last: StoredResponse | undefined
  for (let round = 0; round < 80; round += 1) {
    const puts = Array.from({ length: 16 }, (_, at) => {
      const number = round * 16 + at
      return put(store, String(number), bytesOf(20 * KIB, number + 1))
    })
    for (const each of await Promise.all(puts)) last = each
    assert.ok(last && store.lookup(last.uri).length === 1)
  }
  const left = [...store.list()]
  assert.ok(left.length > 60, `${left.length} are left`)
  assert.equal((await readable(store, left)).length, left.length)
  await store.stop()
  const { store: again } = await openDiskStore(test, { directory, reserveBytes: 0 })
  assert.equal((await readable(again, left)).length, left.length)
}
