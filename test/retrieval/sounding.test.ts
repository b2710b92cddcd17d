/** Whoever was promised a copy that nobody has yet asks the origin server for the head before it asks for the file. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import type { PeerDownload } from '../../peering/inquiry.ts'
import { SOUNDING_MS } from '../../retrieval/sounding.ts'
import { Flow, type Reply } from './upstreams.ts'
import { BY_UPDATER, download, PEER, world, type Scene } from './world.ts'

const BODY = 'right'.repeat(100_000)
const FILE: Reply = { status: 200, fields: [['Content-Length', String(BODY.length)]], body: BODY }
const PROMISE: PeerDownload = {
  ...download(BODY.length),
  location: undefined,
  readable: false,
  silenceMs: 300,
}

/** Longer than anybody is waited for who promises a copy, in ms. */
const PROMISED_MS = 1500

/** A peer promises a copy, and the origin server answers as told. */
function promised(origin: (request: UpstreamRequest) => Reply | Promise<Reply>, scene: Partial<Scene> = {}) {
  const node = world({
    expectation: BY_UPDATER,
    downloads: [PROMISE],
    peers: () => ({ ...FILE, body: Flow.of(BODY) }),
    origin,
    ...scene,
  })
  const methods = () => node.origin.requests.map(({ method }) => method)
  return { node, methods }
}

const never = new Promise<never>(() => {})

describe('a copy that another node has promised and does not have', () => {
  test('is fetched when the origin server has answered HEAD: that node may be cut off', async () => {
    const { node, methods } = promised(() => FILE)
    const given = await node.within(node.get())
    assert.ok(given.text === BODY)
    assert.deepEqual([methods(), node.peers.requests.length], [['HEAD', 'GET'], 0])
  })

  test('is read there when it has it before the origin server answers: the file is sent once', async () => {
    const head = Promise.withResolvers<Reply>()
    const { node, methods } = promised(({ method }) => (method === 'HEAD' ? head.promise : FILE))
    const application = node.ask()
    await node.pass(PROMISED_MS)
    assert.deepEqual([methods(), node.peers.requests.length], [['HEAD'], 0])
    node.inquiries[0]?.heardDownloading(download(BODY.length))
    assert.ok((await node.read(application)).text === BODY)
    head.resolve(FILE)
    await node.settle()
    assert.deepEqual([methods(), node.origin.openBodies], [['HEAD'], 0])
  })

  test('is still read there when the two come at the same moment', async () => {
    const head = Promise.withResolvers<Reply>()
    const { node, methods } = promised(({ method }) => (method === 'HEAD' ? head.promise : FILE))
    const application = node.ask()
    await node.pass(PROMISED_MS)
    node.inquiries[0]?.heardDownloading(download(BODY.length))
    head.resolve(FILE)
    assert.ok((await node.read(application)).text === BODY)
    assert.deepEqual(methods(), ['HEAD'])
  })

  test('is fetched after a while where HEAD is never answered, and at once where it fails', async () => {
    for (const [origin, waitedMs] of [
      [() => never, SOUNDING_MS],
      [() => Promise.reject(new Fault('RESPONSE_INVALID', 'not for HEAD')), 0],
      [() => ({ status: 405, fields: [], body: '' }), 0],
    ] as [() => Promise<Reply> | Reply, number][]) {
      const { node, methods } = promised(({ method }) => (method === 'HEAD' ? origin() : FILE))
      const application = node.ask()
      while (node.origin.requests.length === 0) await node.pass(10)
      if (waitedMs > 0) {
        await node.pass(waitedMs - 100)
        assert.deepEqual(methods(), ['HEAD'])
      }
      await node.pass(200)
      assert.deepEqual(methods(), ['HEAD', 'GET'])
      assert.ok((await node.read(application)).text === BODY)
    }
  })

  test('is not asked about where the promise is taken back, or was a stranger’s', async () => {
    for (const [scene, word] of [
      [{}, 'failed'],
      [{ downloads: [{ ...PROMISE, hasAsked: false }] }, 'nothing'],
    ] as const) {
      const { node, methods } = promised(() => FILE, scene)
      const application = node.ask()
      await node.pass(5)
      if (word === 'failed') node.inquiries[0]?.heardFailed(PEER)
      assert.ok((await node.within(node.read(application))).text === BODY)
      assert.deepEqual(methods(), ['GET'])
    }
  })

  test('leaves nothing behind when the application goes meanwhile', async () => {
    const { node, methods } = promised(() => never)
    const application = node.ask()
    application.resource.catch(() => {})
    await node.pass(PROMISED_MS)
    application.leave()
    await node.pass(SOUNDING_MS + PROMISED_MS)
    assert.deepEqual([methods(), node.origin.openBodies, node.retrievals.all().length], [['HEAD'], 0, 0])
  })
})
