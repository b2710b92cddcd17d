import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RecentRate } from '../../retrieval/recent-rate.ts'
import { manualClock } from '../manual-clock.ts'

/** Bytes come ten times in a second. */
function rateOf(
  seconds: number,
  bytesPerSecond: number,
  clock = manualClock(),
  rate = new RecentRate(clock),
) {
  for (let tenth = 0; tenth < seconds * 10; tenth += 1) {
    clock.advance(100)
    rate.note(bytesPerSecond / 10)
  }
  return { clock, rate }
}

describe('the speed that people are shown', () => {
  for (const seconds of [0.1, 0.5, 1, 3, 4, 5, 60])
    test(`is what has come in a second, ${seconds} s after the beginning`, () => {
      const { rate } = rateOf(seconds, 1_000_000)
      const shown = rate.bytesPerSecond() ?? 0
      assert.ok(Math.abs(shown - 1_000_000) < 50_000, `${shown}`)
    })

  test('falls to nothing within seconds when nothing comes any more', () => {
    const { clock, rate } = rateOf(60, 1_000_000)
    const shown = Array.from({ length: 5 }, () => {
      clock.advance(1000)
      return rate.bytesPerSecond() ?? 0
    })
    assert.ok(
      shown.every((each, at) => at === 0 || each <= (shown[at - 1] ?? 0)),
      shown.join(),
    )
    assert.equal(shown.at(-1), 0)
  })

  test('forgets a quick beginning', () => {
    const { clock, rate } = rateOf(10, 9_000_000)
    rateOf(5, 100_000, clock, rate)
    assert.ok((rate.bytesPerSecond() ?? 0) < 110_000)
  })

  test('counts from the beginning of a source, and is not told in that moment', () => {
    const { clock, rate } = rateOf(10, 9_000_000)
    rate.begin()
    rate.note(1000)
    assert.equal(rate.bytesPerSecond(), undefined)
    clock.advance(500)
    assert.equal(rate.bytesPerSecond(), 2000)
  })
})
