import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fields } from '../../../core/fields.ts'
import type { ConditionalOutcome } from '../../../cache/semantics/validation.ts'
import { evaluateConditional, ifRangeMatches } from '../../../cache/semantics/validation.ts'
import { httpDate } from './fixtures.ts'

const STORED: Fields = [
  ['ETag', '"a"'],
  ['Last-Modified', httpDate(-100)],
  ['Date', httpDate(0)],
]
const WEAK: Fields = [['ETag', 'W/"a"']]
const UNDATED: Fields = [['Date', httpDate(0)]]

const OUTCOMES: readonly (readonly [sentence: string, Fields, Fields, ConditionalOutcome])[] = [
  ['13: no condition', [], STORED, 'serve'],
  ['13.1.2: the same entity tag', [['If-None-Match', '"a"']], STORED, 'not-modified'],
  ['13.1.2: weak comparison', [['If-None-Match', 'W/"a"']], STORED, 'not-modified'],
  ['13.1.2: weak comparison of a weak one', [['If-None-Match', '"a"']], WEAK, 'not-modified'],
  ['13.1.2: a list that has it', [['If-None-Match', '"x,", W/"y" , "a"']], STORED, 'not-modified'],
  [
    '13.1.2: two lines',
    [
      ['If-None-Match', '"x"'],
      ['if-none-match', '"a"'],
    ],
    STORED,
    'not-modified',
  ],
  ['13.1.2: a list that does not have it', [['If-None-Match', '"x", "y"']], STORED, 'serve'],
  ['13.1.2: a part of it', [['If-None-Match', '"a,a"']], STORED, 'serve'],
  ['13.1.2: *', [['If-None-Match', '*']], UNDATED, 'not-modified'],
  ['13.1.2: an unreadable list', [['If-None-Match', '"a" or else']], STORED, 'serve'],
  ['13.1.2: nothing stored to compare with', [['If-None-Match', '"a"']], UNDATED, 'serve'],
  ['13.1.3: not modified since', [['If-Modified-Since', httpDate(-100)]], STORED, 'not-modified'],
  ['13.1.3: modified since', [['If-Modified-Since', httpDate(-101)]], STORED, 'serve'],
  ['13.1.3: an invalid date', [['If-Modified-Since', '2026-11-23']], STORED, 'serve'],
  [
    '13.1.3: two dates',
    [
      ['If-Modified-Since', httpDate(0)],
      ['If-Modified-Since', httpDate(0)],
    ],
    STORED,
    'serve',
  ],
  ['13.1.3: asctime', [['If-Modified-Since', 'Mon Nov 23 12:00:00 2026']], STORED, 'not-modified'],
  [
    '9111 4.3.2: Date in place of Last-Modified',
    [['If-Modified-Since', httpDate(0)]],
    UNDATED,
    'not-modified',
  ],
  ['9111 4.3.2: an earlier day than Date', [['If-Modified-Since', httpDate(-1)]], UNDATED, 'serve'],
  ['9111 4.3.2: neither of them', [['If-Modified-Since', httpDate(0)]], WEAK, 'serve'],
  [
    '13.2.2: If-Modified-Since does not count beside If-None-Match',
    [
      ['If-None-Match', '"x"'],
      ['If-Modified-Since', httpDate(0)],
    ],
    STORED,
    'serve',
  ],
  ['13.1.1: If-Match that is met', [['If-Match', '"x", "a"']], STORED, 'serve'],
  ['13.1.1: *', [['If-Match', '*']], UNDATED, 'serve'],
  ['13.1.1: If-Match that is not met', [['If-Match', '"x"']], STORED, 'precondition-failed'],
  ['13.1.1: strong comparison', [['If-Match', 'W/"a"']], STORED, 'precondition-failed'],
  ['13.1.1: strong comparison of a weak one', [['If-Match', '"a"']], WEAK, 'precondition-failed'],
  ['13.1.4: modified', [['If-Unmodified-Since', httpDate(-101)]], STORED, 'precondition-failed'],
  ['13.1.4: not modified', [['If-Unmodified-Since', httpDate(-100)]], STORED, 'serve'],
  ['13.1.4: no date to compare with', [['If-Unmodified-Since', httpDate(-101)]], UNDATED, 'serve'],
  [
    '13.2.2: If-Unmodified-Since does not count beside If-Match',
    [
      ['If-Match', '"a"'],
      ['If-Unmodified-Since', httpDate(-101)],
    ],
    STORED,
    'serve',
  ],
  [
    '13.2.2: a failure comes before not-modified',
    [
      ['If-Match', '"x"'],
      ['If-None-Match', '"a"'],
    ],
    STORED,
    'precondition-failed',
  ],
  [
    '13.2.2: and without a failure it is not-modified',
    [
      ['If-Match', '"a"'],
      ['If-None-Match', '"a"'],
    ],
    STORED,
    'not-modified',
  ],
]

for (const [sentence, request, fields, outcome] of OUTCOMES) {
  test(`RFC 9110 ${sentence}: ${outcome}`, () => {
    assert.equal(evaluateConditional(request, fields, 200), outcome)
  })
}

for (const status of [304, 404, 500]) {
  test(`RFC 9110 13.2.1: conditions do not count for a stored ${status}`, () => {
    assert.equal(evaluateConditional([['If-None-Match', '"a"']], STORED, status), 'serve')
    assert.equal(evaluateConditional([['If-Match', '"x"']], STORED, status), 'serve')
  })
}

const dated = (seconds: number): Fields => [
  ['Last-Modified', httpDate(seconds)],
  ['Date', httpDate(0)],
]

const RANGES: readonly (readonly [sentence: string, value: string, stored: Fields, matches: boolean])[] = [
  ['the same strong entity tag', '"a"', STORED, true],
  ['white space around it', ' "a"\t', STORED, true],
  ['another', '"b"', STORED, false],
  ['a weak one', 'W/"a"', STORED, false],
  ['a strong one for a weak one', '"a"', WEAK, false],
  ['a weak one for a weak one', 'W/"a"', WEAK, false],
  ['a list', '"a", "b"', STORED, false],
  ['*', '*', STORED, false],
  ['nothing stored', '"a"', UNDATED, false],
  ['the exact date', httpDate(-100), STORED, true],
  ['a later date', httpDate(-99), STORED, false],
  ['an earlier date', httpDate(-101), STORED, false],
  ['a date one second before Date, strong', httpDate(-1), dated(-1), true],
  ['a date in the second of Date, weak', httpDate(0), dated(0), false],
  ['a date without a Date to compare, weak', httpDate(-100), [['Last-Modified', httpDate(-100)]], false],
  ['what is neither', 'yesterday', STORED, false],
]

for (const [sentence, value, fields, expected] of RANGES) {
  test(`RFC 9110 13.1.5, 8.8.2.2: If-Range with ${sentence} ${expected ? 'matches' : 'does not match'}`, () => {
    assert.equal(ifRangeMatches(value, fields), expected)
  })
}
