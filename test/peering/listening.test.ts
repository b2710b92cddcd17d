/** What a node loses of the time in which it waits for peers, because it has no turn at the processor. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { attentive } from '../../core/attentive-clock.ts'
import type { Monotonic } from '../../core/clock.ts'
import { downloadByRival } from '../../peering/peer-claims.ts'
import { Inquiry } from '../../peering/inquiry.ts'
import { BUSY_PROMISES_MS, TAKE_OVER_WAIT_MS } from '../../peering/machines/inquiry-patience.ts'
import type { NodeId } from '../../peering/packets.ts'
import type { Address } from '../../core/transport.ts'
import { manualClock } from '../manual-clock.ts'
import { FakeOwner } from './fixtures.ts'

const WAIT_MS = 60

/** A question on a clock of a program that may be stopped. */
function scene(rivals = 0) {
  const still = manualClock()
  let stoppedMs = 0
  const clock = attentive({ ...still, monotonic: () => (still.monotonic() + stoppedMs) as Monotonic })
  const owner = new FakeOwner()
  let asked = 0
  const sender = { request: () => void (asked += 1), directedRequest() {}, endRequest() {} }
  const time = { clock, listening: clock.listening, isBusy: () => clock.isBusy() }
  const inquiry = new Inquiry(time, sender, owner, () => {})
  const ahead = Array.from({ length: rivals }, (_, at) =>
    downloadByRival({ peer: `10.0.0.${at + 2}` as Address, node: `${at}` as NodeId }),
  )
  inquiry.start({ waitMs: WAIT_MS, holdersMs: WAIT_MS, waitForDownloads: true, silenceMs: 3000 }, () => ahead)
  const pass = (ms: number) => {
    for (let at = 0; at < ms; at += 1) still.advance(1)
  }
  return { inquiry, pass, stop: (ms: number) => void (stoppedMs += ms), asked: () => asked }
}

describe('a node that is stopped while it waits', () => {
  for (const ms of [100, 1000, 8000])
    test(`for ${ms} ms gives holders what was lost of the wait once more, as much as they had at most`, () => {
      const { inquiry, pass, stop } = scene()
      pass(30)
      stop(ms)
      pass(WAIT_MS)
      assert.equal(inquiry.state, 'waiting')
      pass(WAIT_MS / 2)
      assert.equal(inquiry.state, 'retrieving')
    })

  test('has not waited for the one that is to fetch it meanwhile', () => {
    const { inquiry, pass, stop, asked } = scene(1)
    pass(WAIT_MS + 10)
    assert.equal(inquiry.state, 'awaiting')
    // All that a promise may cost, three times over, in which nobody here could hear that it is kept.
    for (let times = 0; times < 3; times += 1) {
      stop(BUSY_PROMISES_MS)
      pass(10)
    }
    assert.equal(inquiry.state, 'awaiting')
    assert.equal(asked(), 1)
    pass(BUSY_PROMISES_MS + 2 * TAKE_OVER_WAIT_MS)
    assert.equal(inquiry.state, 'retrieving')
  })
})
