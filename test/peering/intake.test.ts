import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import { intake, MAX_SOURCES, type IntakeLimits } from '../../peering/intake.ts'
import { address } from './fixtures.ts'

const LIMITS: IntakeLimits = { perSource: 20, overall: 200, burstPerSource: 5, burstOverall: 12 }
const at = (ms: number) => ms as Monotonic

/** How many of `count` datagrams from this source are admitted at this moment. */
function admitted(admit: ReturnType<typeof intake>, source: number, count: number, ms = 0): number {
  return Array.from({ length: count }, () => admit(address(source), at(ms))).filter(Boolean).length
}

test('one source may send its burst and no more', () => {
  assert.equal(admitted(intake(LIMITS), 1, 100), 5)
})

test('what one source takes is not missing to another', () => {
  const admit = intake(LIMITS)
  admitted(admit, 1, 100)
  assert.equal(admitted(admit, 2, 100), 5)
})

test('all together may send the burst for all, whoever sends', () => {
  const admit = intake(LIMITS)
  const counts = [1, 2, 3, 4].map((source) => admitted(admit, source, 5))
  assert.deepEqual(counts, [5, 5, 2, 0])
})

test('what was refused for the sake of all does not count against its source', () => {
  const admit = intake(LIMITS)
  for (const source of [1, 2, 3]) admitted(admit, source, 5)
  assert.equal(admitted(admit, 4, 5), 0)
  assert.equal(admitted(admit, 4, 100, 1000), 5)
})

test('a bucket fills again at its rate, up to its burst', () => {
  const admit = intake(LIMITS)
  admitted(admit, 1, 100)
  assert.equal(admitted(admit, 1, 100, 49), 0)
  assert.equal(admitted(admit, 1, 100, 100), 2)
  assert.equal(admitted(admit, 1, 100, 3_600_000), 5)
})

test('a steady sender within its rate is never refused', () => {
  const admit = intake(LIMITS)
  for (let ms = 0; ms < 60_000; ms += 50) assert.equal(admitted(admit, 1, 1, ms), 1)
})

test(`of more than ${MAX_SOURCES} sources the one unheard for longest is forgotten, and no other`, () => {
  const admit = intake({ ...LIMITS, burstOverall: Infinity })
  for (let source = 0; source <= MAX_SOURCES; source++) admitted(admit, source, 5)
  assert.equal(admitted(admit, 1, 1), 0)
  assert.equal(admitted(admit, 0, 5), 5)
})
