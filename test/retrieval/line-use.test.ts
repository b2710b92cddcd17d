import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import { LineUse, USE_WINDOW_MS } from '../../retrieval/line-use.ts'
import { isDoubtful } from '../../retrieval/slowness.ts'

const at = (ms: number) => ms as Monotonic

suite('what comes over the line by way of peers', () => {
  test('is the sum of all of them', () => {
    const use = new LineUse()
    for (let file = 0; file < 6; file += 1)
      for (let ms = 100; ms <= USE_WINDOW_MS; ms += 100) use.note(at(ms), 40_000)
    assert.equal(use.bytesPerSecond(at(USE_WINDOW_MS)), 6 * 400_000)
  })

  test('is forgotten after a moment', () => {
    const use = new LineUse()
    use.note(at(0), 1_000_000)
    assert.equal(use.bytesPerSecond(at(USE_WINDOW_MS)), 2_000_000)
    assert.equal(use.bytesPerSecond(at(USE_WINDOW_MS + 1)), 0)
  })

  test('says that one of six files that share the line is not slow, whose line is as fast as all of them', () => {
    const sixth = {
      copy: 'growing',
      usedMs: 1000,
      hasSent: true,
      peerBytesPerSecond: 400_000,
      missingBytes: 1_000_000,
      fromOriginBytes: 1_000_000,
      leftMs: 600,
    } as const
    assert.equal(isDoubtful({ ...sixth, lineBytesPerSecond: 400_000 }, 2_500_000), true)
    assert.equal(isDoubtful({ ...sixth, lineBytesPerSecond: 6 * 400_000 }, 2_500_000), false)
  })
})
