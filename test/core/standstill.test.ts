import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import { lookEveryMs, Standstill } from '../../core/standstill.ts'

const LIMIT_MS = 30_000
const EVERY_MS = lookEveryMs(LIMIT_MS)
const STILL = { bytesRead: 300, bytesWritten: 1_000_000, writableLength: 400_000 }

/** What each look finds, at `looks` in units of the time between two. */
function found(looks: readonly (readonly [at: number, moving?: Partial<typeof STILL>])[]): number[] {
  const standstill = new Standstill(LIMIT_MS)
  return looks.map(([at, moving]) =>
    standstill.look({ ...STILL, ...moving } as Socket, (at * EVERY_MS) as Monotonic),
  )
}

test('what stands still from one look to the next reaches its limit', () => {
  assert.deepEqual(found([[1], [2], [3], [4], [5], [6]]).at(-1), LIMIT_MS)
})

for (const [name, moving] of [
  ['a byte that came', { bytesRead: 301 }],
  ['a write that is out', { writableLength: 300_000 }],
] as const)
  test(`${name} between two looks begins it anew`, () => {
    assert.deepEqual(
      found([[1], [2], [3, moving], [4, moving]]),
      [1, 2, 1, 2].map((looks) => looks * EVERY_MS),
    )
  })

test('what waits to be written in addition is nothing that has moved', () => {
  const more = { bytesWritten: 1_500_000, writableLength: 900_000 }
  assert.deepEqual(found([[1], [2, more]]).at(-1), 2 * EVERY_MS)
})

test('a part of a write that was taken begins it anew: Node has told nothing at that look', () => {
  assert.deepEqual(found([[1], [2], [4]]).at(-1), EVERY_MS)
  assert.deepEqual(found([[1], [2], [3.9]]).at(-1), 3 * EVERY_MS, 'a look that came late is none')
})
