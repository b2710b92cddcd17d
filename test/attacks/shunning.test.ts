/**
 * Ways in which an attacker could try to have an honest peer left aside by a running node: in its name, with its own true words
 * heard before, or with bytes made after the fact. In a site nobody can speak in a member's name (test/site/packet-seal.test.ts).
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Address } from '../../core/transport.ts'
import { decode, encode, padded } from '../../peering/codec.ts'
import type { NodeId, RequestId, RequestPacket, ServicePacket } from '../../peering/packets.ts'
import type { Node } from '../../service/node.ts'
import { FIRST_DOUBT_MS } from '../../verify/shunned-peers.ts'
import { bind, startFakePeer } from '../clients/fake-peer.ts'
import { acquainted, BROADCAST, freePacketPort, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody } from '../clients/origin.ts'
import { fetched } from './fetched.ts'
import { sender } from './raw.ts'

const HONEST = '127.0.0.9' as Address
const scene = new Scene()
let packetPort: number
let origin: Origin
let node: Node
let honest: Node
/** Sends from the honest machine's address. */
let spoofing: Socket

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort } })
  honest = await scene.node({ peering: { address: HONEST, packetPort } })
  await acquainted(node, honest)
  spoofing = await sender(scene, HONEST)
})

after(() => scene.close())

/** For how long the honest node is left aside, in ms. */
const leftAsideMs = () =>
  node.status().shunned.find(({ peer, part }) => peer === HONEST && part === undefined)?.forMs ?? 0

/** Places in its name that are. */
const parts = () => node.status().shunned.flatMap(({ part }) => (part === undefined ? [] : [part as string]))

const packet = (of: ServicePacket): Uint8Array => encode(of) ?? new Uint8Array()

function iHave(asked: RequestPacket, location: string): Uint8Array {
  const unsaid = { size: undefined, digest: undefined, etag: undefined, lastModified: undefined }
  const common = { id: asked.id, nonce: asked.nonce, node: honest.status().node as NodeId, location }
  return packet({
    type: 'response',
    more: [],
    ...common,
    ...unsaid,
    ageSeconds: 0,
    version: undefined,
    extras: [],
  })
}

function iAmDownloading({ id, nonce, href }: RequestPacket, location: string): Uint8Array {
  const progress = {
    receivedBytes: 0,
    totalBytes: undefined,
    bytesPerSecond: undefined,
    more: [],
    extras: [],
  }
  const common = { id, nonce, node: honest.status().node as NodeId, location, resource: href }
  return packet({ type: 'downloading', ...common, ...progress })
}

/** While it is open, every question gets this answer in the honest machine's name. */
async function forging(location: () => string, say = iHave): Promise<() => void> {
  const ear = await bind(packetPort, BROADCAST)
  ear.on('message', (bytes: Buffer) => {
    const decoded = decode(bytes)
    if (decoded.kind === 'packet' && decoded.packet.type === 'request')
      spoofing.send(say(decoded.packet, location()), packetPort, '127.0.0.8')
  })
  return () => ear.close()
}

/** What the honest node itself calls a file that it holds, as whoever asks is told. */
async function placeOf(href: string): Promise<string> {
  const socket = await bind(packetPort, '127.0.0.77')
  let location = ''
  socket.on('message', (bytes: Buffer) => {
    const decoded = decode(bytes)
    if (decoded.kind === 'packet' && decoded.packet.type === 'response') ({ location } = decoded.packet)
  })
  const common = { id: 9 as RequestId, node: '7'.repeat(32) as NodeId, nonce: '7'.repeat(32), extras: [] }
  const asked = { method: 'get', acceptProtocol: 'http', cachedOnly: true, maxDelayMs: 4 } as const
  socket.send(packet(padded({ type: 'request', more: [], href, ...common, ...asked })), packetPort, HONEST)
  await until('the place', () => location !== '')
  socket.close()
  return location
}

async function held(bytes: number): Promise<string> {
  const url = origin.putByHash(uniqueBody(bytes))
  await fetched(honest, url)
  await settled(honest)
  return url
}

describe('"I have" in an honest machine’s name', () => {
  test('with its own alias for another file: the bytes that come are not held against it', async () => {
    const place = await placeOf(await held(30_000))
    const stop = await forging(() => place)
    const body = uniqueBody(30_000)
    const got = await fetched(node, origin.putByHash(body))
    assert.deepEqual([got.status, sha256(got.body)], [200, sha256(body)])
    stop()
    assert.equal(leftAsideMs(), 0)
    const theirs = await held(30_000)
    assert.deepEqual([(await fetched(node, theirs)).source, origin.count(theirs, 'GET')], ['peer', 1])
  })

  test('with an alias that was never given costs it nothing, and nobody a byte', async () => {
    const { port } = new URL(await placeOf(await held(1000)))
    const stop = await forging(() => `http://${HONEST}:${port}/${'e'.repeat(64)}`)
    const body = uniqueBody(30_000)
    assert.equal(sha256((await fetched(node, origin.putByHash(body))).body), sha256(body))
    stop()
    assert.equal(leftAsideMs(), 0)
    const theirs = await held(30_000)
    assert.equal((await fetched(node, theirs)).source, 'peer')
  })

  test('at a closed port of that machine costs it nothing', async () => {
    const stop = await forging(() => `http://${HONEST}:1/${'e'.repeat(64)}`)
    const body = uniqueBody(30_000)
    assert.equal(sha256((await fetched(node, origin.putByHash(body))).body), sha256(body))
    stop()
    assert.equal(leftAsideMs(), 0)
  })

  test('at another server of that machine, whose bytes are others: its files go on coming from it', async () => {
    const other = await Origin.start(scene, HONEST)
    const alias = 'f'.repeat(64)
    other.put(`/${alias}`, { body: uniqueBody(30_000) })
    await forgedPlace(`http://${other.authority}/${alias}`)
    assert.ok(parts().includes(other.authority))
  })

  test('at a server of that machine that never answers: its files go on coming from it', async () => {
    const silent = createServer()
    silent.listen(0, HONEST)
    await once(silent, 'listening')
    scene.ending(() => void silent.close())
    const { port } = silent.address() as AddressInfo
    await forgedPlace(`http://${HONEST}:${port}/${'e'.repeat(64)}`)
    // A node that had to wait for its turn at the processor blames nobody.
    assert.ok(parts().every((part) => part.startsWith(`${HONEST}:`)))
  })

  test('that it is downloading, at places that hang or break off, one after the other, costs it nothing either', async () => {
    const breaking = createServer((socket) => socket.destroy())
    breaking.listen(0, HONEST)
    await once(breaking, 'listening')
    scene.ending(() => void breaking.close())
    const { port } = breaking.address() as AddressInfo
    for (const path of ['a', 'b', 'c', 'd'])
      await forgedPlace(`http://${HONEST}:${port}/${path.repeat(64)}`, iAmDownloading)
  })

  /** Whatever became of a question that is so answered, the honest machine's next file comes from it. */
  async function forgedPlace(location: string, say = iHave): Promise<void> {
    const stop = await forging(() => location, say)
    const body = uniqueBody(30_000)
    assert.equal(sha256((await fetched(node, origin.putByHash(body))).body), sha256(body))
    stop()
    assert.equal(leftAsideMs(), 0)
    const theirs = await held(30_000)
    assert.deepEqual([(await fetched(node, theirs)).source, origin.count(theirs, 'GET')], ['peer', 1])
  }
})

describe('true words of an honest machine', () => {
  test('heard before and sent again belong to no question', async () => {
    const recorded: Buffer[] = []
    const ear = await bind(packetPort, BROADCAST)
    ear.on('message', (bytes: Buffer) => recorded.push(bytes))
    await fetched(honest, origin.putByHash(uniqueBody(5000)))
    await settled(honest)
    ear.close()
    const soFar = leftAsideMs()
    for (const bytes of recorded) spoofing.send(bytes, packetPort, '127.0.0.8')
    await pause(200)
    assert.equal(leftAsideMs(), soFar)
  })

  test('that it leaves, in its name, is over with its next word', async () => {
    const said = { id: 1 as RequestId, nonce: undefined, summary: undefined, filePort: 6515, extras: [] }
    const leaving = {
      type: 'presence',
      node: honest.status().node as NodeId,
      reply: false,
      leaving: true,
      ...said,
    } as const
    spoofing.send(packet(leaving), packetPort, '127.0.0.8')
    await until('its leave', () => !node.status().peering?.peers.some(({ address }) => address === HONEST))
    await fetched(honest, origin.putByHash(uniqueBody(1000)))
    await until('it', () => node.status().peering?.peers.some(({ address }) => address === HONEST))
  })
})

describe('bytes after the fact', () => {
  test('a file that the origin server has changed since is not held against who has the former one', async () => {
    const url = origin.putByHash(uniqueBody(9000))
    const right = uniqueBody(9000)
    const peer = await startFakePeer(scene, {
      address: '127.0.0.31',
      packetPort,
      serve: (_request, response) => response.writeHead(200, { 'Content-Length': 9000 }).end(right),
    })
    await until('the peer', () =>
      node.status().peering?.peers.some(({ address }) => address === '127.0.0.31'),
    )
    await fetched(node, url)
    assert.equal(node.status().shunned.find(({ peer: who }) => who === '127.0.0.31')?.reason, 'bad-bytes')
    // The same bytes come from the origin server under that name: it had done no wrong.
    origin.put(new URL(url).pathname, { body: right })
    await fetched(node, url, { 'Cache-Control': 'no-cache' })
    await settled(node)
    assert.equal(
      node.status().shunned.find(({ peer: who }) => who === '127.0.0.31'),
      undefined,
    )
    await peer.stop()
  })

  test('a liar that does not confirm what it sends is left aside all the same, for less long', async () => {
    const address = '127.0.0.32'
    const serve = (_: unknown, response: ServerResponse) =>
      void response.writeHead(200, { 'Content-Length': 9000 }).end(uniqueBody(9000))
    const peer = await startFakePeer(scene, { address, packetPort, serve, isVague: true })
    await until('the peer', () => node.status().peering?.peers.some((each) => each.address === address))
    const body = uniqueBody(9000)
    assert.equal(sha256((await fetched(node, origin.putByHash(body))).body), sha256(body))
    assert.equal(node.status().shunned.find(({ peer: who }) => who === address)?.reason, 'broke-off')
    await peer.stop()
  })
})

describe('a warning that no member has signed', () => {
  test('is a hint to nobody', async () => {
    const socket = await sender(scene, '127.0.0.78')
    const common = { id: 1 as RequestId, node: '6'.repeat(32) as NodeId, nonce: undefined }
    const extras = [['peer', HONEST]] as const
    socket.send(
      packet({ type: 'application', name: 'site-caution', ...common, extras }),
      packetPort,
      '127.0.0.8',
    )
    await until('it', () => (node.status().packets['heard: application'] ?? 0) > 0)
    assert.deepEqual(node.status().cautions, [])
  })
})

describe('an origin server that tells each machine something else', () => {
  const OTHER = '127.0.0.19' as Address
  let asking: Node
  let having: Node
  const aside = () => asking.status().shunned.find(({ peer }) => peer === OTHER)

  before(async () => {
    const ownPort = await freePacketPort()
    asking = await scene.node({ peering: { address: '127.0.0.18', packetPort: ownPort } })
    having = await scene.node({ peering: { address: OTHER, packetPort: ownPort } })
    await acquainted(asking, having)
  })

  test('under a name that holds the digest: what contradicts it is not offered, and nobody is left aside', async () => {
    const body = uniqueBody(20_000)
    const url = origin.putByHash(body)
    const { pathname } = new URL(url)
    const other = uniqueBody(20_000)
    origin.put(pathname, { body: other })
    assert.equal(sha256((await fetched(having, url)).body), sha256(other))
    await settled(having)
    origin.put(pathname, { body })
    assert.equal(sha256((await fetched(asking, url)).body), sha256(body))
    assert.equal(aside(), undefined)
    // Nor is it what the next application there is given.
    assert.equal(sha256((await fetched(having, url)).body), sha256(body))
  })

  test('of which it publishes the digest: who has the other bytes is left aside for its files alone, and for a minute', async () => {
    const url = `http://${origin.authority}/dl/tool-1.2.3.zip`
    const { pathname } = new URL(url)
    origin.put(pathname, { body: uniqueBody(20_000) })
    await fetched(having, url)
    await settled(having)
    const body = uniqueBody(20_000)
    const digest = createHash('sha256').update(body).digest('base64')
    origin.put(pathname, { body, fields: { 'Repr-Digest': `sha-256=:${digest}:` } })
    assert.equal(sha256((await fetched(asking, url)).body), sha256(body))
    const { reason, forMs, origin: of } = aside() ?? {}
    assert.deepEqual([reason, forMs, of], ['bad-bytes', FIRST_DOUBT_MS, `http://${origin.authority}`])
    // For what any other server has it is asked as before.
    const elsewhere = await Origin.start(scene)
    const other = elsewhere.putByHash(uniqueBody(20_000))
    await fetched(having, other)
    await settled(having)
    await fetched(asking, other)
    assert.equal(elsewhere.requests.length, 1)
  })
})
