import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import type { Address } from '../../core/transport.ts'
import { MAX_ADDRESSES, PROVED_MS, VainSignatures } from '../../peering/vain-signatures.ts'

const at = (ms: number) => ms as Monotonic
const address = (number: number) => `10.0.${number >> 8}.${number & 255}` as Address
const MEMBER = '10.9.9.9' as Address

/** How many signatures of `times` from there are verified, none of which is right. */
function vain(limit: VainSignatures, from: Address, times: number, ms = 0): number {
  let verified = 0
  for (let time = 0; time < times; time++) {
    if (!limit.mayVerify(from, at(ms))) continue
    verified++
    limit.verified(from, at(ms), false)
  }
  return verified
}

test('of one address 20 signatures a second are verified that come to nothing', () => {
  const limit = new VainSignatures()
  assert.equal(vain(limit, address(1), 100), 20)
  assert.equal(vain(limit, address(1), 100, 500), 10)
  assert.equal(vain(limit, address(2), 100, 500), 20)
})

test('and of all addresses together 200 a second', () => {
  const limit = new VainSignatures()
  let verified = 0
  for (let number = 0; number < 50; number++) verified += vain(limit, address(number), 100)
  assert.equal(verified, 200)
})

test('a member is verified all the same, and what is right costs nothing', () => {
  const limit = new VainSignatures()
  limit.verified(MEMBER, at(0), true)
  for (let number = 0; number < 50; number++) vain(limit, address(number), 100)
  for (let time = 0; time < 1000; time++) {
    assert.ok(limit.mayVerify(MEMBER, at(1)))
    limit.verified(MEMBER, at(1), true)
  }
  assert.equal(vain(limit, MEMBER, 100, 2), 20)
})

test('until nothing right has come from its address for ten minutes', () => {
  const limit = new VainSignatures()
  limit.verified(MEMBER, at(0), true)
  for (let number = 0; number < 50; number++) vain(limit, address(number), 100, PROVED_MS)
  assert.equal(limit.mayVerify(MEMBER, at(PROVED_MS - 1)), true)
  assert.equal(limit.mayVerify(MEMBER, at(PROVED_MS)), false)
})

test(`no more than ${MAX_ADDRESSES} addresses are told apart: the one unheard for longest is forgotten`, () => {
  const limit = new VainSignatures()
  limit.verified(MEMBER, at(0), true)
  for (let number = 0; number < MAX_ADDRESSES; number++) limit.verified(address(number), at(1), true)
  for (let number = 0; number < 50; number++) vain(limit, `10.8.0.${number}` as Address, 100, 1)
  assert.equal(limit.mayVerify(MEMBER, at(1)), false)
  assert.equal(limit.mayVerify(address(MAX_ADDRESSES - 1), at(1)), true)
})
