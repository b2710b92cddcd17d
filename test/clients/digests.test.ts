import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { startFakePeer } from './fake-peer.ts'
import { acquainted, freePacketPort, missing, Scene, settled } from './harness.ts'
import { Origin, uniqueBody, type Handler } from './origin.ts'
import { curl, sourceOf } from './programs.ts'

const skip = missing('curl')
const scene = new Scene()
let packetPort: number
let origin: Origin
let first: Node
let second: Node
/** Believes strong digests only. */
let strict: Node

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  const rules = [{ match: '**/shared/**', share: true, immutable: true }]
  const strictly = rules.map((rule) => ({ ...rule, verify: 'strict' }))
  first = await scene.node({ peering: { address: '127.0.0.12', packetPort }, rules })
  second = await scene.node({ peering: { address: '127.0.0.13', packetPort }, rules })
  strict = await scene.node({ peering: { address: '127.0.0.14', packetPort }, rules: strictly })
  await acquainted(first, second, strict)
})

after(() => scene.close())

test("a peer's copy is held against the digest that the origin server publishes (V3)", { skip }, async () => {
  const body = uniqueBody(100_000)
  const digest = createHash('sha256').update(body).digest('base64')
  const url = origin.put('/shared/strong.bin', { body, fields: { 'Repr-Digest': `sha-256=:${digest}:` } })
  for (const [node, source] of [
    [first, 'internet'],
    [second, 'peer'],
    [strict, 'peer'],
  ] as const) {
    const reply = await curl(node.proxyAddress, url)
    assert.deepEqual([sourceOf(reply), reply.body.equals(body)], [source, true])
    await settled(node)
  }
  assert.deepEqual([origin.count(url, 'GET'), origin.count(url, 'HEAD')], [1, 2])
  assert.equal(origin.sentBytes(url), body.length)
})

test('MD5 counts by default, and does not under strict', { skip }, async () => {
  const body = uniqueBody(100_000)
  const digest = createHash('md5').update(body).digest('base64')
  const url = origin.put('/shared/weak.bin', { body, fields: { 'Content-MD5': digest } })
  const sources: string[] = []
  for (const node of [first, second, strict]) {
    const reply = await curl(node.proxyAddress, url)
    assert.ok(reply.body.equals(body))
    sources.push(sourceOf(reply))
    await settled(node)
  }
  assert.deepEqual(sources, ['internet', 'peer', 'internet'])
})

test('the same file under another mirror name is a hit, by the digest in the index', { skip }, async () => {
  const body = uniqueBody(100_000)
  const tarballs = ['a', 'b'].map((mirror) => publish(`/mirror-${mirror}`, body))
  const replies = []
  for (const { packument, tarball } of tarballs) {
    await curl(first.proxyAddress, packument)
    replies.push(await curl(first.proxyAddress, tarball))
    await settled(first)
    await first.digestsRead()
  }
  assert.deepEqual(replies.map(sourceOf), ['internet', 'hit'])
  assert.ok(replies.every((reply) => reply.body.equals(body)))
  assert.equal(origin.count(tarballs[1]?.tarball ?? ''), 0)
})

test(
  'a hostile peer that changes a file is found out by the index, unseen by the application',
  { skip },
  async () => {
    const body = uniqueBody(100_000)
    const { packument, tarball } = publish('/attacked', body)
    const lies: Handler = (_request, response) =>
      response.writeHead(200, { 'Content-Length': body.length }).end(uniqueBody(body.length))
    const liar = await startFakePeer(scene, { address: '127.0.0.15', packetPort, serve: lies })
    await curl(second.proxyAddress, packument)
    const reply = await curl(second.proxyAddress, tarball)
    assert.deepEqual([reply.code, reply.status, reply.body.equals(body)], [0, 200, true])
    assert.ok(liar.requests() > 0)
    assert.deepEqual(
      second.status().shunned.map(({ peer, reason }) => [peer, reason]),
      [['127.0.0.15', 'bad-bytes']],
    )
    await liar.stop()
  },
)

test('an index that is wrong about a file gets no honest peer shunned', { skip }, async () => {
  const body = uniqueBody(100_000)
  const { packument, tarball } = publish('/mistaken', body, uniqueBody(10))
  await curl(first.proxyAddress, tarball)
  await settled(first)
  await curl(second.proxyAddress, packument)
  const fromPeers = second.status().totals.receivedBytes.peer
  const reply = await curl(second.proxyAddress, tarball)
  await settled(second)
  assert.deepEqual([sourceOf(reply), reply.body.equals(body)], ['internet', true])
  assert.equal(second.status().totals.receivedBytes.peer - fromPeers, body.length)
  assert.ok(second.status().shunned.every(({ peer }) => peer !== '127.0.0.12'))
})

/** As an npm registry has it, with a digest that is not the one by which bodies are stored. */
function publish(
  root: string,
  body: Buffer,
  listed = body,
): { readonly packument: string; readonly tarball: string } {
  const tarball = origin.put(`${root}/thing/-/thing-1.0.0.tgz`, { body })
  const integrity = `sha512-${createHash('sha512').update(listed).digest('base64')}`
  const packument = { name: 'thing', versions: { '1.0.0': { dist: { tarball, integrity } } } }
  const fields = { 'Content-Type': 'application/json', 'Cache-Control': 'max-age=300' }
  return {
    tarball,
    packument: origin.put(`${root}/thing`, { body: Buffer.from(JSON.stringify(packument)), fields }),
  }
}
