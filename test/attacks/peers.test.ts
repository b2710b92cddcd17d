/**
 * V§4 "poisoning by a peer", "exhaustion": what a peer does beside the bytes of a body, against a running node. Wrong, short,
 * endless, slow, redirecting bodies and more: test/clients/hostile-peers.test.ts; with chance and in hundreds: test/sim/.
 */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { encode } from '../../peering/codec.ts'
import type { NodeId, RequestId, ServicePacket } from '../../peering/packets.ts'
import type { Node } from '../../service/node.ts'
import { startFakePeer, type FakePeer } from '../clients/fake-peer.ts'
import { freePacketPort, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody, type Handler } from '../clients/origin.ts'
import { fetched } from './fetched.ts'
import { sender } from './raw.ts'

const scene = new Scene()
let packetPort: number
let origin: Origin
let node: Node

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort } })
})

after(() => scene.close())

let next = 30

async function peerThat(serve: Handler): Promise<FakePeer & { readonly address: string }> {
  const address = `127.0.0.${next++}`
  const peer = await startFakePeer(scene, { address, packetPort, serve })
  await until('the peer', () => node.status().peering?.peers.some((each) => each.address === address))
  return { ...peer, address }
}

/** Goes on writing until the node has had enough. */
async function without(end: string, response: ServerResponse, head: string): Promise<void> {
  const { socket } = response
  socket?.write(head)
  if (socket === null) return
  while (!socket.destroyed) {
    socket.write(end)
    await pause(1)
  }
}

const SIZE = 100_000
const HEAD = 'HTTP/1.1 200 OK\r\n'

const ENDLESS: readonly (readonly [name: string, head: string, unit: string])[] = [
  ['a header section without an end', HEAD, `X-Much: ${'x'.repeat(4000)}\r\n`],
  ['one field without an end', `${HEAD}X-Much: `, 'x'.repeat(4000)],
  ['interim responses without an end', '', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(20)],
  ['a chunk extension without an end', `${HEAD}Transfer-Encoding: chunked\r\n\r\n1;`, 'x'.repeat(4000)],
  [
    'chunks of one byte, of unknown length',
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
    '1\r\nx\r\n'.repeat(20),
  ],
  ['trailers without an end', `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n`, `X: ${'x'.repeat(4000)}\r\n`],
]

describe('a peer that answers with', () => {
  for (const [name, head, unit] of ENDLESS)
    test(`${name} keeps nobody waiting, and is shunned`, async () => {
      const body = uniqueBody(SIZE)
      const url = origin.putByHash(body)
      const peer = await peerThat((_request, response) => void without(unit, response, head))
      const rss = process.memoryUsage.rss()
      const got = await fetched(node, url)
      assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'internet', sha256(body)])
      assert.ok(got.ms < 1500, `${got.ms} ms`)
      assert.ok(peer.requests() >= 1)
      assert.ok(node.status().shunned.some((each) => each.peer === peer.address))
      assert.ok(process.memoryUsage.rss() - rss < 100e6)
      await peer.stop()
    })

  test('two answers in one gives one file, and its second answer to nobody', async () => {
    const body = uniqueBody(SIZE)
    const url = origin.putByHash(body)
    const peer = await peerThat((_request, response) => {
      const { socket } = response
      socket?.write(`${HEAD}Content-Length: ${SIZE}\r\n\r\n`)
      socket?.write(body)
      socket?.end(`${HEAD}Content-Length: ${SIZE}\r\n\r\n${'x'.repeat(SIZE)}`)
    })
    for (const at of [0, 1]) {
      const target = at === 0 ? url : origin.putByHash(body)
      const got = await fetched(node, target)
      assert.equal(sha256(got.body), sha256(body))
      await settled(node)
    }
    await peer.stop()
  })

  test('the right bytes and poisonous fields gives the bytes alone', async () => {
    const body = uniqueBody(SIZE)
    const url = origin.putByHash(body)
    const peer = await peerThat((_request, response) =>
      response
        .writeHead(200, {
          'Content-Length': SIZE,
          'Content-Type': 'text/html',
          'Cache-Control': 'max-age=99999999, immutable',
          'Set-Cookie': 'session=fixed',
          Location: 'http://evil.test/',
          Refresh: '0; url=http://evil.test/',
          'Clear-Site-Data': '"*"',
          'Access-Control-Allow-Origin': '*',
          'Strict-Transport-Security': 'max-age=99999999',
          'Alt-Svc': 'h3=":443"',
          Via: '1.1 elsewhere',
          'Cache-Status': 'evil; hit',
          'Proxy-Authenticate': 'Basic',
          'WWW-Authenticate': 'Basic',
          Link: '<http://evil.test/>; rel=preload',
          Vary: '*',
        })
        .end(body),
    )
    for (const source of ['peer', 'hit']) {
      const { fields, ...got } = await fetched(node, url)
      assert.deepEqual([got.source, sha256(got.body)], [source, sha256(body)])
      const names = Object.keys(fields).filter((name) => !USUAL.includes(name))
      assert.deepEqual(names, [])
      assert.equal(fields['content-type'], 'application/octet-stream')
      assert.doesNotMatch(JSON.stringify(fields), /evil|fixed|99999999/)
      await settled(node)
    }
    await peer.stop()
  })
})

const USUAL = [
  'age',
  'cache-status',
  'connection',
  'content-length',
  'content-type',
  'date',
  'etag',
  'keep-alive',
  'last-modified',
  'via',
  'accept-ranges',
]

describe('what is told of a peer', () => {
  const presence = (who: string, filePort: number, more: object = {}): Uint8Array => {
    const said = {
      type: 'presence',
      id: 1 as RequestId,
      node: who as NodeId,
      filePort,
      nonce: undefined,
    } as const
    const packet: ServicePacket = {
      ...said,
      reply: false,
      leaving: false,
      extras: [],
      summary: undefined,
      ...more,
    }
    return encode(packet) ?? new Uint8Array()
  }

  test('that its summary is endless, costs one bounded reading in half a minute', async () => {
    const asked: string[] = []
    const peer = await peerThat((request, response) => {
      asked.push(request.url ?? '')
      void without('x'.repeat(65_536), response, `${HEAD}Ihave-Summary: 7.7.7\r\n\r\n`)
    })
    const socket = await sender(scene, peer.address)
    const told = { summary: { edition: 7, number: 7, keys: 7 } }
    const say = () => socket.send(presence('e'.repeat(32), port(peer), told), packetPort, '127.0.0.8')
    const port = (of: FakePeer) => of.filePort
    say()
    await until('the reading', () => asked.includes('/summary'))
    for (let again = 0; again < 20; again++) say()
    await pause(2500)
    assert.equal(asked.filter((path) => path === '/summary').length, 1)
    const body = uniqueBody(SIZE)
    assert.equal((await fetched(node, origin.putByHash(body))).status, 200)
    await peer.stop()
  })

  test('by 6,000 peers that do not exist is forgotten from the eldest on, and makes no question wait longer than 50 ms', async () => {
    const socket = await sender(scene, '127.0.0.99')
    for (let at = 0; at < 6000; at++) {
      socket.send(presence(at.toString(16).padStart(32, 'f'), 6515), packetPort, '127.0.0.8')
      if (at % 100 === 0) await pause(1)
    }
    await pause(100)
    assert.ok((node.status().peering?.peers.length ?? 0) <= 4096)
    assert.ok((node.status().peering?.waitMs ?? 0) <= 50)
    const got = await fetched(node, origin.putByHash(uniqueBody(SIZE)))
    assert.ok(got.source === 'internet' && got.ms < 1000, `${got.source}, ${got.ms} ms`)
  })
})
