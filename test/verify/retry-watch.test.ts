import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import type { Sha256 } from '../../core/digest.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Address } from '../../core/transport.ts'
import {
  MAX_DELIVERIES,
  RETRY_WINDOW_MS,
  retryWatch,
  type UnverifiedDelivery,
} from '../../verify/retry-watch.ts'

const URI = 'http://u.example/a.cab' as TargetUri
const DELIVERY: UnverifiedDelivery = {
  client: '127.0.0.9',
  uri: URI,
  peer: '127.0.0.2' as Address,
  body: 'ab'.repeat(32) as Sha256,
  at: at(1_000),
}

test('a client that asks again within 10 minutes names the peer, each time', () => {
  const watch = retryWatch()
  watch.delivered(DELIVERY)
  assert.deepEqual(watch.asksAgain('127.0.0.9', URI, at(2_000)), DELIVERY)
  assert.deepEqual(watch.asksAgain('127.0.0.9', URI, at(1_000 + 10 * 60_000 - 1)), DELIVERY)
})

test('after 10 minutes asking again is a new request', () => {
  const watch = retryWatch()
  watch.delivered(DELIVERY)
  assert.equal(watch.asksAgain('127.0.0.9', URI, at(1_000 + 10 * 60_000)), undefined)
})

test('another client, or another URI, suspects nobody', () => {
  const watch = retryWatch()
  watch.delivered(DELIVERY)
  assert.equal(watch.asksAgain('127.0.0.8', URI, at(2_000)), undefined)
  assert.equal(watch.asksAgain('127.0.0.9', 'http://u.example/b.cab' as TargetUri, at(2_000)), undefined)
})

test('the last delivery is the one that counts', () => {
  const watch = retryWatch()
  const later = { ...DELIVERY, peer: '127.0.0.3' as Address, at: at(5_000) }
  watch.delivered(DELIVERY)
  watch.delivered(later)
  assert.deepEqual(watch.asksAgain('127.0.0.9', URI, at(1_000 + RETRY_WINDOW_MS)), later)
})

test('beyond the bound the oldest delivery is forgotten', () => {
  const watch = retryWatch()
  for (let client = 0; client <= MAX_DELIVERIES; client++)
    watch.delivered({ ...DELIVERY, client: `c${client}` })
  assert.equal(watch.asksAgain('c0', URI, at(2_000)), undefined)
  assert.equal(watch.asksAgain('c1', URI, at(2_000))?.client, 'c1')
  assert.equal(watch.asksAgain(`c${MAX_DELIVERIES}`, URI, at(2_000))?.client, `c${MAX_DELIVERIES}`)
})

function at(ms: number): Monotonic {
  return ms as Monotonic
}
