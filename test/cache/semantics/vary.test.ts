import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Fields } from '../../../core/fields.ts'
import { matches, selectedResponse, selectingFields } from '../../../cache/semantics/vary.ts'
import { afterSeconds, httpDate, stored } from './fixtures.ts'

/** Whether the response to `first`, with this Vary, may answer `second`. */
function isSelected(vary: string, first: Fields, second: Fields): boolean {
  const selecting = selectingFields(first, [['Vary', vary]])
  return selecting !== 'never' && matches(selecting, second)
}

const accept = (value: string) => [['Accept-Encoding', value]] as const
const foo = (value: string) => [['Foo', value]] as const

const SELECTIONS: readonly (readonly [sentence: string, string, Fields, Fields, boolean])[] = [
  ['the same value', 'Foo', foo('1'), foo('1'), true],
  ['another value', 'Foo', foo('1'), foo('2'), false],
  ['a field that was there and is not', 'Foo', foo('1'), [], false],
  ['a field that was not there and is', 'Foo', [], foo('1'), false],
  ['a field that was not there and is empty', 'Foo', [], foo(''), false],
  ['a field that is absent in both', 'Foo', [], [], true],
  ['white space around commas', 'Foo', foo('1,2'), foo(' 1 ,\t2 '), true],
  ['other white space', 'Foo', foo('1 2'), foo('1  2'), false],
  ['empty elements', 'Foo', foo('1,2'), foo('1,,2'), false],
  ['white space in quoted strings', 'Foo', foo('"1,2"'), foo('"1, 2"'), false],
  [
    'what the server may choose from, even if the favourite is the same',
    'Accept-Language',
    [['Accept-Language', 'en, de']],
    [['Accept-Language', 'fr;q=0.5, de']],
    false,
  ],
  ['names without case', 'FOO', foo('1'), [['foo', '1']], true],
  ['values with case', 'Foo', foo('a'), foo('A'), false],
  ['fields that Vary does not name', 'Foo', [...foo('1'), ['Bar', '1']], foo('1'), true],
  ['one of two that differs', 'Foo, Bar', [...foo('1'), ['Bar', '1']], [...foo('1'), ['Bar', '2']], false],
  ['two lines and their combination', 'Foo', [...foo('1'), ...foo('2')], foo('1, 2'), true],
  ['white space of a list', 'Accept-Encoding', accept('gzip,br ;q=0.5'), accept(' gzip ,\tbr; q=0.5'), true],
  ['case of a list', 'Accept-Encoding', accept('GZIP'), accept('gzip'), true],
  [
    'order of a list',
    'Accept-Language',
    [['Accept-Language', 'en, de']],
    [['Accept-Language', 'de, en']],
    true,
  ],
  ['a weight of one', 'Accept-Encoding', accept('gzip;q=1.000'), accept('gzip'), true],
  [
    'zeros of a weight',
    'Accept-Encoding',
    accept('gzip;q=0.50, br;q=0.0'),
    accept('gzip;q=0.5, br;q=0'),
    true,
  ],
  ['another weight', 'Accept-Encoding', accept('gzip;q=0.5'), accept('gzip;q=0.6'), false],
  ['an old name', 'Accept-Encoding', accept('x-gzip'), accept('gzip'), true],
  ['an empty list and none', 'Accept-Encoding', accept(''), [], false],
  ['identity and gzip', 'Accept-Encoding', accept('identity'), accept('gzip'), false],
  [
    'quoted parameters keep their case',
    'Accept',
    [['Accept', 'a/b;c="D"']],
    [['Accept', 'a/b;c="d"']],
    false,
  ],
  ['*', '*', [], [], false],
  ['* among others', 'Foo, *', foo('1'), foo('1'), false],
  ['what is no field name', 'Foo Bar', [], [], false],
  ['a cookie that is not there', 'Cookie', [], [], true],
  ['a cookie, which is not written down', 'Cookie', [['Cookie', 'a=b']], [['Cookie', 'a=b']], false],
]

for (const [sentence, vary, first, second, expected] of SELECTIONS) {
  test(`RFC 9111 4.1: ${sentence}: ${expected ? 'selected' : 'not selected'}`, () => {
    assert.equal(isSelected(vary, first, second), expected)
  })
}

test('RFC 9111 4.1: equal selections are equal values, whatever the order and the spelling', () => {
  const one = selectingFields(
    [
      ['A', '1'],
      ['B', '2'],
    ],
    [
      ['Vary', 'b, A'],
      ['Vary', 'B'],
    ],
  )
  const other = selectingFields(
    [
      ['b', '2'],
      ['a', '1'],
    ],
    [['vary', 'A,B']],
  )
  assert.deepEqual(one, other)
  assert.deepEqual(selectingFields([['A', '1']], []), [])
})

const at = (seconds: number, id: number) => stored([['Date', httpDate(seconds)]], { id })

test('RFC 9111 4.1: of those that match the most recent by Date is selected', () => {
  assert.equal(selectedResponse([at(-9, 1), at(-5, 2), at(-7, 3)], [])?.id, 2)
  assert.equal(selectedResponse([at(-5, 1), at(-5, 2)], [])?.id, 1)
  const undated = stored([], { id: 4, responseTime: afterSeconds(-3) })
  assert.equal(selectedResponse([at(-5, 1), undated], [])?.id, 4)
})

test('RFC 9111 4.1: a response without Vary is selected only when no other matches', () => {
  const plain = stored([['Date', httpDate(0)]], { id: 1 })
  const varying = stored([['Date', httpDate(-9)]], { id: 2, selecting: [['foo', '1']] })
  assert.equal(selectedResponse([plain, varying], foo('1'))?.id, 2)
  assert.equal(selectedResponse([plain, varying], foo('2'))?.id, 1)
  assert.equal(selectedResponse([varying], foo('2')), undefined)
})

test('for any fields, a request matches the selection that it made itself, or there is none', () => {
  const line = fc.tuple(fc.constantFrom('Foo', 'Accept-Encoding', 'Accept', 'Cookie'), fc.string())
  const vary = fc.oneof(fc.string(), fc.constantFrom('Foo', 'foo, Accept-Encoding', 'Accept', 'Cookie'))
  fc.assert(
    fc.property(fc.array(line), vary, (request, value) => {
      const selecting = selectingFields(request, [['Vary', value]])
      assert.ok(selecting === 'never' || matches(selecting, request))
    }),
  )
})
