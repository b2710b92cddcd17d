import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOLD_MS, NONCE_MS } from '../../peering/asking.ts'
import { padded } from '../../peering/codec.ts'
import { MAX_FURTHER, offersIn, questionsIn } from '../../peering/further.ts'
import { MAX_PACKET_BYTES, type RequestId } from '../../peering/packets.ts'
import type { PeeringSettings } from '../../peering/peering.ts'
import { address, ALIAS, FakeOwner, nodeId, placeAt, plainRequest, RESOURCE, world } from './fixtures.ts'
import { LATENCY_MS } from './fake-lan.ts'

const names = (count: number) => Array.from({ length: count }, (_, at) => `${RESOURCE}.${at}`)

/** Started nodes; all but the first have everything that is asked for. */
async function lanOf(
  count: number,
  resources: readonly string[],
  kind: 'complete' | 'downloading' = 'complete',
) {
  const scene = world()
  const nodes = Array.from({ length: count }, (_, at) => scene.node(at + 1, { maxDelayMs: 'auto' }))
  for (const { peering } of nodes) await peering.start()
  scene.clock.advance(1000)
  const [asker, ...holders] = nodes
  assert.ok(asker)
  for (const { copies } of holders) for (const each of resources) copies.here.set(each, kind)
  const owners = resources.map(() => new FakeOwner())
  const askAll = () =>
    resources.forEach((each, at) => asker.peering.inquire(each, true, owners[at] ?? new FakeOwner()))
  return { ...scene, asker, holders, owners, askAll }
}

test('a single question leaves at once; those that follow it are held for a moment, and leave together', async () => {
  const { clock, lan, askAll } = await lanOf(2, names(6))
  askAll()
  assert.deepEqual(
    lan.heard('request').map(({ packet }) => packet.more.length),
    [0],
  )
  clock.advance(HOLD_MS)
  assert.deepEqual(
    lan.heard('request').map(({ packet }) => packet.more.length),
    [0, 4],
  )
  const asked = lan.heard('request').flatMap(({ packet }) => questionsIn(packet).map(({ href }) => href))
  assert.deepEqual(asked, names(6))
})

test('what is asked together leaves in one packet, and when it is asked again in one too', async () => {
  const { clock, lan, asker } = await lanOf(2, [])
  const owners = names(6).map(() => new FakeOwner())
  asker.peering.together(() =>
    names(6).forEach((each, at) => asker.peering.inquire(each, true, owners[at] ?? new FakeOwner())),
  )
  const sizes = () => lan.heard('request').map(({ packet }) => packet.more.length)
  assert.deepEqual(sizes(), [5])
  clock.advance(100)
  assert.deepEqual(sizes(), [5, 5, 5])
  for (const owner of owners) assert.deepEqual(owner.told, ['internet'])
})

test('question, answer and "I found" of many names are one packet each, and every owner has its copy', async () => {
  const { clock, lan, askAll, owners, holders, asker } = await lanOf(2, names(6))
  askAll()
  clock.advance(100)
  for (const owner of owners) assert.deepEqual(owner.told, [`retrieve ${holders[0]?.address}`])
  assert.deepEqual(
    lan.heard('response').map(({ packet, to }) => [packet.more.length, to]),
    [
      [0, asker.address],
      [4, asker.address],
    ],
  )
  assert.deepEqual(
    lan.heard('end-request').map(({ packet, to }) => [packet.more.length, to]),
    [
      [0, undefined],
      [4, undefined],
    ],
  )
})

test('"I found" takes back the answers of all other holders, name by name', async () => {
  const { clock, lan, askAll, holders } = await lanOf(8, names(6))
  const [one] = holders
  // One holder has only half of them: what it lacks is told by others.
  for (const each of names(6).slice(3)) one?.copies.here.delete(each)
  askAll()
  clock.advance(100)
  const told = lan.heard('response').flatMap(({ packet }) => [packet.id, ...packet.more.map(({ id }) => id)])
  assert.equal(new Set(told).size, 6)
  assert.ok(lan.heard('response').length <= 5, String(lan.heard('response').length))
})

test('who is downloading many of them says so in one packet, and each is followed', async () => {
  const { clock, lan, askAll, owners, holders } = await lanOf(2, names(6), 'downloading')
  const progress = () => ({ receivedBytes: 10, totalBytes: 1000, bytesPerSecond: 5 })
  for (const each of names(6)) holders[0]?.peering.announceDownload(each, () => ALIAS, progress)
  clock.advance(1)
  const before = lan.heard('downloading').length
  askAll()
  clock.advance(HOLD_MS + 2 * LATENCY_MS)
  const answers = lan.heard('downloading').slice(before)
  assert.deepEqual(
    answers.map(({ packet }) => packet.more.length),
    [0, 4],
  )
  clock.advance(60)
  for (const owner of owners) assert.deepEqual(owner.told, [`follow ${holders[0]?.address}`])
  assert.ok(lan.heard('end-request').length <= 2)
})

test(`no packet asks for more than ${MAX_FURTHER + 1} names, and none is longer than a datagram`, async () => {
  const { clock, lan, askAll, owners } = await lanOf(2, names(40))
  askAll()
  clock.advance(100)
  const asked = lan.heard('request')
  assert.ok(asked.every(({ bytes }) => bytes.length <= MAX_PACKET_BYTES))
  assert.deepEqual(
    asked.map(({ packet }) => packet.more.length),
    [0, 10, 10, 10, 5],
  )
  assert.ok(owners.every(({ told }) => told[0]?.startsWith('retrieve')))
})

test('long names share a packet only as far as it holds them', async () => {
  const long = names(6).map((each) => `${each}/${'x'.repeat(300)}${each.at(-1)}`)
  const { clock, lan, askAll, owners } = await lanOf(2, long)
  askAll()
  clock.advance(100)
  assert.equal(lan.heard('request').flatMap(({ packet }) => questionsIn(packet)).length, 6)
  assert.ok(lan.heard('request').every(({ bytes }) => bytes.length <= MAX_PACKET_BYTES))
  assert.ok(owners.every(({ told }) => told[0]?.startsWith('retrieve')))
})

test('all answers to one packet together are not longer than it', async () => {
  const { clock, lan, askAll, holders, asker } = await lanOf(2, names(12))
  const progress = () => ({ receivedBytes: 10, totalBytes: 1000, bytesPerSecond: 5 })
  for (const each of names(12).slice(6)) {
    holders[0]?.copies.here.set(each, 'downloading')
    holders[0]?.peering.announceDownload(each, () => ALIAS, progress)
  }
  clock.advance(1)
  const before = lan.sent.length
  askAll()
  clock.advance(100)
  const since = lan.sent.slice(before)
  const question = since.filter(({ from, to }) => from === asker.address && to === undefined)
  const answers = since.filter(({ from, to }) => from !== asker.address && to === asker.address)
  const bytes = (list: typeof since) => list.reduce((sum, each) => sum + each.bytes.length, 0)
  const asked = question.slice(0, 2)
  assert.ok(bytes(answers) <= bytes(asked), `${bytes(answers)} of ${bytes(asked)}`)
  assert.ok(answers.length >= 3)
})

test('while a node of the patents is heard, each question has a packet of its own, and each "I found"', async () => {
  const { clock, lan, askAll, owners } = await lanOf(2, names(6))
  lan.say(address(99), plainRequest(5))
  clock.advance(1)
  const before = lan.heard('request').length
  askAll()
  clock.advance(100)
  const asked = lan.heard('request').slice(before)
  assert.deepEqual(
    asked.map(({ packet }) => packet.more.length),
    [0, 0, 0, 0, 0, 0],
  )
  assert.ok(lan.heard('end-request').every(({ packet }) => packet.more.length === 0))
  assert.ok(owners.every(({ told }) => told[0]?.startsWith('retrieve')))
})

test('a question that is over before it leaves is not asked', async () => {
  const { clock, lan, asker } = await lanOf(2, names(2))
  asker.peering.inquire(names(1)[0] ?? '', true, new FakeOwner())
  asker.peering.inquire(names(2)[1] ?? '', true, new FakeOwner()).abandon()
  clock.advance(100)
  assert.equal(lan.heard('request', asker.address).flatMap(({ packet }) => questionsIn(packet)).length, 1)
})

test('the same name twice has two packets', async () => {
  const { clock, lan, asker } = await lanOf(2, [])
  for (const each of [...names(3), ...names(3)]) asker.peering.inquire(each, false, new FakeOwner())
  clock.advance(HOLD_MS)
  assert.deepEqual(
    lan.heard('request').map(({ packet }) => packet.more.length),
    [0, 2, 1],
  )
})

test('a held question waits as much longer for its answers', async () => {
  const { clock, asker } = await lanOf(2, [])
  const waitMs = (asker.peering.timing()?.maxDelayMs ?? 0) + (asker.peering.timing()?.transmissionMs ?? 0)
  const owners = names(2).map((each) => {
    const owner = new FakeOwner()
    asker.peering.inquire(each, false, owner, { isListed: false })
    return owner
  })
  clock.advance(waitMs + 0.1)
  assert.deepEqual(
    owners.map(({ told }) => told),
    [['internet'], []],
  )
  clock.advance(HOLD_MS)
  assert.deepEqual(owners[1]?.told, ['internet'])
})

test(`questions that begin within ${NONCE_MS} ms have one nonce, later ones another`, async () => {
  const { clock, lan, asker } = await lanOf(2, [])
  for (const each of names(3)) {
    asker.peering.inquire(each, false, new FakeOwner())
    clock.advance(NONCE_MS / 2)
  }
  const nonces = lan.heard('request', asker.address).map(({ packet }) => packet.nonce)
  assert.equal(new Set(nonces).size, 2)
})

test('a node that stops holds nothing', async () => {
  const { clock, lan, asker, askAll } = await lanOf(2, names(6))
  askAll()
  const before = lan.heard('request').length
  await asker.peering.stop()
  clock.advance(100)
  assert.equal(lan.heard('request').length, before)
})

/** One question of a stranger with ten more in its packet, to a node that has all of them. */
async function askedByStranger(ids: readonly number[], settings: Partial<PeeringSettings> = {}) {
  const { clock, lan, node } = world()
  const one = node(1, settings)
  await one.peering.start()
  for (const each of names(11)) one.copies.here.set(each, 'complete')
  const more = names(11)
    .slice(1)
    .map((href, at) => ({ id: (ids[at] ?? at + 2) as RequestId, href }))
  const question = plainRequest(1, { href: names(1)[0] ?? '', more, maxDelayMs: 4 })
  lan.say(address(99), padded(question, 1190))
  clock.advance(100)
  const told = lan
    .heard('response', one.address)
    .flatMap(({ packet }) => offersIn(packet).map(({ id }) => id))
  return { told, counters: one.peering.counters }
}

test('each name of a packet counts where datagrams are limited; the others are not heard', async () => {
  const intake = { perSource: 1, overall: 1000, burstPerSource: 5, burstOverall: 1000 }
  const { told, counters } = await askedByStranger([], { intake })
  assert.deepEqual(told, [1, 2, 3, 4, 5])
  assert.equal(counters.get('dropped: too many'), 6)
  assert.equal((await askedByStranger([])).told.length, 11)
})

test('a number that is already that of the first question is answered once', async () => {
  const { told } = await askedByStranger([1])
  assert.deepEqual(told, [1, 3, 4, 5, 6, 7, 8, 9, 10, 11])
})

test('answers with a number that was never asked are counted, and the others are heard', async () => {
  const { clock, lan, asker } = await lanOf(2, [])
  const owner = new FakeOwner()
  asker.peering.inquire(RESOURCE, false, owner)
  const [asked] = lan.heard('request')
  assert.ok(asked)
  const { id, nonce } = asked.packet
  const unsaid = { size: undefined, digest: undefined, etag: undefined, lastModified: undefined }
  const more = Array.from({ length: 10 }, (_, at) => ({ id: at as RequestId, alias: ALIAS, size: undefined }))
  const location = placeAt(address(99))
  const common = {
    id,
    nonce,
    node: nodeId(99),
    location,
    extras: [],
    ageSeconds: undefined,
    version: undefined,
  }
  lan.say(address(99), { type: 'response', ...common, ...unsaid, more }, asker.address)
  clock.advance(1)
  assert.deepEqual(owner.told, [`retrieve ${address(99)}`])
  assert.equal(asker.peering.counters.get('dropped: unknown nonce'), 10)
})
