import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault, type FaultCode } from '../../core/fault.ts'
import { EXCUSED_MS } from '../../retrieval/pace.ts'
import {
  AFTER_PROMISES_MS,
  AGREEING_MS,
  LEAST_AGREEING_MS,
  LEAST_MS,
  NEXT_STALL_MS,
  Patience,
  PATIENCE_MS,
  PROMISED_STALL_MS,
  SPARE_STALL_MS,
  STALL_MS,
} from '../../retrieval/patience.ts'
import {
  excusedMs,
  LEAST_EXCUSED_MS,
  MOST_EXCUSED_MS,
  NEAR_BYTES,
  SlowLine,
  STRANGER_EXCUSED_MS,
} from '../../retrieval/slow-line.ts'
import { manualClock } from '../manual-clock.ts'

describe('patience with peers', () => {
  /** A peer serves, or keeps silent, for so long, and then fails. */
  function failing(...peers: readonly (readonly [forMs: number, code: FaultCode])[]) {
    const clock = manualClock()
    const patience = new Patience(clock)
    for (const [forMs, code] of peers) {
      patience.uses('peer')
      const began = clock.monotonic()
      clock.advance(forMs)
      patience.waste(began, new Fault(code, 'test'))
    }
    return { clock, patience }
  }

  test('one peer may be silent for less than half a second', () => {
    assert.equal(failing().patience.leftMs(), STALL_MS)
  })

  test('what one has wasted is missing for the next, and in the end nobody is waited for', () => {
    const { patience } = failing([STALL_MS, 'PEER_STALLED'])
    assert.equal(patience.leftMs(), PATIENCE_MS - AGREEING_MS - STALL_MS)
    assert.equal(failing([500, 'PEER_STALLED'], [400, 'PEER_STALLED']).patience.leftMs(), 0)
  })

  test('after one that has cost time the next whole copy is waited for only a moment, a growing one is not hurried', () => {
    const { patience } = failing([SPARE_STALL_MS, 'PEER_STALLED'])
    assert.equal(patience.leftMs('peer'), NEXT_STALL_MS)
    assert.equal(patience.leftMs('in-progress'), STALL_MS)
    assert.equal(failing([LEAST_MS - 1, 'PEER_BUSY']).patience.leftMs('peer'), STALL_MS)
  })

  test('whatever was lost before, one question to all has its time, and who answers it the least that is fair', () => {
    const { clock, patience } = failing([440, 'PEER_STALLED'], [270, 'PEER_STALLED'])
    const agreeingMs = patience.beginAgreeing() ?? 0
    assert.equal(agreeingMs, LEAST_AGREEING_MS)
    clock.advance(agreeingMs)
    patience.uses('in-progress')
    assert.equal(patience.leftMs(), LEAST_MS)
  })

  test('one more is tried for a moment, also after an agreement', () => {
    const { clock, patience } = failing([440, 'PEER_STALLED'], [200, 'PEER_STALLED'])
    patience.oneMore()
    assert.equal(patience.leftMs(), AFTER_PROMISES_MS)
    clock.advance(patience.beginAgreeing() ?? 0)
    patience.uses('in-progress')
    patience.waste(clock.monotonic(), new Fault('VERIFICATION_FAILED', 'test'))
    patience.oneMore()
    assert.equal(patience.leftMs(), AFTER_PROMISES_MS)
  })

  test('who served well before costs no more than the silence', () => {
    assert.ok(failing([60_000, 'PEER_STALLED']).patience.leftMs() > 0)
  })

  test('the first one that is too slow leaves a moment for another, however much it has cost', () => {
    const { clock, patience } = failing()
    const slow = (lagMs: number) => {
      patience.uses('peer')
      const began = clock.monotonic()
      clock.advance(lagMs)
      patience.waste(began, new Fault('PEER_SLOW', 'test'), lagMs)
      return patience.leftMs()
    }
    assert.ok(slow(700) >= LEAST_MS)
    assert.equal(slow(200), 0)
  })

  test('wrong bytes cost all the time in which they came', () => {
    assert.equal(failing([60_000, 'VERIFICATION_FAILED']).patience.leftMs(), 0)
  })

  test('comes back while the origin server sends', () => {
    const { clock, patience } = failing([900, 'VERIFICATION_FAILED'])
    patience.uses('internet')
    assert.equal(patience.leftMs(), 0)
    clock.advance(5000)
    assert.equal(patience.leftMs(), 500 - AGREEING_MS)
    patience.uses('peer')
    clock.advance(5000)
    assert.equal(patience.leftMs(), 500 - AGREEING_MS)
  })

  test('no more of it is lost than there is, however many fail', () => {
    const { clock, patience } = failing([900, 'VERIFICATION_FAILED'], [900, 'VERIFICATION_FAILED'])
    patience.uses('internet')
    clock.advance((AGREEING_MS + LEAST_MS) * 10)
    assert.equal(patience.leftMs(), LEAST_MS)
  })

  test('a peer that was tried beside the Internet has the time that one peer may have, whatever others have cost', () => {
    const { patience } = failing([900, 'VERIFICATION_FAILED'])
    patience.uses('internet')
    patience.trust()
    patience.uses('in-progress')
    assert.equal(patience.leftMs(), STALL_MS)
  })

  test('at its end there is time left to agree on one that fetches, once, and to read from that one', () => {
    const { clock, patience } = failing([STALL_MS, 'PEER_STALLED'], [230, 'PEER_STALLED'])
    assert.deepEqual([patience.leftMs(), patience.hasAgreed], [0, false])
    const agreeingMs = patience.beginAgreeing()
    assert.equal(agreeingMs, LEAST_AGREEING_MS)
    clock.advance(agreeingMs ?? 0)
    patience.uses('in-progress')
    assert.deepEqual([patience.leftMs(), patience.hasAgreed], [LEAST_MS, true])
    assert.equal(patience.beginAgreeing(), undefined)
  })

  test('agreeing in vain costs what it takes, and not the time of the origin server’s service after it', () => {
    const { clock, patience } = failing([STALL_MS, 'PEER_STALLED'])
    patience.beginAgreeing()
    clock.advance(200)
    patience.uses('internet')
    assert.equal(patience.hasAgreed, false)
    assert.equal(patience.leftInAllMs(), PATIENCE_MS - STALL_MS - 200)
    clock.advance(10_000)
    patience.uses('in-progress')
    assert.equal(patience.leftMs(), STALL_MS)
  })

  test('what is left in all is for silent peers, and for those that are waited for without a word', () => {
    const { patience } = failing([STALL_MS, 'PEER_STALLED'])
    assert.equal(patience.leftInAllMs(), PATIENCE_MS - STALL_MS)
    patience.waited(10_000)
    assert.equal(patience.leftInAllMs(), AGREEING_MS + AFTER_PROMISES_MS)
  })

  test('after a promise that was not kept one more is tried, but no longer than for a moment', () => {
    const { patience } = failing()
    patience.waited(900)
    assert.equal(patience.leftMs(), AFTER_PROMISES_MS)
  })
})

describe('a peer that has kept a promise', () => {
  test('has the less time the longer it has promised, and never less than where another one has it too', () => {
    const patience = new Patience(manualClock())
    const leftMs = (promisedMs: number) => patience.leftMs('in-progress', promisedMs)
    assert.equal(leftMs(PROMISED_STALL_MS - STALL_MS), STALL_MS)
    assert.equal(leftMs(250), PROMISED_STALL_MS - 250)
    assert.equal(leftMs(600), SPARE_STALL_MS)
  })

  test('has cost all that time where it is of no use, but for the time of one question to all', () => {
    const clock = manualClock()
    const patience = new Patience(clock)
    patience.uses('in-progress')
    clock.advance(SPARE_STALL_MS)
    patience.waste(patience.usedAt, new Fault('PEER_STALLED', 'test'))
    patience.promised(300)
    assert.equal(patience.wastedMs(), SPARE_STALL_MS + 300)
    patience.promised(600)
    assert.equal(patience.leftInAllMs(), LEAST_AGREEING_MS)
    assert.equal(patience.leftMs(), 0)
  })
})

describe('a slow line', () => {
  test('excuses nobody who says nothing of himself, or whose word is old', () => {
    const clock = manualClock()
    const line = new SlowLine(clock)
    assert.equal(line.isExcused(0), false)
    line.told(0)
    assert.equal(line.isExcused(0), true)
    clock.advance(601)
    assert.equal(line.isExcused(0), false)
  })

  test('excuses nobody who has more than came here', () => {
    const line = new SlowLine(manualClock())
    line.told(NEAR_BYTES + 1)
    assert.equal(line.isExcused(0), false)
    assert.equal(line.isExcused(1), true)
  })

  test('excuses a line as long as it is slow: who brought much until then is not believed for long', () => {
    assert.deepEqual([0, 1, 100_000, 20_000_000].map(excusedMs), [
      MOST_EXCUSED_MS,
      MOST_EXCUSED_MS,
      MOST_EXCUSED_MS,
      LEAST_EXCUSED_MS,
    ])
    assert.equal(excusedMs(4 * NEAR_BYTES), 1000)
  })

  for (const mostMs of [MOST_EXCUSED_MS, STRANGER_EXCUSED_MS])
    test(`excuses for ${mostMs} ms at most, and as long again when more has come`, () => {
      const line = new SlowLine(manualClock())
      line.told(10)
      const times = mostMs / EXCUSED_MS
      for (let time = 0; time < times; time += 1) assert.equal(line.isExcused(10, mostMs), true)
      assert.equal(line.isExcused(10, mostMs), false)
      line.told(10 + NEAR_BYTES)
      assert.equal(line.isExcused(10 + NEAR_BYTES, mostMs), true)
    })
})
