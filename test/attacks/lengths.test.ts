/**
 * V§4 "exhaustion", "poisoning by a peer": what a peer can do by its word on the length of a body, or by its word alone, to a running
 * node. The peer is a small program on an address of its own. Over fakes, and more of them: test/retrieval/told-lengths.test.ts.
 */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { startFakePeer, type FakePeer, type Said } from '../clients/fake-peer.ts'
import { freePacketPort, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody, type Handler } from '../clients/origin.ts'
import { fetched } from './fetched.ts'

const scene = new Scene()
let packetPort: number
let origin: Origin
let node: Node

/** What the cache of the node holds at most, in bytes; and one body of those in it. */
const CACHE_BYTES = 4_000_000
const BODY_BYTES = 200_000
/** What a request may take longer than without the peer, in ms, and what it takes without. */
const ADDED_MS = 1000
const ALONE_MS = 300

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  node = await scene.node({
    peering: { address: '127.0.0.8', packetPort },
    cache: { maxSize: `${CACHE_BYTES} B` },
    rules: [{ match: '**/shared/**', share: true, immutable: true }],
  })
})

after(() => scene.close())

let next = 30

interface Liar extends FakePeer {
  readonly address: string
  /** Why the node leaves it aside. */
  shunnedFor(): string | undefined
}

async function liar(says: Said, serve: Handler): Promise<Liar> {
  const address = `127.0.0.${next++}`
  const peer = await startFakePeer(scene, { address, packetPort, serve, says })
  const isKnown = () => node.status().peering?.peers.some((each) => each.address === address)
  await until('the peer', isKnown)
  const stop = async () => {
    await peer.stop()
    await until('its last word', () => isKnown() === false)
  }
  const shunnedFor = () => node.status().shunned.find((each) => each.peer === address)?.reason
  return { ...peer, address, shunnedFor, stop }
}

/** Announces so much, sends this, and no more. */
const announcing =
  (length: number, bytes: Uint8Array): Handler =>
  (_request, response) =>
    void response.writeHead(200, { 'Content-Length': length }).write(bytes)

const ROLES = [
  ['that has it', 'has'],
  ['that is fetching it', 'fetches'],
] as const

describe('a length that no store takes, by a peer', () => {
  for (const [role, kind] of ROLES)
    for (const length of [99_999_999_999_999, CACHE_BYTES + 1])
      test(`${role}: ${length} bytes end no request, and are stored elsewhere than here`, async () => {
        const peer = await liar({ kind }, announcing(length, uniqueBody(1000)))
        for (const _ of [1, 2, 3]) {
          const body = uniqueBody(BODY_BYTES)
          const got = await fetched(node, origin.putByHash(body))
          assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'internet', sha256(body)])
          assert.ok(got.ms < ALONE_MS + ADDED_MS, `${got.ms} ms`)
          await settled(node)
        }
        assert.deepEqual([peer.requests(), peer.shunnedFor()], [1, 'broke-off'])
        await peer.stop()
      })
})

describe('a large length, by a peer that sends the beginning and then nothing', () => {
  for (const [role, kind] of ROLES)
    test(`${role} does not empty the cache`, async () => {
      const held = await filled()
      const peer = await liar({ kind }, announcing(CACHE_BYTES - 1, uniqueBody(1000)))
      for (const _ of [1, 2]) {
        const body = uniqueBody(BODY_BYTES)
        const got = await fetched(node, origin.putByHash(body))
        assert.deepEqual([got.status, sha256(got.body)], [200, sha256(body)])
        await settled(node)
      }
      assert.equal(peer.requests(), 1)
      assert.match(peer.shunnedFor() ?? '', /^(stalled|broke-off)$/)
      await peer.stop()
      // What came needs room for two, and a quarter of a megabyte was made on the peer's word.
      const room = Math.ceil((2 * BODY_BYTES + 256 * 1024) / BODY_BYTES) + 1
      const gone = await missingOf(held)
      assert.ok(gone <= room, `${gone} of ${held.length} are gone, ${room} may be`)
    })

  /** Fills the cache. @returns what is in it. */
  async function filled(): Promise<readonly string[]> {
    const urls: string[] = []
    for (let at = 0; at < CACHE_BYTES / BODY_BYTES - 1; at++) {
      const url = origin.put(`/plain/${next}/${at}`, {
        body: uniqueBody(BODY_BYTES),
        fields: { 'Cache-Control': 'max-age=600' },
      })
      await fetched(node, url)
      await settled(node)
      urls.push(url)
    }
    const gone = await missingOf(urls)
    return urls.slice(gone)
  }

  async function missingOf(urls: readonly string[]): Promise<number> {
    let count = 0
    for (const url of urls) {
      const { status } = await fetched(node, url, { 'Cache-Control': 'only-if-cached' })
      if (status !== 200) count++
    }
    return count
  }
})

describe('a length that is another than', () => {
  const another = BODY_BYTES + 7

  test('the peer has said itself: not a byte of it is taken', async () => {
    const right = uniqueBody(BODY_BYTES)
    const peer = await liar({ kind: 'has', size: BODY_BYTES }, announcing(another, right))
    await isLeft(peer, origin.putByHash(right), right)
  })

  test('that of a growing copy by its own word', async () => {
    const right = uniqueBody(BODY_BYTES)
    const peer = await liar({ kind: 'fetches', size: BODY_BYTES }, announcing(another, right))
    await isLeft(peer, origin.putByHash(right), right)
  })

  test('the proof says', async () => {
    const right = uniqueBody(BODY_BYTES)
    const root = `/proved-${next}`
    const url = origin.put(`${root}/pool/t/tool_1.0_all.deb`, { body: right })
    const entry = `Package: tool\nFilename: pool/t/tool_1.0_all.deb\nSize: ${right.length}\nSHA256: ${sha256(right)}\n\n`
    const list = origin.put(`${root}/dists/stable/main/binary-all/Packages`, { body: Buffer.from(entry) })
    await fetched(node, list)
    await settled(node)
    await node.digestsRead()
    const peer = await liar({ kind: 'has', size: another }, announcing(another, right))
    await isLeft(peer, url, right)
  })

  /** What the peer sends is not taken: the origin server answers at once, and alone. */
  async function isLeft(peer: Liar, url: string, right: Buffer): Promise<void> {
    const soFar = node.status().totals.receivedBytes
    const got = await fetched(node, url)
    assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'internet', sha256(right)])
    assert.ok(got.ms < ALONE_MS + ADDED_MS, `${got.ms} ms`)
    await settled(node)
    const { receivedBytes } = node.status().totals
    assert.equal(receivedBytes.peer - soFar.peer + receivedBytes['in-progress'] - soFar['in-progress'], 0)
    assert.ok(peer.requests() >= 1)
    assert.equal(peer.shunnedFor(), 'broke-off')
    await peer.stop()
  }
})

describe('a length above which copies are passed on before they are verified, of a small file', () => {
  test('is held against the origin server, before an application has a byte', async () => {
    const streaming = await scene.node({
      peering: { address: '127.0.0.9', packetPort },
      verification: { aptConfig: 'off', verifyFirstUpTo: '1 MB' },
    })
    const right = uniqueBody(BODY_BYTES)
    const url = origin.putByHash(right)
    const serve: Handler = (_request, response) => void flowing(response, 5_000_000)
    const peer = await liar({ kind: 'has', size: 5_000_000 }, serve)
    await until('it', () => streaming.status().peering?.peers.some(({ address }) => address === peer.address))
    const got = await fetched(streaming, url)
    assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'internet', sha256(right)])
    assert.deepEqual([origin.count(url, 'HEAD'), origin.count(url, 'GET')], [1, 1])
    assert.equal(streaming.status().shunned.find((each) => each.peer === peer.address)?.reason, 'broke-off')
    await peer.stop()
  })

  /** Wrong bytes, as quickly as they are taken, to short of the end. */
  async function flowing(response: ServerResponse, length: number): Promise<void> {
    response.writeHead(200, { 'Content-Length': length })
    for (let at = 0; at < length - 100_000 && !response.destroyed; at += 100_000)
      if (!response.write(uniqueBody(100_000)))
        await new Promise((drained) => response.once('drain', drained))
  }
})

describe('wrong bytes of the right length, of a file that is large enough to be passed on while it comes', () => {
  test('by one that says it is fetching it, and was not heard to ask: the application gets the right ones', async () => {
    const large = await scene.node({ peering: { address: '127.0.0.10', packetPort } })
    const right = uniqueBody(2_500_000)
    const serve: Handler = (_request, response) =>
      void response.writeHead(200, { 'Content-Length': right.length }).end(uniqueBody(right.length))
    const peer = await liar({ kind: 'fetches' }, serve)
    await until('it', () => large.status().peering?.peers.some(({ address }) => address === peer.address))
    const got = await fetched(large, origin.putByHash(right))
    assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'internet', sha256(right)])
    assert.equal(large.status().shunned.find((each) => each.peer === peer.address)?.reason, 'bad-bytes')
    await peer.stop()
  })
})

describe('a copy that is promised, and never given', () => {
  for (const everyMs of [50, 400])
    test(`by a word every ${everyMs} ms costs less than a second, however often it is said`, async () => {
      const peer = await liar({ kind: 'promises', everyMs }, (_request, response) => void response.destroy())
      const body = uniqueBody(BODY_BYTES)
      const got = await fetched(node, origin.putByHash(body))
      assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'internet', sha256(body)])
      assert.ok(got.ms < ALONE_MS + ADDED_MS, `${got.ms} ms`)
      assert.ok(peer.asked.length > 0)
      assert.equal(peer.requests(), 0)
      await peer.stop()
    })

  test('by three of them at once costs no more', async () => {
    const says: Said = { kind: 'promises', everyMs: 100 }
    const peers = []
    for (const _ of [1, 2, 3]) peers.push(await liar(says, (_request, response) => void response.destroy()))
    const body = uniqueBody(BODY_BYTES)
    const got = await fetched(node, origin.putByHash(body))
    assert.deepEqual([got.status, sha256(got.body)], [200, sha256(body)])
    assert.ok(got.ms < ALONE_MS + ADDED_MS, `${got.ms} ms`)
    for (const peer of peers) await peer.stop()
  })
})
