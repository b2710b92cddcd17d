import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abuses, type Abuse } from '../../peering/abuses.ts'
import { manualClock } from '../manual-clock.ts'

const ABUSE: Abuse = { kind: 'other-url', from: '10.0.0.5', request: 'GET http://example.org/' }

test('what was tried is counted by its kind, and the last of it is shown first', () => {
  const book = abuses(manualClock())
  assert.equal(book.note(ABUSE), 1)
  assert.equal(book.note({ ...ABUSE, kind: 'connect' }), 1)
  assert.equal(book.note({ ...ABUSE, from: '10.0.0.6' }), 2)
  const { refused, lastRefused } = book.totals()
  assert.deepEqual(refused, { 'other-url': 2, connect: 1 })
  assert.deepEqual(
    lastRefused.map(({ kind, from }) => `${kind} ${from}`),
    ['other-url 10.0.0.6', 'connect 10.0.0.5', 'other-url 10.0.0.5'],
  )
})

test('a flood, and a very long URL, take no more room than a few', () => {
  const book = abuses(manualClock())
  for (let each = 0; each < 1000; each++) book.note({ ...ABUSE, request: 'x'.repeat(4000) })
  const { refused, lastRefused } = book.totals()
  assert.equal(refused['other-url'], 1000)
  assert.deepEqual([lastRefused.length, lastRefused[0]?.request.length], [10, 300])
})
