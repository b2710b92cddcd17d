import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Fields } from '../../core/fields.ts'
import { hasPassed, viaLine } from '../../proxy/via.ts'

const CASES: readonly (readonly [values: readonly string[], expected: boolean])[] = [
  [[], false],
  [['1.1 me (ihave)'], true],
  [['HTTP/1.1 ME'], true],
  [['1.0 other, 1.1 me'], true],
  [['1.0 other', '1.1 me'], true],
  [['1.1 meme'], false],
  [['1.1 other (1.1 me)'], false],
  [['1.1 other (a, 1.1 me, (b))'], false],
  [['1.1 other (quoted \\) , 1.1 me)'], false],
  [['1.1 other (a, b), 1.1 me (c)'], true],
  [['1.1 other (never closed, 1.1 me'], false],
  [['me'], false],
]
for (const [values, expected] of CASES) {
  test(`Via ${JSON.stringify(values)}: ${expected ? 'has' : 'has not'} passed here`, () => {
    assert.equal(
      hasPassed(
        values.map((value) => ['Via', value] as const),
        'me',
      ),
      expected,
    )
  })
}

test('the line that this node adds is recognized behind any others', () => {
  const name = fc.stringMatching(/^[a-z0-9.-]{1,20}$/)
  fc.assert(
    fc.property(fc.array(name), name, (others, own) => {
      const fields: Fields = [...others.map((each) => viaLine('1.1', each)), viaLine('1.0', own)]
      assert.ok(hasPassed(fields, own))
      assert.equal(hasPassed(fields.slice(0, -1), own), others.includes(own))
    }),
  )
})

test('nested comments of the largest possible size are read in one pass', () => {
  assert.equal(hasPassed([['Via', `1.1 a ${'('.repeat(30_000)}, 1.1 me`]], 'me'), false)
})
