import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchSilence } from '../../proxy/silence.ts'
import { manualClock } from '../manual-clock.ts'

test('silence is noticed once, after the limit and not before', () => {
  const clock = manualClock()
  let calls = 0
  watchSilence(
    clock,
    () => 30_000,
    () => calls++,
  )
  clock.advance(29_999)
  assert.equal(calls, 0)
  clock.advance(1)
  assert.equal(calls, 1)
  clock.advance(100_000)
  assert.equal(calls, 1)
})

test('every touch begins the limit anew', () => {
  const clock = manualClock()
  let calls = 0
  const watch = watchSilence(
    clock,
    () => 30_000,
    () => calls++,
  )
  for (let round = 0; round < 5; round++) {
    clock.advance(29_000)
    watch.touch()
  }
  clock.advance(29_999)
  assert.equal(calls, 0)
  clock.advance(1)
  assert.equal(calls, 1)
})

test('a limit that becomes shorter counts within five seconds', () => {
  const clock = manualClock()
  let calls = 0
  let limitMs = 300_000
  watchSilence(
    clock,
    () => limitMs,
    () => calls++,
  )
  clock.advance(100_000)
  limitMs = 30_000
  clock.advance(5_000)
  assert.equal(calls, 1)
})

test('a watch that was stopped stays quiet', () => {
  const clock = manualClock()
  watchSilence(
    clock,
    () => 1_000,
    () => assert.fail('called'),
  ).stop()
  clock.advance(10_000)
})
