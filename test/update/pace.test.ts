import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepPace, WINDOW_MS } from '../../update/installer/pace.ts'
import { manualClock } from '../manual-clock.ts'

const LEAST = 1000
const ENOUGH = (LEAST * WINDOW_MS) / 1000

/** Bytes that come in each window. @returns the window after which it was too slow */
function watched(leastBytesPerS: number, windows: readonly number[]): number | undefined {
  const clock = manualClock()
  let received = 0
  let slowAfter: number | undefined
  const end = keepPace(
    clock,
    leastBytesPerS,
    () => received,
    () => (slowAfter = clock.monotonic() / WINDOW_MS),
  )
  for (const bytes of windows) {
    received += bytes
    clock.advance(WINDOW_MS)
  }
  end()
  assert.equal(clock.pending(), 0)
  return slowAfter
}

for (const [what, least, windows, expected] of [
  ['what brings just enough goes on', LEAST, [ENOUGH, ENOUGH, ENOUGH], undefined],
  ['one byte less is too slow', LEAST, [ENOUGH - 1], 1],
  ['what was fast before does not make up for it', LEAST, [100 * ENOUGH, ENOUGH, 0, ENOUGH], 3],
  ['nothing at all is too slow', LEAST, [0, 0], 1],
  ['nothing is demanded by 0', 0, [0, 0, 0], undefined],
] as const)
  test(what, () => assert.equal(watched(least, windows), expected))

test('a watch that was ended says nothing', () => {
  const clock = manualClock()
  keepPace(
    clock,
    LEAST,
    () => 0,
    () => assert.fail('it was ended'),
  )()
  clock.advance(10 * WINDOW_MS)
})
