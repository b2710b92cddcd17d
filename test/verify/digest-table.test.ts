import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { digestTable, type ListedDigest } from '../../verify/digest-table.ts'

const ONE: ListedDigest = { hex: 'ab'.repeat(32), size: 7 }

test('a table answers like a map, whatever the number of keys', () => {
  const hex = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => Buffer.from(bytes).toString('hex'))
  const digest = fc.tuple(hex, fc.maxSafeNat()).map(([each, size]) => ({ hex: each, size }))
  fc.assert(
    fc.property(fc.dictionary(fc.string(), digest, { maxKeys: 50, noNullPrototype: true }), (all) => {
      const table = digestTable(100)
      for (const [key, listed] of Object.entries(all)) table.add(key, listed)
      for (const [key, listed] of Object.entries(all)) assert.deepEqual(table.find(key), listed)
      assert.equal(table.count, Object.keys(all).length)
    }),
  )
})

test('a table grows far beyond its first size and keeps every digest', () => {
  const table = digestTable(10_000)
  for (let at = 0; at < 5_000; at++) table.add(`k${at}`, numbered(at))
  for (let at = 0; at < 5_000; at++) assert.deepEqual(table.find(`k${at}`), numbered(at))
})

test('the same said twice is said once', () => {
  const table = digestTable(2)
  table.add('a', ONE)
  table.add('a', ONE)
  assert.deepEqual([table.count, table.find('a')], [1, ONE])
})

for (const [what, other] of [
  ['digest', { ...ONE, hex: 'cd'.repeat(32) }],
  ['size', { ...ONE, size: 8 }],
] as const) {
  test(`two entries that differ in ${what} prove nothing, and a third does not mend it`, () => {
    const table = digestTable(2)
    for (const listed of [ONE, other, ONE]) table.add('a', listed)
    assert.equal(table.find('a'), 'contradiction')
  })
}

test('keys beyond the bound are left out and counted; known ones are still told apart', () => {
  const table = digestTable(1)
  table.add('a', ONE)
  table.add('b', ONE)
  assert.deepEqual([table.find('b'), table.count, table.leftOut], [undefined, 1, 1])
  table.add('a', { ...ONE, size: 8 })
  assert.equal(table.find('a'), 'contradiction')
})

function numbered(at: number): ListedDigest {
  return { hex: at.toString(16).padStart(64, '0'), size: at }
}
