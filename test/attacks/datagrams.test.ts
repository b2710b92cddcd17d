/**
 * V§4 "reflection", "replayed or forged packets", "XML": datagrams of a machine on the same LAN that knows the protocol, against
 * running nodes. It may send from an address that is another machine's.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { Socket } from 'node:dgram'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { peersText } from '../../cli/peers.ts'
import { decode, encode, padded } from '../../peering/codec.ts'
import { questionsIn } from '../../peering/further.ts'
import type { NodeId, RequestId, RequestPacket, ServicePacket } from '../../peering/packets.ts'
import type { Node } from '../../service/node.ts'
import { bind, startFakePeer } from '../clients/fake-peer.ts'
import { acquainted, BROADCAST, freePacketPort, missing, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody } from '../clients/origin.ts'
import { fetched } from './fetched.ts'
import { sender } from './raw.ts'

const ATTACKER = '127.0.0.66'
const VICTIM = '127.0.0.67'
const scene = new Scene()
let packetPort: number
let origin: Origin
let node: Node
let honest: Node
let attacker: Socket
/** Every datagram of the LAN that is for everybody. */
const broadcasts: Buffer[] = []

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  const ear = await bind(packetPort, BROADCAST)
  scene.ending(() => ear.close())
  ear.on('message', (bytes: Buffer) => broadcasts.push(bytes))
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort } })
  honest = await scene.node({ peering: { address: '127.0.0.9', packetPort } })
  await acquainted(node, honest)
  attacker = await sender(scene, ATTACKER)
})

after(() => scene.close())

const count = (what: string, of: Node = node) => of.status().packets[what] ?? 0

async function send(bytes: Uint8Array, to = '127.0.0.8', from: Socket = attacker): Promise<void> {
  await new Promise((done) => from.send(bytes, packetPort, to, done))
}

/** Sends it, and waits until the node has counted it. */
async function counted(bytes: Uint8Array, what: string, from?: Socket): Promise<void> {
  const soFar = count(what)
  await send(bytes, '127.0.0.8', from)
  await until(what, () => count(what) > soFar)
}

const packet = (of: ServicePacket): Uint8Array => encode(of) ?? new Uint8Array()

const NODE = sha256(Buffer.from(ATTACKER)).slice(0, 32) as NodeId

/** "I have", in the packets of the patents. */
function plainOffer(location: string): ServicePacket {
  const nothing = { size: undefined, digest: undefined, etag: undefined, lastModified: undefined }
  return {
    type: 'response',
    more: [],
    id: 8 as RequestId,
    node: undefined,
    nonce: undefined,
    extras: [],
    location,
    ...nothing,
    ageSeconds: undefined,
    version: undefined,
  }
}

function question(href: string): RequestPacket {
  const asked = { href, method: 'get', acceptProtocol: 'http', cachedOnly: true, maxDelayMs: 4 } as const
  return {
    type: 'request',
    more: [],
    id: 7 as RequestId,
    node: NODE,
    nonce: '0'.repeat(32),
    extras: [],
    ...asked,
  }
}

/** What the LAN has asked last. */
function lastQuestion(href: string): RequestPacket {
  for (const bytes of broadcasts.toReversed()) {
    const decoded = decode(bytes)
    if (decoded.kind !== 'packet' || decoded.packet.type !== 'request') continue
    const asked = questionsIn(decoded.packet).find((each) => each.href === href)
    if (asked !== undefined) return asked
  }
  throw new Error(`nobody has asked for ${href}`)
}

function iHave(to: RequestPacket, address: string, port: number): ServicePacket {
  const unsaid = { size: undefined, digest: undefined, etag: undefined, lastModified: undefined }
  const location = `http://${address}:${port}/${'a'.repeat(64)}`
  const common = { id: to.id, nonce: to.nonce, node: NODE, location, ageSeconds: undefined }
  return { type: 'response', more: [], ...common, ...unsaid, version: undefined, extras: [] }
}

describe('what is no packet', () => {
  const bomb = (inner: string) =>
    Buffer.from(`<!DOCTYPE s [${inner}]><service type="request" version="1.0"/>`)
  const laughs = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
    .map((name, at) => `<!ENTITY ${name} "${at === 0 ? 'ha' : `&${'abcdefghi'[at - 1]};`.repeat(10)}">`)
    .join('')
  const BOMBS: readonly (readonly [name: string, bytes: Buffer, counter: string])[] = [
    [
      'a billion laughs',
      Buffer.concat([Buffer.from('<?xml version="1.0"?>'), bomb(laughs)]),
      'markup-declaration',
    ],
    [
      'an external entity',
      Buffer.concat([Buffer.from('<?xml version="1.0"?>'), bomb('<!ENTITY x SYSTEM "file:///etc/passwd">')]),
      'markup-declaration',
    ],
    [
      'an entity that nobody declared',
      Buffer.from('<service type="request" version="1.0" ID="1" href="&x;"/>'),
      'unknown-entity',
    ],
    [
      'a processing instruction',
      Buffer.from('<service type="request" version="1.0"/><?php system("id")?>'),
      'markup-declaration',
    ],
    ['a comment', Buffer.from('<service type="request" version="1.0"/><!-- -->'), 'markup-declaration'],
    ['nesting', Buffer.from(`<service>${'<a>'.repeat(150)}${'</a>'.repeat(150)}</service>`), 'too-deep'],
    [
      '1,201 bytes',
      Buffer.from(`${'<service type="request" version="1.0" pad="'.padEnd(1198, '.')}"/>`),
      'too-long',
    ],
    ['65,000 bytes', Buffer.alloc(65_000, '<service '), 'too-long'],
    [
      'hundreds of names in one question',
      Buffer.from(
        `<service type="request" version="1.0" ID="1" href="http://a/" more="http://a/${Array.from({ length: 200 }, (_, at) => ` ${at}.`).join('')}"/>`,
      ),
      'bad-attribute',
    ],
    [
      'ten thousand names in one question',
      Buffer.from(
        `<service type="request" version="1.0" ID="1" href="http://a/" more="http://a/${' 1.b'.repeat(10_000)}"/>`,
      ),
      'too-long',
    ],
    [
      'an attribute of Object.prototype',
      Buffer.from('<service type="__proto__" version="1.0" __proto__="x"/>'),
      'bad-attribute',
    ],
    [
      'broken UTF-8',
      Buffer.from([...Buffer.from('<service type="'), 0xc0, 0xaf, 0x22, 0x2f, 0x3e]),
      'not-utf-8',
    ],
  ]
  for (const [name, bytes, counter] of BOMBS)
    test(`${name}: a counter, and nothing more`, async () => {
      const began = performance.now()
      await counted(bytes, `dropped: ${counter}`)
      assert.ok(performance.now() - began < 1000)
      assert.equal(
        node.status().peering?.peers.some((peer) => peer.address === ATTACKER),
        false,
      )
    })
})

describe('answers that were not asked for', () => {
  test('with the place of another machine are dropped, so that nobody can be sent there', async () => {
    const trap = await Origin.start(scene, VICTIM)
    const url = origin.putByHash(uniqueBody(50_000))
    const lie = (port: number) => async (bytes: Buffer) => {
      const decoded = decode(bytes)
      if (decoded.kind !== 'packet' || decoded.packet.type !== 'request') return
      await send(packet(iHave(decoded.packet, VICTIM, port)))
    }
    const ear = await bind(packetPort, BROADCAST)
    ear.on('message', lie(Number(trap.authority.split(':')[1])))
    const dropped = count('dropped: foreign location')
    assert.equal((await fetched(node, url)).source, 'internet')
    assert.ok(count('dropped: foreign location') > dropped)
    assert.equal(trap.requests.length, 0)
    ear.close()
  })

  test('with a guessed nonce are dropped, however many', async () => {
    const gate = Promise.withResolvers<void>()
    const body = uniqueBody(50_000)
    const url = origin.putByHash(body, { gate: { atByte: 1000, opened: gate.promise } })
    const getting = fetched(node, url)
    await until('the question', () => broadcasts.some((bytes) => bytes.includes(url)))
    const asked = lastQuestion(url)
    for (let guess = 0; guess < 100; guess++)
      await send(packet(iHave({ ...asked, nonce: guess.toString(16).padStart(32, '0') }, ATTACKER, 1)))
    await until('the counter', () => count('dropped: unknown nonce') >= 50)
    gate.resolve()
    const got = await getting
    assert.deepEqual([got.status, sha256(got.body)], [200, sha256(body)])
    assert.equal(node.status().shunned.length, 0)
  })

  test('that were true once and are replayed are dropped', async () => {
    const first = origin.putByHash(uniqueBody(20_000))
    const peer = await startFakePeer(scene, { address: '127.0.0.68', packetPort })
    await until('the peer', () => node.status().peering?.peers.some((each) => each.address === '127.0.0.68'))
    await fetched(node, first)
    await settled(node)
    const recorded = packet(iHave(lastQuestion(first), ATTACKER, 1))
    await counted(recorded, 'dropped: unknown nonce')
    await peer.stop()
  })

  test('of a node that the packet says it is itself are dropped', async () => {
    const own = node.status().node as NodeId
    await counted(packet({ ...question('http://a.test/x'), node: own }), 'dropped: own ID from elsewhere')
  })
})

describe('a question in the name of another machine', () => {
  test('brings that machine no more bytes than were sent, whatever is held here', async () => {
    const url = origin.putByHash(uniqueBody(30_000))
    await fetched(node, url)
    await settled(node)
    const spoofed = await sender(scene, VICTIM)
    let received = 0
    const victim = await bind(packetPort, VICTIM)
    scene.ending(() => victim.close())
    victim.on('message', (bytes: Buffer) => (received += bytes.length))
    let sent = 0
    const ask = async (bytes: Uint8Array, times: number) => {
      for (let at = 0; at < times; at++) {
        sent += bytes.length
        await send(bytes, '127.0.0.8', spoofed)
      }
    }
    await ask(packet({ ...padded(question(url)), id: 1 as RequestId }), 20)
    await until('an answer', () => received > 0)
    for (let id = 2; id < 50; id++) await ask(packet({ ...padded(question(url)), id: id as RequestId }), 1)
    await ask(packet(presence({ reply: true, nonce: '1'.repeat(32) })), 20)
    await pause(300)
    assert.ok(received <= sent, `${received} bytes for ${sent}`)
  })

  test('as the patents ask it brings twice its length and no more', async () => {
    const url = origin.putByHash(uniqueBody(30_000))
    await fetched(node, url)
    await settled(node)
    const plain = Buffer.from(
      `<service type="request" version="1.0" ID="99" href="${url}" method="get" acceptprotocol="http" cached="only"/>`,
    )
    let answer = 0
    const ear = await bind(packetPort, ATTACKER)
    scene.ending(() => ear.close())
    ear.on('message', (bytes: Buffer) => (answer = bytes.length))
    await send(plain)
    await pause(2300)
    assert.ok(answer > 0 && answer <= Math.max(256, plain.length), `${answer} bytes for ${plain.length}`)
  })
})

/** Node.js does not tell it of a datagram, and elsewhere than here the option has another number. */
const withoutLinux = process.platform === 'linux' ? missing('python3') : 'needs Linux'

describe('what a node says', () => {
  test('has a time to live of 1: no router passes it on', { skip: withoutLinux }, async () => {
    const listening = `import socket
IP_RECVTTL = 12
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
s.bind(('${BROADCAST}', ${packetPort}))
print('listening', flush=True)
print('TTL', s.recvmsg(2000, 100)[1][0][2][0])`
    const ear = spawn('python3', ['-c', listening], { stdio: ['ignore', 'pipe', 'inherit'] })
    scene.ending(() => ear.kill())
    let told = ''
    ear.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()))
    await until('the ear', () => told.includes('listening'))
    await fetched(node, origin.putByHash(uniqueBody(1000)))
    await until('a datagram', () => told.includes('TTL'))
    assert.match(told, /^TTL 1$/m)
  })
})

function presence(more: Partial<Extract<ServicePacket, { type: 'presence' }>>): ServicePacket {
  const said = { id: 1 as RequestId, node: NODE, nonce: undefined, filePort: 6515, summary: undefined }
  return { type: 'presence', reply: false, leaving: false, extras: [], ...said, ...more }
}

describe('machines that do not exist', () => {
  test('are told apart from those that have answered, and do not hide them', async () => {
    const invented = Array.from({ length: 40 }, (_, at) => ({
      from: `127.0.6.${at + 1}`,
      node: sha256(Buffer.from(`nobody ${at}`)).slice(0, 32) as NodeId,
    }))
    for (const { from, node: id } of invented)
      await send(packet(presence({ node: id })), '127.0.0.8', await sender(scene, from))
    const peers = () => node.status().peering?.peers ?? []
    const isInvented = (address: string) => invented.some(({ from }) => from === address)
    await until('them', () => peers().some(({ address }) => isInvented(address)))
    await until('the one that is there', () => peers()[0]?.address === '127.0.0.9')
    assert.deepEqual(
      peers().filter(({ address, isReached }) => isReached && isInvented(address)),
      [],
    )
    assert.equal(peers().find(({ address }) => address === '127.0.0.9')?.isReached, true)
    const text = peersText({ ...node.status() })
    assert.ok(text.indexOf('127.0.0.9') < text.indexOf('only heard, not reached so far'), text)
  })

  const invention = (name: string) => sha256(Buffer.from(name)).slice(0, 32) as NodeId
  const at = (address: string) =>
    (node.status().peering?.peers ?? []).filter((each) => each.address === address)

  test('are not vouched for by one that does, at whose address and port they are said to be', async () => {
    const filePort = honest.status().peering?.filePort ?? 0
    const inItsName = await sender(scene, '127.0.0.9')
    for (let number = 0; number < 10; number++)
      await send(packet(presence({ node: invention(`beside ${number}`), filePort })), '127.0.0.8', inItsName)
    await send(packet(plainOffer(`http://127.0.0.9:${filePort}/x`)), '127.0.0.8', inItsName)
    await until('them', () => at('127.0.0.9').length === 12)
    const url = origin.putByHash(uniqueBody(10_000))
    await fetched(honest, url)
    await settled(honest)
    assert.equal((await fetched(node, url)).source, 'peer')
    assert.equal(at('127.0.0.9').filter(({ isReached }) => isReached).length, 1)
  })

  test('are not vouched for by an answer that was given in the name of another address', async () => {
    const [asked, elsewhere] = ['127.0.0.68', '127.0.6.99']
    const ear = await bind(packetPort, asked)
    scene.ending(() => ear.close())
    const forger = await sender(scene, elsewhere)
    const id = invention('at two places')
    let isAsked = false
    ear.on('message', (bytes: Buffer) => {
      const decoded = decode(bytes)
      if (decoded.kind !== 'packet' || decoded.packet.type !== 'presence') return
      const { nonce } = decoded.packet
      if (nonce === undefined) return
      isAsked = true
      void send(packet(presence({ node: id, nonce })), '127.0.0.8', forger)
    })
    const speaker = await sender(scene, asked)
    // So many that do not exist are being asked that it may take a second until this one is.
    await until('a question to it', async () => {
      if (!isAsked) await send(packet(presence({ node: id })), '127.0.0.8', speaker)
      return isAsked
    })
    await until('its answer', () => at(elsewhere).length === 1)
    assert.equal(at(elsewhere)[0]?.isReached, false)
  })
})

describe('a flood', () => {
  test('of one machine is not looked at beyond its share, and costs the others nothing', async () => {
    const url = origin.putByHash(uniqueBody(10_000))
    const bytes = packet(question('http://nowhere.test/x'))
    const wave = async () => {
      for (let at = 0; at < 200; at++) attacker.send(bytes, packetPort, '127.0.0.8')
      await pause(1) // the nodes live in this process, and the system keeps no more than this for them
      return count('dropped: too many') > 1000
    }
    await until('the limit', wave, 20_000)
    const got = await fetched(node, url)
    assert.equal(got.status, 200)
    await settled(node)
    assert.equal((await fetched(node, url)).source, 'hit')
    const body = uniqueBody(10_000)
    const held = origin.putByHash(body)
    await fetched(honest, held)
    await settled(honest)
    assert.deepEqual([(await fetched(node, held)).source, origin.count(held, 'GET')], ['peer', 1])
  })
})
