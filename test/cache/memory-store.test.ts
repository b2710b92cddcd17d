import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { memoryStore } from '../../cache/memory-store.ts'
import { systemClock } from '../../core/clock.ts'
import { bytesOf, put, readAll } from './store-fixtures.ts'
import { storeConformance, type StoreLimitsInTest } from './store-conformance.ts'

const open = async (test: TestContext, limits: StoreLimitsInTest) => {
  const store = memoryStore({ ...limits, clock: systemClock })
  await store.start()
  test.after(() => store.stop())
  return store
}

storeConformance('the memory store', open, 1)

it('needs nothing but microtasks: no input or output, no timer', async () => {
  const store = memoryStore({ maxBytes: 1000, clock: systemClock })
  let hasTurnPassed = false
  setImmediate(() => (hasTurnPassed = true))
  await store.start()
  const stored = await put(store, 'a', bytesOf(900))
  await put(store, 'b', bytesOf(100, 2))
  assert.ok(bytesOf(900).equals(await readAll(store, stored)))
  await put(store, 'c', bytesOf(500, 3))
  await store.stop()
  assert.equal(hasTurnPassed, false)
})
