import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { EpochMs } from '../../../core/clock.ts'
import { formatHttpDate, parseHttpDate } from '../../../cache/semantics/http-date.ts'

const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37)

const VALID: readonly (readonly [text: string, at: number])[] = [
  ['Sun, 06 Nov 1994 08:49:37 GMT', EXAMPLE],
  ['Sunday, 06-Nov-94 08:49:37 GMT', EXAMPLE],
  ['Sun Nov  6 08:49:37 1994', EXAMPLE],
  ['SUN, 06 nOV 1994 08:49:37 gmt', EXAMPLE],
  ['Sun Nov 16 08:49:37 1994', Date.UTC(1994, 10, 16, 8, 49, 37)],
  ['Thu, 29 Feb 2024 00:00:00 GMT', Date.UTC(2024, 1, 29)],
  ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1)],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['Fri, 31 Dec 9999 23:59:59 GMT', Date.UTC(9999, 11, 31, 23, 59, 59)],
  ['Mon, 01 Jan 0001 00:00:00 GMT', -62_135_596_800_000],
]

for (const [text, at] of VALID) {
  test(`RFC 9110 5.6.7: "${text}" is a date`, () => assert.equal(parseHttpDate(text), at))
}

const INVALID = [
  '',
  '0',
  '-1',
  '1994-11-06T08:49:37Z',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 06 Nov 1994 08:49:37 EST',
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 08:49:37 +0000',
  'Sun, 06 Nov 1994 08:49:37 GMT ',
  'Sun 06 Nov 1994 08:49:37 GMT',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 06  Nov  1994 08:49:37 GMT',
  'Sun, 06-Nov-1994 08:49:37 GMT',
  'Sun, 06 Nov 94 08:49:37 GMT',
  'Sun, 06 Nov 1994 8:49:37 GMT',
  'Sun, 06 Nov 1994 08.49.37 GMT',
  'Sun, 06 Nov 1994 24:00:00 GMT',
  'Sun, 06 Nov 1994 08:60:00 GMT',
  'Sun, 06 Nov 1994 08:49:61 GMT',
  'Sun, 00 Nov 1994 08:49:37 GMT',
  'Thu, 31 Nov 1994 08:49:37 GMT',
  'Wed, 29 Feb 2023 00:00:00 GMT',
  'Foo, 06 Nov 1994 08:49:37 GMT',
  'Sun, 06 Foo 1994 08:49:37 GMT',
  'Sun, 06-Nov-94 08:49:37 GMT',
  'Sun Nov 06 08:49:37 1994 GMT',
]

for (const text of INVALID) {
  test(`RFC 9110 5.6.7: "${text}" is no date`, () => assert.equal(parseHttpDate(text), undefined))
}

const CENTURIES: readonly (readonly [digits: string, thisYear: number, year: number])[] = [
  ['94', 2026, 1994],
  ['26', 2026, 2026],
  ['76', 2026, 2076],
  ['77', 2026, 1977],
  ['00', 1999, 2000],
  ['49', 1999, 2049],
  ['50', 1999, 1950],
  ['10', 2090, 2110],
]

for (const [digits, thisYear, year] of CENTURIES) {
  test(`RFC 9110 5.6.7: in ${thisYear} the two digits ${digits} mean ${year}`, () => {
    const now = Date.UTC(thisYear, 5) as EpochMs
    const at = parseHttpDate(`Sunday, 06-Nov-${digits} 08:49:37 GMT`, now)
    assert.equal(at, Date.UTC(year, 10, 6, 8, 49, 37))
  })
}

test('every second of the years 0 to 9999 is written and read back', () => {
  const lastSecond = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000
  fc.assert(
    fc.property(fc.integer({ min: -62_167_219_200, max: lastSecond }), (seconds) => {
      const at = (seconds * 1000) as EpochMs
      assert.equal(parseHttpDate(formatHttpDate(at)), at)
    }),
  )
})

test('a moment is written to the second below', () => {
  assert.equal(formatHttpDate((EXAMPLE + 999) as EpochMs), 'Sun, 06 Nov 1994 08:49:37 GMT')
})

test('any text whatsoever is read without an exception', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[A-Z][a-z]{2}, [0-9: A-Za-z-]{0,25}$/),
  )
  fc.assert(
    fc.property(text, (each) => {
      const at = parseHttpDate(each)
      assert.ok(at === undefined || Number.isSafeInteger(at))
    }),
  )
})

test('RFC 9110 5.6.7: a date that was read before is read the same, a two-digit year by the moment of reading', () => {
  const century = (year: number) =>
    new Date(
      parseHttpDate('Sunday, 06-Nov-60 08:49:37 GMT', Date.UTC(year, 0) as EpochMs) ?? NaN,
    ).getUTCFullYear()
  assert.deepEqual([century(2025), century(2005), century(2025)], [2060, 1960, 2060])
  for (let second = 0; second < 600; second++)
    for (const text of [formatHttpDate((second * 1000) as EpochMs), 'Sun, 06 Nov 1994 08:49:37 GMT'])
      assert.equal(parseHttpDate(text), text.includes('1994') ? EXAMPLE : second * 1000)
})
