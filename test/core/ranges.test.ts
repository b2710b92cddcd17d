import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { contentRange, MAX_RANGES, parseContentRange, parseRange } from '../../core/ranges.ts'

describe('parseRange (RFC 9110 14.1, 14.2)', () => {
  const cases: [string, number, ReturnType<typeof parseRange>][] = [
    ['bytes=0-499', 1000, [{ start: 0, end: 500 }]],
    ['bytes=500-', 1000, [{ start: 500, end: 1000 }]],
    ['bytes=-200', 1000, [{ start: 800, end: 1000 }]],
    ['bytes=-2000', 1000, [{ start: 0, end: 1000 }]],
    [
      'bytes=0-0,-1',
      1000,
      [
        { start: 0, end: 1 },
        { start: 999, end: 1000 },
      ],
    ],
    ['BYTES=0-1', 1000, [{ start: 0, end: 2 }]],
    [
      'bytes= 0-1 , 4-5',
      1000,
      [
        { start: 0, end: 2 },
        { start: 4, end: 6 },
      ],
    ],
    ['bytes=900-5000', 1000, [{ start: 900, end: 1000 }]],
    ['bytes=1000-', 1000, []],
    ['bytes=18446744073709551616-', 1000, []],
    ['bytes=10-99999999999999999999', 1000, [{ start: 10, end: 1000 }]],
    ['bytes=-99999999999999999999', 1000, [{ start: 0, end: 1000 }]],
    [`bytes=0-${'9'.repeat(41)}`, 1000, undefined],
    ['bytes=-0', 1000, []],
    ['bytes=0-', 0, []],
    ['bytes=-0', 0, []],
    ['bytes=-5', 0, undefined],
    ['bytes=0-,-5', 0, undefined],
    ['bytes=5-1', 1000, undefined],
    ['bytes=', 1000, undefined],
    ['bytes=-', 1000, undefined],
    ['bytes=a-b', 1000, undefined],
    ['bytes=1-2-3', 1000, undefined],
    ['items=0-1', 1000, undefined],
    ['bytes=0-9,0-9,0-9,0-9', 1000, undefined],
  ]
  for (const [value, size, expected] of cases)
    test(`${value} of ${size} bytes`, () => assert.deepEqual(parseRange(value, size), expected))

  test('more ranges than the bound are no Range at all', () => {
    const ranges = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, at) => `${at * 10}-${at * 10 + 1}`).join(',')}`
    assert.equal(parseRange(ranges(MAX_RANGES), 10_000)?.length, MAX_RANGES)
    assert.equal(parseRange(ranges(MAX_RANGES + 1), 10_000), undefined)
  })

  test('whatever comes, spans lie inside the representation and are not empty', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(5000), (text, size) => {
        for (const span of parseRange(`bytes=${text}`, size) ?? [])
          assert.ok(span.start >= 0 && span.start < span.end && span.end <= size)
      }),
    )
  })
})

test('a Content-Range that was written is read again', () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 1e6 }), fc.nat(1e6), (start, length, more) => {
      const span = { start, end: start + length }
      const size = span.end + more
      assert.deepEqual(parseContentRange(contentRange(span, size)), { ...span, size })
    }),
  )
})

for (const malformed of ['bytes */10', 'bytes 5-4/10', 'bytes 0-10/10', 'items 0-1/2', 'bytes 0-1', ''])
  test(`Content-Range "${malformed}" is not read`, () =>
    assert.equal(parseContentRange(malformed), undefined))
