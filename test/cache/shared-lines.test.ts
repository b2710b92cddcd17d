import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_LINES, SharedLines } from '../../cache/shared-lines.ts'
import type { FieldLine, Fields } from '../../core/fields.ts'

/** Lines of a response as they are read from the index: objects of their own each time. */
const read = (number: number): Fields => [
  ['Content-Type', 'application/octet-stream'],
  ['ETag', `"${number}"`],
  ['content-type', 'application/octet-stream'],
]

test('lines that two responses have are kept once, and the others as they are', () => {
  const lines = new SharedLines()
  const [first, second] = [lines.of(read(1)), lines.of(read(2))]
  assert.deepEqual([first, second], [read(1), read(2)])
  assert.equal(first[0], second[0])
  assert.notEqual(first[0], first[2], 'a name is kept as it was sent')
})

test('a colon in a value is no other line’s name', () => {
  const lines = new SharedLines()
  const fields: Fields = [
    ['a', 'b:c'],
    ['a:b', 'c'],
  ]
  assert.deepEqual(lines.of(fields), fields)
})

test('what every response has stays known, however many others come beside it; long values are never kept', () => {
  const lines = new SharedLines()
  const long: FieldLine = ['Content-Security-Policy', 'x'.repeat(101)]
  const [first] = lines.of(read(0))
  for (let number = 1; number <= 2 * MAX_LINES; number++) assert.equal(lines.of(read(number))[0], first)
  assert.equal(lines.of([long])[0], long)
  assert.notEqual(lines.of([[...long]])[0], long)
})
