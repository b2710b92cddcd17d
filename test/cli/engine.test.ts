import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BUSY_LOOKS, BUSY_SHARE, LOOK_MS, serving, sparing, type Engine } from '../../cli/engine.ts'
import { manualClock } from '../manual-clock.ts'

suite('V8 is told', () => {
  test('to optimize nothing while a node starts', () => {
    const { flags, engine } = told()
    sparing(engine)
    assert.deepEqual(flags, [
      '--turbo-filter=-*',
      '--maglev-filter=-*',
      '--invocation-count-for-maglev=3000',
      '--heap-growing-percent=150',
    ])
  })

  test('to compile plainly what requests are the first to need', () => {
    const { flags, engine } = told()
    serving(engine)
    assert.deepEqual(flags, ['--always-sparkplug'])
  })

  test('nothing more while the node rests or is asked for a few files', () => {
    const { flags, use, engine, clock } = told()
    serving(engine)
    for (let second = 0; second < 100; second += 1) {
      use(BUSY_SHARE * LOOK_MS - 1)
      clock.advance(LOOK_MS)
    }
    assert.deepEqual(flags, ['--always-sparkplug'])
  })

  test('nothing more for what keeps it busy in one look, such as a collection of garbage, however often', () => {
    const { flags, use, engine, clock } = told()
    serving(engine)
    for (let burst = 0; burst < 100; burst += 1) {
      for (let look = 1; look < BUSY_LOOKS; look += 1) {
        use(LOOK_MS)
        clock.advance(LOOK_MS)
      }
      clock.advance(LOOK_MS)
    }
    assert.deepEqual(flags, ['--always-sparkplug'])
  })

  test('to optimize once it is busy, for good', () => {
    const { flags, use, engine, clock } = told()
    use(5_000) // by its start
    serving(engine)
    clock.advance(LOOK_MS)
    for (let look = 0; look < BUSY_LOOKS; look += 1) {
      use(BUSY_SHARE * LOOK_MS)
      clock.advance(LOOK_MS)
    }
    assert.deepEqual(flags.slice(1), [
      '--no-always-sparkplug',
      '--heap-growing-percent=50',
      '--turbo-filter=*',
    ])
    assert.equal(clock.pending(), 0)
  })
})

function told() {
  const flags: string[] = []
  const clock = manualClock()
  let processorMs = 0
  const engine: Engine = { clock, processorMs: () => processorMs, setFlags: (flag) => flags.push(flag) }
  return { flags, clock, engine, use: (ms: number) => (processorMs += ms) }
}
