import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import type { Store } from '../../core/store.ts'
import { keyOf } from '../../cache/index-schema.ts'
import {
  all,
  bytesOf,
  cutBody,
  flipBit,
  headOf,
  makeUnreadable,
  MIB,
  openDiskStore,
  put,
  readAll,
  removeBody,
  temporaryDirectory,
  turns,
  until,
  uriOf,
} from './store-fixtures.ts'

/** What was found wrong: kind and URIs. */
async function wrong(store: Store): Promise<unknown[]> {
  const findings = await all(store.verify())
  return findings.flatMap((finding): unknown[][] => {
    if (finding.kind === 'lost' || finding.kind === 'unread')
      return [[finding.kind, ...finding.responses.map(({ uri }) => uri.at(-1))]]
    return finding.kind === 'unnamed' ? [[finding.kind, finding.responses]] : []
  })
}

describe('verifying the disk store', () => {
  for (const [name, damage] of [
    ['a flipped bit in a small body', (directory, small) => flipBit(directory, small, 3)],
    ['a flipped bit in a large body', (directory, _, large) => flipBit(directory, large, 2 * MIB + 7)],
    ['a cut body', (directory, _, large) => cutBody(directory, large, 3 * MIB - 1)],
    ['a missing body', (directory, small) => removeBody(directory, small)],
    ['a body that cannot be read', (directory, small) => makeUnreadable(directory, small)],
  ] as const satisfies [string, (...args: Parameters<Damage>) => void][]) {
    it(`finds ${name}, although it was right a moment ago, and removes it and nothing else`, async (test) => {
      const directory = temporaryDirectory(test)
      const { store } = await openDiskStore(test, { directory })
      const small = await put(store, 's', bytesOf(10, 2))
      const large = await put(store, 'l', bytesOf(3 * MIB, 3))
      const sound = await put(store, 'x', bytesOf(3 * MIB, 4))
      for (const each of [small, large, sound]) await readAll(store, each)
      damage(directory, small, large)
      const [victim] = (await wrong(store)).map(String)
      assert.ok(victim === 'lost,s' || victim === 'lost,l')
      assert.deepEqual(store.lookup(uriOf(victim.slice(-1))), [])
      assert.equal(store.usage().responses, 2)
      assert.deepEqual(await wrong(store), [])
      const again = await put(store, 'again', bytesOf(10, 2))
      assert.ok(bytesOf(10, 2).equals(await readAll(store, again)))
      assert.deepEqual(await wrong(store), [])
    })
  }

  it('names every response that had a damaged body', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const body = await put(store, 'a', bytesOf(100))
    store.link(body, headOf('b'))
    flipBit(directory, body, 0)
    const [finding] = (await all(store.verify())).filter(({ kind }) => kind === 'lost')
    assert.ok(finding?.kind === 'lost')
    assert.deepEqual(finding.responses.map(({ uri }) => uri).toSorted(), [uriOf('a'), uriOf('b')])
    assert.match(finding.reason, /does not match its digest/)
    assert.deepEqual(store.usage(), { bytes: 0, partialBytes: 0, maxBytes: 64 * MIB, responses: 0 })
  })

  it('finds rows of the index that are not what was written', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    for (const name of ['a', 'b', 'c', 'd']) await put(store, name, bytesOf(10, name.charCodeAt(0)))
    await store.stop()
    const database = new DatabaseSync(join(directory, 'index.sqlite'))
    database.exec("UPDATE responses SET seal = 'x' WHERE id IN (2, 4)")
    database.close()
    const { store: again } = await openDiskStore(test, { directory })
    assert.equal(again.usage().responses, 4)
    const found = (await wrong(again)).map(String)
    assert.deepEqual(found, ['unnamed,2'])
    assert.deepEqual(await wrong(again), [])
    assert.deepEqual(again.usage(), { bytes: 20, partialBytes: 0, maxBytes: 64 * MIB, responses: 2 })
  })

  it('finds responses of whose body the index knows nothing, and bodies that no response has', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const a = await put(store, 'a', bytesOf(10))
    await put(store, 'b', bytesOf(20))
    await store.stop()
    const database = new DatabaseSync(join(directory, 'index.sqlite'))
    const [e, f] = ['e'.repeat(64), 'f'.repeat(64)]
    database.prepare('UPDATE bodies SET digest = ?, key = ? WHERE digest = ?').run(f, keyOf(f), a.digest)
    database.prepare("INSERT INTO bodies (key, digest, size, pieces) VALUES (?, ?, 5, x'')").run(keyOf(e), e)
    database.close()
    const { store: again } = await openDiskStore(test, { directory, sweeps: false })
    assert.deepEqual(await wrong(again), [['lost', 'a'], ['lost']])
    assert.deepEqual(await wrong(again), [])
    assert.deepEqual(again.usage(), { bytes: 20, partialBytes: 0, maxBytes: 64 * MIB, responses: 1 })
  })

  it('leaves in peace what is stored, replaced, removed and read meanwhile', async (test) => {
    const { store } = await openDiskStore(test, { directory: temporaryDirectory(test) })
    for (let number = 0; number < 40; number += 1)
      await put(store, String(number), bytesOf(number % 4 === 0 ? 2 * MIB : 1000, number + 1))
    let number = 0
    for await (const finding of store.verify()) {
      assert.ok(finding.kind === 'read' || finding.kind === 'right')
      const name = String(number % 40)
      if (number % 3 === 0) await put(store, name, bytesOf(500, 1000 + number))
      if (number % 3 === 1) store.remove(uriOf(name))
      const [response] = store.lookup(uriOf(String((number * 7) % 40)))
      if (response) await readAll(store, response)
      number += 1
    }
    assert.ok(number > 40)
    for (const response of store.list()) await readAll(store, response)
  })

  it('ends when nobody wants to know any more, and keeps nothing in use', async (test) => {
    const { store } = await openDiskStore(test, { directory: temporaryDirectory(test) })
    await put(store, 'a', bytesOf(3 * MIB))
    for await (const _ of store.verify()) break
    store.remove(uriOf('a'))
    await turns()
    assert.equal(store.usage().bytes, 0)
  })
})

type Damage = (
  directory: string,
  small: Awaited<ReturnType<typeof put>>,
  large: Awaited<ReturnType<typeof put>>,
) => void

describe('a body that the index has and no response', () => {
  it('does not count against the quota for good', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    await put(store, 'a', bytesOf(10))
    await store.stop()
    const database = new DatabaseSync(join(directory, 'index.sqlite'))
    database.exec("UPDATE bodies SET digest = 'ff' || substr(digest, 3)")
    database.close()
    const { store: again } = await openDiskStore(test, { directory })
    await until(() => again.usage().bytes === 0)
  })
})
