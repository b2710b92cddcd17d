import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Limits, type Permit } from '../../gateway/limits.ts'
import type { MemberId } from '../../site/keys.ts'
import { manualClock } from '../manual-clock.ts'

const ALICE = 'a' as MemberId
const BOB = 'b' as MemberId
const ONE = { requestsPerMinute: 3, bytesPerHour: 1000, atOnce: 2 }
const ALL = { requestsPerMinute: 5, bytesPerHour: 1500, atOnce: 3 }

function scene() {
  const clock = manualClock()
  const limits = new Limits({ perMember: ONE, inAll: ALL }, clock)
  const admit = (member: MemberId): Permit => {
    const admission = limits.admit(member)
    assert.ok(admission.kind === 'admitted', admission.kind === 'refused' ? admission.reason : '')
    return admission.permit
  }
  const refusal = (member: MemberId) => {
    const admission = limits.admit(member)
    return admission.kind === 'refused' ? admission.reason : undefined
  }
  return { clock, admit, refusal }
}

describe('what members may take', () => {
  test('so many at once, each and all', () => {
    const { admit, refusal } = scene()
    const [first] = [admit(ALICE), admit(ALICE)]
    assert.equal(refusal(ALICE), 'too-many-at-once')
    admit(BOB)
    assert.equal(refusal(BOB), 'too-many-at-once', 'three of all')
    first.end()
    first.end()
    assert.equal(refusal(BOB), undefined, 'one place is free, and not two')
    assert.equal(refusal(BOB), 'too-many-at-once')
  })

  test('so many in a minute, and the next as soon as a part of the minute has passed', () => {
    const { clock, admit, refusal } = scene()
    for (let each = 0; each < 3; each++) admit(ALICE).end()
    assert.equal(refusal(ALICE), 'too-many-requests')
    for (let each = 0; each < 2; each++) admit(BOB).end()
    assert.equal(refusal(BOB), 'too-many-requests', 'five of all')
    clock.advance(20_001)
    admit(ALICE).end()
    assert.equal(refusal(ALICE), 'too-many-requests')
  })

  test('so many bytes in an hour; what was reserved and not sent is given back', () => {
    const { clock, admit, refusal } = scene()
    const large = admit(ALICE)
    assert.equal(large.reserve(1001), false)
    assert.equal(large.reserve(1000), true)
    assert.equal(refusal(ALICE), 'too-many-bytes')
    assert.equal(large.spend(400), true)
    large.end()
    const next = admit(ALICE)
    assert.equal(next.reserve(601), false)
    next.end()
    assert.equal(admit(BOB).reserve(1101), false, 'fifteen hundred of all')
    clock.advance(3_600_000)
    assert.equal(admit(ALICE).reserve(1000), true)
  })

  test('a body that was not announced is stopped when it has taken what is left', () => {
    const { admit } = scene()
    const permit = admit(ALICE)
    assert.equal(permit.spend(1000), true)
    assert.equal(permit.spend(1), false)
  })
})
