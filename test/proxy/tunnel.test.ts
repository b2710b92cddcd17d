import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Origin, rawClient, startEdge, startOrigin, statusOf } from './edge-server.ts'
import { manualClock } from '../manual-clock.ts'

const connectTo = (authority: string, rest = '') =>
  `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n${rest}`
const connectToOrigin = (origin: Origin, rest?: string) => connectTo(`127.0.0.1:${origin.port}`, rest)
const ESTABLISHED = /^HTTP\/1\.1 200 Connection Established\r\n\r\n/

test('a tunnel carries bytes both ways as they are, those behind the request first', async (t) => {
  const origin = await startOrigin(t, (socket, text) => socket.write(`<${text}>`, 'latin1'))
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, connectToOrigin(origin, '\x16\x03\x01\xff\0'))
  assert.equal((await client.until(/>$/)).replace(ESTABLISHED, ''), '<\x16\x03\x01\xff\0>')
})

for (const side of ['client', 'origin server'] as const) {
  test(`half-close: when the ${side} ends, the other may go on`, async (t) => {
    const origin = await startOrigin(t, () => {})
    const edge = await startEdge(t)
    const client = await rawClient(t, edge.port, connectToOrigin(origin))
    const upstream = await origin.next()
    await client.until(ESTABLISHED)
    upstream.removeAllListeners('end')
    client.socket.removeAllListeners('end')
    const [first, second] = side === 'client' ? [client.socket, upstream] : [upstream, client.socket]
    const sawEnd = new Promise((resolve) => second.once('end', resolve))
    const closed = new Promise((resolve) => upstream.once('close', resolve))
    first.end('last')
    await sawEnd
    second.end('more')
    await Promise.all([client.closed(), closed])
    const [fromClient, fromOrigin] = side === 'client' ? ['last', 'more'] : ['more', 'last']
    assert.equal(client.text().replace(ESTABLISHED, ''), fromOrigin)
    assert.equal(origin.received[0], fromClient)
  })
}

const REFUSED: readonly (readonly [authority: string, status: number])[] = [
  ['169.254.169.254:80', 403],
  ['[fe80::1]:443', 403],
  ['[fd00:ec2::254]:80', 403],
  ['[::ffff:169.254.169.254]:80', 403],
  ['2852039166:80', 403],
  ['0xa9.0376.0xa9fe:80', 403],
  ['0.0.0.0:443', 403],
  ['255.255.255.255:443', 403],
  ['224.0.0.1:443', 403],
  ['metadata.test:80', 403],
  ['mixed.test:0', 400],
  ['mixed.test:65536', 400],
  ['mixed.test:443/path', 400],
  ['mixed.test:443?x', 400],
  ['mixed.test', 400],
  [':443', 400],
  ['a b:443', 400],
]
for (const [authority, status] of REFUSED) {
  test(`CONNECT ${authority}: refused with ${status}`, async (t) => {
    const edge = await startEdge(t, {
      resolve: (_name, _options, callback) => callback(null, [{ address: '169.254.169.254', family: 4 }]),
    })
    const client = await rawClient(t, edge.port, connectTo(authority))
    assert.equal(statusOf(await client.closed()), status)
  })
}

test('CONNECT to the node itself is a loop, under every name', async (t) => {
  const edge = await startEdge(t, {
    resolve: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  for (const host of ['127.0.0.1', 'localhost', 'rebound.test', '2130706433', '[::ffff:7f00:1]']) {
    const client = await rawClient(t, edge.port, connectTo(`${host}:${edge.port}`))
    assert.equal(statusOf(await client.closed()), 508, host)
  }
})

test('a proxy for other machines tunnels to 443 and 80 only, and to nothing private', async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t, { guard: { loopbackOnly: false } })
  for (const authority of [
    `127.0.0.1:${origin.port}`,
    '127.0.0.1:443',
    '10.0.0.1:443',
    '[fd12::1]:443',
    '8.8.8.8:25',
  ]) {
    assert.equal(
      statusOf(await (await rawClient(t, edge.port, connectTo(authority))).closed()),
      403,
      authority,
    )
  }
})

test('a connection that is refused, or late, is answered', async (t) => {
  const clock = manualClock()
  const edge = await startEdge(t, { clock, resolve: () => {} })
  const refused = await rawClient(t, edge.port, connectTo('127.0.0.1:1'))
  assert.match(
    await refused.closed(),
    /^HTTP\/1\.1 502 [^]*error=connection_refused[^]*\r\nConnection: close\r\n/,
  )
  const late = await rawClient(t, edge.port, connectTo('late.test:443', 'hello'))
  const other = await rawClient(t, edge.port, connectTo('127.0.0.1:1'))
  await other.closed()
  clock.advance(10_001)
  assert.match(await late.closed(), /^HTTP\/1\.1 504 [^]*error=connection_timeout/)
  assert.deepEqual(
    edge.faults.map((fault) => fault.code),
    ['CONNECT_REFUSED', 'CONNECT_REFUSED', 'CONNECT_TIMEOUT'],
  )
})

test('a tunnel on which nothing moves is closed', async (t) => {
  const clock = manualClock()
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t, { clock })
  const client = await rawClient(t, edge.port, connectToOrigin(origin))
  await client.until(ESTABLISHED)
  clock.advance(599_000)
  assert.ok(!client.socket.destroyed)
  clock.advance(2_000)
  await client.closed()
})

for (const side of ['client', 'origin server'] as const) {
  test(`a ${side} that breaks off ends the tunnel`, async (t) => {
    const origin = await startOrigin(t, () => {})
    const edge = await startEdge(t)
    const client = await rawClient(t, edge.port, connectToOrigin(origin))
    const upstream = await origin.next()
    await client.until(ESTABLISHED)
    const [breaking, other] = side === 'client' ? [client.socket, upstream] : [upstream, client.socket]
    const closed = new Promise((resolve) => other.once('close', resolve))
    breaking.resetAndDestroy()
    await closed
  })
}

test('a client that leaves before the tunnel stands stops the dialling', { timeout: 10_000 }, async (t) => {
  const edge = await startEdge(t, { resolve: () => {}, tunnel: { maxTunnels: 1 } })
  const client = await rawClient(t, edge.port, connectTo('late.test:443'))
  const second = await rawClient(t, edge.port, connectTo('late.test:443'))
  assert.equal(statusOf(await second.closed()), 503)
  client.socket.destroy()
  while (edge.faults.length < 2 && !t.signal.aborted) await new Promise(setImmediate)
  assert.deepEqual(
    edge.faults.map((fault) => fault.code),
    ['OVERLOADED', 'ABORTED'],
  )
})

test('more tunnels than the limit get 503, and room comes back', async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t, { tunnel: { maxTunnels: 1 } })
  const first = await rawClient(t, edge.port, connectToOrigin(origin))
  await first.until(ESTABLISHED)
  const second = await rawClient(t, edge.port, connectToOrigin(origin))
  assert.match(await second.closed(), /^HTTP\/1\.1 503 [^]*connection_limit_reached/)
  const upstream = await origin.next()
  const closed = new Promise((resolve) => upstream.once('close', resolve))
  first.socket.destroy()
  await closed
  const third = await rawClient(t, edge.port, connectToOrigin(origin))
  await third.until(ESTABLISHED)
})

test('stopping closes all tunnels and refuses later ones', async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, connectToOrigin(origin))
  await client.until(ESTABLISHED)
  await edge.tunnels.stop()
  await client.closed()
  assert.equal(statusOf(await (await rawClient(t, edge.port, connectToOrigin(origin))).closed()), 503)
})
