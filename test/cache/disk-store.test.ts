import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { MAX_OPEN } from '../../cache/open-files.ts'
import { LEAST_QUOTA, MAX_SEGMENT_BODY } from '../../cache/segment-files.ts'
import { Fault } from '../../core/fault.ts'
import type { Store } from '../../core/store.ts'
import { storeConformance, type StoreLimitsInTest } from './store-conformance.ts'
import {
  bodyFiles,
  bytesOf,
  collect,
  cutBody,
  fault,
  flipBit,
  headOf,
  MIB,
  openDiskStore,
  put,
  readAll,
  removeBody,
  temporaryDirectory,
  turns,
  unwantedFiles,
  until,
  uriOf,
  whereIs,
} from './store-fixtures.ts'
import { onFileSystem, withoutFileSystem } from './small-file-system.ts'

const opened = async (test: TestContext, limits: StoreLimitsInTest) =>
  (await openDiskStore(test, { directory: temporaryDirectory(test), ...limits })).store

storeConformance('the disk store', opened, 4096)

/** Makes an index of version 2 of one whose bodies have files of their own. */
const AS_VERSION_2 = `
  CREATE TABLE old (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, pieces BLOB NOT NULL);
  INSERT INTO old SELECT digest, size, iif(size > 1048576, pieces, iif(size > 0, unhex(digest), x'')) FROM bodies;
  CREATE TABLE old_responses (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uri TEXT NOT NULL, variant TEXT NOT NULL, digest TEXT NOT NULL, used INTEGER NOT NULL UNIQUE,
    content TEXT NOT NULL, seal TEXT NOT NULL
  );
  INSERT INTO old_responses SELECT id, uri, variant, (SELECT digest FROM bodies WHERE bodies.id = body), used, content,
    seal FROM responses;
  DROP TABLE bodies;
  DROP TABLE responses;
  ALTER TABLE old RENAME TO bodies;
  ALTER TABLE old_responses RENAME TO responses;
  CREATE INDEX bodies_size ON bodies (size);
  CREATE INDEX responses_uri ON responses (uri);
  CREATE INDEX responses_digest ON responses (digest);
  PRAGMA user_version = 2;
`

function openFiles(): number {
  return readdirSync('/proc/self/fd').length
}

/** Open files of this directory that have lost their names: their blocks are taken, and nobody counts them. */
function namelessFiles(directory: string): string[] {
  const targetOf = (descriptor: string) => {
    try {
      return readlinkSync(join('/proc/self/fd', descriptor))
    } catch {
      return '' // the descriptor that listed them
    }
  }
  const open = readdirSync('/proc/self/fd').map(targetOf)
  return open.filter((target) => target.startsWith(directory) && target.endsWith(' (deleted)'))
}

describe('the disk store after a restart', () => {
  it('has what it had, in the order of use', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const a = await put(store, 'a', bytesOf(2 * MIB + 7))
    const b = await put(store, 'b', bytesOf(10), { selecting: [['Accept', 'x']] })
    await readAll(store, a)
    await store.stop()
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory })
    assert.deepEqual([...again.list()], [a, b])
    assert.deepEqual(again.usage(), {
      bytes: 2 * MIB + 17,
      partialBytes: 0,
      maxBytes: 64 * MIB,
      responses: 2,
    })
    assert.ok(bytesOf(2 * MIB + 7).equals(await readAll(again, a)))
  })

  it('has what a version that knew no segments stored, and stores the next ones in segments', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory, maxBytes: MIB * 16 })
    const stored = []
    for (const size of [0, 10, MIB, 3 * MIB + 7]) stored.push(await put(store, String(size), bytesOf(size)))
    await store.stop()
    const database = new DatabaseSync(join(directory, 'index.sqlite'))
    database.exec(AS_VERSION_2)
    database.close()
    const { store: again, events } = await openDiskStore(test, { directory })
    assert.deepEqual([...again.list()], stored.toReversed())
    for (const each of stored) assert.ok(bytesOf(each.size).equals(await readAll(again, each)))
    assert.equal(again.usage().bytes, 4 * MIB + 17)
    const next = await put(again, 'next', bytesOf(10, 2))
    assert.deepEqual(unwantedFiles(directory, [...stored, next]), [])
    assert.equal(whereIs(directory, next).path, join(directory, 'segments', '1'))
    await again.stop()
    assert.deepEqual(events, [])
  })

  it('begins anew with an index of that version that cannot be upgraded', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory, maxBytes: MIB * 16 })
    await put(store, 'a', bytesOf(10))
    await store.stop()
    const database = new DatabaseSync(join(directory, 'index.sqlite'))
    database.exec(`${AS_VERSION_2} DROP TABLE bodies;`)
    database.close()
    const { store: again, events } = await openDiskStore(test, { directory })
    assert.deepEqual([...again.list()], [])
    await until(() => bodyFiles(directory).length === 0)
    assert.equal(events[0]?.kind, 'index-rebuilt')
  })

  it('has a file for each body where the quota is below 64 MiB', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory, maxBytes: LEAST_QUOTA - 1 })
    const small = await put(store, 'a', bytesOf(10))
    assert.deepEqual(bodyFiles(directory), [join('bodies', small.digest.slice(0, 2), small.digest)])
  })

  it('removes what a killed process left behind', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await put(store, 'a', bytesOf(10))
    await store.stop()
    mkdirSync(join(directory, 'bodies', 'ff'), { recursive: true })
    writeFileSync(join(directory, 'bodies', 'ff', 'f'.repeat(64)), 'no row has this')
    writeFileSync(join(directory, 'growing', 'half'), 'half a body')
    const { events } = await openDiskStore(test, { directory })
    await until(() => events.length > 0)
    assert.deepEqual(events, [{ kind: 'leftovers-removed', files: 2 }])
    assert.deepEqual(unwantedFiles(directory, [stored]), [])
    assert.deepEqual(whereIs(directory, stored), { path: join(directory, 'segments', '1'), start: 0 })
  })

  it('forgets responses whose body is missing, without being asked for them', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await put(store, 'a', bytesOf(10))
    await store.stop()
    removeBody(directory, stored)
    const { store: again } = await openDiskStore(test, { directory })
    await until(() => again.usage().responses === 0)
    assert.deepEqual(again.lookup(uriOf('a')), [])
    assert.equal(again.usage().bytes, 0)
  })

  it('leaves alone what is stored while it looks for leftovers', async (test) => {
    const directory = temporaryDirectory(test)
    const { store, events } = await openDiskStore(test, { directory })
    const stored = []
    for (let number = 0; number < 60; number += 1) {
      stored.push(await put(store, String(number), bytesOf(100, number + 1)))
    }
    await store.stop()
    assert.deepEqual(events, [])
    const { store: again } = await openDiskStore(test, { directory })
    for (const each of stored) await readAll(again, each)
  })
})

describe('a body that was changed on the disk', () => {
  for (const [size, at] of [
    [10, 3],
    [3 * MIB, 0],
    [3 * MIB, 2 * MIB + 1],
    [3 * MIB, 3 * MIB - 1],
  ] as const) {
    it(`is never delivered: bit ${at} of ${size} bytes`, async (test) => {
      const directory = temporaryDirectory(test)
      const { store: before } = await openDiskStore(test, { directory })
      const stored = await put(before, 'a', bytesOf(size))
      before.link(stored, headOf('b'))
      // What is small may still be in memory.
      await before.stop()
      flipBit(directory, stored, at)
      const { store, events } = await openDiskStore(test, { directory })
      const delivered: Uint8Array[] = []
      await assert.rejects(async () => {
        for await (const chunk of store.read(stored, { start: 0, end: size })) delivered.push(chunk)
      }, fault('STORE_CORRUPT'))
      const good = Buffer.concat(delivered)
      assert.ok(good.equals(bytesOf(size).subarray(0, good.length)) && good.length <= at)
      assert.deepEqual([...store.list()], [])
      assert.equal(store.usage().bytes, 0)
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ['body-lost'],
      )
      const again = await put(store, 'a', bytesOf(size))
      assert.ok(bytesOf(size).equals(await readAll(store, again)))
    })
  }

  it('is noticed in a small body although it was read right before, and nothing is held in memory', async (test) => {
    for (const size of [1000, MAX_SEGMENT_BODY, MAX_SEGMENT_BODY + 1]) {
      const directory = temporaryDirectory(test)
      const { store } = await openDiskStore(test, { directory, memoryBytes: 0 })
      const stored = await put(store, 'a', bytesOf(size))
      for (let time = 0; time < 3; time += 1) assert.ok(bytesOf(size).equals(await readAll(store, stored)))
      flipBit(directory, stored, size - 1)
      await assert.rejects(readAll(store, stored), fault('STORE_CORRUPT'))
      assert.deepEqual([...store.list()], [])
    }
  })

  it('is noticed although it was read right before', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await put(store, 'a', bytesOf(3 * MIB))
    await readAll(store, stored)
    flipBit(directory, stored, MIB + 5)
    const inTheMiddle = store.read(stored, { start: MIB + 10, end: MIB + 20 })
    await assert.rejects(collect(inTheMiddle), fault('STORE_CORRUPT'))
  })

  it('is noticed when it was cut', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await put(store, 'a', bytesOf(3 * MIB))
    cutBody(directory, stored, 2 * MIB)
    await assert.rejects(readAll(store, stored), fault('STORE_CORRUPT'))
  })

  it('is noticed when it is missing, and can be stored again', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await put(store, 'a', bytesOf(3 * MIB))
    removeBody(directory, stored)
    await assert.rejects(readAll(store, stored), fault('STORE_FAILED'))
    assert.deepEqual(store.lookup(uriOf('a')), [])
    await put(store, 'a', bytesOf(3 * MIB))
  })
})

describe('the files of the disk store', () => {
  it('are one for each body, and none when all is removed', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    await put(store, 'a', bytesOf(2 * MIB))
    const same = await put(store, 'b', bytesOf(2 * MIB))
    const copy = await store.create()
    await copy.write(0, bytesOf(10))
    await copy.discard()
    assert.deepEqual(unwantedFiles(directory, [same]), [])
    assert.equal(statSync(whereIs(directory, same).path).size, store.usage().bytes)
    store.remove(uriOf('a'))
    store.remove(uriOf('b'))
    await store.stop()
    assert.deepEqual(bodyFiles(directory), [])
  })

  it(
    'that bodies are read from stay open, but not many of them',
    { skip: process.platform !== 'linux' },
    async (test) => {
      const { store } = await openDiskStore(test, { directory: temporaryDirectory(test), memoryBytes: 0 })
      const before = openFiles()
      for (let number = 0; number < 2 * MAX_OPEN; number += 1)
        await readAll(store, await put(store, String(number), bytesOf(MAX_SEGMENT_BODY + 1, number + 1)))
      await until(() => openFiles() <= before + MAX_OPEN)
      for (let number = 0; number < 2 * MAX_OPEN; number += 1) store.remove(uriOf(String(number)))
      await until(() => openFiles() <= before)
    },
  )

  it('are closed when their bodies are removed', { skip: process.platform !== 'linux' }, async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    await put(store, 'warm-up', bytesOf(10))
    const before = openFiles()
    for (let number = 0; number < 20; number += 1) {
      const copy = await store.create()
      const reader = copy.read({ start: 0, end: Infinity })[Symbol.asyncIterator]()
      await copy.write(0, bytesOf(2 * MIB, number + 1))
      copy.setSize(2 * MIB)
      copy.release(Infinity)
      await reader.next()
      const stored = await store.commit(copy, headOf(String(number)))
      await reader.return?.(undefined)
      await readAll(store, stored)
      await (await store.create()).discard()
      store.remove(stored.uri)
    }
    await until(() => openFiles() <= before)
  })

  it(
    'are closed when the same body is stored again, as soon as nobody reads them',
    { skip: process.platform !== 'linux' },
    async (test) => {
      const directory = temporaryDirectory(test)
      const { store } = await openDiskStore(test, { directory, memoryBytes: 0 })
      const body = bytesOf(2 * MIB)
      const first = await put(store, 'a', body)
      assert.ok(body.equals(await readAll(store, first)))
      const reader = store.read(first, { start: 0, end: body.length })[Symbol.asyncIterator]()
      const { value } = await reader.next()
      await put(store, 'a', body)
      assert.equal(namelessFiles(directory).length, 1)
      const rest = await collect({ [Symbol.asyncIterator]: () => reader })
      assert.ok(body.equals(Buffer.concat([value, rest])))
      await until(() => namelessFiles(directory).length === 0)
      await readAll(store, await put(store, 'a', body))
      await put(store, 'b', body)
      await until(() => namelessFiles(directory).length === 0)
    },
  )
})

describe('the directory of the disk store', () => {
  it('serves one store at a time', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const inUse = (error: unknown) =>
      error instanceof Fault &&
      error.code === 'STORE_FAILED' &&
      error.message.includes(`${directory} is in use`)
    await assert.rejects(openDiskStore(test, { directory }), inUse)
    await store.stop()
    await openDiskStore(test, { directory })
  })

  it('is refused to a second process, and free when the first one is killed', async (test) => {
    const directory = temporaryDirectory(test)
    const child = join(import.meta.dirname, 'crashing-writer.ts')
    const first = spawnSync(process.execPath, [child, directory, 'start-twice'], { encoding: 'utf8' })
    assert.match(first.stdout, /in use by another process/)
    assert.equal(first.signal, 'SIGKILL')
    await openDiskStore(test, { directory })
  })

  it('starts although somebody wrote into the lock', async (test) => {
    const directory = temporaryDirectory(test)
    writeFileSync(join(directory, 'lock'), 'x'.repeat(5000))
    const { store } = await openDiskStore(test, { directory })
    await assert.rejects(openDiskStore(test, { directory }), fault('STORE_FAILED'))
    await put(store, 'a', bytesOf(10))
  })

  it('that cannot be made is named, with the reason', async (test) => {
    const file = join(temporaryDirectory(test), 'file')
    writeFileSync(file, '')
    await assert.rejects(openDiskStore(test, { directory: join(file, 'cache') }), (error) => {
      assert.ok(error instanceof Fault && error.code === 'STORE_FAILED')
      assert.ok(
        error.message.includes(join(file, 'cache')) && error.message.includes('ENOTDIR'),
        error.message,
      )
      return true
    })
  })

  it('without its store started, nothing can be had', async (test) => {
    const { store } = await openDiskStore(test, { directory: temporaryDirectory(test) })
    await store.stop()
    assert.throws(() => store.lookup(uriOf('a')), fault('STORE_FAILED'))
    await assert.rejects(store.create(), fault('STORE_FAILED'))
  })
})

describe('the free space of the file system', () => {
  it('is not used beyond the reserve', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory, reserveBytes: Number.MAX_SAFE_INTEGER })
    await assert.rejects(store.create(), fault('STORE_FULL'))
    assert.equal(store.usage().bytes, 0)
  })

  it(
    'may run out at any moment: what was used least recently goes, else the copy is refused',
    { skip: withoutFileSystem },
    onFileSystem('4m', fillFileSystem),
  )
})

async function fillFileSystem(test: TestContext, directory: string): Promise<void> {
  const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
  const stored = []
  for (let number = 0; number < 40; number += 1) {
    stored.push(await put(store, String(number), bytesOf(500_000, number + 1)))
  }
  const left = [...store.list()]
  assert.ok(left.length >= 3 && left.length < 8, `${left.length} are left`)
  assert.deepEqual(left, stored.slice(-left.length).toReversed())
  for (const each of left.toReversed()) await readAll(store, each)
  await refuseWhatCannotFit(store)
  await store.stop()
}

/** A body of unknown size fills the file system; the store lives on and takes the next one. */
async function refuseWhatCannotFit(store: Store): Promise<void> {
  const copy = await store.create()
  await assert.rejects(async () => {
    for (let at = 0; ; at += 100_000) await copy.write(at, bytesOf(100_000))
  }, fault('STORE_FULL'))
  await copy.discard()
  await turns()
  const next = await put(store, 'next', bytesOf(MIB))
  assert.ok(bytesOf(MIB).equals(await readAll(store, next)))
}
