import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { decode } from '../../peering/codec.ts'
import { questionsIn } from '../../peering/further.ts'
import type { Node } from '../../service/node.ts'
import { bind } from './fake-peer.ts'
import { acquainted, BROADCAST, freePacketPort, Scene } from './harness.ts'
import { Origin, sha256, uniqueBody } from './origin.ts'

/** As apt does for nine packages with their dependencies (field note 1). */
const REQUESTS = 27
/** Delay response period and transmission time together: what one unanswered question waits, in ms. */
const WAIT_MS = 600

const scene = new Scene()
let origin: Origin
let node: Node
/** When each "I need" was heard on the LAN, in ms. */
const asked: number[] = []

before(async () => {
  const packetPort = await freePacketPort()
  const listener = await bind(packetPort, BROADCAST)
  scene.ending(() => listener.close())
  listener.on('message', (bytes) => {
    const decoded = decode(bytes)
    if (decoded.kind !== 'packet' || decoded.packet.type !== 'request') return
    for (const _ of questionsIn(decoded.packet)) asked.push(performance.now())
  })
  origin = await Origin.start(scene)
  const timing = { packetPort, maxDelayMs: WAIT_MS - 100, transmissionMs: 100 }
  node = await scene.node({ peering: { address: '127.0.0.2', ...timing } })
  await acquainted(node, await scene.node({ peering: { address: '127.0.0.3', ...timing } }))
})

after(() => scene.close())

test(`${REQUESTS} GETs at once on one connection wait together, and are answered in order`, async () => {
  const bodies = Array.from({ length: REQUESTS }, (_, at) => uniqueBody(5000 + at))
  const began = performance.now()
  const answers = await pipelined(bodies.map((body) => origin.putByHash(body)))
  const ms = performance.now() - began
  assert.deepEqual(answers.map(sha256), bodies.map(sha256))
  assert.equal(asked.length, REQUESTS)
  assert.ok(
    (asked.at(-1) ?? 0) - (asked[0] ?? 0) < WAIT_MS,
    'all questions go out before the first wait is over',
  )
  assert.ok(ms >= WAIT_MS, `a live peer is waited for: ${ms} ms`)
  assert.ok(ms < 3 * WAIT_MS, `${ms} ms for ${REQUESTS} questions of ${WAIT_MS} ms`)
})

test('a slow first response does not keep the later ones from being fetched', async () => {
  const bodies = Array.from({ length: 5 }, () => uniqueBody(2000))
  const [slow, ...quick] = bodies.map((body) => origin.putByHash(body))
  const opening = Promise.withResolvers<void>()
  origin.put(new URL(slow ?? '').pathname, {
    body: bodies[0] ?? Buffer.alloc(0),
    gate: { atByte: 100, opened: opening.promise },
  })
  const last = quick.at(-1) ?? ''
  const isFetched = setInterval(() => origin.count(last) > 0 && opening.resolve(), 10)
  scene.ending(() => clearInterval(isFetched))
  const answers = await pipelined([slow ?? '', ...quick])
  assert.deepEqual(answers.map(sha256), bodies.map(sha256))
})

/** The bodies of the answers to GETs that are all written in one piece. */
function pipelined(urls: readonly string[]): Promise<Buffer[]> {
  const [host = '', port] = node.proxyAddress.split(':')
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0)
    const bodies: Buffer[] = []
    const socket = connect(Number(port), host, () =>
      socket.write(urls.map((url) => `GET ${url} HTTP/1.1\r\nHost: ${origin.authority}\r\n\r\n`).join('')),
    )
    socket.on('error', reject).on('close', () => reject(new Error(`closed after ${bodies.length} answers`)))
    socket.on('data', (chunk: Buffer) => {
      received = takeAnswers(Buffer.concat([received, chunk]), bodies)
      if (bodies.length < urls.length) return
      socket.destroy()
      resolve(bodies)
    })
  })
}

/** Moves each whole answer's body to `bodies`. @returns what is left. */
function takeAnswers(received: Buffer, bodies: Buffer[]): Buffer {
  const end = received.indexOf('\r\n\r\n')
  const size = Number(
    /^content-length: (\d+)$/im.exec(received.subarray(0, Math.max(0, end)).toString())?.[1],
  )
  if (end < 0 || received.length < end + 4 + size) return received
  bodies.push(received.subarray(end + 4, end + 4 + size))
  return takeAnswers(received.subarray(end + 4 + size), bodies)
}
