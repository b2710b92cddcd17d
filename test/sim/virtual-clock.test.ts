import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { VirtualClock } from '../../sim/virtual-clock.ts'

const PATIENCE_MS = 10_000

describe('the virtual clock', () => {
  test('events happen in the order of their times, and equal times in the order of planning', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 60 }), async (delays) => {
        const clock = new VirtualClock()
        const happened: [at: number, index: number][] = []
        for (const [index, delayMs] of delays.entries())
          clock.after(delayMs, () => happened.push([clock.monotonic(), index]))
        await clock.run(clock.sleep(20), PATIENCE_MS)
        const expected = [...delays.entries()].map(([index, delayMs]) => [delayMs, index])
        assert.deepEqual(
          happened,
          expected.toSorted((one, other) => Number(one[0]) - Number(other[0])),
        )
      }),
    )
  })

  test('what was taken back never happens, and takes no time', async () => {
    const clock = new VirtualClock()
    const cancel = clock.after(5, () => assert.fail('it happened'))
    cancel()
    await clock.run(clock.sleep(1), PATIENCE_MS)
    assert.equal(clock.monotonic(), 1)
    await clock.run(clock.sleep(10), PATIENCE_MS)
    assert.equal(clock.happened, 2)
  })

  test('promises settle before time goes on, however long their chain is', async () => {
    const clock = new VirtualClock()
    const chain = async () => {
      await clock.sleep(1)
      for (let at = 0; at < 1000; at++) await Promise.resolve()
      return clock.monotonic()
    }
    clock.after(2, () => {})
    assert.equal(await clock.run(chain(), PATIENCE_MS), 1)
  })

  test('both times move together, and the calendar begins with 2026', async () => {
    const clock = new VirtualClock()
    await clock.run(clock.sleep(1500), PATIENCE_MS)
    assert.equal(clock.monotonic(), 1500)
    assert.equal(new Date(clock.wall()).toISOString(), '2026-01-01T00:00:01.500Z')
  })

  test('a simulation in which nothing is left to happen says so', async () => {
    const clock = new VirtualClock()
    await assert.rejects(clock.run(new Promise(() => {}), PATIENCE_MS), /stuck at 0 ms: nothing is left/)
  })

  test('a simulation that only ticks says so when its patience is over', async () => {
    const clock = new VirtualClock()
    const tick = () => void clock.after(100, tick)
    tick()
    await assert.rejects(clock.run(new Promise(() => {}), 1000), /stuck: not done after 1000 virtual ms/)
    assert.equal(clock.monotonic(), 1000)
  })

  test('a simulation in which time does not get on says so', async () => {
    const clock = new VirtualClock()
    const again = () => void clock.after(0, again)
    clock.after(5, again)
    await assert.rejects(
      clock.run(new Promise(() => {}), PATIENCE_MS),
      /stuck at 5 ms: 100000 events, and no end/,
    )
  })

  test('what a simulation throws comes out of it', async () => {
    const clock = new VirtualClock()
    const failing = clock.sleep(3).then(() => Promise.reject(new Error('as planned')))
    await assert.rejects(clock.run(failing, PATIENCE_MS), /as planned/)
  })

  test('a lease that has ended fires no timer and takes none', async () => {
    const clock = new VirtualClock()
    const lease = clock.lease()
    lease.after(5, () => assert.fail('an old timer fired'))
    lease.end()
    lease.after(1, () => assert.fail('a new timer fired'))
    await clock.run(clock.sleep(10), PATIENCE_MS)
    assert.equal(lease.monotonic(), 10)
  })
})
