import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { EpochMs } from '../../../core/clock.ts'
import type { Fields } from '../../../core/fields.ts'
import {
  currentAgeMs,
  freshnessLifetimeMs,
  IMMUTABLE_LIFETIME_MS,
  isFresh,
  modifiedAgoMs,
  remainingFreshnessMs,
} from '../../../cache/semantics/freshness.ts'
import { afterSeconds, cacheControl, httpDate, RECEIVED, stored } from './fixtures.ts'

const VOLATILE = { immutable: false }
const IMMUTABLE = { immutable: true }
const DATE = ['Date', httpDate(0)] as const
const OLD = ['Last-Modified', httpDate(-1000)] as const

const LIFETIMES: readonly (readonly [sentence: string, fields: Fields, seconds: number, status?: number])[] =
  [
    ['4.2.1: s-maxage comes before max-age', cacheControl('max-age=1, s-maxage=60'), 60],
    ['4.2.1: s-maxage=0 comes before max-age too', cacheControl('max-age=60, s-maxage=0'), 0],
    [
      '4.2.1: max-age comes before Expires',
      [DATE, ['Expires', httpDate(9)], ...cacheControl('max-age=60')],
      60,
    ],
    [
      '4.2.1: max-age=0 comes before Expires too',
      [['Expires', httpDate(9)], ...cacheControl('max-age=0')],
      0,
    ],
    ['4.2.1: an invalid max-age makes stale', [['Expires', httpDate(9)], ...cacheControl('max-age=x')], 0],
    [
      '5.3: Expires counts from Date',
      [
        ['Date', httpDate(-5)],
        ['Expires', httpDate(9)],
      ],
      14,
    ],
    ['5.3: Expires counts from the arrival where there is no Date', [['Expires', httpDate(9)]], 9],
    [
      '5.3: and where Date is invalid',
      [
        ['Date', 'today'],
        ['Expires', httpDate(9)],
      ],
      9,
    ],
    ['5.3: Expires in the past makes stale', [DATE, ['Expires', httpDate(-9)]], 0],
    ['5.3: an invalid Expires makes stale', [DATE, OLD, ['Expires', '0']], 0],
    [
      '4.2.1: contradicting Expires make stale',
      [DATE, ['Expires', httpDate(9)], ['Expires', httpDate(99)]],
      0,
    ],
    ['RFC 9213: CDN-Cache-Control is for others', [['CDN-Cache-Control', 'max-age=60']], 0],
    [
      'RFC 9213: and takes nothing back',
      [['CDN-Cache-Control', 'no-store'], ...cacheControl('max-age=60')],
      60,
    ],
    ['4.2.1: equal Expires are one', [DATE, ['Expires', httpDate(9)], ['Expires', httpDate(9)]], 9],
    [
      '5.3: a two-digit year of Expires is near the arrival',
      [DATE, ['Expires', 'Monday, 23-Nov-26 12:00:09 GMT']],
      9,
    ],
    ['4.2.2: a tenth of the time since Last-Modified', [DATE, OLD], 100],
    ['4.2.2: a day at most', [DATE, ['Last-Modified', httpDate(-1e9)]], 24 * 60 * 60],
    ['4.2.2: nothing for a Last-Modified in the future', [DATE, ['Last-Modified', httpDate(1000)]], 0],
    ['4.2.2: nothing without Last-Modified', [DATE], 0],
    ['4.2.2: nothing where there is an explicit lifetime', [DATE, OLD, ...cacheControl('max-age=0')], 0],
    ['4.2.2: no guessing for a status that is not cacheable', [DATE, OLD], 0, 302],
    ['4.2.2: guessing for any status marked public', [DATE, OLD, ...cacheControl('public')], 100, 302],
    ['4.2.2: guessing for 404', [DATE, OLD], 100, 404],
  ]

for (const [sentence, fields, seconds, status = 200] of LIFETIMES) {
  test(`RFC 9111 ${sentence}`, () => {
    assert.equal(freshnessLifetimeMs(stored(fields, { status }), VOLATILE), seconds * 1000)
  })
}

const AGES: readonly (readonly [sentence: string, fields: Fields, seconds: number])[] = [
  ['resident time alone', [DATE], 100],
  ['the age that came with it', [DATE, ['Age', '50']], 150],
  [
    'the apparent age, when greater',
    [
      ['Date', httpDate(-70)],
      ['Age', '50'],
    ],
    170,
  ],
  ['a Date in the future counts as now', [['Date', httpDate(70)]], 100],
  ['5.1: the first member of a list of ages', [DATE, ['Age', '50, 0']], 150],
  ['5.1: the first of several lines', [DATE, ['Age', '0'], ['Age', '50']], 100],
  ['5.1: a negative age is ignored', [DATE, ['Age', '-50']], 100],
  ['5.1: a fraction is ignored', [DATE, ['Age', '50.0']], 100],
  ['5.1: a word is ignored', [DATE, ['Age', 'abc']], 100],
  ['1.2.2: an age beyond all bounds is 2^31', [DATE, ['Age', '9'.repeat(30)]], 2 ** 31 + 100],
]

for (const [sentence, fields, seconds] of AGES) {
  test(`RFC 9111 4.2.3: age: ${sentence}`, () => {
    assert.equal(currentAgeMs(stored(fields), afterSeconds(100)), seconds * 1000)
  })
}

test('RFC 9111 4.2.3: the time that the response took counts as age', () => {
  const slow = stored([DATE, ['Age', '50']], { requestTime: afterSeconds(-7) })
  assert.equal(currentAgeMs(slow, afterSeconds(100)), 157_000)
})

test('a clock that was set back makes no response younger', () => {
  const response = stored([DATE, ['Age', '50']], { requestTime: afterSeconds(7) })
  assert.equal(currentAgeMs(response, afterSeconds(-1000)), 50_000)
})

test('a clock that was set back makes no response fresh for longer', () => {
  const response = stored([DATE, ...cacheControl('max-age=60')])
  for (const seconds of [-1.001, -10, -365 * 24 * 3600])
    assert.equal(isFresh(response, VOLATILE, afterSeconds(seconds)), false, `${seconds}`)
  for (const seconds of [-1, 0]) assert.equal(isFresh(response, VOLATILE, afterSeconds(seconds)), true)
  assert.equal(isFresh(response, IMMUTABLE, afterSeconds(-365 * 24 * 3600)), true)
  assert.equal(isFresh(stored(cacheControl('no-cache')), IMMUTABLE, afterSeconds(-10)), false)
})

test('RFC 9111 4.2: fresh as long as the lifetime is greater than the age', () => {
  const response = stored([DATE, ...cacheControl('max-age=60')])
  assert.equal(isFresh(response, VOLATILE, (RECEIVED + 59_999) as EpochMs), true)
  assert.equal(isFresh(response, VOLATILE, afterSeconds(60)), false)
  assert.equal(remainingFreshnessMs(response, VOLATILE, afterSeconds(70)), -10_000)
})

const IMMUTABLE_ANYWAY = ['', 'max-age=0', 'must-revalidate', 's-maxage=5', 'private="x"', 'no-cache="x"']
const REFUSALS = ['no-cache', 'NO-CACHE', 'no-store', 'private', 'private=""', 'max-age=5; no-store']

for (const value of IMMUTABLE_ANYWAY) {
  test(`R6.3: an immutable name with <${value}> is fresh for a year from its arrival`, () => {
    const response = stored([['Age', '99999999'], ['Expires', '0'], ...cacheControl(value)])
    assert.equal(remainingFreshnessMs(response, IMMUTABLE, RECEIVED), IMMUTABLE_LIFETIME_MS)
    assert.equal(isFresh(response, IMMUTABLE, (RECEIVED + IMMUTABLE_LIFETIME_MS) as EpochMs), false)
  })
}

for (const value of REFUSALS) {
  test(`R6.3: <${value}> is stronger than the rule that calls the name immutable`, () => {
    assert.equal(isFresh(stored(cacheControl(value)), IMMUTABLE, RECEIVED), false)
  })
}

test('RFC 9111 5.2.2.3: must-understand with an unknown status is stronger than the rule, else no-store yields', () => {
  const fields = cacheControl('must-understand, no-store')
  assert.equal(isFresh(stored(fields, { status: 299 }), IMMUTABLE, RECEIVED), false)
  assert.equal(isFresh(stored(fields), IMMUTABLE, RECEIVED), true)
})

test('for any fields the age is at least the resident time and the lifetime is finite', () => {
  const name = fc.constantFrom('Age', 'Date', 'Expires', 'Last-Modified', 'Cache-Control')
  const value = fc.oneof(fc.string(), fc.constantFrom('5', httpDate(5), httpDate(-1e9), 'max-age=5'))
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), fc.nat(), fc.boolean(), (fields, seconds, immutable) => {
      const response = stored(fields)
      const now = afterSeconds(seconds)
      assert.ok(currentAgeMs(response, now) >= seconds * 1000)
      const lifetimeMs = freshnessLifetimeMs(response, { immutable })
      assert.ok(lifetimeMs >= 0 && Number.isFinite(lifetimeMs))
    }),
  )
})

for (const [what, fields, seconds] of [
  ['is held against its own date', [DATE, OLD], 1000],
  ['counts what it has been on the way', [DATE, OLD, ['Age', '60']], 1060],
  ['may have been made for the response', [DATE, ['Last-Modified', httpDate(0)]], 0],
  ['cannot be after the response', [DATE, ['Last-Modified', httpDate(1)]], undefined],
  ['is not known without a date', [OLD], undefined],
  ['is not known of nothing', [DATE], undefined],
] as const)
  test(`when the file changed ${what}`, () => {
    const ms = seconds === undefined ? undefined : seconds * 1000
    assert.equal(modifiedAgoMs(stored(fields)), ms)
  })
