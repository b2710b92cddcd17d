import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { EXCUSED_MS } from '../../retrieval/pace.ts'
import { STALL_MS } from '../../retrieval/patience.ts'
import { MOST_LATE_MS } from '../../retrieval/tolerance.ts'
import type { Node } from '../../service/node.ts'
import { startFakePeer, type FakePeer } from './fake-peer.ts'
import { freePacketPort, missing, Scene, settled, until } from './harness.ts'
import { Origin, sha256, uniqueBody, type Handler } from './origin.ts'
import { curl, sourceOf } from './programs.ts'

const skip = missing('curl')
const SIZE = 200_000
const scene = new Scene()
let packetPort: number
let origin: Origin
let elsewhere: Origin
let node: Node
/** What the same takes without any peer, in ms. */
let aloneMs = 0

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  elsewhere = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort } })
})

after(() => scene.close())

test('without a peer the origin server answers', { skip }, async () => {
  for (const _ of [1, 2, 3]) {
    const reply = await curl(node.proxyAddress, origin.putByHash(uniqueBody(SIZE)))
    assert.equal(sourceOf(reply), 'internet')
    aloneMs = Math.max(aloneMs, reply.ms)
  }
})

interface Attack {
  readonly name: string
  /** What the peer serves instead of `right`; absent: it cannot be reached. */
  readonly serve?: (right: Buffer) => Handler
  readonly reason: RegExp
}

const whole =
  (body: (right: Buffer) => Buffer) =>
  (right: Buffer): Handler =>
  (_request, response) =>
    response.writeHead(200, { 'Content-Length': body(right).length }).end(body(right))

const breakingOff =
  (announced: number, bytes: Buffer): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'Content-Length': announced }).flushHeaders()
    response.write(bytes, () => response.socket?.destroy())
  }

const ATTACKS: readonly Attack[] = [
  { name: 'other bytes of the same length', serve: whole(() => uniqueBody(SIZE)), reason: /^bad-bytes$/ },
  { name: 'one changed byte at the end', serve: whole(changedAtTheEnd), reason: /^bad-bytes$/ },
  { name: 'old content', serve: whole(() => uniqueBody(SIZE - 777)), reason: /^bad-bytes$/ },
  {
    name: 'more than the right bytes',
    serve: whole((right) => Buffer.concat([right, right])),
    reason: /^bad-bytes$/,
  },
  { name: 'nothing at all, as if complete', serve: whole(() => Buffer.alloc(0)), reason: /./ },
  {
    name: 'wrong bytes that break off',
    serve: () => breakingOff(SIZE, uniqueBody(150_000)),
    reason: /./,
  },
  {
    name: 'a wrong length and then nothing',
    serve: () => breakingOff(SIZE * 2, Buffer.alloc(0)),
    reason: /./,
  },
  {
    name: 'some right bytes under a wrong length',
    serve: (right) => breakingOff(SIZE * 2, right.subarray(0, 1000)),
    reason: /./,
  },
  {
    name: 'less than it announces',
    serve: (right) => breakingOff(SIZE, right.subarray(0, 1000)),
    reason: /^broke-off$/,
  },
  {
    name: 'an endless body',
    serve: () => (_request, response) => void endless(response),
    reason: /./,
  },
  {
    name: 'a head and then nothing',
    serve: (right) => (_request, response) => {
      response.writeHead(200, { 'Content-Length': SIZE }).write(right.subarray(0, 1000))
    },
    reason: /^stalled$/,
  },
  { name: 'no answer at all', serve: () => () => {}, reason: /./ },
  // Anybody can name a closed port of an honest machine, and it is found at once.
  { name: 'a closed port', reason: /^not shunned$/ },
  {
    name: 'a redirect to somewhere else',
    serve: (right) => (_request, response) => {
      const Location = elsewhere.put('/trap', { body: right })
      response.writeHead(302, { Location, 'Content-Length': 0 }).end()
    },
    reason: /^broke-off$/,
  },
  {
    name: 'a slow drip',
    serve: (right) => (request, response) => void drip(right, request, response),
    reason: /^stalled$/,
  },
  {
    name: 'a part that nobody asked for',
    serve: (right) => (_request, response) => {
      const head = { 'Content-Range': `bytes 0-${SIZE - 2}/${SIZE}`, 'Content-Length': SIZE - 1 }
      response.writeHead(206, head).end(right.subarray(1))
    },
    reason: /^broke-off$/,
  },
  {
    name: 'a content coding that hides other bytes',
    serve: (right) => (_request, response) =>
      response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': SIZE }).end(right),
    reason: /./,
  },
  {
    name: 'what is no HTTP',
    serve: () => (_request, response) => response.socket?.end('220 mail.example.test ESMTP\r\n'),
    reason: /^broke-off$/,
  },
]

const told: string[] = []

for (const [at, { name, serve, reason }] of ATTACKS.entries()) {
  test(
    `a peer that serves ${name} costs less than a second and is shunned where it has cost something`,
    { skip },
    async () => {
      const right = uniqueBody(SIZE)
      const url = origin.putByHash(right)
      const address = `127.0.0.${20 + at}`
      const peer = await lyingPeer(address, serve?.(right))
      try {
        const reply = await curl(node.proxyAddress, '--max-time', '4', url)
        assert.deepEqual([reply.code, reply.status, sha256(reply.body)], [0, 200, sha256(right)])
        assert.deepEqual([...new Set(peer.asked)], [url])
        const shunned = node.status().shunned.find((each) => each.peer === address)
        // A node that had to wait for its turn at the processor waits longer, and blames nobody.
        const wasBusy = reply.ms > aloneMs + STALL_MS + EXCUSED_MS && shunned === undefined
        const mostMs = aloneMs + 1000 + (wasBusy ? MOST_LATE_MS : 0)
        assert.ok(reply.ms < mostMs, `${reply.ms} ms with it, ${aloneMs} ms without`)
        if (!wasBusy) assert.match(shunned?.reason ?? 'not shunned', reason)
        assert.equal(elsewhere.requests.length, 0)
        await settled(node)
        const hit = await curl(node.proxyAddress, url)
        assert.deepEqual([sourceOf(hit), sha256(hit.body)], ['hit', sha256(right)])
        told.push(sourceOf(reply))
      } finally {
        await leaves(peer, address)
      }
    },
  )
}

test('Cache-Status names the origin server when the bytes of a peer were thrown away', { skip }, () => {
  assert.deepEqual([...new Set(told)], ['internet'])
})

test('a shunned peer is not asked for its bytes again', { skip }, async () => {
  const { peer: address = '' } = node.status().shunned.find(({ reason }) => reason === 'bad-bytes') ?? {}
  const peer = await lyingPeer(address, whole(() => uniqueBody(SIZE))(uniqueBody(1)))
  const reply = await curl(node.proxyAddress, origin.putByHash(uniqueBody(SIZE)))
  assert.equal(sourceOf(reply), 'internet')
  // A question is said twice while it waits (docs/protocol.md), and is one question.
  assert.ok(peer.asked.length >= 1)
  assert.equal(new Set(peer.asked).size, 1)
  assert.equal(peer.requests(), 0)
  await leaves(peer, address)
})

test(
  'a large copy that proves wrong never ends, and its resume is the whole from the origin server',
  { skip },
  async () => {
    const right = uniqueBody(1_500_000)
    const url = origin.putByHash(right)
    const address = '127.0.0.9'
    const wrong = changedAtTheEnd(right)
    const streaming = await scene.node({
      peering: { address: '127.0.0.10', packetPort },
      verification: { aptConfig: 'off', verifyFirstUpTo: '1 kB' },
    })
    const peer = await startFakePeer(scene, { address, packetPort, serve: whole(() => wrong)(right) })
    await until('the peer', () => streaming.status().peering?.peers.some((each) => each.address === address))
    const cut = await curl(streaming.proxyAddress, url)
    assert.equal(sourceOf(cut), 'peer')
    assert.notEqual(cut.code, 0)
    assert.ok(cut.body.length <= right.length - 256 * 1024, `${cut.body.length} bytes got out`)
    const resumed = await curl(streaming.proxyAddress, '-r', `${cut.body.length}-`, url)
    assert.deepEqual([resumed.status, sha256(resumed.body)], [200, sha256(right)])
    assert.equal(streaming.status().shunned[0]?.reason, 'bad-bytes')
    await peer.stop()
  },
)

function changedAtTheEnd(right: Buffer): Buffer {
  const wrong = Buffer.from(right)
  wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
  return wrong
}

/** A peer that has everything, once the node knows of it. */
async function lyingPeer(address: string, serve: Handler | undefined): Promise<FakePeer> {
  const peer = await startFakePeer(scene, { address, packetPort, ...(serve ? { serve } : {}) })
  await until('the peer', () => node.status().peering?.peers.some((each) => each.address === address))
  return peer
}

async function leaves(peer: FakePeer, address: string): Promise<void> {
  await peer.stop()
  await until('its last word', () => !node.status().peering?.peers.some((each) => each.address === address))
}

async function endless(response: ServerResponse): Promise<void> {
  const block = uniqueBody(64 * 1024)
  response.writeHead(200)
  while (!response.destroyed) {
    response.write(block)
    await pause(5)
  }
}

async function drip(right: Buffer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'Content-Length': right.length })
  for (let at = 0; at < right.length && !request.socket.destroyed; at++) {
    response.write(right.subarray(at, at + 1))
    await pause(20)
  }
}
