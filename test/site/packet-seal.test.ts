import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import type { Address } from '../../core/transport.ts'
import { decode } from '../../peering/codec.ts'
import { noSeal, TRAILER_BYTES } from '../../peering/packet-seal.ts'
import type { Membership } from '../../site/membership.ts'
import { packetSeal } from '../../site/packet-seal.ts'
import { manualClock } from '../manual-clock.ts'
import { TestSite } from './fixtures.ts'

const ALICE = '10.0.0.1' as Address
const BOB = '10.0.0.2' as Address
const DOCUMENT = Buffer.from('<service type="license-count" version="1.0" ID="7" seats="12"/>')

function scene() {
  const clock = manualClock()
  const site = new TestSite(clock)
  const alice = site.member('alice')
  const sealFor = (membership: Membership | undefined, address: Address) =>
    packetSeal({ clock, random: seededRandom(1), address: () => address, membership: () => membership })
  const bob = site.member('bob')
  bob.learn(alice.pass.text)
  return {
    clock,
    site,
    alice,
    bob,
    sealFor,
    sent: sealFor(alice, ALICE).seal(DOCUMENT),
    hears: sealFor(bob, BOB),
  }
}

describe('a signed packet', () => {
  test('is its member’s, from the member’s address, and the document is what was signed', () => {
    const { alice, sent, hears } = scene()
    const opened = hears.open(sent, ALICE)
    assert.equal(sent.length, DOCUMENT.length + TRAILER_BYTES)
    assert.deepEqual(opened.signer([]), { kind: 'member', member: alice.id })
    assert.deepEqual(Buffer.from(opened.document), DOCUMENT)
  })

  test('is well-formed for strangers, who cut the signature off', () => {
    const { sent } = scene()
    assert.equal(decode(noSeal.open(sent, ALICE).document).kind, 'packet')
    assert.match(Buffer.from(sent).toString(), /\/><!--[^-]+-->$/)
  })

  test('with any byte changed is refused, or a stranger’s', () => {
    const { sent, hears } = scene()
    for (let at = 0; at < sent.length; at++) {
      const changed = Uint8Array.from(sent)
      changed[at] = (changed[at] ?? 0) ^ 1
      const opened = hears.open(changed, ALICE)
      assert.notEqual(opened.isSigned ? opened.signer([]).kind : 'stranger', 'member', `byte ${at}`)
    }
  })

  test('heard a second time is refused', () => {
    const { sent, hears } = scene()
    hears.open(sent, ALICE).signer([])
    assert.deepEqual(hears.open(sent, ALICE).signer([]), { kind: 'refused', reason: 'heard before' })
  })

  test('sent on from another address is refused', () => {
    const { sent, hears } = scene()
    assert.equal(hears.open(sent, '10.0.0.3' as Address).signer([]).kind, 'refused')
  })

  for (const [ms, kind] of [
    [119_000, 'member'],
    [121_000, 'stranger'],
  ] as const)
    test(`kept back for ${ms} ms is a ${kind}’s`, () => {
      const { clock, sent, hears } = scene()
      clock.advance(ms)
      assert.equal(hears.open(sent, ALICE).signer([]).kind, kind)
    })

  test('of another site, of a revoked member, with a pass that has run out: a stranger’s', () => {
    const { clock, site, alice, sealFor, sent } = scene()
    const other = new TestSite(clock).member('eve')
    other.learn(alice.pass.text)
    const knows = site.member('carol', { denied: [alice.id] })
    knows.learn(alice.pass.text)
    const late = site.member('late', { until: clock.wall() + 1000 })
    const bob = site.member('bob')
    bob.learn(late.pass.text)
    const lateSeal = sealFor(late, ALICE)
    clock.advance(2000)
    assert.equal(sealFor(other, BOB).open(sent, ALICE).signer([]).kind, 'stranger')
    assert.equal(sealFor(knows, BOB).open(sent, ALICE).signer([]).kind, 'stranger')
    assert.equal(sealFor(bob, BOB).open(lateSeal.seal(DOCUMENT), ALICE).signer([]).kind, 'stranger')
  })

  test('brings its own pass, and no pass of another makes it more', () => {
    const { site, alice, sealFor, sent } = scene()
    const bob = sealFor(site.member('bob'), BOB)
    assert.equal(bob.open(sent, ALICE).signer([['pass', site.member('x').pass.text]]).kind, 'stranger')
    assert.equal(bob.open(sent, ALICE).signer([['pass', alice.pass.text]]).kind, 'member')
  })
})
