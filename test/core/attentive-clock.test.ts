import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { attentive } from '../../core/attentive-clock.ts'
import { seededRandom } from '../../core/random.ts'
import { manualClock } from '../manual-clock.ts'

/** A clock whose timers are looked at only when the program has its turn. */
function scene() {
  const clock = manualClock()
  let busyMs = 0
  const late = attentive({
    ...clock,
    monotonic: () => (clock.monotonic() + busyMs) as ReturnType<typeof clock.monotonic>,
  })
  return { late, clock, stall: (ms: number) => void (busyMs += ms) }
}

/** After so many ms of its own time the wait is over; `undefined`: it is not over within 5 s. */
function over(wait: (wake: () => void) => void, clock: { advance(ms: number): void }): number | undefined {
  let isOver = false
  wait(() => (isOver = true))
  for (let ms = 0; ms <= 5000; ms += 1) {
    if (isOver) return ms
    clock.advance(1)
  }
  return undefined
}

for (const ms of [0, 1, 24, 25, 26, 500, 2000])
  test(`a wait of ${ms} ms is no longer than others where nothing is late`, () => {
    const { late, clock } = scene()
    const tookMs = over((wake) => late.after(ms, wake), clock) ?? NaN
    assert.ok(Math.abs(tookMs - ms) <= 1, `${tookMs} ms`)
  })

test('time in which the program was not there does not count', () => {
  const { late, clock, stall } = scene()
  let isOver = false
  late.after(100, () => (isOver = true))
  clock.advance(10)
  stall(10_000)
  clock.advance(89)
  assert.equal(isOver, false)
  clock.advance(2)
  assert.equal(isOver, true)
})

test('a wait that ended late gives the sockets one more look', () => {
  const { late, clock, stall } = scene()
  let isOver = false
  late.after(5, () => (isOver = true))
  stall(300)
  clock.advance(5)
  assert.equal(isOver, false)
  clock.advance(1)
  assert.equal(isOver, true)
})

test('a long wait is left to the clock', () => {
  const { late, clock, stall } = scene()
  let isOver = false
  late.after(60_000, () => (isOver = true))
  stall(50_000)
  clock.advance(60_000)
  assert.equal(isOver, true)
})

test('a wait that is taken back leaves nothing behind, in any of its slices', () => {
  const { late, clock } = scene()
  const cancel = late.after(100, () => assert.fail('woken'))
  clock.advance(60)
  cancel()
  assert.equal(clock.pending(), 0)
  clock.advance(1000)
})

test('who was late lately is busy, and not for long', () => {
  const { late, clock, stall } = scene()
  assert.equal(late.isBusy(), false)
  late.after(100, () => {})
  stall(60)
  assert.equal(late.isBusy(), false)
  clock.advance(25)
  assert.equal(late.isBusy(), true)
  clock.advance(1000)
  assert.equal(late.isBusy(), false)
})

test('many short delays make a program busy as well as a long one', () => {
  const { late, clock, stall } = scene()
  late.after(1000, () => {})
  for (let count = 0; count < 6; count += 1) {
    stall(12)
    clock.advance(25)
  }
  assert.equal(late.isBusy(), true)
})

test('where every turn of the event loop is late a wait is over all the same', () => {
  const { late, clock, stall } = scene()
  let turns = 0
  let overAt: number | undefined
  late.after(100, () => (overAt = turns))
  for (; turns < 1000; turns += 1) {
    stall(15)
    clock.advance(1)
  }
  // 25 ms of each second turn count, and a few looks at the sockets.
  assert.ok(overAt !== undefined && overAt > 100 && overAt < 110, `${overAt} turns of 16 ms`)
})

describe('time in which the program could listen', () => {
  test('is time as it is where nothing is late', () => {
    const { late, clock } = scene()
    const began = late.listening.monotonic()
    late.listening.after(100, () => {})
    for (let ms = 0; ms < 100; ms += 10) clock.advance(10)
    assert.equal(late.listening.monotonic() - began, 100)
  })

  test('stands still while the program waits for its turn and somebody waits for peers, but for the slice that may be due', () => {
    const { late, clock, stall } = scene()
    const began = late.listening.monotonic()
    late.after(1000, () => {})
    stall(5000)
    clock.advance(10)
    assert.equal(late.listening.monotonic() - began, 25)
    assert.equal(late.monotonic() - began, 5010)
    clock.advance(10)
    assert.equal(late.listening.monotonic() - began, 35)
  })

  test('goes on, but for a tenth, where a program waits for its turn all the time', () => {
    const { late, clock, stall } = scene()
    const began = late.listening.monotonic()
    const wait = () => void late.after(2000, wait)
    wait()
    const pass = (seconds: number) => {
      const [real, listened] = [late.monotonic(), late.listening.monotonic()]
      for (let turn = 0; turn < 10 * seconds; turn += 1) {
        stall(99)
        clock.advance(1)
        late.listening.monotonic()
      }
      return (late.listening.monotonic() - listened) / (late.monotonic() - real)
    }
    assert.equal(pass(5), 0.25)
    assert.ok(pass(60) < 0.85)
    assert.ok(Math.abs(pass(60) - 0.9) < 0.001)
    assert.ok(late.monotonic() - late.listening.monotonic() <= 10_000 + 0.1 * (late.monotonic() - began) + 1)
    // What was lost is forgiven again after a rest.
    for (let turn = 0; turn < 10_000; turn += 1) clock.advance(10)
    assert.equal(pass(5), 0.25)
  })

  test('goes on where nobody waits: a rest is no stall', () => {
    const { late, clock, stall } = scene()
    const began = late.listening.monotonic()
    late.after(10, () => {})
    clock.advance(10)
    const cancel = late.after(10, () => assert.fail('woken'))
    cancel()
    cancel()
    stall(5000)
    assert.equal(late.listening.monotonic() - began, 5010)
  })

  test('never goes back, and is never ahead of the waits that are measured in it', () => {
    const random = seededRandom(1)
    const { late, clock, stall } = scene()
    let last = late.listening.monotonic()
    const look = () => {
      const now = late.listening.monotonic()
      assert.ok(now >= last, `${now} after ${last}`)
      return (last = now)
    }
    const wait = (ms: number) => {
      const began = look()
      late.listening.after(ms, () => {
        assert.ok(look() - began >= ms - 1e-6, `${ms} ms were over after ${last - began}`)
        wait(1 + (random.uint32() % 300))
      })
    }
    wait(50)
    wait(120)
    for (let turn = 0; turn < 5000; turn += 1) {
      if (random.fraction() < 0.2) stall(random.uint32() % 400)
      clock.advance(1 + (random.uint32() % 9))
      if (random.fraction() < 0.5) look()
    }
  })
})
