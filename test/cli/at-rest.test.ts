/** When garbage is collected: after work, at rest, and only where it is worth it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { collectAtRest, V8_HEAP } from '../../cli/at-rest.ts'
import { manualClock } from '../manual-clock.ts'

const MB = 1024 * 1024

/** A process that uses `load` ms of the processor in each ms. */
function scene() {
  const clock = manualClock()
  const state = { heap: 30 * MB, load: 0, collections: 0 }
  let [cpu, at] = [0, 0]
  const processorMs = () => {
    cpu += (clock.monotonic() - at) * state.load
    at = clock.monotonic()
    return cpu
  }
  const collect = async () => {
    state.collections += 1
    state.heap = 15 * MB
  }
  collectAtRest({ clock, heapBytes: () => state.heap, processorMs, collect })
  return { clock, state, processorMs }
}

/** Time, with turns of the event loop in between. */
async function pass({ clock, processorMs }: ReturnType<typeof scene>, ms: number): Promise<void> {
  for (let gone = 0; gone < ms; gone += 100) {
    clock.advance(100)
    processorMs() // counts with the load of this time
    await Promise.resolve()
    await Promise.resolve()
  }
}

describe('garbage at rest', () => {
  test('is collected half a second after the start', async () => {
    const it = scene()
    await pass(it, 400)
    assert.equal(it.state.collections, 0)
    await pass(it, 100)
    assert.equal(it.state.collections, 1)
  })

  test('is not collected while there is work', async () => {
    const it = scene()
    it.state.load = 0.03
    await pass(it, 60_000)
    assert.equal(it.state.collections, 0)
    it.state.load = 0.01
    await pass(it, 1000)
    assert.equal(it.state.collections, 1)
  })

  test('is collected the later the longer there was load, within bounds', async () => {
    for (const [loadMs, restMs] of [
      [1000, 10_000],
      [3000, 30_000],
      [100_000, 60_000],
    ] as const) {
      const it = scene()
      it.state.load = 1
      await pass(it, loadMs)
      it.state.load = 0
      await pass(it, restMs - 500)
      assert.equal(it.state.collections, 0)
      await pass(it, 500)
      assert.equal(it.state.collections, 1)
    }
  })

  test('is collected as late where the load passed between two looks', async () => {
    const it = scene()
    await pass(it, 600)
    it.state.load = 1
    await pass(it, 1000)
    it.state.load = 0
    it.state.heap = 30 * MB
    await pass(it, 4000 + 9000)
    assert.equal(it.state.collections, 1)
    await pass(it, 1000)
    assert.equal(it.state.collections, 2)
  })

  test('is collected after the same rest where a little is done in between', async () => {
    const it = scene()
    it.state.load = 1
    await pass(it, 1000)
    for (let time = 0; time < 19; time += 1) {
      it.state.load = 0.05
      await pass(it, 500)
      it.state.load = 0
      await pass(it, 500)
    }
    assert.equal(it.state.collections, 0)
    await pass(it, 500)
    assert.equal(it.state.collections, 1)
  })

  test('is not collected again before the heap has grown by 8 MiB', async () => {
    const it = scene()
    await pass(it, 500)
    it.state.heap = 23 * MB - 1
    await pass(it, 60_000)
    assert.equal(it.state.collections, 1)
    it.state.heap = 23 * MB
    await pass(it, 5500)
    assert.equal(it.state.collections, 2)
  })

  test('goes away for this process', async () => {
    const gone = new WeakRef({ large: Buffer.alloc(10_000) })
    await new Promise((resolve) => setImmediate(resolve))
    await V8_HEAP.collect()
    assert.equal(gone.deref(), undefined)
    assert.ok(V8_HEAP.heapBytes() > MB)
  })
})
