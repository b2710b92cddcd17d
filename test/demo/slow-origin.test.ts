import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Clock, Monotonic } from '../../core/clock.ts'
import { SlowOrigin } from '../../demo/slow-origin.ts'

const BODY = Buffer.alloc(1_000_000, 'ihave')

/** Waiting takes no time, and moves the clock. */
function hastyClock(): Clock & { readonly elapsedMs: () => number } {
  let now = 0
  return {
    monotonic: () => now as Monotonic,
    wall: () => {
      throw new Error('nobody needs the date')
    },
    after(delayMs, wake) {
      now += delayMs
      const timer = setImmediate(wake)
      return () => clearImmediate(timer)
    },
    elapsedMs: () => now,
  }
}

describe('the origin server on a slow line', () => {
  const clock = hastyClock()
  let origin: SlowOrigin
  before(async () => {
    const files = new Map([['/x', BODY]])
    origin = await SlowOrigin.start({ bytesPerSecond: 100_000, files }, clock)
  })
  after(() => origin.stop())

  test('sends a body at its rate, and counts it', async () => {
    const response = await fetch(origin.url('/x'))
    assert.equal(response.headers.get('content-length'), '1000000')
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), BODY)
    assert.equal(origin.sentBytes, BODY.length)
    // The last chunk is on the line, and nobody waits for it.
    const elapsedMs = clock.elapsedMs()
    assert.ok(elapsedMs > 9_500 && elapsedMs <= 10_000, `${elapsedMs} ms`)
  })

  test('sends a part', async () => {
    const sent = origin.sentBytes
    const response = await fetch(origin.url('/x'), { headers: { Range: 'bytes=10-19' } })
    assert.equal(response.status, 206)
    assert.equal(response.headers.get('content-range'), 'bytes 10-19/1000000')
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), BODY.subarray(10, 20))
    assert.equal(origin.sentBytes - sent, 10)
  })

  test('sends no body for HEAD, and nothing that it does not have', async () => {
    const sent = origin.sentBytes
    const head = await fetch(origin.url('/x'), { method: 'HEAD' })
    assert.equal(head.headers.get('content-length'), '1000000')
    assert.equal((await fetch(origin.url('/y'))).status, 404)
    assert.equal(origin.sentBytes, sent)
  })
})
