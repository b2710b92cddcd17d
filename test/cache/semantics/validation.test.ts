import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fields } from '../../../core/fields.ts'
import {
  conditionalFields,
  freshened,
  headConfirms,
  notModifiedApplies,
} from '../../../cache/semantics/validation.ts'
import { httpDate, stored } from './fixtures.ts'

const MODIFIED = ['Last-Modified', httpDate(-100)] as const
const LATER = ['Last-Modified', httpDate(-50)] as const
const tag = (value: string) => ['ETag', value] as const

const CONDITIONS: readonly (readonly [sentence: string, stored: Fields, conditional: Fields])[] = [
  ['nothing without a validator', [['Date', httpDate(0)]], []],
  ['a strong entity tag', [tag('"a"')], [['If-None-Match', '"a"']]],
  ['a weak entity tag', [tag('W/"a"')], [['If-None-Match', 'W/"a"']]],
  ['an unusual entity tag as it came', [tag('a-1')], [['If-None-Match', 'a-1']]],
  ['no empty entity tag', [tag('')], []],
  ['the date of the last modification', [MODIFIED], [['If-Modified-Since', httpDate(-100)]]],
  ['no date that is none', [['Last-Modified', 'yesterday']], []],
  [
    'both',
    [MODIFIED, tag('"a"')],
    [
      ['If-None-Match', '"a"'],
      ['If-Modified-Since', httpDate(-100)],
    ],
  ],
]

for (const [sentence, fields, conditional] of CONDITIONS) {
  test(`RFC 9111 4.3.1: a validation sends ${sentence}`, () => {
    assert.deepEqual(conditionalFields(fields), conditional)
  })
}

const ANSWERS: readonly (readonly [sentence: string, fields304: Fields, stored: Fields, applies: boolean])[] =
  [
    ['the same strong entity tag', [tag('"a"')], [tag('"a"')], true],
    ['another strong entity tag', [tag('"b"')], [tag('"a"')], false],
    ['a strong entity tag for a weak one', [tag('"a"')], [tag('W/"a"')], false],
    ['a weak entity tag for a strong one', [tag('W/"a"')], [tag('"a"')], true],
    ['the same weak entity tag', [tag('W/"a"')], [tag('W/"a"')], true],
    ['another weak entity tag', [tag('W/"b"')], [tag('W/"a"')], false],
    ['the same unusual entity tag', [tag('a-1')], [tag('a-1')], true],
    ['another unusual entity tag', [tag('a-2')], [tag('a-1')], false],
    ['the same entity tag and another date', [tag('"a"'), LATER], [tag('"a"'), MODIFIED], true],
    ['another entity tag and the same date', [tag('"b"'), MODIFIED], [tag('"a"'), MODIFIED], false],
    ['the same date', [MODIFIED], [MODIFIED], true],
    ['another date', [LATER], [MODIFIED], false],
    ['the same date alone, though an entity tag is stored', [MODIFIED], [tag('"a"'), MODIFIED], true],
    ['an entity tag that was not stored', [tag('"a"')], [MODIFIED], false],
    ['no validator at all', [['Date', httpDate(0)]], [tag('"a"'), MODIFIED], true],
  ]

for (const [sentence, fields304, fields, applies] of ANSWERS) {
  test(`RFC 9111 4.3.4: a 304 with ${sentence} ${applies ? 'is' : 'is not'} about the stored response`, () => {
    assert.equal(notModifiedApplies(fields304, stored(fields)), applies)
  })
}

test('RFC 9111 3.2: a 304 replaces all stored lines of a field, and adds new ones', () => {
  const before: Fields = [
    ['X-A', '1'],
    ['x-a', '2'],
    ['X-Kept', '1'],
    ['Cache-Control', 'max-age=1'],
  ]
  const update: Fields = [
    ['X-A', '3'],
    ['cache-control', 'max-age=60'],
    ['X-New', '1'],
    ['X-New', '2'],
  ]
  assert.deepEqual(freshened(before, update), [['X-Kept', '1'], ...update])
})

const NEVER_UPDATED = ['Content-Length', 'Content-Encoding', 'Content-Range']
const NEVER_STORED = [
  'Connection',
  'Transfer-Encoding',
  'Proxy-Authenticate',
  'Keep-Alive',
  'Proxy-Connection',
]

for (const name of NEVER_UPDATED) {
  test(`RFC 9111 3.2: a 304 does not change ${name}`, () => {
    assert.deepEqual(freshened([[name, 'stored']], [[name.toUpperCase(), 'new']]), [[name, 'stored']])
  })
}

for (const name of NEVER_STORED) {
  test(`RFC 9111 3.1: ${name} of a 304 is not stored`, () => {
    assert.deepEqual(freshened([['ETag', '"a"']], [[name, 'x']]), [['ETag', '"a"']])
  })
}

test('RFC 9111 4.2.3: the Age and Date of the old response do not outlive it', () => {
  const before: Fields = [
    ['Age', '500'],
    ['Date', httpDate(-600)],
    ['Expires', httpDate(-1)],
    ['ETag', '"a"'],
  ]
  assert.deepEqual(freshened(before, []), [
    ['Expires', httpDate(-1)],
    ['ETag', '"a"'],
  ])
  assert.deepEqual(freshened([['Age', '500']], [['Age', '3']]), [['Age', '3']])
})

const HEADS: readonly (readonly [sentence: string, head: Fields, confirms: boolean])[] = [
  ['the same validators and length', [tag('"a"'), MODIFIED, ['Content-Length', '10']], true],
  ['no validators and the same length', [['Content-Length', '10']], true],
  ['nothing', [], true],
  ['another entity tag', [tag('"b"'), MODIFIED], false],
  ['another date', [tag('"a"'), LATER], false],
  ['another length', [tag('"a"'), ['Content-Length', '11']], false],
  ['an unreadable length', [['Content-Length', '10, 10']], false],
]

for (const [sentence, head, confirms] of HEADS) {
  test(`RFC 9111 4.3.5: a HEAD with ${sentence} ${confirms ? 'confirms' : 'outdates'} what is stored`, () => {
    assert.equal(headConfirms(head, stored([tag('"a"'), MODIFIED], { size: 10 })), confirms)
  })
}
