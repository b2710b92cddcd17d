import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Monotonic } from '../../../core/clock.ts'
import { FULL_BYTES, MOST_MS, ReadRests, WINDOW_MS } from '../../../proxy/upstream/read-rests.ts'
import { ServerConnection } from '../../../proxy/upstream/server-connection.ts'
import { manualClock } from '../../manual-clock.ts'

const SEGMENT = 1448
const FOREVER = 1e9

/** What rests after each of the segments that come every `everyMs`. */
function restsOf(everyMs: number, count: number, leftBytes = FOREVER, bytes = SEGMENT): number[] {
  const rests = new ReadRests(0 as Monotonic)
  return Array.from({ length: count }, (_, at) => rests.after(bytes, (at * everyMs) as Monotonic, leftBytes))
}

test('nothing rests before the rate is known', () => {
  assert.deepEqual(new Set(restsOf(1, WINDOW_MS)), new Set([0]))
})

test('a slow body rests for as long as a read’s worth of bytes takes to come, and no longer than is good', () => {
  const [rest = 0] = restsOf(0.5, 2 * WINDOW_MS + 1).slice(-1)
  assert.ok(rest > 11 && rest < 11.5, String(rest)) // 32 KiB at 2.9 MB/s
  assert.equal(restsOf(10, 100).at(-1), MOST_MS)
})

test('a fast body does not rest, nor one of which more has come than is read at once', () => {
  assert.equal(restsOf(0.05, 20 * WINDOW_MS + 1).at(-1), 0)
  assert.equal(restsOf(10, 100, FOREVER, FULL_BYTES).at(-1), 0)
})

test('what has gathered is no sign of speed: a slow body rests after it, too', () => {
  const rests = new ReadRests(0 as Monotonic)
  for (let at = 0; at <= WINDOW_MS; at += 10) rests.after(28_960, at as Monotonic, FOREVER)
  assert.ok(rests.after(28_960, (WINDOW_MS + 10) as Monotonic, FOREVER) > 9)
})

test('the end of a body is not held up: it rests no longer than the end takes to come', () => {
  const [rest = 0] = restsOf(1, WINDOW_MS + 1, 4 * SEGMENT).slice(-1)
  assert.ok(rest > 3 && rest < 5, String(rest))
  assert.equal(restsOf(1, WINDOW_MS + 1, SEGMENT).at(-1), 0)
})

/** A connection to a server that sends what the test says. */
async function connection(t: { after: (end: () => void) => void }, length: number) {
  const clock = manualClock()
  const server = createServer()
  const accepted = once(server, 'connection')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const seen = { bytes: 0, isOver: false }
  const timeouts = { connectMs: 1e6, headersMs: 1e6, bodyMs: 1e6, keepAliveMs: 1e6 }
  const exchange = {
    onHead() {},
    onData: (bytes: Buffer) => void (seen.bytes += bytes.length),
    onEnd: () => void (seen.isOver = true),
    onLost() {},
  }
  const opened = Promise.withResolvers<ServerConnection>()
  const events = { onOpen: opened.resolve, onFree() {}, onGone() {} }
  const target = { host: '127.0.0.1', port, isSecure: false }
  void new ServerConnection('the server', target, timeouts, clock, events)
  const [socket] = (await accepted) as [Socket]
  const connected = await opened.promise
  t.after(() => {
    connected.destroy(undefined)
    socket.destroy()
    server.close()
  })
  connected.send('GET / HTTP/1.1\r\n\r\n', 'GET', exchange)
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`)
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  }
  const send = (bytes: number) => new Promise<void>((sent) => socket.write(Buffer.alloc(bytes), () => sent()))
  return { clock, seen, connected, until, send }
}

/** Long enough for what has been sent to be read, if anybody reads. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

async function slowBody(t: { after: (end: () => void) => void }, length: number) {
  const scene = await connection(t, length)
  await scene.send(1000)
  await scene.until(() => scene.seen.bytes === 1000)
  scene.clock.advance(WINDOW_MS)
  await scene.send(1000)
  await scene.until(() => scene.seen.bytes === 2000)
  return scene
}

test('a connection reads nothing while a slow body rests, then all that has come', async (t) => {
  const { clock, seen, until, send } = await slowBody(t, 1_000_000)
  for (let each = 0; each < 3; each++) await send(1000)
  await turns()
  assert.equal(seen.bytes, 2000)
  clock.advance(MOST_MS)
  await until(() => seen.bytes === 5000)
})

test('who has enough for now is not sent more when the rest is over; who wants more is not kept waiting', async (t) => {
  const { clock, seen, until, send, connected } = await slowBody(t, 1_000_000)
  connected.pause()
  await send(1000)
  clock.advance(MOST_MS)
  await turns()
  assert.equal(seen.bytes, 2000)
  connected.resume()
  await until(() => seen.bytes === 3000)
})
