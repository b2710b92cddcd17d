import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOLD_BACK_BYTES } from '../../retrieval/release.ts'
import { isWorthLeaving } from '../../retrieval/slow-line.ts'

describe('whether a peer should go on with what comes from the origin server', () => {
  const MISSING = 100_000
  const at = (bytesPerSecond: number | undefined, missing = MISSING) =>
    isWorthLeaving({ totalBytes: 1_000_000, receivedBytes: 1_000_000 - missing, bytesPerSecond })

  test('a small rest is left to the origin server where it comes within half a second', () => {
    assert.equal(at(2 * MISSING), false)
    assert.equal(at(undefined), false)
  })

  test('the same rest is worth it on a slow line, and where nothing has come yet', () => {
    assert.equal(at(2 * MISSING - 1), true)
    assert.equal(at(0), true)
  })

  test('a large rest is always worth it', () => {
    assert.equal(at(undefined, 2 * HOLD_BACK_BYTES), false)
    assert.equal(at(undefined, 2 * HOLD_BACK_BYTES + 1), true)
  })

  test('of what has no known end nobody knows whether a peer has it', () => {
    assert.equal(isWorthLeaving({ totalBytes: undefined, receivedBytes: 0, bytesPerSecond: 0 }), false)
  })
})
