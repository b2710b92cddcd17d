import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_PAUSE_MS } from '../../proxy/server-options.ts'
import {
  answering,
  exchange,
  OK,
  type Origin,
  rawClient,
  startEdge,
  startOrigin,
  statusOf,
} from './edge-server.ts'
import { manualClock } from '../manual-clock.ts'

const post = (origin: Origin, lines = '', content = '') =>
  `POST http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nHost: a\r\n${lines}\r\n${content}`

test('hop-by-hop fields, all that Connection names, and proxy credentials stay here; the rest passes in order', async (t) => {
  const origin = await startOrigin(
    t,
    answering(
      'HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=9\r\n' +
        'Proxy-Authenticate: Basic\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n' +
        'X-Plain: \xe4\r\nVia: 1.1 there\r\n\r\nok',
    ),
  )
  const edge = await startEdge(t)
  const response = await exchange(
    t,
    edge.port,
    post(
      origin,
      'Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n' +
        'Proxy-Authorization: Basic c2VjcmV0\r\nAuthorization: Basic bWluZQ==\r\nX-Two: 1\r\nX-Two: 2\r\n' +
        'Cookie: a=1\r\nUser-Agent: freshclam\r\nVia: 1.0 before\r\nX-Latin: \xe4\r\n',
    ),
  )
  const [request = ''] = origin.received
  for (const gone of ['X-Hop', 'Keep-Alive', 'Proxy-', 'c2VjcmV0', 'TE:', '\r\nExpect']) {
    assert.ok(!request.toLowerCase().includes(gone.toLowerCase()), `${gone} went upstream`)
  }
  for (const kept of [
    'authorization: Basic bWluZQ==',
    'x-two: 1\r\nx-two: 2',
    'cookie: a=1',
    'user-agent: freshclam',
    'x-latin: \xe4',
  ]) {
    assert.ok(request.includes(`\r\n${kept}\r\n`), `${kept} did not pass`)
  }
  assert.match(request, /\r\nvia: 1\.0 before\r\nvia: 1\.1 edge-under-test \(ihave\)\r\n/)
  assert.match(response, /^HTTP\/1\.1 200 Fine\r\n/)
  for (const gone of ['X-Private', 'timeout=9', 'Proxy-', 'h2c'])
    assert.ok(!response.includes(gone), `${gone} came back`)
  assert.match(
    response,
    /\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Plain: \xe4\r\nVia: 1\.1 there\r\nVia: 1\.1 edge-under-test \(ihave\)\r\n/,
  )
})

test('a client that leaves ends its upstream request at once, 20 times of 20', async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t)
  for (let round = 0; round < 20; round++) {
    const client = await rawClient(
      t,
      edge.port,
      post(origin, round % 2 ? 'Content-Length: 9\r\n' : '', 'abc'.slice(0, (round % 2) * 3)),
    )
    const upstream = await origin.next()
    const closed = new Promise((resolve) => upstream.once('close', resolve))
    client.socket.destroy()
    await closed
  }
  assert.equal(origin.sockets.filter((socket) => socket.destroyed).length, 20)
  assert.deepEqual(new Set(edge.faults.map((fault) => fault.code)), new Set(['ABORTED']))
})

test('a client that leaves during the response ends it upstream', async (t) => {
  const origin = await startOrigin(t, answering('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin'))
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, post(origin))
  const upstream = await origin.next()
  const closed = new Promise((resolve) => upstream.once('close', resolve))
  await client.until(/begin/)
  client.socket.destroy()
  await closed
})

test('a client that leaves ends the requests that wait behind another one too', async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t)
  const client = await rawClient(
    t,
    edge.port,
    post(origin, 'Content-Length: 2\r\n', 'hi').repeat(2) + post(origin),
  )
  const upstreams = [await origin.next(), await origin.next(), await origin.next()]
  const closed = Promise.all(upstreams.map((each) => new Promise((resolve) => each.once('close', resolve))))
  client.socket.destroy()
  await closed
})

const DEATHS: readonly (readonly [name: string, bytes: string, status: number])[] = [
  ['before its response', '', 502],
  ['in the middle of the head', 'HTTP/1.1 200 OK\r\nContent-', 502],
  ['with junk', 'SSH-2.0-OpenSSH\r\n', 502],
]
for (const [when, bytes, status] of DEATHS) {
  test(`an origin server that dies ${when}: the client gets ${status} and a reason`, async (t) => {
    const origin = await startOrigin(t, (socket, text) => text.includes('\r\n\r\n') && socket.end(bytes))
    const edge = await startEdge(t)
    const response = await exchange(t, edge.port, post(origin))
    assert.equal(statusOf(response), status)
    assert.match(
      response,
      /\r\nProxy-Status: ihave; error=http_(response_incomplete|protocol_error); details="/,
    )
    assert.equal(edge.faults.length, 1)
  })
}

const CUTS = [
  ['a known length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin'],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n'],
] as const
for (const [name, bytes] of CUTS) {
  for (const how of ['ends', 'resets'] as const) {
    test(`a response of ${name} that ${how} early ends the client's connection without looking whole`, async (t) => {
      const origin = await startOrigin(t, answering(bytes))
      const edge = await startEdge(t)
      const client = await rawClient(t, edge.port, post(origin))
      const upstream = await origin.next()
      await client.until(/begin/)
      if (how === 'ends') upstream.end()
      else upstream.resetAndDestroy()
      assert.doesNotMatch(await client.closed(), /\r\n0\r\n\r\n$/)
      assert.deepEqual(
        edge.faults.map((fault) => fault.code),
        ['RESPONSE_INCOMPLETE'],
      )
    })
  }
}

test('an HTTP/1.0 client is told of a truncated response by a reset', async (t) => {
  const origin = await startOrigin(t, answering(CUTS[1][1]))
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, `POST http://127.0.0.1:${origin.port}/ HTTP/1.0\r\n\r\n`)
  const upstream = await origin.next()
  assert.doesNotMatch(await client.until(/begin/), /chunked/i)
  upstream.resetAndDestroy()
  await client.closed()
  assert.ok(client.wasReset())
})

const BAD_RESPONSES = [
  ['gzip before chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['gzip to the end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc'],
  [
    'chunked and a length',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n',
  ],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc'],
  [
    'a bare carriage return in a field',
    'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
  ],
  ['status 000', 'HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n'],
  [
    '101 that nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw',
  ],
  ['endless interim responses', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)],
] as const
for (const [name, bytes] of BAD_RESPONSES) {
  test(`a response with ${name} is not passed on: 502`, async (t) => {
    const origin = await startOrigin(t, answering(bytes))
    const edge = await startEdge(t)
    const client = await rawClient(t, edge.port, post(origin))
    const text = await client.until(/HTTP\/1\.1 [2-5]\d\d [^]*<\/html>|HTTP\/1\.1 [2-5]\d\d [^]*-- ihave/)
    assert.match(text, /HTTP\/1\.1 502 /)
    assert.doesNotMatch(text, /raw|\r\nSet-Cookie/)
  })
}

test('two responses to one request: the second reaches nobody', async (t) => {
  const origin = await startOrigin(t, answering(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`))
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, post(origin))
  await client.until(/ok$/)
  client.send(post(origin))
  await client.until(/ok[^]*ok$/)
  assert.doesNotMatch(client.text(), /poison/)
  assert.equal(origin.received.length, 2)
})

test('trailers pass both ways, but not those that would change the message', async (t) => {
  const reply =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a\r\nContent-Type: x\r\n\r\n'
  const origin = await startOrigin(
    t,
    (socket, text) => text.endsWith('0\r\nX-Up: 1\r\n\r\n') && socket.end(reply),
  )
  const edge = await startEdge(t)
  const client = await rawClient(
    t,
    edge.port,
    post(
      origin,
      'TE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n',
      '2\r\nhi\r\n0\r\nX-Up: 1\r\nAuthorization: x\r\n\r\n',
    ),
  )
  const response = await client.until(/\r\n0\r\n[^]*\r\n\r\n$/)
  assert.match(response, /\r\nTrailer: X-Sum\r\n[^]*\r\n0\r\nX-Sum: 7\r\n\r\n$/)
  assert.match(
    origin.received[0] ?? '',
    /\r\ntrailer: X-Up\r\n[^]*\r\nte: trailers\r\n[^]*2\r\nhi\r\n0\r\nX-Up: 1\r\n\r\n$/i,
  )
  assert.match(origin.received[0] ?? '', /\r\nconnection: close, TE\r\n/i)
})

test('interim responses pass end to end, with their fields, before the final one', async (t) => {
  const origin = await startOrigin(
    t,
    answering(
      `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nConnection: X\r\nX: 1\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n${OK}`,
    ),
  )
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, post(origin))
  const text = await client.until(/ok$/)
  assert.match(
    text,
    /^HTTP\/1\.1 102 [^]*HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>; rel=preload\r\n\r\nHTTP\/1\.1 199 [^]*HTTP\/1\.1 200 OK\r\n/,
  )
  const old = await rawClient(t, edge.port, `POST http://127.0.0.1:${origin.port}/ HTTP/1.0\r\n\r\n`)
  assert.match(await old.until(/ok$/), /^HTTP\/1\.1 200 OK\r\n/)
})

test('Expect goes to the origin server, whose 100 lets the content come', async (t) => {
  const origin = await startOrigin(t, (socket, text) => {
    if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    else if (text.endsWith('hello')) socket.end(OK)
  })
  const edge = await startEdge(t)
  const client = await rawClient(
    t,
    edge.port,
    post(origin, 'Expect: 100-continue\r\nX-Latin: \xe4\r\nContent-Length: 5\r\n'),
  )
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  assert.match(origin.received[0] ?? '', /\r\nexpect: 100-continue\r\n/i)
  assert.match(origin.received[0] ?? '', /\r\nx-latin: \xe4\r\n/i)
  client.send('hello')
  const text = await client.until(/\r\n\r\nHTTP\/1\.1 200 OK[^]*ok$/)
  assert.match(text, /\r\nConnection: keep-alive\r\n/)
})

test('no 100 from the origin server: none from here, and the connection closes behind the final response', async (t) => {
  const origin = await startOrigin(t, answering('HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno'))
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, post(origin, 'Expect: 100-continue\r\nContent-Length: 30\r\n'))
  const text = await client.closed()
  assert.match(text, /^HTTP\/1\.1 417 No\r\n[^]*\r\nConnection: close\r\n[^]*no$/)
  client.send(post(origin))
  assert.equal(origin.received.length, 1)
})

test('an answer that comes before the content is whole reaches the client, and the next request works', async (t) => {
  const origin = await startOrigin(t, answering('HTTP/1.1 413 Big\r\nContent-Length: 2\r\n\r\nno'))
  const edge = await startEdge(t)
  const client = await rawClient(t, edge.port, post(origin, 'Content-Length: 10\r\n', 'abc'))
  await client.until(/413 Big[^]*no$/)
  client.send('defghij' + post(origin))
  await client.until(/413 Big[^]*no[^]*413 Big[^]*no$/)
  assert.equal(origin.received.length, 2)
})

const to = (host: string) => `POST http://${host}/ HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n`

test('a refused connection, an unknown name and a late one each get their own page', async (t) => {
  const clock = manualClock()
  const edge = await startEdge(t, {
    clock,
    resolve: (name, _options, callback) => {
      if (name === 'unknown.test') callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), '')
    },
  })
  assert.match(
    await exchange(t, edge.port, to('unknown.test')),
    /^HTTP\/1\.1 502 [^]*error=dns_error[^]*not found/,
  )
  assert.match(
    await exchange(t, edge.port, to('127.0.0.1:1')),
    /^HTTP\/1\.1 502 [^]*error=connection_refused/,
  )
  const late = await rawClient(t, edge.port, to('late.test'))
  await exchange(t, edge.port, to('unknown.test')) // by now the first one waits too
  clock.advance(10_001)
  assert.match(await late.until(/<\/html>/), /^HTTP\/1\.1 504 [^]*error=connection_timeout/)
})

test('an origin server that says nothing is waited for, but not for ever', async (t) => {
  const clock = manualClock()
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t, { clock })
  const client = await rawClient(t, edge.port, post(origin))
  await origin.next()
  await new Promise((resolve) => origin.sockets[0]?.once('data', resolve))
  clock.advance(299_000)
  assert.equal(client.text(), '')
  clock.advance(2_000)
  assert.match(await client.until(/-- ihave/), /^HTTP\/1\.1 504 [^]*http_response_timeout/)
})

test('a client that does not read its response is cut after the stall time', async (t) => {
  const clock = manualClock()
  const origin = await startOrigin(t, answering('HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n'))
  const edge = await startEdge(t, { clock })
  const client = await rawClient(t, edge.port, post(origin))
  const upstream = await origin.next()
  await client.until(/\r\n\r\n/)
  client.socket.pause()
  const chunk = Buffer.alloc(1 << 20)
  while (upstream.write(chunk)) await new Promise(setImmediate)
  // Full up to here: hundreds of turns of the loop, and nothing more was taken.
  for (let turns = 0; turns < 500; turns++) {
    await new Promise(setImmediate)
    if (!upstream.writableNeedDrain) turns = upstream.write(chunk) ? 0 : -1
  }
  const closed = new Promise((resolve) => upstream.once('close', resolve))
  clock.advance(MAX_PAUSE_MS - 6_000)
  assert.equal(client.socket.destroyed, false)
  clock.advance(12_000)
  await closed
})

test('more requests at once than the limit get 503, and room comes back', async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t, { limits: { maxExchanges: 2 } })
  const held = [await rawClient(t, edge.port, post(origin)), await rawClient(t, edge.port, post(origin))]
  const upstreams = [await origin.next(), await origin.next()]
  assert.match(await exchange(t, edge.port, post(origin)), /^HTTP\/1\.1 503 [^]*connection_limit_reached/)
  upstreams[0]?.end(OK)
  upstreams[1]?.end(OK)
  await Promise.all(held.map((client) => client.until(/ok$/)))
  const next = exchange(t, edge.port, post(origin))
  const upstream = await origin.next()
  upstream.end(OK)
  assert.equal(statusOf(await next), 200)
})

test('no connection to an origin server serves twice, and the 257th request waits for one', async (t) => {
  const origin = await startOrigin(t, () => {})
  const edge = await startEdge(t)
  const switching = `GET http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n`
  const first = await rawClient(t, edge.port, switching)
  const upstreams = [await origin.next()]
  await rawClient(t, edge.port, post(origin).repeat(255))
  while (upstreams.length < 256) upstreams.push(await origin.next())
  const last = await rawClient(t, edge.port, post(origin))
  assert.equal(statusOf(await exchange(t, edge.port, 'POST / HTTP/1.1\r\nHost: a\r\n\r\n')), 421) // by now it waits
  assert.equal(origin.received.length, 256)
  upstreams[0]?.write(OK)
  await first.until(/ok$/)
  const upstream = await origin.next()
  upstream.write(OK)
  await last.until(/ok$/)
  assert.equal(origin.received.length, 257)
})

test('stopping answers what waits, cuts what runs, and refuses what comes', async (t) => {
  const origin = await startOrigin(
    t,
    (socket, text) =>
      text.includes('/begun') && socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegin'),
  )
  const edge = await startEdge(t)
  const waiting = await rawClient(t, edge.port, post(origin))
  const begun = await rawClient(t, edge.port, post(origin).replace('/ HTTP', '/begun HTTP'))
  await begun.until(/begin/)
  await edge.passing.stop()
  assert.match(await waiting.until(/-- ihave/), /^HTTP\/1\.1 503 /)
  assert.match(await begun.closed(), /begin$/)
  assert.equal(statusOf(await exchange(t, edge.port, post(origin))), 503)
})

test('Max-Forwards counts down for OPTIONS and TRACE and ends here at zero', async (t) => {
  const origin = await startOrigin(t, answering(OK))
  const edge = await startEdge(t)
  const hopping = (method: string, hops: number) =>
    `${method} http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nMax-Forwards: ${hops}\r\n\r\n`
  assert.equal(statusOf(await exchange(t, edge.port, hopping('OPTIONS', 3))), 200)
  assert.match(origin.received[0] ?? '', /\r\nmax-forwards: 2\r\n/i)
  assert.match(
    await exchange(t, edge.port, hopping('OPTIONS', 0)),
    /^HTTP\/1\.1 200 OK\r\n[^]*Allow: GET, HEAD/,
  )
  const traced = await exchange(t, edge.port, hopping('TRACE', 0))
  assert.match(traced, /Content-Type: message\/http\r\n[^]*\r\n\r\nTRACE http:/)
  assert.doesNotMatch(traced, /secret/)
  assert.equal(origin.received.length, 1)
})
