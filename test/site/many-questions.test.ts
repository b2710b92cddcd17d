/** Members of a site sign every packet; many names still share one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import { decode } from '../../peering/codec.ts'
import { MAX_FURTHER } from '../../peering/further.ts'
import { MAX_PACKET_BYTES, type ServicePacket } from '../../peering/packets.ts'
import { noSeal, TRAILER_BYTES } from '../../peering/packet-seal.ts'
import { packetSeal } from '../../site/packet-seal.ts'
import { address, FakeOwner, world } from '../peering/fixtures.ts'
import { TestSite } from './fixtures.ts'

const FILES = 50

/** Such as members ask for: nobody else can read them. */
const NAMES = Array.from({ length: FILES }, (_, at) => `site:1.${at.toString(16).padStart(64, '0')}`)

async function members() {
  const scene = world()
  const { clock, node } = scene
  const site = new TestSite(clock)
  const memberships = ['alice', 'bob'].map((name) => site.member(name))
  for (const each of memberships) for (const { pass } of memberships) each.learn(pass.text)
  const nodes = memberships.map((membership, at) => {
    const own = address(at + 1)
    const seal = packetSeal({
      clock,
      random: seededRandom(at),
      address: () => own,
      membership: () => membership,
    })
    return node(at + 1, { maxDelayMs: 'auto' }, { seal })
  })
  for (const { peering } of nodes) await peering.start()
  clock.advance(1000)
  return { ...scene, nodes }
}

test(`${FILES} names of a member are asked for, offered and found in a few signed packets`, async () => {
  const { clock, lan, nodes } = await members()
  const [asker, holder] = nodes
  assert.ok(asker && holder)
  for (const each of NAMES) holder.copies.here.set(each, 'complete')
  const owners = NAMES.map(() => new FakeOwner())
  const before = lan.sent.length
  NAMES.forEach((name, at) => asker.peering.inquire(name, true, owners[at] ?? new FakeOwner()))
  clock.advance(500)
  for (const { told } of owners) assert.deepEqual(told, [`retrieve ${holder.address}`])

  const sent = lan.sent.slice(before).map(({ bytes }) => ({ bytes, ...noSeal.open(bytes, holder.address) }))
  for (const { bytes, isSigned, document } of sent) {
    assert.equal(isSigned, true)
    assert.equal(document.length, bytes.length - TRAILER_BYTES)
    assert.ok(document.length <= MAX_PACKET_BYTES)
  }
  const count = (type: ServicePacket['type']) =>
    sent.filter(({ document }) => {
      const decoded = decode(document)
      return decoded.kind === 'packet' && decoded.packet.type === type
    }).length
  // The first question leaves alone; the others by as many as a packet holds, with room for the answers to them.
  const least = 1 + Math.ceil((FILES - 1) / (MAX_FURTHER + 1))
  const counts = { asked: count('request'), have: count('response'), found: count('end-request') }
  for (const each of Object.values(counts))
    assert.ok(each >= least && each <= least + 3, JSON.stringify(counts))
})
