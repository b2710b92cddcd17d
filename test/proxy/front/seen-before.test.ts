import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeenBefore } from '../../../proxy/front/seen-before.ts'

test('a text is known from the second time on', () => {
  const seen = new SeenBefore()
  assert.deepEqual(
    [seen.again('a'), seen.again('a'), seen.again('b'), seen.again('a')],
    [false, true, false, true],
  )
})

test('thousands of other texts push it out, and hardly any is mistaken for one that was seen', () => {
  const seen = new SeenBefore()
  seen.again('a')
  const wrong = Array.from({ length: 100_000 }, (_, number) => seen.again(`http://a.test/${number}`))
  assert.ok(wrong.filter(Boolean).length < 10)
  assert.equal(seen.again('a'), false)
})
