import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Upstream } from '../../core/upstream.ts'
import { AT_ONCE_MS, LineUse, SHARED_MS, USE_WINDOW_MS } from '../../retrieval/line-use.ts'
import { isDoubtful } from '../../retrieval/slowness.ts'
import { manualClock } from '../manual-clock.ts'

const PERIOD_MS = 100
const FILE = 'http://updates.test/a.cab'
const OTHER = 'http://updates.test/b.cab'

suite('what comes over the line that everybody shares', () => {
  test('is the sum of all that comes by way of peers', () => {
    const clock = manualClock()
    const use = new LineUse(clock)
    for (let ms = 0; ms < USE_WINDOW_MS; ms += PERIOD_MS) {
      for (let file = 0; file < 6; file += 1) use.note(40_000, `${file}`)
      if (ms + PERIOD_MS < USE_WINDOW_MS) clock.advance(PERIOD_MS)
    }
    assert.equal(use.bytesPerSecond(), 6 * 400_000)
  })

  test('is what the node fetches itself too', async () => {
    const use = new LineUse(manualClock())
    const upstream: Upstream = {
      request: async () => ({
        status: 200,
        reason: 'OK',
        fields: [],
        body: (async function* () {
          yield new Uint8Array(30_000)
          yield new Uint8Array(20_000)
        })(),
      }),
    }
    const { signal } = new AbortController()
    const request = { method: 'GET', uri: 'http://origin.example/', fields: [], signal } as const
    const { body } = await use.of(upstream).request(request)
    const rates = []
    for await (const _ of body) rates.push(use.bytesPerSecond())
    assert.deepEqual(rates, [60_000, 100_000])
  })

  test('is forgotten after a moment', () => {
    const clock = manualClock()
    const use = new LineUse(clock)
    use.note(1_000_000, FILE)
    clock.advance(USE_WINDOW_MS - 1)
    assert.equal(use.bytesPerSecond(), 2_000_000)
    clock.advance(1)
    assert.equal(use.bytesPerSecond(), 0)
    use.note(1_000_000, FILE)
    clock.advance(100 * USE_WINDOW_MS)
    assert.equal(use.bytesPerSecond(), 0)
  })

  test('is shared, and known to be for a minute, where several files come at the same moment', () => {
    const clock = manualClock()
    const use = new LineUse(clock)
    use.note(1000, FILE)
    use.note(1000, FILE)
    assert.equal(use.isShared(), false)
    clock.advance(AT_ONCE_MS)
    use.note(1000, OTHER)
    use.note(0, FILE)
    assert.equal(use.isShared(), false, 'one after the other')
    use.note(1000, FILE)
    clock.advance(SHARED_MS - 1)
    assert.equal(use.isShared(), true)
    clock.advance(1)
    assert.equal(use.isShared(), false)
  })

  test('says that one of six files that share the line is not slow, whose line is as fast as all of them', () => {
    const sixth = {
      copy: 'growing',
      usedMs: 1000,
      isUnseen: true,
      hasSent: true,
      isFirst: false,
      peerBytesPerSecond: 400_000,
      missingBytes: 1_000_000,
      fromOriginBytes: 1_000_000,
      leftMs: 600,
    } as const
    assert.equal(isDoubtful({ ...sixth, lineBytesPerSecond: 400_000 }, 2_500_000), true)
    assert.equal(isDoubtful({ ...sixth, lineBytesPerSecond: 6 * 400_000 }, 2_500_000), false)
  })
})
