import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import type { Address } from '../../core/transport.ts'
import { MAX_SIGNING, MemberWords, SIGNING_MS } from '../../peering/member-words.ts'
import { noSeal, UNKNOWN_KEY, type PacketSeal } from '../../peering/packet-seal.ts'
import type { ApplicationPacket, NodeId, RequestId } from '../../peering/packets.ts'
import type { SiteWord } from '../../peering/peering.ts'
import { MEASURED_PEERS } from '../../peering/presence.ts'
import { address, nodeId, world } from './fixtures.ts'

const NODE = 'a'.repeat(32) as NodeId
const at = (ms: number) => ms as Monotonic
const by = (member: string, ms: number) => ({ member, address: '10.0.0.1' as Address, at: at(ms) })

test('a node that has signed is its member’s, until it has not signed for a while', () => {
  const words = new MemberWords(() => true)
  assert.equal(words.memberOf(NODE, at(0)), undefined)
  assert.equal(words.signed(NODE, by('alice', 0)), true)
  assert.equal(words.memberOf(NODE, at(SIGNING_MS - 1)), 'alice')
  assert.equal(words.memberOf(NODE, at(SIGNING_MS)), undefined)
})

test('another member cannot take a node over while its own signs', () => {
  const words = new MemberWords(() => true)
  words.signed(NODE, by('alice', 0))
  assert.equal(words.signed(NODE, by('mallory', 1)), false)
  assert.equal(words.memberOf(NODE, at(1)), 'alice')
  assert.equal(words.signed(NODE, by('bob', SIGNING_MS)), true)
})

test('the one unheard for longest is forgotten first', () => {
  const words = new MemberWords(() => true)
  const node = (number: number) => number.toString(16).padStart(32, '0') as NodeId
  for (let number = 0; number <= MAX_SIGNING; number++) words.signed(node(number), by('m', 0))
  assert.equal(words.memberOf(node(0), at(1)), undefined)
  assert.equal(words.memberOf(node(1), at(1)), 'm')
})

test('whose member’s word counts no more, or has taken its leave, may be another’s at once', () => {
  const revoked = new Set<string>()
  const words = new MemberWords((member) => !revoked.has(member))
  words.signed(NODE, by('alice', 0))
  revoked.add('alice')
  assert.equal(words.memberOf(NODE, at(1)), undefined)
  assert.equal(words.signed(NODE, by('bob', 1)), true)
  words.left(NODE)
  assert.equal(words.signed(NODE, by('carol', 2)), true)
})

test('a node that signed and speaks unsigned is dropped, but for words of the way in, of which the site alone is told', async () => {
  const { clock, lan, node } = world()
  const told: SiteWord[] = []
  let isMember = true
  const seal: PacketSeal = {
    ...noSeal,
    isMember: () => true,
    isEntry: (name) => name === 'way-in',
    open: (document) => ({
      document,
      isSigned: isMember,
      signer: () => ({ kind: 'member', member: 'alice' }),
    }),
  }
  const one = node(1, {}, { seal, onSiteWord: (word) => told.push(word) })
  await one.peering.start()
  const say = (name: string) => {
    const word = {
      type: 'application',
      id: 1 as RequestId,
      node: nodeId(2),
      nonce: undefined,
      name,
      extras: [],
    }
    lan.say(address(2), word as ApplicationPacket, one.address)
    clock.advance(10)
  }
  say('another')
  isMember = false
  say('another')
  say('way-in')
  assert.deepEqual(
    told.map(({ packet, signer }) => [packet.type === 'application' && packet.name, signer.kind]),
    [
      ['another', 'member'],
      ['way-in', 'stranger'],
    ],
  )
  assert.equal(one.peering.counters.get('dropped: a member’s word unsigned'), 1)
  assert.equal(one.peering.counters.get('heard: application'), 1)
})

test('signatures that come to nothing are verified 20 times a second from one address, and those of a member each time', async () => {
  const { clock, lan, node } = world()
  const judged: string[] = []
  const seal: PacketSeal = {
    ...noSeal,
    open: (document, from) => ({
      document,
      isSigned: true,
      signer() {
        judged.push(from)
        const isMember = from === address(2)
        return isMember
          ? { kind: 'member', member: 'alice' }
          : { kind: 'refused', reason: 'a wrong signature' }
      },
    }),
  }
  const one = node(1, {}, { seal })
  await one.peering.start()
  for (let number = 0; number < 100; number++)
    for (const who of [2, 3]) {
      const said = { id: number as RequestId, node: nodeId(who), nonce: undefined, name: 'x', extras: [] }
      lan.say(address(who), { type: 'application', ...said }, one.address)
    }
  clock.advance(10)
  const of = (number: number) => judged.filter((from) => from === address(number)).length
  assert.deepEqual([of(2), of(3)], [100, 20])
})

test('whoever signs with a key that is not known is asked who it is, ten times a second whoever they are', async () => {
  const { clock, lan, node } = world()
  const seal: PacketSeal = {
    ...noSeal,
    open: (document) => ({
      document,
      isSigned: true,
      signer: () => ({ kind: 'stranger', reason: UNKNOWN_KEY }),
    }),
  }
  const one = node(1, {}, { seal })
  await one.peering.start()
  clock.advance(1000)
  const before = lan.heard('presence', one.address).length
  for (let number = 0; number < 100; number++) {
    const who = 2 + (number % 50)
    const said = { id: number as RequestId, node: nodeId(who), nonce: undefined, name: 'x', extras: [] }
    lan.say(address(who), { type: 'application', ...said }, one.address)
    clock.advance(10)
  }
  const asked = lan
    .heard('presence', one.address)
    .slice(before)
    .filter(({ packet }) => packet.reply)
  assert.ok(asked.length >= 9 && asked.length <= 10 + MEASURED_PEERS * 3, `${asked.length}`)
})
