import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import { CAUTION_MS, Cautions, MAX_CAUTIONS, MAX_PER_MEMBER } from '../../peering/cautions.ts'
import type { RequestId, ResponsePacket } from '../../peering/packets.ts'
import type { Address } from '../../core/transport.ts'
import { address, FakeOwner, placeAt, RESOURCE, world } from './fixtures.ts'

const at = (ms: number) => ms as Monotonic
const LIAR = address(98)
const HONEST = address(99)

describe('what members warn of', () => {
  test('counts for an hour', () => {
    const cautions = new Cautions()
    cautions.heard({ peer: LIAR, member: 'm', at: at(0) })
    assert.deepEqual(
      [cautions.has(LIAR, at(CAUTION_MS - 1)), cautions.has(LIAR, at(CAUTION_MS))],
      [true, false],
    )
    assert.equal(cautions.has(HONEST, at(1)), false)
    assert.deepEqual(cautions.list(at(CAUTION_MS)), [])
  })

  test(`is remembered of ${MAX_PER_MEMBER} peers from each, of ${MAX_CAUTIONS} in all, the newest`, () => {
    const cautions = new Cautions()
    for (let peer = 0; peer < 2 * MAX_PER_MEMBER; peer++)
      cautions.heard({ peer: address(peer), member: 'liar', at: at(peer) })
    assert.equal(cautions.list(at(100)).length, MAX_PER_MEMBER)
    assert.ok(cautions.has(address(2 * MAX_PER_MEMBER - 1), at(100)))
    for (let member = 0; member < 2 * MAX_CAUTIONS; member++)
      cautions.heard({ peer: address(1000 + member), member: String(member), at: at(100) })
    assert.equal(cautions.list(at(100)).length, MAX_CAUTIONS)
  })
})

describe('a peer that a member warns of', () => {
  /** A question, and "I have" of the liar at once. */
  async function asked() {
    const { clock, lan, node } = world()
    const { peering } = node(1)
    await peering.start()
    clock.advance(1000)
    peering.cautions.heard({ peer: LIAR, member: 'm', at: clock.monotonic() })
    const owner = new FakeOwner()
    peering.inquire(RESOURCE, true, owner)
    const says = (from: Address) =>
      lan.say(from, response(lan.heard('request')[0]?.packet.id ?? 0, from), address(1))
    clock.advance(1)
    says(LIAR)
    clock.advance(100)
    return { clock, owner, says }
  }

  function response(id: number, from: Address): ResponsePacket {
    const unsaid = { size: undefined, digest: undefined, etag: undefined, lastModified: undefined }
    const plain = { node: undefined, nonce: undefined, ageSeconds: undefined, version: undefined, extras: [] }
    return { type: 'response', more: [], id: id as RequestId, location: placeAt(from), ...unsaid, ...plain }
  }

  test('is taken when nobody else has it, before the Internet is asked', async () => {
    const { clock, owner } = await asked()
    assert.deepEqual(owner.told, [])
    clock.advance(2500)
    assert.deepEqual(owner.told, [`retrieve ${LIAR}`])
  })

  test('comes after one that answers later', async () => {
    const { clock, owner, says } = await asked()
    clock.advance(500)
    says(HONEST)
    clock.advance(2500)
    assert.deepEqual(owner.told, [`retrieve ${HONEST}`])
  })
})
