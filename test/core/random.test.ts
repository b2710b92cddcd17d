import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../../core/random.ts'

test('random names are as long as asked for, and nobody has had one of them', () => {
  const names = new Set<string>()
  const lengths = [16, 12, 32, 1000, 4096, 4097, 16]
  for (let round = 0; round < 200; round++)
    for (const bytes of lengths) {
      const name = systemRandom.hex(bytes)
      assert.equal(name.length, 2 * bytes)
      assert.ok(!names.has(name.slice(0, 24)))
      names.add(name.slice(0, 24))
    }
})
