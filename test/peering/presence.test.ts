import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Address } from '../../core/transport.ts'
import type { PresencePacket, RequestId } from '../../peering/packets.ts'
import { AUTO_WAIT_MS, LIVE_MS } from '../../peering/peer-table.ts'
import {
  GRACE_MS,
  INTERVAL_MS,
  MAX_MET,
  MAX_PINGS,
  MAX_ROUND_TRIP_MS,
  MEASURED_PEERS,
  MEET_PAUSE_MS,
  REMEASURE_MS,
  REPLY_SPREAD_MS,
} from '../../peering/presence.ts'
import { LATENCY_MS } from './fake-lan.ts'
import {
  address,
  FakeOwner,
  nodeId,
  plainRequest,
  plainResponse,
  RESOURCE,
  world,
  type FakeNode,
  type World,
} from './fixtures.ts'

const STRANGER = address(7)
const AUTO = { maxDelayMs: 'auto' } as const

function presence(number: number, more: Partial<PresencePacket> = {}): PresencePacket {
  return {
    type: 'presence',
    id: 1 as RequestId,
    node: nodeId(number),
    nonce: undefined,
    extras: [],
    filePort: 6515,
    reply: false,
    leaving: false,
    summary: undefined,
    ...more,
  }
}

interface Scene extends Pick<World, 'clock' | 'lan'> {
  readonly node: FakeNode
}

/** One node that has just started. */
async function started(): Promise<Scene> {
  const { clock, lan, node } = world()
  const one = node(1, AUTO)
  await one.peering.start()
  return { clock, lan, node: one }
}

const pingsTo = ({ lan, node }: Scene, to: Address) =>
  lan.heard('presence', node.address).filter((sent) => sent.to === to && sent.packet.reply)

test('at its start a node asks everybody who is there', async () => {
  const { lan } = await started()
  const [first, ...others] = lan.heard('presence')
  assert.deepEqual([first?.to, first?.packet.reply, first?.packet.leaving], [undefined, true, false])
  assert.deepEqual(others, [])
})

test('who is asked by a broadcast answers within the reply spread, each at a moment of its own', async () => {
  const { clock, lan, node } = world()
  const nodes = Array.from({ length: 20 }, (_, each) => node(each + 101, AUTO))
  for (const { peering } of nodes) await peering.start()
  clock.advance(10_000)
  lan.say(STRANGER, presence(7, { reply: true }))
  const askedAt = clock.monotonic()
  clock.advance(10_000)
  const replies = lan
    .heard('presence')
    .filter(({ to, packet, at }) => to === STRANGER && !packet.reply && at >= askedAt)
  const delays = replies.map(({ at }) => at - askedAt - LATENCY_MS)
  assert.equal(replies.length, 20)
  assert.ok(
    Math.max(...delays) < REPLY_SPREAD_MS && Math.max(...delays) > REPLY_SPREAD_MS / 2,
    String(delays),
  )
  assert.equal(new Set(delays).size, 20)
})

test('who is asked directly answers at once, with the nonce: that is a measurement', async () => {
  const { clock, lan, node } = await started()
  const nonce = 'f'.repeat(32)
  lan.say(STRANGER, presence(7, { reply: true, nonce }), node.address)
  clock.advance(LATENCY_MS)
  const reply = lan.heard('presence', node.address).find(({ to, packet }) => to === STRANGER && !packet.reply)
  assert.deepEqual([reply?.packet.nonce, reply?.at], [nonce, LATENCY_MS])
})

test('two nodes learn of each other and of the round trip between them', async () => {
  const { clock, node } = world()
  const [one, two] = [node(1, AUTO), node(2, AUTO)]
  await one.peering.start()
  await two.peering.start()
  clock.advance(REPLY_SPREAD_MS + 10)
  for (const [each, other] of [
    [one, two],
    [two, one],
  ] as const)
    assert.deepEqual(
      each.peering.livePeers().map((peer) => [peer.address, peer.roundTripMs]),
      [[other.address, 2 * LATENCY_MS]],
    )
})

test('a node whose own word was lost is asked who it is, when another one speaks of it', async () => {
  const { clock, node } = world()
  const early = node(1, AUTO)
  await early.peering.start()
  clock.advance(10_000)
  const late = node(2, AUTO)
  assert.equal(late.peering.servesFiles(early.address, 6515), false)
  await late.peering.start()
  late.peering.meet(early.address)
  clock.advance(2 * LATENCY_MS)
  assert.equal(late.peering.servesFiles(early.address, 6515), true)
})

test('nobody is asked who it is again and again, however often others speak of it', async () => {
  const scene = await started()
  const asked = () => pingsTo(scene, STRANGER).length
  for (let times = 0; times < 10; times++) scene.node.peering.meet(STRANGER)
  assert.equal(asked(), 1)
  scene.clock.advance(MEET_PAUSE_MS)
  scene.node.peering.meet(STRANGER)
  assert.equal(asked(), 2)
  for (let other = 0; other <= MAX_MET; other++)
    scene.node.peering.meet(`10.1.${other >> 8}.${other & 255}` as Address)
  scene.node.peering.meet(STRANGER)
  assert.equal(asked(), 3, 'beyond the bound the one that was asked longest ago is forgotten')
})

test('any packet shows that its sender is alive', async () => {
  const { clock, lan, node } = await started()
  lan.say(STRANGER, plainRequest(1, { node: nodeId(7) }))
  clock.advance(1)
  assert.deepEqual(
    node.peering.livePeers().map((peer) => peer.node),
    [nodeId(7)],
  )
})

test('a node that stops says so, and nobody waits for it any more', async () => {
  const { clock, node } = world()
  const [one, two] = [node(1, AUTO), node(2, AUTO)]
  await one.peering.start()
  await two.peering.start()
  clock.advance(GRACE_MS)
  assert.notEqual(one.peering.timing(), undefined)
  await two.peering.stop()
  await two.peering.stop()
  clock.advance(1)
  assert.deepEqual(one.peering.livePeers(), [])
  assert.equal(one.peering.timing(), undefined)
})

test('a stopped node is silent and has no timers', async () => {
  const { clock, lan, node } = await started()
  lan.say(STRANGER, presence(7, { reply: true }))
  clock.advance(LATENCY_MS)
  await node.peering.stop()
  const { length } = lan.sent
  clock.advance(10 * INTERVAL_MS)
  assert.equal(lan.sent.length, length)
  assert.equal(clock.pending(), 0)
})

test('the interval between two broadcasts is a minute, give or take a fifth, and differs', async () => {
  const { clock, lan, node } = await started()
  clock.advance(20 * INTERVAL_MS)
  const times = lan.heard('presence', node.address).map(({ at }) => at)
  const gaps = times.slice(1).map((time, each) => time - (times[each] ?? 0))
  assert.ok(gaps.length >= 16 && gaps.length <= 25, String(gaps.length))
  assert.ok(gaps.every((gap) => gap >= 0.8 * INTERVAL_MS && gap <= 1.2 * INTERVAL_MS))
  assert.ok(new Set(gaps).size > gaps.length / 2)
})

test('in the grace after the start a question waits as on a LAN of twenty; then for nobody', async () => {
  const { clock, node } = await started()
  assert.deepEqual(node.peering.timing(), {
    maxDelayMs: 30,
    transmissionMs: 15,
    holdersMs: 33,
    roundTripMs: 0,
    lateMs: 0,
  })
  clock.advance(GRACE_MS - 1)
  assert.notEqual(node.peering.timing(), undefined)
  clock.advance(1)
  assert.equal(node.peering.timing(), undefined)
})

test('a question to nobody goes out all the same, and is not waited for', async () => {
  const { clock, lan, node } = await started()
  clock.advance(GRACE_MS)
  const owner = new FakeOwner()
  node.peering.inquire(RESOURCE, true, owner)
  assert.deepEqual(owner.told, ['internet'])
  assert.equal(lan.heard('request')[0]?.packet.maxDelayMs, undefined)
})

test('a round trip is measured again when periodic presence is heard and the figure is old', async () => {
  const scene = await started()
  const { clock, lan, node } = scene
  const isMeasuredAgain = (packet: Parameters<typeof lan.say>[1]) => {
    const before = pingsTo(scene, STRANGER).length
    lan.say(STRANGER, packet)
    clock.advance(1)
    return pingsTo(scene, STRANGER).length > before
  }
  const answerPing = () => {
    const { packet } = pingsTo(scene, STRANGER).at(-1) ?? {}
    lan.say(STRANGER, presence(7, { nonce: packet?.nonce }), node.address)
    clock.advance(1)
  }
  assert.equal(isMeasuredAgain(presence(7)), true, 'a new peer')
  assert.equal(isMeasuredAgain(presence(7)), true, 'never answered')
  answerPing()
  assert.equal(isMeasuredAgain(presence(7)), false, 'just measured')
  for (let since = 0; since < REMEASURE_MS; since += LIVE_MS / 2) {
    clock.advance(LIVE_MS / 2)
    lan.say(STRANGER, plainRequest(since, { node: nodeId(7) })) // alive, without a word of presence
  }
  assert.equal(isMeasuredAgain(plainRequest(9, { node: nodeId(7) })), false, 'a question occasions nothing')
  assert.equal(isMeasuredAgain(presence(7)), true, 'too old')
})

test('a nonce counts once, and only from the node that was asked', async () => {
  const scene = await started()
  const { clock, lan, node } = scene
  lan.say(STRANGER, presence(7))
  clock.advance(1)
  const nonce = pingsTo(scene, STRANGER)[0]?.packet.nonce
  lan.say(address(8), presence(8, { nonce }), node.address)
  clock.advance(10)
  lan.say(STRANGER, presence(7, { nonce }), node.address)
  clock.advance(10)
  lan.say(STRANGER, presence(7, { nonce }), node.address)
  clock.advance(10)
  const roundTrips = node.peering.livePeers().map((peer) => [peer.address, peer.roundTripMs])
  assert.deepEqual(Object.fromEntries(roundTrips), { [STRANGER]: 11, [address(8)]: undefined })
})

test('an answer from another address than the one that was asked measures nothing, and shows nobody there', async () => {
  const scene = await started()
  const { clock, lan, node } = scene
  lan.say(STRANGER, presence(7))
  clock.advance(1)
  const nonce = pingsTo(scene, STRANGER)[0]?.packet.nonce
  lan.say(address(8), presence(7, { nonce }), node.address)
  clock.advance(10)
  const shown = () => node.peering.livePeers().map((peer) => [peer.address, peer.isReached])
  assert.deepEqual(shown(), [[address(8), false]])
})

test('a place that several name as their own is asked who it is, and one of them is there', async () => {
  const scene = await started()
  const { clock, lan, node } = scene
  // More are known already than are measured.
  for (let number = 0; number < MEASURED_PEERS; number++)
    lan.say(address(100 + number), presence(100 + number))
  clock.advance(1)
  for (const each of [7, 8]) lan.say(STRANGER, presence(each))
  clock.advance(1)
  assert.deepEqual(pingsTo(scene, STRANGER), [])
  node.peering.reached(STRANGER, 6515)
  clock.advance(1)
  const [asked] = pingsTo(scene, STRANGER)
  lan.say(STRANGER, presence(8, { nonce: asked?.packet.nonce }), node.address)
  clock.advance(1)
  node.peering.reached(STRANGER, 6515)
  assert.equal(pingsTo(scene, STRANGER).length, 1, 'it is known now')
  const reached = node.peering.livePeers().filter(({ isReached }) => isReached)
  assert.deepEqual(
    reached.map((peer) => peer.node),
    [nodeId(8)],
  )
})

test('a node of the patents is shown to be there by a connection to where it has offered a file', async () => {
  const { lan, clock, node } = await started()
  const isReached = () => node.peering.livePeers().map((peer) => peer.isReached)
  lan.say(STRANGER, plainRequest(1))
  clock.advance(1)
  node.peering.reached(STRANGER, 6515)
  assert.deepEqual(isReached(), [false])
  lan.say(STRANGER, plainResponse(2, STRANGER, { location: `http://${STRANGER}/whatever/a.deb` }))
  clock.advance(1)
  node.peering.reached(STRANGER, 6515)
  assert.deepEqual(isReached(), [false], 'another port')
  node.peering.reached(STRANGER, 80)
  assert.deepEqual(isReached(), [true])
})

test(`what comes back after more than ${MAX_ROUND_TRIP_MS} ms is no round trip`, async () => {
  const scene = await started()
  const { clock, lan, node } = scene
  lan.say(STRANGER, presence(7))
  clock.advance(MAX_ROUND_TRIP_MS + 1)
  lan.say(STRANGER, presence(7, { nonce: pingsTo(scene, STRANGER)[0]?.packet.nonce }), node.address)
  clock.advance(1)
  assert.equal(node.peering.livePeers()[0]?.roundTripMs, undefined)
})

test('whoever is about to go to the Internet asks twice more within the wait, with the same question', async () => {
  const { clock, lan, node } = world()
  const [one, other] = [node(1, AUTO), node(2, AUTO)]
  await one.peering.start()
  await other.peering.start()
  clock.advance(1000)
  one.peering.inquire(RESOURCE, true, new FakeOwner())
  clock.advance(1000)
  const [first, second, third, ...more] = lan.heard('request')
  assert.ok(first && second && third)
  assert.deepEqual(more, [])
  assert.deepEqual([second.bytes, third.bytes], [first.bytes, first.bytes])
  assert.ok(second.at > first.at && third.at > second.at && third.at < first.at + AUTO_WAIT_MS)
})

test('whoever says something to everybody meanwhile need not answer', async () => {
  const { clock, lan, node } = await started()
  lan.say(STRANGER, presence(7, { reply: true }))
  clock.advance(LATENCY_MS)
  node.peering.inquire(RESOURCE, true, new FakeOwner())
  clock.advance(1000)
  const replies = lan
    .heard('presence', node.address)
    .filter(({ to, packet }) => to === STRANGER && !packet.reply)
  assert.deepEqual(replies, [])
})

test('of a LAN that starts all at once no more are measured than of one that grows', async () => {
  const scene = await started()
  const { clock, lan, node } = scene
  for (let each = 0; each < 100; each++) lan.say(address(each + 20), presence(each + 20))
  clock.advance(LATENCY_MS)
  const pings = lan.heard('presence', node.address).filter(({ packet }) => packet.reply && packet.nonce)
  assert.equal(pings.length, MEASURED_PEERS)
})

test(`peers that never answer keep nobody else from being measured, however many: here ${MAX_PINGS + 10}`, async () => {
  const scene = await started()
  const { clock, lan, node } = scene
  for (let number = 20; number < MAX_PINGS + 30; number++) {
    lan.say(address(number), presence(number))
    clock.advance(MAX_ROUND_TRIP_MS / 4)
  }
  clock.advance(MAX_ROUND_TRIP_MS)
  lan.say(STRANGER, presence(7))
  clock.advance(1)
  lan.say(STRANGER, presence(7, { nonce: pingsTo(scene, STRANGER)[0]?.packet.nonce }), node.address)
  clock.advance(1)
  const measured = node.peering.livePeers().filter((peer) => peer.roundTripMs !== undefined)
  assert.deepEqual(
    measured.map((peer) => peer.address),
    [STRANGER],
  )
})

test('with 50 nodes on the LAN idle traffic stays below 1 kB/s for each, all headers included', async () => {
  const { clock, lan, node } = world()
  const nodes = Array.from({ length: 50 }, (_, each) => node(each + 1, AUTO))
  for (const { peering } of nodes) await peering.start()
  clock.advance(INTERVAL_MS)
  lan.sent.splice(0)
  const seconds = (2 * REMEASURE_MS) / 1000
  clock.advance(seconds * 1000)
  const HEADER_BYTES = 14 + 20 + 8 // Ethernet, IP, UDP
  const [one] = nodes
  const seen = lan.sent.filter(
    ({ from, to }) => from === one?.address || to === one?.address || to === undefined,
  )
  const bytesPerSecond = seen.reduce((sum, { bytes }) => sum + bytes.length + HEADER_BYTES, 0) / seconds
  assert.equal(one?.peering.livePeers().length, 49)
  assert.ok(bytesPerSecond < 1000, `${bytesPerSecond} B/s`)
  assert.ok(bytesPerSecond > 100, `${bytesPerSecond} B/s: too little to be true`)
})
