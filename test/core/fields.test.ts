import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endToEndFields, fieldValue, hasField, type Fields } from '../../core/fields.ts'

const FIELDS: Fields = [
  ['Via', '1.1 a'],
  ['Connection', 'close, X-Hop'],
  ['x-hop', '1'],
  ['Keep-Alive', 'timeout=5'],
  ['via', '1.0 b'],
]

test('the end-to-end fields are all but those of this hop, however often they are asked for', () => {
  const expected = [
    ['Via', '1.1 a'],
    ['via', '1.0 b'],
  ]
  assert.deepEqual(endToEndFields(FIELDS), expected)
  assert.deepEqual(endToEndFields(FIELDS), expected)
  assert.deepEqual(endToEndFields([...FIELDS, ['Age', '0']]), [...expected, ['Age', '0']])
})

test('the lines of a field are one value, and its name has no case', () => {
  assert.equal(fieldValue(FIELDS, 'VIA'), '1.1 a, 1.0 b')
  assert.equal(fieldValue(FIELDS, 'age'), undefined)
  assert.equal(fieldValue([['Age', '']], 'age'), '')
  assert.deepEqual([hasField(FIELDS, 'keep-alive'), hasField(FIELDS, 'keep')], [true, false])
})
