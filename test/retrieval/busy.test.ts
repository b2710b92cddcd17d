/** A node that had to wait for its turn at the processor does not judge others' silence. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { fieldValue } from '../../core/fields.ts'
import { BUSY_PROMISES_MS, PROMISES_MS, TAKE_OVER_WAIT_MS } from '../../peering/machines/inquiry-patience.ts'
import { EXCUSED_MS } from '../../retrieval/pace.ts'
import { STALL_MS } from '../../retrieval/patience.ts'
import { MOST_LATE_MS } from '../../retrieval/tolerance.ts'
import type { Address } from '../../core/transport.ts'
import type { PeerDownload } from '../../peering/inquiry.ts'
import { NEAR_BYTES } from '../../retrieval/slow-line.ts'
import { distinctBytes, RangedOrigin } from './ranged-origin.ts'
import { Flow, type Reply } from './upstreams.ts'
import { BY_UPDATER, download, LOCATION, PEER, shunned, world } from './world.ts'

const BODY = Buffer.alloc(1000, 'x')

/** A downloader that never answers. */
function silent(isBusy: boolean) {
  return world({
    expectation: BY_UPDATER,
    downloads: [download(BODY.length)],
    isBusy,
    peers: () => new Promise(() => {}),
    origin: () => ({ status: 200, fields: [['Content-Length', `${BODY.length}`]], body: BODY }),
  })
}

describe('a peer that sends nothing for too long', () => {
  for (const [isBusy, ms, blamed] of [
    [false, STALL_MS + EXCUSED_MS, [[PEER, 'stalled']]],
    [true, STALL_MS + MOST_LATE_MS + EXCUSED_MS, []],
  ] as const)
    test(`is left after ${ms - EXCUSED_MS} ms by a node that ${isBusy ? 'was busy itself, and blames nobody' : 'could listen all the time'}`, async () => {
      const node = silent(isBusy)
      const application = node.ask()
      await node.pass(ms)
      node.inquiries[0]?.heardDownloading(download(BODY.length))
      await node.pass(STALL_MS)
      const given = await node.read(application)
      assert.deepEqual([given.text.length, given.error], [BODY.length, undefined])
      assert.deepEqual(shunned(node), blamed)
      const wholes = node.origin.requests.filter(
        ({ method, fields }) => method === 'GET' && fieldValue(fields, 'range') === undefined,
      )
      assert.equal(wholes.length, 1)
    })

  test('is waited for where the node was busy itself, and nobody is asked again meanwhile', async () => {
    const answering = deferred<Reply>()
    const node = world({
      expectation: BY_UPDATER,
      downloads: [download(BODY.length)],
      isBusy: true,
      peers: () => answering.promise,
      origin: () => assert.fail('nobody else is to be asked'),
    })
    const application = node.ask()
    await node.pass(STALL_MS + MOST_LATE_MS - EXCUSED_MS)
    answering.resolve({ status: 200, fields: [['Content-Length', `${BODY.length}`]], body: BODY })
    const given = await node.read(application)
    assert.deepEqual([given.text.length, given.error], [BODY.length, undefined])
    assert.equal(node.peers.requests.length, 1)
    assert.equal(node.origin.requests.length, 0)
  })
})

describe('a downloader that fell silent in the middle', () => {
  const FILE = distinctBytes(4_000_000)
  const HELD = 1_000_000
  const SUCCESSOR = '127.0.0.9' as Address
  const further = (receivedBytes: number, more: Partial<PeerDownload> = {}): PeerDownload => ({
    ...download(FILE.length, SUCCESSOR),
    location: `http://${SUCCESSOR}:6515/${'c'.repeat(64)}`,
    receivedBytes,
    ...more,
  })

  /** How long it is waited for, in ms, by a busy node that hears this in the middle of that, and of one that has more when it asks. */
  const waitedMs = async (heard: PeerDownload) => {
    const server = new RangedOrigin({ body: FILE, fields: [] })
    const flow = new Flow().push(FILE.subarray(0, HELD))
    const node = world({
      expectation: BY_UPDATER,
      downloads: [download(FILE.length)],
      isBusy: true,
      peers: (request) => {
        const reply = server.reply(request)
        return request.uri === LOCATION ? { ...reply, body: flow } : reply
      },
      origin: () => new Promise(() => {}),
    })
    const application = node.ask()
    await node.within(application.resource)
    const since = node.clock.monotonic()
    await node.pass(250)
    node.inquiries[0]?.heardDownloading(heard)
    while (node.inquiries[0]?.state === 'awaiting') await node.pass(10)
    const ms = node.clock.monotonic() - since
    node.inquiries[0]?.heardDownloading(further(LEAD))
    const given = await node.read(application)
    assert.ok(given.text === FILE.toString('latin1'))
    return ms
  }

  const LEAD = HELD + 2 * NEAR_BYTES

  test('is not waited for by a busy node that hears of another one which has clearly more', async () => {
    const ms = await waitedMs(further(LEAD))
    assert.ok(ms <= STALL_MS + EXCUSED_MS, `${ms} ms`)
  })

  for (const [name, heard] of [
    ['only as much', further(HELD + 1000)],
    ['more, by its word alone: it was not heard to ask', further(LEAD, { hasAsked: false })],
    ['more, and cannot be read', further(LEAD, { readable: false })],
  ] as const)
    test(`is waited for where the other one has ${name}`, async () => {
      const ms = await waitedMs(heard)
      assert.ok(ms >= MOST_LATE_MS, `${ms} ms`)
    })
})

test('a fetcher that was away itself does not give up its own download for a copy that is no more', async () => {
  const file = distinctBytes(4_000_000)
  const server = new RangedOrigin({ body: file, fields: [['ETag', '"1"']] })
  const flow = new Flow().push(file.subarray(0, 1_000_000))
  const node = world({
    expectation: BY_UPDATER,
    waitMs: 0,
    isBusy: true,
    peers: () => ({ status: 404, fields: [], body: '' }),
    origin: (request, n) => (n === 1 ? { ...server.reply(request), body: flow } : server.reply(request)),
  })
  const application = node.ask()
  await node.within(application.resource)
  node.inquiries[0]?.heardDownloading({ ...download(file.length), receivedBytes: 3_000_000 })
  await node.pass(100)
  flow.push(file.subarray(1_000_000)).end()
  const given = await node.read(application)
  assert.ok(given.text === file.toString('latin1'))
  assert.deepEqual([node.peers.requests.length, node.origin.requests.length], [1, 1])
})

describe('a copy that is promised and never given', () => {
  for (const [isBusy, ms] of [
    [false, PROMISES_MS],
    [true, BUSY_PROMISES_MS],
  ] as const)
    test(`is waited for ${ms} ms by a node that ${isBusy ? 'was busy itself' : 'could listen all the time'}`, async () => {
      const promise = { ...download(BODY.length), readable: false, silenceMs: 2 * BUSY_PROMISES_MS }
      const node = world({
        expectation: BY_UPDATER,
        downloads: [{ ...promise, location: undefined, hasAsked: true }],
        isBusy,
        waitMs: TAKE_OVER_WAIT_MS,
        origin: () => ({ status: 200, fields: [['Content-Length', `${BODY.length}`]], body: BODY }),
      })
      const application = node.ask()
      // The question, the promise, and one more question to all.
      await node.pass(TAKE_OVER_WAIT_MS + ms + TAKE_OVER_WAIT_MS - 1)
      assert.equal(node.origin.requests.length, 0)
      await node.pass(2)
      // Whether it answers (sounding.ts), and then the file.
      const methods = node.origin.requests.map(({ method }) => method)
      assert.deepEqual(methods, ['HEAD', 'GET'])
      assert.equal((await node.read(application)).text.length, BODY.length)
    })
})
