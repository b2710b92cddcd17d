import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import { PLAIN_ANSWER_BYTES, PLAIN_MAX_DELAY_MS } from '../../peering/answers.ts'
import { HOLD_MS } from '../../peering/asking.ts'
import { encode } from '../../peering/codec.ts'
import { questionsIn } from '../../peering/further.ts'
import { MAX_NOTED } from '../../peering/inquiry.ts'
import { MAX_REPORTS, REPORT_INTERVAL_MS } from '../../peering/machines/download.ts'
import { TAKE_OVER_WAIT_MS } from '../../peering/machines/inquiry-patience.ts'
import { MIN_REQUEST_BYTES } from '../../peering/packets.ts'
import type { DownloadingPacket, NodeId, RequestId } from '../../peering/packets.ts'
import { LATENCY_MS } from './fake-lan.ts'
import {
  address,
  ALIAS,
  FakeOwner,
  nodeId,
  placeAt,
  plainRequest,
  plainResponse,
  RESOURCE,
  world,
} from './fixtures.ts'

const STRANGER = address(99)
const NONCE = 'f'.repeat(32)
const PATENTS = { maxDelayMs: 2000, transmissionMs: 200 }
const progress = () => ({ receivedBytes: 10, totalBytes: 1000, bytesPerSecond: 5 })

function downloading(more: Partial<DownloadingPacket> = {}): DownloadingPacket {
  return {
    type: 'downloading',
    more: [],
    id: 1 as RequestId,
    node: nodeId(99),
    nonce: undefined,
    extras: [],
    resource: RESOURCE,
    location: placeAt(STRANGER),
    receivedBytes: 10,
    totalBytes: 1000,
    bytesPerSecond: 5,
    ...more,
  }
}

/** Two started nodes; the second one holds the resource. */
async function pair(settings = {}) {
  const scene = world()
  const [asker, holder] = [scene.node(1, settings), scene.node(2, settings)]
  for (const { peering } of [asker, holder]) await peering.start()
  holder.copies.here.set(RESOURCE, 'complete')
  scene.clock.advance(1000)
  return { ...scene, asker, holder, owner: new FakeOwner() }
}

/** One started node. */
async function alone(settings = {}) {
  const scene = world()
  const one = scene.node(1, settings)
  await one.peering.start()
  scene.clock.advance(1000)
  return { ...scene, one, owner: new FakeOwner(), counters: one.peering.counters }
}

// The exchange (R3, R4).

test('FIGS. 3 and 4A: "I need" to everybody, a random delay, "I have" to the asker alone, "I found" to everybody', async () => {
  const { clock, lan, asker, holder, owner } = await pair()
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(3000)
  const [need] = lan.heard('request')
  const [have] = lan.heard('response')
  const [found] = lan.heard('end-request')
  assert.ok(need && have && found)
  assert.deepEqual([need.to, have.to, found.to], [undefined, asker.address, undefined])
  const delayMs = have.at - need.at - LATENCY_MS
  assert.ok(delayMs > 0 && delayMs < 2000, String(delayMs))
  assert.equal(found.at, have.at + LATENCY_MS)
  assert.deepEqual([have.packet.id, have.packet.nonce], [need.packet.id, need.packet.nonce])
  assert.deepEqual(owner.told, [`retrieve ${holder.address}`])
  assert.equal(owner.offers[0]?.location, `http://${holder.address}:6515/${ALIAS}`)
  assert.equal(owner.offers[0]?.size, 1000)
})

test('FIG. 3, 128: "I found" cancels the answers of all other holders', async () => {
  const { clock, lan, node } = world()
  const nodes = Array.from({ length: 6 }, (_, each) => node(each + 1))
  for (const { peering, copies } of nodes) {
    await peering.start()
    copies.here.set(RESOURCE, 'complete')
  }
  nodes[0]?.peering.inquire(RESOURCE, true, new FakeOwner())
  clock.advance(3000)
  assert.equal(lan.heard('response').length, 1)
})

test('FIG. 4B, 154: who follows a download says "I found" to the downloader, for nobody else has an answer left', async () => {
  const { clock, lan, asker, holder, owner } = await pair({ maxDelayMs: 'auto' })
  holder.copies.here.set(RESOURCE, 'downloading')
  holder.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(1000)
  assert.deepEqual(owner.told, [`follow ${holder.address}`])
  assert.deepEqual(
    lan.heard('end-request').map(({ to }) => to),
    [holder.address],
  )
})

test('where a node of the patents is heard, who may still have an answer, "I found" goes to everybody', async () => {
  const { clock, lan, asker, holder, owner } = await pair({ maxDelayMs: 'auto' })
  lan.say(STRANGER, plainRequest(5))
  holder.copies.here.set(RESOURCE, 'downloading')
  holder.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(1000)
  assert.deepEqual(
    lan.heard('end-request').map(({ to }) => to),
    [undefined],
  )
})

test('"I found" counts only from the address that asked', async () => {
  const { clock, lan, one } = await alone()
  one.copies.here.set(RESOURCE, 'complete')
  lan.say(STRANGER, plainRequest(5, { maxDelayMs: 1000 }))
  lan.say(address(98), {
    type: 'end-request',
    more: [],
    id: 5 as RequestId,
    node: undefined,
    nonce: undefined,
    extras: [],
    href: RESOURCE,
  })
  clock.advance(2000)
  assert.equal(lan.heard('response').length, 1)
})

test('nobody answers within 2000 ms and 200 ms of transmission: the Internet, at 2200 ms and not before (R4.1)', async () => {
  const { clock, one, owner } = await alone(PATENTS)
  one.peering.inquire(RESOURCE, true, owner)
  clock.advance(2199)
  assert.deepEqual(owner.told, [])
  clock.advance(1)
  assert.deepEqual(owner.told, ['internet'])
})

test('a delay that cannot be written is shortened, and the question is asked all the same', async () => {
  const { clock, lan, one, owner } = await alone({ maxDelayMs: 90_000 })
  one.peering.inquire(RESOURCE, true, owner)
  assert.equal(lan.heard('request')[0]?.packet.maxDelayMs, 60_000)
  clock.advance(60_200)
  assert.deepEqual(owner.told, ['internet'])
})

test('a resource too long for a packet is not asked for', async () => {
  const { lan, one, owner } = await alone()
  one.peering.inquire(`http://example.org/${'x'.repeat(1200)}`, true, owner)
  assert.deepEqual(owner.told, ['internet'])
  assert.deepEqual(lan.heard('request'), [])
})

test('a node that may not ask goes to the Internet without a word, and is told nothing', async () => {
  const { clock, lan, one, owner } = await alone({ ask: false })
  one.peering.inquire(RESOURCE, true, owner)
  lan.say(STRANGER, downloading())
  clock.advance(10)
  assert.deepEqual([owner.told, owner.progress], [['internet'], []])
  assert.deepEqual(lan.heard('request'), [])
})

test('a node that may not serve answers nothing and announces nothing', async () => {
  const { clock, lan, one } = await alone({ serve: false })
  one.copies.here.set(RESOURCE, 'complete')
  one.peering.announceDownload(RESOURCE, () => ALIAS, progress).complete()
  lan.say(STRANGER, plainRequest(5))
  clock.advance(3000)
  assert.deepEqual([...lan.heard('response'), ...lan.heard('downloading')], [])
})

test('what is withdrawn during the delay is not offered', async () => {
  const { clock, lan, asker, holder, owner } = await pair()
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(1)
  holder.copies.here.delete(RESOURCE)
  clock.advance(3000)
  assert.deepEqual(lan.heard('response'), [])
  assert.deepEqual(owner.told, ['internet'])
})

test('a node at its upload limit stays silent, whether it reaches it before the question or during the delay (R3.5)', async () => {
  for (const isEarly of [true, false]) {
    const { clock, lan, asker, holder, owner } = await pair()
    holder.copies.isBusy = isEarly
    asker.peering.inquire(RESOURCE, true, owner)
    clock.advance(1)
    holder.copies.isBusy = true
    clock.advance(3000)
    assert.deepEqual(lan.heard('response'), [])
  }
})

test('many questions at once are each answered (R3.3)', async () => {
  const { clock, asker, holder } = await pair()
  const owners = Array.from({ length: 150 }, (_, each) => {
    const owner = new FakeOwner()
    holder.copies.here.set(`${RESOURCE}?${each}`, 'complete')
    asker.peering.inquire(`${RESOURCE}?${each}`, true, owner)
    return owner
  })
  clock.advance(3000)
  assert.ok(owners.every(({ told }) => told.length === 1 && told[0] === `retrieve ${holder.address}`))
})

test('two questions for one resource are two questions, each with its answer', async () => {
  const { clock, lan, asker, holder, owner } = await pair()
  const other = new FakeOwner()
  asker.peering.inquire(RESOURCE, true, owner)
  asker.peering.inquire(RESOURCE, true, other)
  clock.advance(3000)
  assert.equal(lan.heard('request').length, 2)
  assert.deepEqual([owner.told, other.told], [[`retrieve ${holder.address}`], [`retrieve ${holder.address}`]])
})

test('an abandoned question leaves another one for the same resource alone', async () => {
  const { clock, asker, holder, owner } = await pair()
  const abandoned = asker.peering.inquire(RESOURCE, true, new FakeOwner())
  asker.peering.inquire(RESOURCE, true, owner)
  abandoned.abandon()
  clock.advance(3000)
  assert.deepEqual(owner.told, [`retrieve ${holder.address}`])
})

// What is not believed (R2.5, V§4).

test('own packets are ignored, without being counted as heard', async () => {
  const { clock, lan, one, counters } = await alone()
  one.copies.here.set(RESOURCE, 'complete')
  one.peering.inquire(RESOURCE, true, new FakeOwner())
  lan.say(one.address, plainRequest(5))
  clock.advance(5000)
  assert.deepEqual([counters.get('heard: request'), counters.get('dropped: own address')], [undefined, 1])
  assert.deepEqual(lan.heard('response'), [])
})

test('a location at another host is dropped with its packet, and counted', async () => {
  const { clock, lan, one, owner, counters } = await alone()
  one.peering.inquire(RESOURCE, true, owner)
  const id = lan.heard('request')[0]?.packet.id ?? 0
  for (const host of ['10.0.0.98', 'example.org', '10.0.0.99.example.org', `[::1]`])
    lan.say(STRANGER, plainResponse(id, STRANGER, { location: `http://${host}:6515/${ALIAS}` }), one.address)
  clock.advance(1)
  assert.equal(counters.get('dropped: foreign location'), 4)
  assert.deepEqual(owner.told, [])
})

test('an answer to nothing that is open is dropped, and counted', async () => {
  const { clock, lan, one, owner, counters } = await alone()
  one.peering.inquire(RESOURCE, true, owner)
  const { id = 0 as RequestId, nonce } = lan.heard('request')[0]?.packet ?? {}
  const node = nodeId(99)
  lan.say(STRANGER, plainResponse(id, STRANGER, { node, nonce: NONCE }), one.address)
  lan.say(STRANGER, plainResponse(id, STRANGER, { node }), one.address) // one of ours has to repeat the nonce
  lan.say(STRANGER, plainResponse(id + 1, STRANGER, { node, nonce }), one.address)
  lan.say(STRANGER, downloading({ nonce: NONCE }), one.address)
  clock.advance(1)
  assert.equal(counters.get('dropped: unknown nonce'), 4)
  assert.deepEqual([owner.told, owner.progress], [[], []])
  lan.say(STRANGER, plainResponse(id, STRANGER, { node, nonce }), one.address)
  clock.advance(1)
  assert.deepEqual(owner.told, [`retrieve ${STRANGER}`])
})

test('the word of a shunned peer is not taken', async () => {
  const { clock, lan, node } = world()
  const one = node(1, {}, { isShunned: (peer) => peer === STRANGER })
  await one.peering.start()
  const owner = new FakeOwner()
  one.peering.inquire(RESOURCE, true, owner)
  lan.say(STRANGER, plainResponse(lan.heard('request')[0]?.packet.id ?? 0, STRANGER), one.address)
  clock.advance(5000)
  assert.deepEqual(owner.told, ['internet'])
})

test('what is no packet costs a counter and nothing more', async () => {
  const { clock, lan, one, counters } = await alone()
  lan.deliver(STRANGER, one.address, new TextEncoder().encode('<service type="request"'))
  lan.deliver(STRANGER, one.address, new Uint8Array(2000))
  clock.advance(1)
  assert.deepEqual([counters.get('dropped: not-xml'), counters.get('dropped: too-long')], [1, 1])
})

test('a flood is not looked at', async () => {
  const { clock, lan, one, counters } = await alone({
    intake: { perSource: 1, overall: 100, burstPerSource: 10, burstOverall: 100 },
  })
  one.copies.here.set(RESOURCE, 'complete')
  for (let id = 0; id < 50; id++) lan.say(STRANGER, plainRequest(id), one.address)
  clock.advance(3000)
  assert.deepEqual([counters.get('heard: request'), counters.get('dropped: too many')], [10, 40])
})

test(`no more than ${MAX_NOTED} peers are noted as having answered`, async () => {
  const { clock, lan, one, owner } = await alone()
  const inquiry = one.peering.inquire(RESOURCE, true, owner)
  for (let number = 100; number < 110 + MAX_NOTED; number++) {
    const peer = address(number)
    lan.say(peer, downloading({ node: nodeId(number), location: placeAt(peer) }), one.address)
  }
  clock.advance(1)
  assert.equal(inquiry.answered.size, MAX_NOTED)
})

// Nodes of the patents.

test('a plain question is answered after 0 to 2000 ms, in no more than 256 bytes or its own length', async () => {
  const { clock, lan, one } = await alone()
  one.copies.here.set(RESOURCE, 'complete')
  const delays: number[] = []
  for (let id = 0; id < 100; id++) {
    const askedAt = clock.monotonic()
    lan.say(STRANGER, plainRequest(id))
    clock.advance(2100)
    const answer = lan.heard('response').at(-1)
    assert.ok(answer && answer.bytes.length <= PLAIN_ANSWER_BYTES)
    delays.push(answer.at - askedAt - LATENCY_MS)
  }
  assert.equal(lan.heard('response').length, 100)
  assert.ok(Math.min(...delays) < 100 && Math.max(...delays) > PLAIN_MAX_DELAY_MS - 100)
  assert.ok(Math.max(...delays) < PLAIN_MAX_DELAY_MS)
})

test('a plain "I have", without node and nonce, is accepted', async () => {
  const { clock, lan, one, owner } = await alone()
  one.peering.inquire(RESOURCE, true, owner)
  lan.say(STRANGER, plainResponse(lan.heard('request')[0]?.packet.id ?? 0, STRANGER), one.address)
  clock.advance(1)
  assert.deepEqual(owner.told, [`retrieve ${STRANGER}`])
})

test('a plain answer to a private question is dropped, whatever it says, and counted', async () => {
  const { clock, lan, node } = world()
  const isPrivate = (resource: string) => resource.startsWith('site:')
  const one = node(1, PATENTS, { isPrivate })
  await one.peering.start()
  clock.advance(1000)
  const resource = `site:1.${'c'.repeat(32)}`
  const owner = new FakeOwner()
  one.peering.inquire(resource, true, owner)
  const { id = 0 as RequestId, nonce } = lan.heard('request')[0]?.packet ?? {}
  const places = { size: undefined, digest: undefined, location: placeAt(STRANGER) }
  const end = { id, node: undefined, nonce: undefined, extras: [], resource }
  for (const said of [
    plainResponse(id, STRANGER),
    plainResponse(id, STRANGER, { nonce }), // as heard
    downloading({ id, node: undefined, resource }),
    downloading({ id, node: undefined, resource, nonce }),
    { ...end, ...places, type: 'download-complete' },
    { ...end, type: 'download-failed' },
  ] as const)
    lan.say(STRANGER, said, one.address)
  // And so on, for as long as the application can wait.
  let growing = 0
  for (; growing < 20; growing++) {
    lan.say(
      STRANGER,
      downloading({ id, node: undefined, resource, location: undefined, receivedBytes: growing }),
      one.address,
    )
    clock.advance(500)
  }
  assert.deepEqual([owner.told, owner.progress], [['internet'], []])
  assert.equal(one.peering.counters.get('dropped: plain answer to a private question'), 6 + growing)
  assert.equal(one.peering.counters.get('heard: downloading'), undefined)
})

test('a member’s answer to a private question, and a plain one to another question, count', async () => {
  const scene = world()
  const isPrivate = (resource: string) => resource.startsWith('site:')
  const [asker, holder] = [scene.node(1, {}, { isPrivate }), scene.node(2, {}, { isPrivate })]
  for (const { peering } of [asker, holder]) await peering.start()
  scene.clock.advance(1000)
  const resource = `site:1.${'c'.repeat(32)}`
  holder.copies.here.set(resource, 'complete')
  const [owner, other] = [new FakeOwner(), new FakeOwner()]
  asker.peering.inquire(resource, true, owner)
  asker.peering.inquire(RESOURCE, true, other)
  scene.clock.advance(HOLD_MS)
  const asked = scene.lan.heard('request').flatMap(({ packet }) => questionsIn(packet))
  const plainly = asked.find(({ href }) => href === RESOURCE)?.id ?? 0
  scene.lan.say(STRANGER, plainResponse(plainly, STRANGER), asker.address)
  scene.clock.advance(3000)
  assert.deepEqual([owner.told, other.told], [[`retrieve ${holder.address}`], [`retrieve ${STRANGER}`]])
})

test('a plain "download complete" says no place: the asker asks again, and the answer comes (FIG. 6, 224, 226)', async () => {
  const { clock, lan, one, owner } = await alone(PATENTS)
  one.peering.inquire(RESOURCE, true, owner)
  const id = lan.heard('request')[0]?.packet.id ?? (0 as RequestId)
  lan.say(STRANGER, downloading({ id, node: undefined, location: undefined }), one.address)
  clock.advance(2300)
  const { type: _, ...common } = plainRequest(id)
  lan.say(
    STRANGER,
    {
      ...common,
      type: 'download-complete',
      resource: RESOURCE,
      location: undefined,
      size: undefined,
      digest: undefined,
    },
    one.address,
  )
  clock.advance(1900)
  assert.equal(lan.heard('request').length, 2)
  lan.say(STRANGER, plainResponse(id, STRANGER), one.address)
  clock.advance(10)
  assert.deepEqual(owner.told, [`retrieve ${STRANGER}`])
})

// Amplification (V§4).

test('no answer is longer than its question, or than 256 bytes', async () => {
  const { clock, lan, one } = await alone()
  one.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  for (const kind of ['complete', 'downloading'] as const)
    for (const length of [30, 100, 200, 300, 400, 900]) {
      const href = `http://example.org/${'x'.repeat(length)}`
      for (const node of [undefined, nodeId(99)]) {
        one.copies.here.set(href, kind)
        const question = plainRequest(length, { href, node, nonce: node && NONCE })
        const size = encode(question)?.length ?? 0
        const before = lan.sent.length
        lan.say(STRANGER, question, one.address)
        clock.advance(2100)
        const answers = lan.sent.slice(before + 1).filter(({ to }) => to === STRANGER)
        if (length <= 100) assert.notEqual(answers.length, 0)
        for (const { bytes } of answers)
          assert.ok(bytes.length <= Math.max(size, 256), `${bytes.length} for ${size}`)
      }
    }
})

test('a question is long enough for the usual answer in full', async () => {
  const { clock, lan, asker, owner } = await pair()
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(3000)
  const [need] = lan.heard('request')
  const [have] = lan.heard('response')
  assert.ok(need && need.bytes.length >= MIN_REQUEST_BYTES)
  assert.ok(have?.packet.digest && have.packet.etag)
})

test(`one question, forged or not, is worth ${MAX_REPORTS} reports and no more; asked again, as many again`, async () => {
  const { clock, lan, one } = await alone()
  one.copies.here.set(RESOURCE, 'downloading')
  one.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  const reports = () => lan.heard('downloading').filter(({ to }) => to === STRANGER).length
  lan.say(STRANGER, plainRequest(1), one.address)
  clock.advance((MAX_REPORTS + 100) * REPORT_INTERVAL_MS)
  assert.equal(reports(), 1 + MAX_REPORTS)
  lan.say(STRANGER, plainRequest(2), one.address)
  clock.advance(10 * REPORT_INTERVAL_MS)
  assert.equal(reports(), 1 + MAX_REPORTS + 1 + 10)
})

// Downloads in progress (R5, FIG. 7).

test('FIG. 7: who asks is told at once, then of the progress, then of the end', async () => {
  const { clock, lan, asker, holder, owner } = await pair()
  holder.copies.here.set(RESOURCE, 'downloading')
  const download = holder.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  clock.advance(100)
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(2 * LATENCY_MS)
  assert.equal(owner.progress.length, 1)
  clock.advance(2200)
  assert.deepEqual(owner.told, [`follow ${holder.address}`])
  assert.equal(owner.progress.length, 5)
  assert.deepEqual(owner.progress.at(-1)?.receivedBytes, 10)
  download.complete()
  const [complete] = lan.heard('download-complete')
  assert.deepEqual(
    [complete?.to, complete?.packet.location],
    [asker.address, `http://${holder.address}:6515/${ALIAS}`],
  )
  clock.advance(60_000)
  assert.equal(lan.heard('downloading').filter(({ at }) => at > (complete?.at ?? 0)).length, 0)
})

test('whoever asked a moment before the download began learns of it by the broadcast', async () => {
  const { clock, asker, holder, owner } = await pair()
  holder.copies.here.delete(RESOURCE)
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(10)
  holder.peering.announceDownload(RESOURCE, () => ALIAS, progress).readable()
  clock.advance(2200)
  assert.deepEqual(owner.told, [`follow ${holder.address}`])
})

test('a place that found no room in the first answer comes with the next report, and is read then (R5.4)', async () => {
  const { clock, lan, asker, holder, owner } = await pair(PATENTS)
  const long = `http://example.org/${'x'.repeat(900)}`
  holder.copies.here.set(long, 'downloading')
  holder.peering.announceDownload(long, () => ALIAS, progress)
  clock.advance(100)
  asker.peering.inquire(long, true, owner)
  clock.advance(1)
  assert.equal(lan.heard('downloading').at(-1)?.packet.location, undefined)
  clock.advance(2200 + REPORT_INTERVAL_MS)
  assert.deepEqual(owner.told, [`follow ${holder.address}`])
})

test('a node that stops tells those who wait for its downloads, and they go on at once', async () => {
  const { clock, asker, holder, owner } = await pair()
  holder.copies.here.set(RESOURCE, 'downloading')
  holder.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(2300)
  await holder.peering.stop()
  clock.advance(TAKE_OVER_WAIT_MS + 1)
  assert.deepEqual(owner.told, [`follow ${holder.address}`, 'internet'])
})

test('a download that has less than is here already is not followed (R5.4)', async () => {
  const { clock, asker, holder, owner } = await pair()
  holder.copies.here.set(RESOURCE, 'downloading')
  holder.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  owner.heldBytes = 11
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(2300)
  assert.deepEqual(owner.told, ['internet'])
})

test('a download that is followed may fall behind what is here for a moment', async () => {
  const { clock, asker, holder, owner } = await pair()
  holder.copies.here.set(RESOURCE, 'downloading')
  holder.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  asker.peering.inquire(RESOURCE, true, owner)
  clock.advance(2300)
  owner.heldBytes = 11
  clock.advance(4 * REPORT_INTERVAL_MS)
  assert.deepEqual(owner.told, [`follow ${holder.address}`])
})

test('a fetcher is told of another one that has less than itself, and decides', async () => {
  const { clock, asker, holder, owner } = await pair({ maxDelayMs: 0, transmissionMs: 0 })
  asker.peering.inquire(RESOURCE, true, owner)
  owner.heldBytes = 11
  holder.copies.here.set(RESOURCE, 'downloading')
  holder.peering.announceDownload(RESOURCE, () => ALIAS, progress).readable()
  clock.advance(10)
  assert.deepEqual(owner.told.slice(0, 2), ['internet', `second fetcher ${holder.address}`])
})

for (const mayBeTried of [true, false])
  test(`a fetcher is ${mayBeTried ? '' : 'not '}told of another one that is left aside ${mayBeTried ? 'for its silence' : 'for wrong bytes'}, and nobody else is`, async () => {
    const { clock, node } = world()
    const isLeftAside = {
      isShunned: (_: string, claim?: object) => claim !== undefined,
      mayBeTried: () => mayBeTried,
    }
    const timing = { maxDelayMs: 0, transmissionMs: 0 }
    const [asker, holder] = [node(1, timing, isLeftAside), node(2, timing)]
    await Promise.all([asker.peering.start(), holder.peering.start()])
    holder.copies.here.set(RESOURCE, 'downloading')
    holder.peering.announceDownload(RESOURCE, () => ALIAS, progress).readable()
    const owner = new FakeOwner()
    asker.peering.inquire(RESOURCE, true, owner)
    clock.advance(10)
    assert.ok(!owner.told.some((each) => each.startsWith('follow')), 'it was followed')
    assert.equal(owner.told.includes(`second fetcher ${holder.address}`), mayBeTried)
  })

test('a node that has just started waits for holders that it does not know yet', async () => {
  const { clock, node } = world()
  const [asker, holder] = [node(1, { maxDelayMs: 'auto' }), node(2, { maxDelayMs: 'auto' })]
  await holder.peering.start()
  holder.copies.here.set(RESOURCE, 'complete')
  clock.advance(1000)
  await asker.peering.start()
  const owner = new FakeOwner()
  const inquiry = asker.peering.inquire(RESOURCE, true, owner)
  assert.equal(inquiry.mayBeFound, true)
  clock.advance(100)
  assert.deepEqual(owner.told, [`retrieve ${holder.address}`])
})

test('a second download of one resource takes the place of the first, whose end does not end it', async () => {
  const { clock, lan, one } = await alone()
  one.copies.here.set(RESOURCE, 'downloading')
  const first = one.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  one.peering.announceDownload(RESOURCE, () => ALIAS, progress)
  first.failed()
  lan.say(STRANGER, plainRequest(1), one.address)
  clock.advance(REPORT_INTERVAL_MS + 1)
  assert.deepEqual(
    lan
      .heard('downloading')
      .filter(({ to }) => to === STRANGER)
      .map(({ packet }) => packet.receivedBytes),
    [10, 10],
  )
})

test('stopping abandons what is open, and leaves no timers', async () => {
  const { clock, asker, holder, owner } = await pair()
  asker.peering.inquire(RESOURCE, true, owner)
  holder.peering.announceDownload(`${RESOURCE}2`, () => ALIAS, progress)
  clock.advance(1)
  await asker.peering.stop()
  await holder.peering.stop()
  clock.advance(10_000)
  assert.deepEqual(owner.told, [])
  assert.equal(clock.pending(), 0)
})

test('each question has a number of its own, even if chance repeats itself', async () => {
  const { clock, lan, node } = world()
  let drawn = 0
  const random = { ...seededRandom(1), uint32: () => Math.floor(drawn++ / 3) }
  const one = node(1, {}, { random })
  await one.peering.start()
  for (let each = 0; each < 20; each++) one.peering.inquire(`${RESOURCE}${each}`, true, new FakeOwner())
  clock.advance(2 * HOLD_MS)
  const asked = lan.heard('request').flatMap(({ packet }) => questionsIn(packet))
  assert.equal(new Set(asked.map(({ id }) => id)).size, 20)
})

test('peers are counted by their node, those of the patents by their address', async () => {
  const { clock, lan, one } = await alone()
  lan.say(STRANGER, plainRequest(1))
  lan.say(address(98), plainRequest(1, { node: 'e'.repeat(32) as NodeId }))
  clock.advance(1)
  assert.deepEqual(
    one.peering.livePeers().map((peer) => [peer.address, peer.node]),
    [
      [STRANGER, undefined],
      [address(98), 'e'.repeat(32)],
    ],
  )
})

test('a node hears of its first peer once, and of nobody while it is alone', async () => {
  const scene = world()
  let times = 0
  const one = scene.node(1, {}, { onFirstPeer: () => (times += 1) })
  await one.peering.start()
  scene.clock.advance(120_000)
  assert.equal(times, 0)
  for (const number of [2, 3]) await scene.node(number).peering.start()
  scene.clock.advance(120_000)
  assert.equal(times, 1)
})

test('a node that has left the LAN asks nobody; when it comes back it knows nobody, and is known again', async () => {
  const { clock, lan, asker, holder } = await pair(PATENTS)
  await asker.peering.leave()
  assert.equal(lan.heard('presence', asker.address).at(-1)?.packet.leaving, true)
  const owner = new FakeOwner()
  asker.peering.inquire(RESOURCE, true, owner)
  assert.deepEqual(owner.told, ['internet'])
  assert.equal(lan.heard('request', asker.address).length, 0)
  clock.advance(1000)
  assert.deepEqual(holder.peering.livePeers(), [])
  await asker.peering.start()
  assert.deepEqual(asker.peering.livePeers(), [])
  clock.advance(1000)
  for (const { peering } of [asker, holder]) assert.equal(peering.livePeers().length, 1)
})

test('a node is told when another machine speaks by its ID, which is not heard', async () => {
  const { clock, lan, node } = world()
  const heard: string[] = []
  const one = node(1, PATENTS, { onOwnId: (from) => void heard.push(from) })
  await one.peering.start()
  clock.advance(1000)
  assert.deepEqual(heard, [], 'it hears its own broadcasts')
  lan.say(STRANGER, downloading({ node: nodeId(1) }))
  clock.advance(1000)
  assert.deepEqual([heard, one.peering.livePeers()], [[STRANGER], []])
})
