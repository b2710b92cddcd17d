/** What can happen to the files of a store while it does not look: never a wrong byte, never a start that fails (R7.2). */
import assert from 'node:assert/strict'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { reopenGrowingFile } from '../../cache/growing-file.ts'
import { fieldValue } from '../../core/fields.ts'
import { Fault } from '../../core/fault.ts'
import { seededRandom, systemRandom, type Random } from '../../core/random.ts'
import type { Store, StoredResponse } from '../../core/store.ts'
import {
  all,
  BODY_FIELD,
  bytesOf,
  fault,
  headNaming,
  MIB,
  openDiskStore,
  put,
  readAll,
  removeBody,
  sha256,
  temporaryDirectory,
  unwantedFiles,
  until,
  uriOf,
} from './store-fixtures.ts'

/** Of what is done at random. */
const ROUNDS = Number(process.env['IHAVE_TEST_ROUNDS'] ?? 20)

/** Stores a body that its head names. */
function putNamed(store: Store, name: string, size: number, seed: number): Promise<StoredResponse> {
  const bytes = bytesOf(size, seed)
  return put(store, name, bytes, headNaming(name, sha256(bytes)))
}

/** Whatever the store gives must be right; then it must work like a new one. @returns the names of what was right. */
async function useAll(test: TestContext, directory: string, what = ''): Promise<string[]> {
  const { store } = await openDiskStore(test, { directory })
  const right: string[] = []
  for (const response of store.list()) {
    assert.equal(fieldValue(response.fields, BODY_FIELD), response.digest, what)
    const bytes = await readAll(store, response).catch((error: unknown) => error)
    if (Buffer.isBuffer(bytes)) {
      assert.equal(sha256(bytes), response.digest, what)
      right.push(response.uri.slice(uriOf('').length))
    } else assert.ok(bytes instanceof Fault, what)
  }
  const again = await putNamed(store, 'again', 3000, 77)
  assert.ok(bytesOf(3000, 77).equals(await readAll(store, again)), what)
  await all(store.verify())
  await isTidy(store, directory, what)
  store.remove(uriOf('again'))
  await store.stop()
  return right.toSorted()
}

/** Files and index agree, and the books with both. */
async function isTidy(store: Store, directory: string, what: string): Promise<void> {
  await until(() => unwantedFiles(directory, [...store.list()]).length === 0, 2000)
  const bodies = new Map([...store.list()].map(({ digest, size }) => [digest, size]))
  assert.equal(
    store.usage().bytes,
    [...bodies.values()].reduce((sum, size) => sum + size, 0),
    what,
  )
}

function index(directory: string): string {
  return join(directory, 'index.sqlite')
}

function seeded(test: TestContext): Random {
  const seed = Number(process.env['IHAVE_TEST_SEED'] ?? systemRandom.uint32())
  test.diagnostic(`seed ${seed}: set IHAVE_TEST_SEED to repeat`)
  return seededRandom(seed)
}

describe('an index that is older than the files', () => {
  it('gives what is still there, and what came later is removed', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    await putNamed(store, 'kept', 2 * MIB, 1)
    await putNamed(store, 'replaced', 1000, 2)
    await putNamed(store, 'removed', 1000, 3)
    await store.stop()
    copyFileSync(index(directory), join(directory, 'older'))
    const { store: later } = await openDiskStore(test, { directory })
    await putNamed(later, 'replaced', 1000, 4)
    await putNamed(later, 'new', 2 * MIB, 5)
    later.remove(uriOf('removed'))
    await later.stop()
    copyFileSync(join(directory, 'older'), index(directory))
    assert.deepEqual(await useAll(test, directory), ['kept'])
  })

  it('whose pages are of two ages yields nothing wrong', async (test) => {
    const random = seeded(test)
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    for (let number = 0; number < 60; number += 1) await putNamed(store, String(number), 500, number + 1)
    await store.stop()
    const older = readFileSync(index(directory))
    const { store: later } = await openDiskStore(test, { directory })
    for (let number = 30; number < 90; number += 1) await putNamed(later, String(number), 500, number + 1000)
    await later.stop()
    const newer = readFileSync(index(directory))
    const kept = temporaryDirectory(test)
    cpSync(directory, kept, { recursive: true })
    let right = 0
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const folder of ['bodies', 'segments']) {
        rmSync(join(directory, folder), { recursive: true })
        cpSync(join(kept, folder), join(directory, folder), { recursive: true })
      }
      const portion = random.fraction() ** 3
      writeFileSync(
        index(directory),
        mixed(older, newer, () => random.fraction() < portion),
      )
      right += (await useAll(test, directory, `round ${round}`)).length
    }
    test.diagnostic(`${right} bodies were read`)
    assert.ok(right > 0)
  })

  it('than the log of its last changes yields nothing wrong', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    for (let number = 0; number < 20; number += 1) await putNamed(store, String(number), 500, number + 1)
    await store.stop()
    copyFileSync(index(directory), join(directory, 'older'))
    const { store: later } = await openDiskStore(test, { directory })
    for (let number = 10; number < 300; number += 1) await putNamed(later, String(number), 500, number + 1000)
    copyFileSync(`${index(directory)}-wal`, join(directory, 'log'))
    await later.stop()
    copyFileSync(join(directory, 'older'), index(directory))
    copyFileSync(join(directory, 'log'), `${index(directory)}-wal`)
    await useAll(test, directory)
  })
})

/** Pages of 2048 bytes from one or the other. */
function mixed(older: Buffer, newer: Buffer, isOlder: () => boolean): Buffer {
  const result = Buffer.from(newer)
  for (let at = 0; at < older.length; at += 2048) if (isOlder()) older.copy(result, at, at, at + 2048)
  return result
}

describe('an index that is newer than the files', () => {
  it('gives what is still there', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = []
    for (let number = 0; number < 30; number += 1)
      stored.push(await putNamed(store, String(number), 300_000, number + 1))
    await store.stop()
    for (const response of stored.slice(1)) removeBody(directory, response)
    assert.deepEqual(await useAll(test, directory), ['0'])
  })

  for (const [folder, left] of [
    ['bodies', ['small']],
    ['segments', ['large']],
    ['growing', ['large', 'small']],
  ] as const)
    it(`gives what is still there where the folder ${folder} is gone`, async (test) => {
      const directory = temporaryDirectory(test)
      const { store } = await openDiskStore(test, { directory })
      await putNamed(store, 'small', 900, 1)
      await putNamed(store, 'large', 900_000, 2)
      await store.stop()
      rmSync(join(directory, folder), { recursive: true })
      assert.deepEqual(await useAll(test, directory), left)
    })
})

describe('a store whose directory is emptied while it is at work', () => {
  it('goes on, and begins anew at the next start', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const stored = await putNamed(store, 'a', 2 * MIB, 1)
    for (const name of ['bodies', 'segments', 'growing', 'index.sqlite', 'index.sqlite-wal', 'lock'])
      rmSync(join(directory, name), { recursive: true, force: true })
    await assert.rejects(readAll(store, stored))
    const next = await putNamed(store, 'b', 1000, 2)
    assert.ok(bytesOf(1000, 2).equals(await readAll(store, next)))
    store.remove(uriOf('b'))
    await store.stop()
    await useAll(test, directory)
  })
})

describe('a file that cannot be read', () => {
  it('as the index is put aside', async (test) => {
    const directory = temporaryDirectory(test)
    mkdirSync(join(index(directory), 'in the way'), { recursive: true })
    await useAll(test, directory)
    assert.ok(existsSync(`${index(directory)}.damaged`))
  })

  it('as the log of the index is removed with what it said', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    await putNamed(store, 'a', 900, 1)
    await store.stop()
    mkdirSync(`${index(directory)}-wal`)
    await useAll(test, directory)
  })
})

describe('a flipped bit', () => {
  it('in the log of the index costs what came after it at most', async (test) => {
    const random = seeded(test)
    const directory = temporaryDirectory(test)
    const { store: before } = await openDiskStore(test, { directory })
    await putNamed(before, 'before', 500, 100)
    await before.stop()
    const { store } = await openDiskStore(test, { directory })
    for (let number = 0; number < 40; number += 1) await putNamed(store, String(number % 25), 500, number + 1)
    const kept = temporaryDirectory(test)
    // As a kill would leave it.
    cpSync(directory, kept, { recursive: true })
    await store.stop()
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const name of ['bodies', 'index.sqlite', 'index.sqlite-wal']) {
        rmSync(join(directory, name), { recursive: true, force: true })
        cpSync(join(kept, name), join(directory, name), { recursive: true })
      }
      const log = readFileSync(join(kept, 'index.sqlite-wal'))
      const at = random.uint32() % log.length
      log[at] = (log[at] ?? 0) ^ (1 << (random.uint32() % 8))
      writeFileSync(`${index(directory)}-wal`, log)
      const right = await useAll(test, directory, `byte ${at}`)
      // How many transactions the log holds is a matter of time: a flip in the first one costs all of them.
      assert.ok(right.includes('before'), `byte ${at}`)
    }
  })
})

describe('a growing file that cannot be removed', () => {
  it('is told of, and whoever discards the copy is not troubled', async (test) => {
    const directory = temporaryDirectory(test)
    const { store, events } = await openDiskStore(test, { directory })
    const copy = await store.create(5 * MIB)
    await copy.write(0, bytesOf(5 * MIB))
    const growing = join(directory, 'growing')
    const [name] = readdirSync(growing)
    assert.ok(name)
    rmSync(join(growing, name))
    mkdirSync(join(growing, name, 'in the way'), { recursive: true })
    await copy.discard()
    assert.deepEqual(
      events.map((event) => event.kind === 'removal-failed' && event.path),
      [join(growing, name)],
    )
    assert.equal(store.usage().bytes, 0)
  })

  it('is opened anew by the next reader when it could not be opened', async (test) => {
    const path = join(temporaryDirectory(test), 'growing')
    const file = reopenGrowingFile(path, {
      pathOf: () => path,
      onKept: () => assert.fail(),
      onUnremoved: () => assert.fail(),
    })
    await assert.rejects(file.read({ start: 0, end: 3 }), fault('STORE_FAILED'))
    writeFileSync(path, 'abc')
    assert.deepEqual(await file.read({ start: 0, end: 3 }), Buffer.from('abc'))
    await file.remove()
    assert.ok(!existsSync(path))
  })
})
