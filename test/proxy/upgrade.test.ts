import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  answering,
  exchange,
  OK,
  type Origin,
  type OriginScript,
  rawClient,
  startEdge,
  startOrigin,
  statusOf,
} from './edge-server.ts'
import { manualClock } from '../manual-clock.ts'

const upgrade = (origin: Origin, protocol = 'websocket', lines = '') =>
  `GET http://127.0.0.1:${origin.port}/chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${protocol}\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${lines}\r\n`

const switching = (protocol = 'websocket') =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n`

/** Switches, then says back all that comes behind the request's head. */
function echoing(protocol?: string): OriginScript {
  let echoed = 0
  return (socket, text) => {
    const start = text.indexOf('\r\n\r\n') + 4
    if (start < 4) return
    if (echoed === 0) socket.write(switching(protocol))
    socket.write(text.slice(Math.max(start, echoed)), 'latin1')
    echoed = text.length
  }
}

test('a WebSocket handshake passes, and frames go both ways as they are', async (t) => {
  const origin = await startOrigin(t, echoing())
  const edge = await startEdge(t)
  const client = await rawClient(
    t,
    edge.port,
    upgrade(origin, 'websocket', 'Proxy-Authorization: Basic c2VjcmV0\r\n'),
  )
  const head = await client.until(/\r\n\r\n/)
  assert.match(
    head,
    /^HTTP\/1\.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nVia: 1\.1 edge-under-test \(ihave\)\r\n\r\n$/,
  )
  const [request = ''] = origin.received
  assert.match(request, /^GET \/chat HTTP\/1\.1\r\n/)
  for (const line of [
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'via: 1.1 edge-under-test (ihave)',
  ]) {
    assert.ok(request.toLowerCase().includes(`\r\n${line.toLowerCase()}\r\n`), line)
  }
  assert.doesNotMatch(request, /c2VjcmV0|content-length|transfer-encoding/i)
  const frame = '\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58'
  client.send(frame)
  assert.ok((await client.until(/\x58$/)).endsWith(frame))
})

test('another protocol than WebSocket passes too; its first bytes come right behind the 101', async (t) => {
  const origin = await startOrigin(t, answering(`${switching('example/2')}welcome`))
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, upgrade(origin, 'example/2, h2c'))
  assert.match(
    await client.until(/welcome$/),
    /^HTTP\/1\.1 101 [^]*Upgrade: example\/2\r\n[^]*\r\n\r\nwelcome$/,
  )
  assert.match(origin.received[0] ?? '', /\r\nupgrade: example\/2\r\n/i)
})

test('what the client sends before the 101 waits here, and comes once, in order', async (t) => {
  const origin = await startOrigin(
    t,
    (socket, text) =>
      text.endsWith('\r\n\r\n') || socket.write(`<${text.slice(text.indexOf('\r\n\r\n') + 4)}>`),
  )
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, `${upgrade(origin)}one `)
  const upstream = await origin.next()
  client.send('two ')
  await exchange(t, edge.port, `POST http://127.0.0.1:${origin.port}/ HTTP/9.9\r\n\r\n`) // by now "two" has come too
  assert.match(origin.received[0] ?? '', /\r\n\r\n$/)
  upstream.write(switching())
  await client.until(/<one two >/)
})

test('a client that floods before the 101 is not read beyond a limit', { timeout: 10_000 }, async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, upgrade(origin))
  const upstream = await origin.next()
  const chunk = Buffer.alloc(1 << 20)
  let sentBytes = 0
  for (let turns = 0; turns < 500; turns++) {
    await new Promise(setImmediate)
    if (client.socket.writableNeedDrain) continue
    client.socket.write(chunk)
    sentBytes += chunk.length
    turns = 0
    assert.ok(sentBytes < 64 << 20, 'the client is read without end')
  }
  assert.ok(!upstream.destroyed)
  upstream.write(switching())
  while ((origin.received[0]?.length ?? 0) < sentBytes && !t.signal.aborted) await new Promise(setImmediate)
})

test('an upgrade that is answered by 200 stays HTTP, and is the last on its connection', async (t) => {
  const origin = await startOrigin(
    t,
    answering(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nUpgrade: websocket\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    ),
  )
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, upgrade(origin))
  await client.until(/2\r\nok\r\n0\r\n\r\n$/)
  client.send(`POST http://127.0.0.1:${origin.port}/second HTTP/1.1\r\nHost: a\r\n\r\n`)
  const text = await client.closed()
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n(?![^]*upgrade)[^]*\r\nConnection: close\r\n/i)
  assert.equal(origin.received.length, 1)
  assert.doesNotMatch(origin.received[0] ?? '', /second/)
})

const REFUSALS: readonly (readonly [name: string, bytes: string])[] = [
  ['another protocol than was offered', `${switching('other')}raw`],
  ['no protocol at all', 'HTTP/1.1 101 Switching Protocols\r\n\r\nraw'],
  ['nothing', ''],
]
for (const [name, bytes] of REFUSALS) {
  test(`an origin server that switches to ${name}: 502`, async (t) => {
    const origin = await startOrigin(t, (socket, text) => text.includes('\r\n\r\n') && socket.end(bytes))
    const edge = await startEdge(t)
    const response = await (await rawClient(t, edge.port, upgrade(origin))).closed()
    assert.equal(statusOf(response), 502)
    assert.doesNotMatch(response, /raw$/)
  })
}

test('h2c is not offered on: the request stays a plain one', async (t) => {
  const origin = await startOrigin(t, answering(OK))
  const edge = await startEdge(t)
  const response = await exchange(t, edge.port, upgrade(origin, 'h2c', 'HTTP2-Settings: AAMAAABk\r\n'))
  assert.equal(statusOf(response), 200)
  assert.doesNotMatch(origin.received[0] ?? '', /upgrade|http2-settings/i)
})

test('HTTP/1.0 cannot upgrade', async (t) => {
  const origin = await startOrigin(t, answering(OK))
  const edge = await startEdge(t)
  assert.equal(statusOf(await exchange(t, edge.port, upgrade(origin).replace('HTTP/1.1', 'HTTP/1.0'))), 200)
  assert.doesNotMatch(origin.received[0] ?? '', /upgrade/i)
})

for (const side of ['client', 'origin server'] as const) {
  for (const when of ['before', 'after'] as const) {
    test(`the ${side} breaks off ${when} the 101: the other side is let go`, async (t) => {
      const origin = await startOrigin(t, when === 'after' ? echoing() : () => {})
      const edge = await startEdge(t)
      const client = await rawClient(t, edge.port, upgrade(origin))
      const upstream = await origin.next()
      if (when === 'after') await client.until(/101/)
      const [breaking, other] = side === 'client' ? [client.socket, upstream] : [upstream, client.socket]
      const closed = new Promise((resolve) => other.once('close', resolve))
      breaking.resetAndDestroy()
      await closed
    })
  }
}

test('half-close: when the origin server ends its side, the client may go on', async (t) => {
  const origin = await startOrigin(t, answering(switching()))
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, upgrade(origin))
  const upstream = await origin.next()
  await client.until(/101/)
  client.socket.removeAllListeners('end')
  const sawEnd = new Promise((resolve) => client.socket.once('end', resolve))
  const closed = new Promise((resolve) => upstream.once('close', resolve))
  upstream.end('last')
  await sawEnd
  client.socket.end('more')
  await closed
  assert.match(client.text(), /last$/)
  assert.match(origin.received[0] ?? '', /\r\n\r\nmore$/)
})

test('a client that ends before the 101 is taken for gone', async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, upgrade(origin))
  const upstream = await origin.next()
  const closed = new Promise((resolve) => upstream.once('close', resolve))
  client.socket.end()
  await closed
})

test('an upgraded connection on which nothing moves is closed', async (t) => {
  const clock = manualClock()
  const origin = await startOrigin(t, echoing())
  const edge = await startEdge(t, { clock })
  const client = await rawClient(t, edge.port, upgrade(origin))
  await client.until(/101/)
  clock.advance(599_000)
  client.send('ping')
  await client.until(/ping$/)
  clock.advance(599_000)
  assert.ok(!client.socket.destroyed)
  clock.advance(2_000)
  await client.closed()
})

test('stopping closes upgraded connections', async (t) => {
  const origin = await startOrigin(t, echoing())
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, upgrade(origin))
  await client.until(/101/)
  await edge.passing.stop()
  await client.closed()
})
