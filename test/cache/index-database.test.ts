import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import type { StoreLogEvent } from '../../cache/store-log.ts'
import { IndexDatabase } from '../../cache/index-database.ts'
import { openIndexFile } from '../../cache/index-file.ts'
import { GrowingMemory } from '../../cache/growing-memory.ts'
import { MemoryIndex } from '../../cache/memory-index.ts'
import { MemoryBodies } from '../../cache/memory-store.ts'
import { BodyDigester } from '../../cache/piece-digests.ts'
import { ResponseStore } from '../../cache/response-store.ts'
import { Fault } from '../../core/fault.ts'
import { seededRandom, systemRandom } from '../../core/random.ts'
import type { Store, StoredResponse } from '../../core/store.ts'
import {
  all,
  bytesOf,
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

const emptyBody = new BodyDigester().result()

/** A stopped store's directory with `count` small bodies in it. */
async function filledDirectory(test: TestContext, count: number): Promise<[string, StoredResponse[]]> {
  const directory = temporaryDirectory(test)
  const { store } = await openDiskStore(test, { directory })
  const stored = []
  for (let number = 0; number < count; number += 1) {
    stored.push(await put(store, String(number), bytesOf(50 + number, number + 1)))
  }
  await store.stop()
  return [directory, stored]
}

/** The next `count` statements that read meet a disk that does not give back what it has: SQLITE_IOERR_READ. */
function failingReads(test: TestContext, count: number) {
  let left = count
  for (const how of ['all', 'get'] as const) {
    const real = StatementSync.prototype[how]
    test.mock.method(StatementSync.prototype, how, function (this: StatementSync, ...values: never[]) {
      if (left === 0) return Reflect.apply(real, this, values) as unknown
      left -= 1
      throw Object.assign(new Error('disk I/O error'), { errcode: 266 })
    })
  }
  return { left: () => left }
}

describe('the uses of responses', () => {
  for (const [used, last] of [
    [255, 300],
    [256, 256],
  ] as const) {
    it(`of ${used} responses ${last === used ? 'are written' : 'wait in memory'}`, (test) => {
      const directory = temporaryDirectory(test)
      const index = new IndexDatabase(join(directory, 'index.sqlite'), () => {})
      index.open(() => {})
      test.after(() => index.close())
      for (let id = 1; id <= 300; id += 1) index.insert(headOf(String(id)), emptyBody)
      for (let id = 1; id <= used; id += 1) index.use(id)
      index.flush()
      assert.equal(mostRecentOnDisk(directory), last)
      assert.equal(first(index.list('most-recent-first')).id, used)
    })
  }
})

/** The id of the response that a kill at this moment would leave as the most recently used. */
function mostRecentOnDisk(directory: string): number {
  for (const suffix of ['', '-wal']) {
    copyFileSync(join(directory, `index.sqlite${suffix}`), join(directory, `copy.sqlite${suffix}`))
  }
  const copy = new IndexDatabase(join(directory, 'copy.sqlite'), () => {})
  copy.open(() => {})
  const { id } = first(copy.list('most-recent-first'))
  copy.close()
  return id
}

function first(responses: Iterable<StoredResponse>): StoredResponse {
  for (const response of responses) return response
  throw new Error('there is none')
}

describe('a damaged index', () => {
  const damages: Record<string, (path: string) => void> = {
    garbage: (path) => writeFileSync(path, bytesOf(30_000)),
    'cut to a part': (path) => truncateSync(path, 5000),
    'cut within its header': (path) => truncateSync(path, 50),
    'of another schema': (path) => {
      const database = new DatabaseSync(path)
      database.exec('PRAGMA user_version = 77')
      database.close()
    },
    'with a flipped bit where a key is declared': (path) =>
      replaceBytes(path, 'INTEGER PRIMARY KEY, key', 'INTEGER RRIMARY KEY, key'),
    'with a flipped bit where an index is declared': (path) =>
      replaceBytes(path, 'ON responses (uri)', 'ON responses (uri+'),
    'with a flipped bit in the name of an index': (path) =>
      replaceBytes(path, 'INDEX responses_body', 'INDEX responses_cody'),
    'somebody else’s database': (path) => {
      rmSync(path)
      const database = new DatabaseSync(path)
      database.exec('CREATE TABLE recipes (name TEXT)')
      database.close()
    },
  }
  for (const [name, damage] of Object.entries(damages)) {
    it(`(${name}) is put aside, and the store starts empty and works`, async (test) => {
      const [directory] = await filledDirectory(test, 20)
      const path = join(directory, 'index.sqlite')
      damage(path)
      const { store, events } = await openDiskStore(test, { directory })
      const stored = await put(store, 'new', bytesOf(10))
      assert.deepEqual([...store.list()], [stored])
      await until(() => events.some(({ kind }) => kind === 'leftovers-removed'))
      assert.equal(events[0]?.kind, 'index-rebuilt')
      assert.ok(existsSync(`${path}.damaged`))
      assert.equal(store.usage().bytes, 10)
    })
  }

  it('is none where the disk gives it at the second time of asking', async (test) => {
    const [directory, stored] = await filledDirectory(test, 5)
    const path = join(directory, 'index.sqlite')
    const events: StoreLogEvent[] = []
    let times = 0
    const opened = openIndexFile(
      path,
      (event) => events.push(event),
      (at) => {
        if ((times += 1) === 1) throw Object.assign(new Error('disk I/O error'), { errcode: 10 })
        return new DatabaseSync(at)
      },
    )
    assert.equal(opened.prepare('SELECT count(*) AS n FROM responses').get()?.['n'], stored.length)
    opened.close()
    assert.deepEqual([events, existsSync(`${path}.damaged`)], [[], false])
  })

  it(
    'is none on a disk that cannot be written to: it stays, and the store starts without it',
    { skip: withoutFileSystem },
    onFileSystem('8m', async (test, directory) => {
      const remount = (how: 'ro' | 'rw') =>
        assert.equal(spawnSync('/bin/mount', ['-o', `remount,${how}`, directory]).status, 0)
      const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
      const stored = await put(store, 'a', bytesOf(1000))
      await store.stop()
      remount('ro')
      const { store: reading, events } = await openDiskStore(test, { directory, reserveBytes: 0 })
      assert.deepEqual([[...reading.list()], events[0]?.kind], [[], 'index-in-memory'])
      await reading.stop()
      remount('rw')
      const { store: again } = await openDiskStore(test, { directory, reserveBytes: 0 })
      assert.deepEqual(
        [...again.list()].map(({ uri }) => uri),
        [stored.uri],
      )
      assert.ok(bytesOf(1000).equals(await readAll(again, stored)))
      await again.stop()
    }),
  )

  it(
    'is none on a disk that has failed: the store goes on without it, and tells so once',
    { skip: withoutFileSystem },
    onFileSystem('8m', async (test, directory) => {
      const { store: before } = await openDiskStore(test, { directory, reserveBytes: 0 })
      const stored = await put(before, 'a', bytesOf(1000))
      await before.stop()
      // What cannot be put aside cannot be renewed: another file system lies in the way.
      const path = join(directory, 'index.sqlite')
      mkdirSync(`${path}.damaged`)
      assert.equal(spawnSync('/bin/mount', ['-t', 'tmpfs', 'tmpfs', `${path}.damaged`]).status, 0)
      test.after(() => void spawnSync('/bin/umount', ['-l', `${path}.damaged`]))
      writeFileSync(path, Buffer.alloc(64 * 1024, 7))
      const { store, events } = await openDiskStore(test, { directory, reserveBytes: 0 })
      for (let time = 0; time < 300; time += 1) {
        store.use(stored)
        assert.deepEqual([...store.lookup(uriOf(`b${time}`))], [])
      }
      assert.equal(events.filter(({ kind }) => kind === 'index-in-memory').length, 1)
      const again = await put(store, 'c', bytesOf(2000, 3))
      assert.deepEqual(
        store.lookup(again.uri).map(({ id }) => id),
        [again.id],
      )
    }),
  )

  it('that the disk does not give back once is read again, and loses nothing', async (test) => {
    const [directory] = await filledDirectory(test, 5)
    const { store, events } = await openDiskStore(test, { directory, sweeps: false })
    const failing = failingReads(test, 1)
    assert.equal(store.lookup(uriOf('3')).length, 1)
    assert.equal(failing.left(), 0)
    assert.deepEqual(
      events.filter(({ kind }) => kind === 'index-rebuilt'),
      [],
    )
  })

  it('that the disk gives back no more is begun anew, whatever it is asked, and nothing is thrown', async (test) => {
    for (const ask of [
      (store: Store) => store.lookup(uriOf('3')),
      (store: Store) => store.remove(uriOf('3')),
      (store: Store, [known]: readonly StoredResponse[]) =>
        store.findByDigest(known?.digest ?? assert.fail()),
      (store: Store, [known]: readonly StoredResponse[]) => store.pieces(known ?? assert.fail()),
      (store: Store) => [...store.list()],
    ]) {
      const [directory, stored] = await filledDirectory(test, 5)
      const { store, events } = await openDiskStore(test, { directory, sweeps: false })
      failingReads(test, 2)
      ask(store, stored)
      assert.equal(events[0]?.kind, 'index-rebuilt')
      assert.equal(store.usage().responses, 0)
      test.mock.restoreAll()
      await store.stop()
    }
  })

  it(
    'that is something else on a full disk is none, and the store starts',
    { skip: withoutFileSystem },
    onFileSystem('4m', async (test, directory) => {
      const { store } = await openDiskStore(test, { directory, reserveBytes: 0 })
      await put(store, 'a', bytesOf(1000))
      await store.stop()
      const path = join(directory, 'index.sqlite')
      for (const each of ['', '-wal']) rmSync(`${path}${each}`, { force: true })
      mkdirSync(path)
      assert.throws(() => writeFileSync(join(directory, 'filling'), Buffer.alloc(8 * MIB)), /ENOSPC/)
      const { store: again, events } = await openDiskStore(test, { directory, reserveBytes: 0 })
      assert.ok(events.some(({ kind }) => kind === 'index-in-memory'))
      assert.deepEqual(again.lookup(uriOf('a')), [])
    }),
  )

  it('that cannot be looked at has nothing, and the log is told once', async () => {
    const failing = new MemoryIndex()
    let isFailing = true
    const known = failing.lookup.bind(failing)
    failing.lookup = (uri) => {
      if (isFailing) throw new Fault('STORE_FAILED', 'the disk has gone')
      return known(uri)
    }
    const events: StoreLogEvent[] = []
    const bodies = new MemoryBodies((keep) => new GrowingMemory(keep))
    const log = (event: StoreLogEvent) => void events.push(event)
    const store = new ResponseStore({ maxBytes: MIB }, { index: failing, bodies, log })
    await store.start()
    for (let time = 0; time < 3; time += 1) assert.deepEqual(store.lookup(uriOf('a')), [])
    assert.deepEqual(events, [{ kind: 'index-unreadable', reason: 'the disk has gone' }])
    isFailing = false
    assert.deepEqual(store.lookup(uriOf('a')), [])
    isFailing = true
    store.lookup(uriOf('a'))
    assert.equal(events.length, 2, 'it had come back in between')
    failing.lookup = () => assert.fail('a fault of the program')
    assert.throws(() => store.lookup(uriOf('a')), /a fault of the program/)
    await store.stop()
  })

  it('that was deleted is begun anew', async (test) => {
    const [directory] = await filledDirectory(test, 5)
    rmSync(join(directory, 'index.sqlite'))
    const { store, events } = await openDiskStore(test, { directory })
    assert.deepEqual([...store.list()], [])
    await until(() => events.length > 0)
    assert.deepEqual(events, [{ kind: 'leftovers-removed', files: 1 }])
  })

  it('that is found out while it is used is replaced, and nothing is thrown', async (test) => {
    const [directory] = await filledDirectory(test, 200)
    const path = join(directory, 'index.sqlite')
    const bytes = readFileSync(path)
    // Every page but the first two: the schema can be read, the rows cannot.
    bytes.fill(0xff, 2 * 4096)
    writeFileSync(path, bytes)
    const { store, events } = await openDiskStore(test, { directory })
    assert.deepEqual(store.lookup(uriOf('7')), [])
    const stored = await put(store, '7', bytesOf(10))
    assert.deepEqual(store.lookup(uriOf('7')), [stored])
    assert.equal(events[0]?.kind, 'index-rebuilt')
  })

  // A flipped bit in a record's header gives a column another type.
  for (const [what, sql] of [
    ['a number for a response', 'UPDATE responses SET content = 2065855858 WHERE id = 3'],
    ['a number for a seal', 'UPDATE responses SET seal = 1.5 WHERE id = 3'],
    [
      'a text for the digests of pieces',
      "UPDATE bodies SET pieces = 'abc' WHERE digest = (SELECT min(digest) FROM bodies)",
    ],
    ['a use beyond every number of JavaScript', 'UPDATE responses SET used = 9007199254740993 WHERE id = 3'],
    ['a use that is no number', "UPDATE responses SET used = x'00' WHERE id = 3"],
    [
      'a size beyond every number of JavaScript',
      'UPDATE bodies SET size = 9007199254740993 WHERE digest = (SELECT min(digest) FROM bodies)',
    ],
    ['a text for a segment', "UPDATE bodies SET segment = 'abc' WHERE start = 0"],
    [
      'a segment beyond every number of JavaScript',
      'UPDATE bodies SET segment = 9007199254740993 WHERE start = 0',
    ],
    ['a segment that was never there', 'UPDATE bodies SET segment = 77 WHERE start = 0'],
    ['a place without a segment', 'UPDATE bodies SET segment = NULL WHERE start = 0'],
    ['a place beyond the end of its segment', 'UPDATE bodies SET start = 1000000 WHERE start = 0'],
    ['a number for a place that is none', 'UPDATE bodies SET start = 0.5 WHERE start = 0'],
    [
      'a size that is no number',
      "UPDATE bodies SET size = 'abc' WHERE digest = (SELECT min(digest) FROM bodies)",
    ],
  ] as const) {
    it(`that has ${what} is read as far as it is right`, async (test) => {
      const [directory, stored] = await filledDirectory(test, 5)
      const database = new DatabaseSync(join(directory, 'index.sqlite'))
      database.exec(sql)
      database.close()
      await useAll(test, directory, stored, what)
      const { store } = await openDiskStore(test, { directory })
      const again = await put(store, 'again', bytesOf(10))
      assert.deepEqual(store.lookup(uriOf('again')), [again])
      store.remove(uriOf('2'))
      assert.ok(Number.isSafeInteger(store.usage().bytes))
    })
  }

  for (const [what, sql, left] of [
    ['a use that is a text', "UPDATE responses SET used = 'abc' WHERE id = 3", 4],
    ['the last use that there can be', 'UPDATE responses SET used = 9007199254740991 WHERE id = 3', 4],
    ['a use far beyond all others', 'UPDATE responses SET used = used + 281474976710656 WHERE id = 3', 4],
    ['a use below all others', 'UPDATE responses SET used = -7 WHERE id = 3', 4],
    ['the last row that there can be', 'UPDATE responses SET id = 9223372036854775807 WHERE id = 5', 0],
    ['a row far beyond all others', 'UPDATE responses SET id = 9007199254740991 WHERE id = 5', 0],
    ['no number left for a row', 'UPDATE sqlite_sequence SET seq = 9223372036854775807', 0],
    ['few numbers left for rows', 'UPDATE sqlite_sequence SET seq = 9007199254740991', 0],
    ['a text for the last row', "UPDATE sqlite_sequence SET seq = 'abc'", 0],
    ['no number left for a body', 'UPDATE bodies SET id = 9223372036854775807 WHERE id = 5', 0],
  ] as const) {
    it(`that has ${what} loses ${left === 0 ? 'everything' : 'that row'}, and counts on`, async (test) => {
      const [directory] = await filledDirectory(test, 5)
      change(directory, sql)
      const { store, events } = await openDiskStore(test, { directory })
      assert.equal(store.usage().responses, left)
      assert.equal(events[0]?.kind, left === 0 ? 'index-rebuilt' : 'row-corrupt')
      await isStoredFromNowOn(test, store, directory)
    })
  }

  it('that has a segment that there cannot be loses that row, and small bodies go on to last', async (test) => {
    const [directory, stored] = await filledDirectory(test, 5)
    change(directory, 'UPDATE bodies SET segment = 1099511627776 WHERE start = 0')
    const { store, events } = await openDiskStore(test, { directory })
    await until(() => events.some(({ kind }) => kind === 'body-lost'))
    assert.equal(store.usage().responses, stored.length - 1)
    await isStoredFromNowOn(test, store, directory)
  })

  it('that takes in what it does not find again is put aside', (test) => {
    const path = join(temporaryDirectory(test), 'index.sqlite')
    const events: StoreLogEvent[] = []
    const index = new IndexDatabase(path, (event) => events.push(event))
    index.open(() => {})
    for (let number = 0; number < 60; number += 1) index.insert(headOf(`f${number}`), emptyBody)
    index.close()
    copyFileSync(path, `${path}.good`)
    for (const entry of entriesByUri(path)) {
      rmSync(`${path}-wal`, { force: true })
      flipBit(`${path}.good`, path, entry, 3)
      index.open(() => {})
      for (const name of ['f100', 'f101', 'f200', 'f201', 'f300', 'f5000', 'fz', 'f0']) {
        const { stored } = index.insert(headOf(name), emptyBody)
        assert.ok(
          index.lookup(stored.uri).some(({ id }) => id === stored.id),
          `${name} after damage at byte ${entry}`,
        )
      }
      index.close()
    }
    assert.ok(events.length > 0 && events.every(({ kind }) => kind === 'index-rebuilt'))
  })

  it('whose tree over the uses ends with something else than a number is put aside', async (test) => {
    const [directory] = await filledDirectory(test, 5)
    const path = join(directory, 'index.sqlite')
    const bytes = readFileSync(path)
    const entry = bytes.indexOf(lastUseIn(directory))
    assert.ok(entry > 0)
    // It says of which type the use is: what were one byte of a number is two of a blob.
    bytes.writeUInt8(bytes.readUInt8(entry + 2) ^ 0x10, entry + 2)
    writeFileSync(path, bytes)
    const { store, events } = await openDiskStore(test, { directory })
    assert.ok(events.some(({ kind }) => kind === 'index-rebuilt'))
    await isStoredFromNowOn(test, store, directory)
  })

  it('that has an incomplete copy with a use beyond all others is put aside', (test) => {
    const path = join(temporaryDirectory(test), 'index.sqlite')
    const index = new IndexDatabase(path, () => {})
    index.open(() => {})
    const record = { id: 1, name: 'a', head: headOf('a'), size: 10, used: Number.MAX_SAFE_INTEGER }
    index.partials.save(record, { written: [], dropped: [] })
    index.close()
    index.open(() => {})
    test.after(() => index.close())
    assert.deepEqual(index.partials.all(), [])
    assert.equal(index.nextUse(), 1)
  })

  it('with any one bit flipped never yields a wrong field or byte, and never stops a start', async (test) => {
    const seed = Number(process.env['IHAVE_TEST_SEED'] ?? systemRandom.uint32())
    test.diagnostic(`seed ${seed}: set IHAVE_TEST_SEED to repeat`)
    const random = seededRandom(seed)
    const [directory, stored] = await filledDirectory(test, 60)
    const path = join(directory, 'index.sqlite')
    copyFileSync(path, `${path}.good`)
    const { length } = readFileSync(path)
    let rows = 0
    for (let round = 0; round < 60; round += 1) {
      const at = random.uint32() % length
      flipBit(`${path}.good`, path, at, random.uint32() % 8)
      rows += await useAll(test, directory, stored, `bit in byte ${at}`)
    }
    test.diagnostic(`${rows} rows were read`)
    assert.ok(rows > 0)
  })
})

function change(directory: string, sql: string): void {
  const database = new DatabaseSync(join(directory, 'index.sqlite'))
  database.exec(sql)
  database.close()
}

/** Where in the file the URIs begin in the tree over them, which is one page. */
function entriesByUri(path: string): number[] {
  const database = new DatabaseSync(path)
  const root = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'responses_uri'").get()
  const size = database.prepare('PRAGMA page_size').get()
  database.close()
  const [last, length] = [Number(root?.['rootpage']), Number(size?.['page_size'])]
  const page = readFileSync(path, 'latin1').slice((last - 1) * length, last * length)
  return [...page.matchAll(/http:/g)].map(({ index }) => (last - 1) * length + index)
}

/** The last entry of the tree over the uses: its length, that of its header, two types, the use, and the row's number. */
function lastUseIn(directory: string): Buffer {
  const database = new DatabaseSync(join(directory, 'index.sqlite'))
  const row = database.prepare('SELECT used, id FROM responses ORDER BY used DESC LIMIT 1').get()
  database.close()
  return Buffer.from([5, 3, 1, 1, Number(row?.['used']), Number(row?.['id'])])
}

/** Neither now nor after a restart is anything lost that is stored. */
async function isStoredFromNowOn(test: TestContext, store: Store, directory: string): Promise<void> {
  const stored: StoredResponse[] = []
  for (let number = 0; number < 3; number += 1) {
    stored.push(await put(store, `next ${number}`, bytesOf(100 + number, 90 + number)))
    store.use(stored[0] ?? assert.fail())
  }
  for (const each of stored) assert.deepEqual(store.lookup(each.uri), [each])
  await all(store.verify())
  const { responses } = store.usage()
  await store.stop()
  const { store: again, events } = await openDiskStore(test, { directory })
  for (const each of stored) {
    assert.deepEqual(again.lookup(each.uri), [each])
    assert.ok((await readAll(again, each)).length >= 100)
  }
  assert.equal(again.usage().responses, responses)
  // The files of what was lost may not have gone before the stop.
  assert.ok(events.every(({ kind }) => kind === 'leftovers-removed'))
}

/** Wherever these bytes are in the file. */
function replaceBytes(path: string, from: string, to: string): void {
  const bytes = readFileSync(path, 'latin1')
  assert.ok(bytes.includes(from))
  writeFileSync(path, bytes.replaceAll(from, to), 'latin1')
}

function flipBit(from: string, to: string, at: number, bit: number): void {
  const bytes = readFileSync(from)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
  writeFileSync(to, bytes)
}

/** Every response that the store gives must be one that was stored. @returns how many there were. */
async function useAll(
  test: TestContext,
  directory: string,
  stored: readonly StoredResponse[],
  damage: string,
): Promise<number> {
  const { store } = await openDiskStore(test, { directory })
  const found = stored.flatMap(({ uri }) => store.lookup(uri))
  for (const response of found) {
    const { id: _, ...rest } = response
    assert.ok(
      stored.some(({ id: __, ...each }) => JSON.stringify(each) === JSON.stringify(rest)),
      damage,
    )
    const bytes = await readAll(store, response).catch((error: unknown) => error)
    if (Buffer.isBuffer(bytes)) assert.equal(sha256(bytes), response.digest, damage)
    else assert.ok(bytes instanceof Fault, damage)
  }
  assert.ok([...store.list()].length <= stored.length)
  assert.ok(store.usage().bytes <= 64 * MIB)
  await store.stop()
  return found.length
}
