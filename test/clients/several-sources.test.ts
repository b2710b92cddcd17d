/** One large file from several real nodes at once, whose uploads are limited (R4.4, R3.5). */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { after, before, beforeEach, describe, test } from 'node:test'
import { parseRange } from '../../core/ranges.ts'
import type { Node } from '../../service/node.ts'
import { placeOf } from '../attacks/raw.ts'
import { startFakePeer } from './fake-peer.ts'
import { acquainted, freePacketPort, Scene, until } from './harness.ts'
import { Origin, sha256, uniqueBody, type Handler } from './origin.ts'

const MB = 1024 * 1024
const RATE = 8 * MB
/** Larger than what is verified before its first byte is released. */
const SIZE = 72 * MB
const ALONE_MS = (SIZE / RATE) * 1000

const body = uniqueBody(SIZE)
const digests = Buffer.concat(
  Array.from({ length: SIZE / MB }, (_, piece) => digestOf(body.subarray(piece * MB, (piece + 1) * MB))),
)

let scene: Scene
let origin: Origin
let url: string
let packetPort: number
let holders: Node[]

before(() => (scene = new Scene()))
beforeEach(async () => {
  await scene.close()
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  url = origin.putByHash(body)
  holders = []
})
after(() => scene.close())

/** Real nodes that have the file. */
async function hold(count: number): Promise<void> {
  for (let at = 1; at <= count; at++) {
    const address = `127.0.0.${20 + at}`
    const peering = { address, packetPort, ask: false, maxUploadRate: `${RATE / MB} MiB` }
    const node = await scene.node({ peering })
    await downloaded(node)
    holders.push(node)
  }
}

async function asker(): Promise<Node> {
  const node = await scene.node({ peering: { address: '127.0.0.8', packetPort } })
  await acquainted(node, ...holders)
  return node
}

/** One that has the file, by its own word, and serves it like this. */
async function pretender(node: Node, pieces: Handler) {
  const address = '127.0.0.40'
  let blocks = 0
  const peer = await startFakePeer(scene, {
    address,
    packetPort,
    isLateComer: true,
    serve(asked, response) {
      if (asked.url?.endsWith('/pieces') === true) return void response.end(digests)
      blocks++
      pieces(asked, response)
    },
  })
  await until('the peer', () => node.status().peering?.peers.some((each) => each.address === address))
  return { ...peer, address, blocks: () => blocks }
}

/** The head of a right answer to a request for a block. */
function beginBlock(...[asked, response]: Parameters<Handler>) {
  const [span] = parseRange(String(asked.headers.range), SIZE) ?? []
  if (span === undefined) throw new Error('expected a range')
  response.writeHead(206, {
    'Content-Range': `bytes ${span.start}-${span.end - 1}/${SIZE}`,
    'Content-Length': span.end - span.start,
    'Ihave-Pieces': String(asked.headers['ihave-pieces']),
  })
  return span
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

interface Download {
  readonly status: number
  readonly source: string
  readonly sha256: string
  readonly ms: number
  readonly longestStallMs: number
}

/** An application's one GET. @param onBytes is told how much has come so far. */
function downloaded(node: Node, onBytes: (bytes: number) => void = () => {}): Promise<Download> {
  const began = performance.now()
  const { address, port } = placeOf(node.proxyAddress)
  return new Promise((resolve, reject) => {
    const headers = { Host: new URL(url).host }
    const asking = request({ host: address, port, path: url, headers, agent: false })
    asking.once('error', reject).end()
    asking.once('response', async (response) => {
      try {
        const digest = createHash('sha256')
        let bytes = 0
        let at = performance.now()
        let longestStallMs = 0
        for await (const chunk of response as AsyncIterable<Buffer>) {
          longestStallMs = Math.max(longestStallMs, performance.now() - at)
          at = performance.now()
          digest.update(chunk)
          onBytes((bytes += chunk.length))
        }
        const source = /detail=([\w-]+)/.exec(String(response.headers['cache-status']))?.[1] ?? ''
        const { statusCode: status = 0 } = response
        const ms = performance.now() - began
        resolve({ status, source, sha256: digest.digest('hex'), ms, longestStallMs })
      } catch (error) {
        reject(error)
      }
    })
  })
}

function mustBeRight({ status, source, sha256: got, longestStallMs }: Download): void {
  assert.deepEqual([status, source, got], [200, 'peer', sha256(body)])
  assert.ok(longestStallMs < 1000, `a stall of ${longestStallMs} ms`)
}

describe('one download from several nodes with slow lines', () => {
  test('takes about the sum of their rates, and each has sent its share', async () => {
    await hold(3)
    const node = await asker()
    const sent = origin.sentBytes(url)
    const got = await downloaded(node)
    mustBeRight(got)
    assert.equal(origin.sentBytes(url), sent)
    assert.ok(got.ms < 0.55 * ALONE_MS, `${got.ms} ms`)
    const shares = holders.map((each) => each.status().totals.uploadedBytes / SIZE)
    for (const share of shares) assert.ok(share > 0.15 && share < 0.6, `${share}`)
    assert.ok(shares.reduce((sum, share) => sum + share) < 1.1)
  })

  test('who sends wrong pieces is left aside at the first of them', async () => {
    await hold(2)
    const node = await asker()
    const liar = await pretender(node, (asked, response) => {
      const span = beginBlock(asked, response)
      const wrong = Buffer.from(body.subarray(span.start, span.end))
      wrong[5] = ~(wrong[5] ?? 0)
      response.end(wrong)
    })
    mustBeRight(await downloaded(node))
    assert.equal(liar.blocks(), 1)
    assert.deepEqual(
      node.status().shunned.map(({ peer, reason }) => [peer, reason]),
      [[liar.address, 'bad-bytes']],
    )
  })

  test('who falls silent in the middle of a piece is dropped, and keeps nobody waiting', async () => {
    await hold(2)
    const node = await asker()
    const silent = await pretender(node, (asked, response) => {
      const span = beginBlock(asked, response)
      response.write(body.subarray(span.start, span.start + 1000))
    })
    mustBeRight(await downloaded(node))
    // Others may have brought its pieces before it was late enough to be blamed; then it is only not asked again.
    assert.ok(silent.blocks() >= 1 && silent.blocks() <= 3, `${silent.blocks()} blocks`)
    const blamed = node.status().shunned.map(({ peer, reason }) => `${peer} ${reason}`)
    assert.ok(
      blamed.every((each) => each === `${silent.address} stalled`),
      blamed.join(', '),
    )
  })

  test('goes on when one after the other is lost, at last from the origin server', async () => {
    await hold(3)
    const node = await asker()
    const sent = origin.sentBytes(url)
    const lost = [0.3, 0.6, 0.9]
    const got = await downloaded(node, (bytes) => {
      if (bytes < (lost[0] ?? Infinity) * SIZE) return
      lost.shift()
      void holders.shift()?.stop()
    })
    mustBeRight(got)
    assert.ok(origin.sentBytes(url) - sent <= 0.1 * SIZE, `${origin.sentBytes(url) - sent} bytes`)
  })
})
