import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, Socket, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Monotonic } from '../../../core/clock.ts'
import {
  FULL_BYTES,
  LONG_MS,
  MOST_MS,
  MOST_OF_LONG_MS,
  ReadRests,
  WINDOW_MS,
  WORTH_OF_LONG_BYTES,
} from '../../../proxy/upstream/read-rests.ts'
import { ServerConnection } from '../../../proxy/upstream/server-connection.ts'
import { TurnEnd } from '../../../proxy/turn-end.ts'
import { manualClock } from '../../manual-clock.ts'

const SEGMENT = 1448
const FOREVER = 1e9
/** Of a body that is not long. */
const SOME = 500_000

/** What rests after each of the segments that come every `everyMs`. */
function restsOf(everyMs: number, count: number, leftBytes = SOME, bytes = SEGMENT): number[] {
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

test('a body of which much is to come rests twice as long, until its end is near', () => {
  const [rest = 0] = restsOf(0.5, 2 * WINDOW_MS + 1, FOREVER).slice(-1)
  assert.ok(rest > 20 && rest < 21.5, String(rest)) // 60 KiB at 2.9 MB/s
  assert.equal(restsOf(10, 100, FOREVER).at(-1), MOST_OF_LONG_MS)
  const bytesInLong = (LONG_MS * SEGMENT) / 10
  assert.equal(restsOf(10, 100, bytesInLong / 2).at(-1), MOST_MS)
})

test('a fast body does not rest, nor one of which more has come than is read at once', () => {
  assert.equal(restsOf(0.05, 20 * WINDOW_MS + 1).at(-1), 0)
  assert.equal(restsOf(10, 100, FOREVER, FULL_BYTES).at(-1), 0)
})

test('what has gathered is no sign of speed: a slow body rests after it, too', () => {
  const rests = new ReadRests(0 as Monotonic)
  for (let at = 0; at <= WINDOW_MS; at += 10) rests.after(28_960, at as Monotonic, SOME)
  assert.ok(rests.after(28_960, (WINDOW_MS + 10) as Monotonic, SOME) > 9)
})

test('the end of a body is not held up: it rests no longer than the end takes to come', () => {
  const [rest = 0] = restsOf(1, WINDOW_MS + 1, 4 * SEGMENT).slice(-1)
  assert.ok(rest > 3 && rest < 5, String(rest))
  assert.equal(restsOf(1, WINDOW_MS + 1, SEGMENT).at(-1), 0)
})

/** What stands from `from` on in the body: no two of its places look alike. */
function content(from: number, length: number): Buffer {
  const words = Uint32Array.from({ length: length / 4 + 2 }, (_, at) => Math.floor(from / 4) + at)
  return Buffer.from(words.buffer).subarray(from % 4, (from % 4) + length)
}

/** A connection to a server that sends what the test says. */
async function connection(t: TestContext, length: number, isReadAtOnce: boolean) {
  const clock = manualClock()
  const server = createServer()
  const accepted = once(server, 'connection')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const seen = { bytes: 0, pieces: 0, isRight: true, isOver: false, isLost: false }
  const timeouts = { connectMs: 1e6, headersMs: 1e6, bodyMs: 1e6, keepAliveMs: 1e6 }
  const exchange = {
    onHead() {},
    onData(bytes: Buffer) {
      seen.isRight &&= bytes.equals(content(seen.bytes, bytes.length))
      seen.bytes += bytes.length
      seen.pieces += 1
    },
    onEnd: () => void (seen.isOver = true),
    onLost: () => void (seen.isLost = true),
  }
  const opened = Promise.withResolvers<ServerConnection>()
  const events = { onOpen: opened.resolve, onFree() {}, onGone() {} }
  const target = { host: '127.0.0.1', port, isSecure: false, isReadAtOnce }
  void new ServerConnection('the server', target, timeouts, clock, events, new TurnEnd())
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
  let sentBytes = 0
  const send = (bytes: number) => {
    const from = sentBytes
    sentBytes += bytes
    return new Promise<void>((sent) => socket.write(content(from, bytes), () => sent()))
  }
  return { clock, seen, connected, until, send, end: () => socket.end() }
}

/** Long enough for what has been sent to be read, if anybody reads. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

async function slowBody(t: TestContext, length: number, isReadAtOnce = false) {
  const scene = await connection(t, length, isReadAtOnce)
  await scene.send(1000)
  await scene.until(() => scene.seen.bytes === 1000)
  scene.clock.advance(WINDOW_MS)
  await scene.send(1000)
  await scene.until(() => scene.seen.bytes === 2000)
  return scene
}

test('a connection reads nothing while a slow body rests, then all that has come', async (t) => {
  const { clock, seen, until, send } = await slowBody(t, 100_000)
  for (let each = 0; each < 3; each++) await send(1000)
  await turns()
  assert.equal(seen.bytes, 2000)
  clock.advance(MOST_MS)
  await until(() => seen.bytes === 5000)
})

test('who has enough for now is not sent more when the rest is over; who wants more is not kept waiting', async (t) => {
  const { clock, seen, until, send, connected } = await slowBody(t, 100_000)
  connected.pause()
  await send(1000)
  clock.advance(MOST_MS)
  await turns()
  assert.equal(seen.bytes, 2000)
  connected.resume()
  await until(() => seen.bytes === 3000)
})

test('what is read at once is gathered while a slow body rests, and handed on as one piece', async (t) => {
  const { clock, seen, until, send } = await slowBody(t, 100_000, true)
  const pause = t.mock.method(Socket.prototype, 'pause')
  for (let each = 0; each < 3; each++) await send(1000)
  await turns()
  assert.equal(seen.bytes, 2000)
  const { pieces } = seen
  clock.advance(MOST_MS)
  await until(() => seen.bytes === 5000)
  assert.equal(seen.pieces, pieces + 1)
  assert.equal(pause.mock.callCount(), 0)
})

test('what is gathered waits no longer than until it is worth a piece, or the body’s end', async (t) => {
  const { seen, until, send } = await slowBody(t, 100_000, true)
  await send(WORTH_OF_LONG_BYTES)
  await until(() => seen.bytes === 2000 + WORTH_OF_LONG_BYTES)
  await send(100_000 - seen.bytes)
  await until(() => seen.isOver)
  assert.equal(seen.bytes, 100_000)
})

test('many pieces, gathered for as long as each takes, are what was sent', async (t) => {
  const { clock, seen, until, send } = await slowBody(t, 1_000_000, true)
  while (seen.bytes < 1_000_000) {
    const before = seen.bytes
    await send(1000)
    await until(() => {
      clock.advance(1)
      return seen.bytes === before + 1000
    })
  }
  assert.ok(seen.isRight && seen.isOver)
})

test('what is gathered when the server closes comes before the loss', async (t) => {
  const { seen, until, send, end } = await slowBody(t, 100_000, true)
  await send(1000)
  end()
  await until(() => seen.isLost)
  assert.equal(seen.bytes, 3000)
})

test('who has enough is not handed what was gathered before it wants more', async (t) => {
  const { clock, seen, until, send, connected } = await slowBody(t, 100_000, true)
  await send(1000)
  await turns()
  connected.pause()
  clock.advance(MOST_MS)
  await turns()
  assert.equal(seen.bytes, 2000)
  connected.resume()
  clock.advance(0)
  await until(() => seen.bytes === 3000)
})
