import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { bodyOf, writeAnswer, type Written } from '../../core/answer.ts'
import { systemClock } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import { fieldValue } from '../../core/fields.ts'
import { parseTargetUri } from '../../core/target-uri.ts'
import { originUpstream } from '../../proxy/http-upstream.ts'
import { passThrough } from '../../proxy/pass-through.ts'
import {
  ProxyServer,
  type OwnPages,
  type ProxyComponents,
  type ProxySettings,
  type RequestLine,
} from '../../proxy/proxy-server.ts'
import type { GuardSettings } from '../../proxy/target-guard.ts'
import { tunnel } from '../../proxy/tunnel.ts'
import { posted } from '../../retrieval/posted.ts'
import { compileRules } from '../../retrieval/rules.ts'
import { manualClock } from '../manual-clock.ts'
import { world, type World } from '../retrieval/world.ts'
import {
  answering,
  exchange,
  OK,
  rawClient,
  startOrigin,
  statusOf,
  type Origin,
  type OriginScript,
} from './edge-server.ts'

const PSEUDONYM = 'proxy-under-test'

interface Proxy {
  readonly port: number
  readonly lines: RequestLine[]
  readonly invalidated: string[]
  readonly node: World
  readonly server: ProxyServer
}

const PAGES: OwnPages = {
  has: (path) => path === '/' || path === '/proxy.pac',
  answer: (path, authority) => {
    const text = `${path} of ${authority}`
    return { status: 200, fields: [['Content-Length', String(text.length)]], body: bodyOf(Buffer.from(text)) }
  },
}

/** The proxy on its port as the service builds it, over a store in memory. */
async function startProxy(
  t: TestContext,
  settings: Partial<ProxySettings> = {},
  components: Partial<ProxyComponents> = {},
): Promise<Proxy> {
  const own: { address: string; port: number }[] = []
  const guard: GuardSettings = { loopbackOnly: true, allowPorts: 'auto', own }
  const upstream = originUpstream(guard)
  const node = world({ origin: () => Promise.reject(new Fault('UNREACHABLE', 'no script')), upstream })
  const lines: RequestLine[] = []
  const invalidated: string[] = []
  const server = new ProxyServer(
    { address: '127.0.0.1', port: 0, pseudonym: PSEUDONYM, mayUse: () => true, stopGraceMs: 0, ...settings },
    {
      // Real waiting, and the dates of the node behind it.
      clock: { ...systemClock, wall: () => node.clock.wall() },
      resources: node.resources,
      passThrough: passThrough({ guard, pseudonym: PSEUDONYM }, { clock: systemClock }),
      tunnels: tunnel({ guard }, { clock: systemClock }),
      ownPages: PAGES,
      invalidate: (uri) => {
        invalidated.push(uri)
        node.retrievals.outdate(uri)
      },
      changes: node.retrievals.changes,
      posted: posted({
        store: node.store,
        rules: () => compileRules([], []),
        changes: node.retrievals.changes,
      }),
      log: (line) => lines.push(line),
      ...components,
    },
  )
  await server.start()
  own.push({ address: '127.0.0.1', port: server.port })
  t.after(async () => {
    await server.stop()
    await upstream.stop()
  })
  return { port: server.port, lines, invalidated, node, server }
}

function get(origin: Origin, path = '/', lines = '', version = '1.1'): string {
  return `GET http://127.0.0.1:${origin.port}${path} HTTP/${version}\r\nHost: a\r\n${lines}\r\n`
}

function field(response: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: ([^\\r]*)\\r\\n`, 'i').exec(response)?.[1]
}

/** The line of the only request, which is written when its connection is done with it. */
async function onlyLine({ lines, node }: Proxy): Promise<RequestLine> {
  for (let turn = 0; turn < 100 && lines.length === 0; turn++) await node.settle()
  assert.equal(lines.length, 1)
  const [line] = lines
  assert.ok(line)
  return line
}

const CACHEABLE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: max-age=60\r\nETag: "1"\r\n'
const VIA = `1.1 ${PSEUDONYM} (ihave)`

describe('Via and Cache-Status', () => {
  test('tell of a miss, and the origin server is told of this node', async (t) => {
    const origin = await startOrigin(t, answering(`${CACHEABLE}\r\nok`))
    const proxy = await startProxy(t)
    const response = await exchange(t, proxy.port, get(origin))
    assert.equal(field(response, 'Via'), VIA)
    assert.equal(
      field(response, 'Cache-Status'),
      'ihave; fwd=uri-miss; fwd-status=200; stored; detail=internet',
    )
    assert.match(origin.received[0] ?? '', new RegExp(`\\r\\nvia: 1\\.1 ${PSEUDONYM} \\(ihave\\)\\r\\n`, 'i'))
  })

  test('tell of a hit', async (t) => {
    const origin = await startOrigin(t, answering(`${CACHEABLE}\r\nok`))
    const proxy = await startProxy(t)
    await exchange(t, proxy.port, get(origin))
    await proxy.node.settle()
    const response = await exchange(t, proxy.port, get(origin))
    assert.equal(field(response, 'Via'), VIA)
    assert.match(field(response, 'Cache-Status') ?? '', /^ihave; hit; ttl=\d+$/)
    assert.equal(field(response, 'Age') === undefined, false)
    assert.equal(origin.received.length, 1)
  })

  test('what came without Date has that of its coming, however often it is sent (RFC 9110 6.6.1)', async (t) => {
    const origin = await startOrigin(t, answering(`${CACHEABLE}\r\nok`))
    const proxy = await startProxy(t)
    const dates = new Set<string | undefined>()
    for (let time = 0; time < 4; time++) {
      dates.add(field(await exchange(t, proxy.port, get(origin)), 'Date'))
      await proxy.node.settle()
      proxy.node.clock.advance(5_000)
    }
    assert.equal(origin.received.length, 1)
    assert.equal(dates.size, 1, [...dates].join())
  })

  test('tell of a 304 and of a part', async (t) => {
    const origin = await startOrigin(t, answering(`${CACHEABLE}\r\nok`))
    const proxy = await startProxy(t)
    await exchange(t, proxy.port, get(origin))
    await proxy.node.settle()
    for (const [line, status] of [
      ['If-None-Match: "1"\r\n', 304],
      ['Range: bytes=1-\r\n', 206],
    ] as const) {
      const client = await rawClient(t, proxy.port, get(origin, '/', `${line}Connection: close\r\n`))
      const response = await client.closed()
      assert.deepEqual([statusOf(response), field(response, 'Via')], [status, VIA])
      assert.match(field(response, 'Cache-Status') ?? '', /^ihave; hit/)
    }
  })

  test('tell of what is passed on without being stored, whatever its status', async (t) => {
    const origin = await startOrigin(
      t,
      answering('HTTP/1.1 404 Gone\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok'),
    )
    const proxy = await startProxy(t)
    const response = await exchange(t, proxy.port, get(origin))
    assert.deepEqual([statusOf(response), field(response, 'Via')], [404, VIA])
    assert.equal(field(response, 'Cache-Status'), 'ihave; fwd=uri-miss; fwd-status=404; detail=internet')
  })

  test('tell of HEAD, and of only-if-cached', async (t) => {
    const origin = await startOrigin(t, answering(`${CACHEABLE}\r\n`))
    const proxy = await startProxy(t)
    const head = get(origin, '/', 'Connection: close\r\n').replace('GET', 'HEAD')
    const response = await (await rawClient(t, proxy.port, head)).closed()
    assert.deepEqual([statusOf(response), field(response, 'Via')], [200, VIA])
    assert.equal(field(response, 'Cache-Status'), 'ihave; fwd=uri-miss; fwd-status=200; detail=internet')
    const cached = await exchange(t, proxy.port, get(origin, '/b', 'Cache-Control: only-if-cached\r\n'))
    assert.deepEqual([statusOf(cached), field(cached, 'Via')], [504, VIA])
    assert.equal(field(cached, 'Cache-Status'), 'ihave; detail=only-if-cached')
  })

  test('Via tells of what passes through, both ways', async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const proxy = await startProxy(t)
    const response = await exchange(
      t,
      proxy.port,
      get(origin, '/', 'Content-Length: 0\r\n').replace('GET', 'POST'),
    )
    assert.equal(field(response, 'Via'), VIA)
    assert.match(origin.received[0] ?? '', new RegExp(`\\r\\nvia: 1\\.1 ${PSEUDONYM}`, 'i'))
    assert.equal((await onlyLine(proxy)).way, 'pass-through')
  })

  test('Cache-Status tells that what passes through did so, and why, behind what others told', async (t) => {
    const told = 'Cache-Status: theirs; hit\r\n'
    const origin = await startOrigin(t, answering(OK.replace('\r\n', `\r\n${told}`)))
    const proxy = await startProxy(t)
    const content = `${get(origin, '/', 'Content-Length: 1\r\n')}x`
    for (const [request, reason] of [
      [content.replace('GET', 'POST'), 'method'],
      [content, 'bypass'],
    ] as const) {
      const response = await exchange(t, proxy.port, request)
      assert.match(response, new RegExp(`\r\n${told}`))
      assert.match(response, new RegExp(`\r\nCache-Status: ihave; fwd=${reason}; fwd-status=200\r\n`))
    }
  })

  test('an error says what happened as Proxy-Status', async (t) => {
    const origin = await startOrigin(t, (socket) => socket.destroy())
    const proxy = await startProxy(t)
    const response = await exchange(t, proxy.port, get(origin))
    assert.equal(statusOf(response), 502)
    assert.match(field(response, 'Proxy-Status') ?? '', /^ihave; error=\w+; details="/)
    assert.equal(field(response, 'Cache-Status'), 'ihave; detail=RESPONSE_INCOMPLETE')
    const { way, outcome, code } = await onlyLine(proxy)
    assert.deepEqual([way, outcome, code], ['resource', 'fault', 'RESPONSE_INCOMPLETE'])
  })

  test('a request that has passed this node before is a loop', async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const proxy = await startProxy(t)
    const response = await exchange(t, proxy.port, get(origin, '/', `Via: 1.1 ${PSEUDONYM}\r\n`))
    assert.deepEqual([statusOf(response), origin.received.length], [508, 0])
  })
})

describe('the head of a response', () => {
  const lines = `X: ${'x'.repeat(30_000)}\r\n`

  for (const [method, more] of [
    ['GET', ''],
    ['POST', 'Content-Length: 0\r\n'],
  ] as const)
    test(`may be as large as that of a request, and no larger: ${method}`, async (t) => {
      const script: OriginScript = (socket, text) =>
        answering(`${CACHEABLE}${text.includes('/larger') ? lines : ''}${lines}\r\nok`)(socket, text)
      const origin = await startOrigin(t, script)
      const proxy = await startProxy(t)
      for (const [path, status] of [
        ['/', 200],
        ['/', 200],
        ['/larger', 502],
      ] as const) {
        const response = await exchange(t, proxy.port, get(origin, path, more).replace('GET', method))
        assert.equal(statusOf(response), status)
        if (status === 200) assert.ok(response.includes(lines), 'a field is missing')
      }
    })
})

describe('path and query', () => {
  for (const path of [
    '/a/%2e%2e/b',
    '/a/../b',
    '/./a',
    '/x?',
    '/q?a=b|c"d',
    '/%7euser',
    '/%7Euser',
    "/a'b?c='d",
    '//double',
    '/a%2fb',
    '/caf%c3%a9',
    '/?q=http://x/',
    '/a;b=c?d&&e',
  ])
    test(`go to the origin server exactly as written: ${path}`, async (t) => {
      const origin = await startOrigin(t, answering(OK))
      const proxy = await startProxy(t)
      assert.equal(statusOf(await exchange(t, proxy.port, get(origin, path))), 200)
      assert.equal(origin.received[0]?.split('\r\n')[0], `GET ${path} HTTP/1.1`)
    })

  test('are "/" where the application wrote none', async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const proxy = await startProxy(t)
    await exchange(t, proxy.port, get(origin, ''))
    assert.match(origin.received[0] ?? '', /^GET \/ HTTP\/1\.1\r\n/)
  })

  test('are the same stored response in whatever spelling', async (t) => {
    const origin = await startOrigin(t, answering(`${CACHEABLE}\r\nok`))
    const proxy = await startProxy(t)
    await exchange(t, proxy.port, get(origin, '/%7Euser/a%2bb'))
    await proxy.node.settle()
    const response = await exchange(t, proxy.port, get(origin, '/~user/a%2Bb'))
    assert.match(field(response, 'Cache-Status') ?? '', /^ihave; hit/)
  })
})

describe('a response', () => {
  for (const [name, phrase] of [
    ['in UTF-8', Buffer.from('Не найдено').toString('latin1')],
    ['in Latin-1', 'Pas trouv\xe9'],
    ['that is empty', ''],
  ] as const)
    test(`with a reason phrase ${name} is passed on`, async (t) => {
      const origin = await startOrigin(t, answering(`HTTP/1.1 404 ${phrase}\r\nContent-Length: 2\r\n\r\nno`))
      const proxy = await startProxy(t)
      const response = await exchange(t, proxy.port, get(origin))
      assert.deepEqual([statusOf(response), response.endsWith('\r\n\r\nno')], [404, true])
    })

  test('in another transfer coding than chunked is neither passed on nor stored', async (t) => {
    const coded = 'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: gzip\r\n\r\nCODED'
    const origin = await startOrigin(t, (socket) => socket.end(coded))
    const proxy = await startProxy(t)
    for (let time = 1; time <= 2; time += 1) {
      const response = await exchange(t, proxy.port, get(origin))
      assert.equal(statusOf(response), 502)
      assert.match(field(response, 'Proxy-Status') ?? '', /error=http_protocol_error; .*Transfer-Encoding/)
      assert.doesNotMatch(response, /CODED/)
      await proxy.node.settle()
    }
    assert.equal(origin.sockets.length, 2)
  })

  const endless =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n5\r\nhello\r\n'

  /** Breaks off once the application has what came first. */
  async function brokenOff(t: TestContext, version: string, first: string) {
    const origin = await startOrigin(t, answering(first))
    const proxy = await startProxy(t)
    const client = await rawClient(t, proxy.port, get(origin, '/', '', version))
    await client.until(/hello/)
    for (const socket of origin.sockets) socket.resetAndDestroy()
    const text = await client.closed()
    return { text, client, line: await onlyLine(proxy) }
  }

  test('of unknown length that breaks off is reset for an HTTP/1.0 client, who would take a close for the end', async (t) => {
    const { text, client, line } = await brokenOff(t, '1.0', endless)
    assert.ok(text.endsWith('hello'))
    assert.ok(client.wasReset(), 'the client takes the part for the whole')
    assert.equal(line.outcome, 'broken')
  })

  test('of unknown length that breaks off has no last chunk', async (t) => {
    const { text } = await brokenOff(t, '1.1', endless)
    assert.doesNotMatch(text, /\r\n0\r\n/)
  })

  test('of known length that breaks off is short of it, whoever asks', async (t) => {
    for (const version of ['1.0', '1.1']) {
      const { text, line } = await brokenOff(t, version, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello')
      assert.match(text, /content-length: 9\r\n/i)
      assert.deepEqual([text.endsWith('hello'), line.outcome, line.bytes], [true, 'broken', 5])
    }
  })

  test('of unknown length that ends well ends well for an HTTP/1.0 client too', async (t) => {
    const origin = await startOrigin(t, answering(`${endless}0\r\n\r\n`))
    const proxy = await startProxy(t)
    const client = await rawClient(t, proxy.port, get(origin, '/', '', '1.0'))
    const text = await client.closed()
    assert.deepEqual([text.endsWith('\r\n\r\nhello'), client.wasReset()], [true, false])
  })
})

describe('a client that does not read', () => {
  const LARGE = Buffer.alloc(1_000_000)

  /** A server that sends without end, and a client that may not read. */
  async function sending(t: TestContext, stallMs: number) {
    const { promise: written, resolve } = Promise.withResolvers<Written>()
    const responses: ServerResponse[] = []
    async function* endless() {
      for (;;) yield LARGE
    }
    const server = createServer((_, response) => {
      responses.push(response)
      const answer = { status: 200, fields: [], body: endless() }
      void writeAnswer(response, answer, stallMs, manualClock()).then(resolve)
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    return { port: (server.address() as AddressInfo).port, written, responses }
  }

  test('is cut when it has taken nothing for the stall limit', async (t) => {
    const { port, written } = await sending(t, 50)
    const client = await rawClient(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    client.socket.pause()
    assert.equal((await written).kind, 'aborted')
  })

  test('is not kept for twice as long', async (t) => {
    const { port, written } = await sending(t, 1500)
    const client = await rawClient(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    // Some of it is taken at a time when Node has looked already.
    await client.until(/200 OK/)
    client.socket.pause()
    const isCut = written.then(() => 'in time')
    assert.equal(await Promise.race([isCut, pause(2700, 'too late')]), 'in time')
  })

  test('is not cut as long as it takes something now and then', async (t) => {
    const { port, written, responses } = await sending(t, 200)
    const client = await rawClient(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await takingSlowly(client.socket, 20_000_000)
    assert.ok((responses[0]?.listenerCount('timeout') ?? 0) <= 1, 'each wait leaves a listener behind')
    client.socket.destroy()
    const { kind, bytes } = await written
    assert.equal(kind, 'aborted')
    assert.ok(bytes >= 20_000_000)
  })

  /** Pauses after every few chunks for a moment: far less than the limit, and in all far more. */
  function takingSlowly(socket: Socket, bytes: number): Promise<void> {
    let taken = 0
    return new Promise((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        taken += chunk.length
        if (taken >= bytes) return resolve()
        socket.pause()
        setImmediate(() => socket.resume())
      })
    })
  }
})

describe('own pages', () => {
  const page = (host: string, target = '/proxy.pac', method = 'GET') =>
    `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

  test('know by which name they were reached, so that a PAC file leads back the same way', async (t) => {
    const { port } = await startProxy(t)
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`]) {
      const response = await (await rawClient(t, port, page(host))).closed()
      assert.ok(response.endsWith(`/proxy.pac of ${host}`), response)
    }
  })

  test('are named by the target where it says more than Host (RFC 9112 3.2.2)', async (t) => {
    const { port } = await startProxy(t)
    const target = `http://localhost:${port}/proxy.pac`
    const response = await (await rawClient(t, port, page('elsewhere.test:1', target))).closed()
    assert.ok(response.endsWith(`/proxy.pac of localhost:${port}`), response)
  })

  test('are not shown under a name that was rebound to this node', async (t) => {
    const { port } = await startProxy(t)
    for (const host of [`evil.test:${port}`, 'evil.test', '127.0.0.1:1', `127.0.0.2:${port}`]) {
      const response = await (await rawClient(t, port, page(host))).closed()
      assert.ok(statusOf(response) >= 400, `shown to ${host}`)
      assert.doesNotMatch(response, /proxy\.pac of/)
    }
  })

  test('answer HEAD without a body, and nothing else but GET', async (t) => {
    const { port } = await startProxy(t)
    const head = await (await rawClient(t, port, page(`localhost:${port}`, '/', 'HEAD'))).closed()
    assert.deepEqual([statusOf(head), head.endsWith('\r\n\r\n')], [200, true])
    assert.match(head, /content-length: [1-9]/i)
    const post = await (await rawClient(t, port, page(`localhost:${port}`, '/', 'POST'))).closed()
    assert.deepEqual([statusOf(post), field(post, 'Allow')], [405, 'GET, HEAD'])
  })

  test('that do not exist are not found', async (t) => {
    const { port } = await startProxy(t)
    const response = await (await rawClient(t, port, page(`localhost:${port}`, '/other'))).closed()
    assert.equal(statusOf(response), 404)
  })
})

describe('the line of the log', () => {
  test('tells of a request without its query and userinfo', async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const proxy = await startProxy(t)
    await exchange(t, proxy.port, get(origin, '/a?token=s3cret&x=s3cret'))
    const line = await onlyLine(proxy)
    assert.doesNotMatch(JSON.stringify(line), /s3cret/)
    assert.equal(line.url, `http://127.0.0.1:${origin.port}/a?…`)
    assert.deepEqual(
      [line.status, line.bytes, line.way, line.outcome, line.client],
      [200, 2, 'resource', 'complete', '127.0.0.1'],
    )
  })

  for (const request of [
    'GET http://a.test/ HTTP/1.1\r\n\r\n',
    'CONNECT a.test:443 HTTP/1.1\r\n\r\n',
    'GET http://a.test/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ])
    test(`tells a client that it has left out Host: ${request.split(' ')[0]}${/Upgrade/.test(request) ? ', an upgrade' : ''}`, async (t) => {
      const proxy = await startProxy(t)
      const client = await rawClient(t, proxy.port, request)
      await client.until(/no Host line/)
      assert.match(client.text(), /^HTTP\/1\.1 400 Bad Request\r\n/)
      assert.deepEqual((await onlyLine(proxy)).outcome, 'fault')
    })

  for (const [name, request, status] of [
    ['that is refused', 'GET http://user:s3cret@a.test/?s3cret HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['CONNECT that is refused', 'CONNECT s3cret:s3cret@a.test HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    [
      'for an upgrade that is refused',
      'GET /x?s3cret HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      421,
    ],
  ] as const)
    test(`tells of a request ${name}, without what may be a credential`, async (t) => {
      const proxy = await startProxy(t)
      const client = await rawClient(t, proxy.port, request)
      await client.until(/\r\n\r\n/)
      const line = await onlyLine(proxy)
      assert.deepEqual([line.way, line.status, line.outcome], ['refused', status, 'fault'])
      assert.doesNotMatch(JSON.stringify(line), /s3cret/)
      assert.doesNotMatch(client.text(), /s3cret/)
    })

  test('tells that a client left', async (t) => {
    const origin = await startOrigin(t, answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello'))
    const proxy = await startProxy(t)
    const client = await rawClient(t, proxy.port, get(origin))
    await client.until(/hello/)
    client.socket.destroy()
    const line = await onlyLine(proxy)
    assert.deepEqual([line.outcome, line.status], ['aborted', 200])
  })

  test('tells the status of a tunnel that could not be opened', async (t) => {
    const proxy = await startProxy(t)
    const free = createServer()
    await new Promise<void>((listening) => free.listen(0, '127.0.0.1', listening))
    const { port } = free.address() as AddressInfo
    await new Promise((closed) => free.close(closed))
    const client = await rawClient(t, proxy.port, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.equal(statusOf(await client.until(/\r\n\r\n/)), 502)
    await client.closed()
    const line = await onlyLine(proxy)
    assert.equal(line.way, 'tunnel')
    assert.equal(line.status, 502, 'the log says that the tunnel was there')
  })

  test('tells what a request that passed through was given', async (t) => {
    const origin = await startOrigin(t, (socket) => socket.destroy())
    const proxy = await startProxy(t)
    const post = get(origin, '/', 'Content-Length: 0\r\n').replace('GET', 'POST')
    assert.equal(statusOf(await exchange(t, proxy.port, post)), 502)
    const line = await onlyLine(proxy)
    assert.deepEqual([line.way, line.status], ['pass-through', 502])
    assert.deepEqual([line.outcome, line.code, line.bytes], ['fault', 'RESPONSE_INCOMPLETE', 0])
  })

  for (const [name, script, outcome, bytes] of [
    ['came whole', () => {}, 'complete', 2],
    ['broke off', (_, origin) => origin.destroy(), 'broken', 1],
    ['was left', (client) => client.destroy(), 'aborted', 1],
  ] as readonly (readonly [string, (client: Socket, origin: Socket) => void, string, number])[])
    test(`tells of an answer that passed through how many bytes there were, and that it ${name}`, async (t) => {
      const head = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no'
      const origin = await startOrigin(t, answering(bytes === 2 ? `${head}k` : head))
      const proxy = await startProxy(t)
      const post = get(origin, '/', 'Content-Length: 0\r\n').replace('GET', 'POST')
      const client = await rawClient(t, proxy.port, post)
      await client.until(/\r\n\r\nok?$/)
      script(client.socket, await origin.next())
      const line = await onlyLine(proxy)
      assert.deepEqual(
        [line.way, line.status, line.outcome, line.bytes],
        ['pass-through', 200, outcome, bytes],
      )
    })

  test('tells what an upgrade came to', async (t) => {
    for (const [answer, status] of [
      ['HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nok', 101],
      [OK, 200],
      ['', 502],
    ] as const) {
      const origin = await startOrigin(t, (socket) => socket.end(answer))
      const proxy = await startProxy(t)
      const lines = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
      const client = await rawClient(t, proxy.port, get(origin, '/', lines))
      await client.closed()
      const line = await onlyLine(proxy)
      assert.deepEqual([line.way, line.status], ['pass-through', status])
    }
  })

  test('tells of a tunnel whose client left before it stood', async (t) => {
    const guard: GuardSettings = { loopbackOnly: true, allowPorts: 'auto', own: [] }
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>()
    const tunnels = tunnel({ guard }, { clock: systemClock, resolve: () => asked() })
    const proxy = await startProxy(t, {}, { tunnels })
    const client = await rawClient(t, proxy.port, 'CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n')
    await isAsked
    client.socket.destroy()
    const line = await onlyLine(proxy)
    assert.deepEqual([line.way, line.status, line.code], ['tunnel', 499, 'ABORTED'])
  })

  test('tells of what cannot be read, and nothing that stands in it', async (t) => {
    const proxy = await startProxy(t)
    const client = await rawClient(t, proxy.port, 'BREW http://s3cret@a.test/ HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.closed()
    const { way, status, code, method, url } = await onlyLine(proxy)
    assert.deepEqual([way, status, code, method, url], ['refused', 501, 'METHOD_UNKNOWN', '', ''])
  })
})

describe('the proxy', () => {
  test('takes back what an unsafe request changed', async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const proxy = await startProxy(t)
    await exchange(t, proxy.port, get(origin, '/a', 'Content-Length: 0\r\n').replace('GET', 'PUT'))
    await onlyLine(proxy)
    assert.deepEqual(proxy.invalidated, [parseTargetUri(`http://127.0.0.1:${origin.port}/a`)])
  })

  test('takes back what Location and Content-Location name, and nothing after an error', async (t) => {
    const named = 'Location: /b\r\nContent-Location: /c\r\nContent-Length: 0\r\n\r\n'
    for (const [status, paths] of [
      [201, ['/a', '/b', '/c']],
      [500, []],
    ] as const) {
      const origin = await startOrigin(t, answering(`HTTP/1.1 ${status} Told\r\n${named}`))
      const proxy = await startProxy(t)
      await exchange(t, proxy.port, get(origin, '/a', 'Content-Length: 0\r\n').replace('GET', 'POST'))
      assert.deepEqual(
        proxy.invalidated,
        paths.map((path) => parseTargetUri(`http://127.0.0.1:${origin.port}${path}`)),
      )
    }
  })

  test('answers GET by what POST has told of its URI, when that is whole and small', async (t) => {
    const origin = await startOrigin(t, (socket, text) => {
      const path = /^POST (\S+)/.exec(text)?.[1] ?? ''
      const size = path === '/large' ? 1024 * 1024 + 1 : 2
      const length = path === '/cut' ? 3 : size
      const lines = `Content-Location: ${path}\r\nCache-Control: max-age=60\r\nContent-Length: ${length}\r\n\r\n`
      socket.end(`HTTP/1.1 200 OK\r\n${lines}${'x'.repeat(size)}`)
    })
    const proxy = await startProxy(t)
    for (const path of ['/small', '/large', '/cut']) {
      await exchange(t, proxy.port, get(origin, path, 'Content-Length: 0\r\n').replace('GET', 'POST'))
    }
    await proxy.node.settle()
    const stored = [...proxy.node.store.list()].map(({ uri, size, shareable }) => [uri, size, shareable])
    assert.deepEqual(stored, [[`http://127.0.0.1:${origin.port}/small`, 2, false]])
    const hit = await exchange(t, proxy.port, get(origin, '/small'))
    assert.match(hit, /Cache-Status: ihave; hit[^]*\r\n\r\nxx$/)
  })

  test('cuts who may not use it without a word', async (t) => {
    const proxy = await startProxy(t, { mayUse: () => false })
    const client = await rawClient(t, proxy.port, 'GET http://a.test/ HTTP/1.1\r\nHost: a\r\n\r\n')
    assert.equal(await client.closed(), '')
    assert.deepEqual(proxy.lines, [])
  })

  test('says which address is in use', async (t) => {
    const { port } = await startProxy(t)
    await assert.rejects(startProxy(t, { port }), (error) => {
      assert.ok(error instanceof Fault && error.code === 'ADDRESS_IN_USE')
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`))
      return true
    })
  })

  test('forwards no credentials that were meant for it, and no fields of the connection', async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const proxy = await startProxy(t)
    const lines = 'Proxy-Authorization: Basic c2VjcmV0\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-End: 1\r\n'
    await exchange(t, proxy.port, get(origin, '/', lines))
    assert.doesNotMatch(origin.received[0] ?? '', /proxy-authorization|c2VjcmV0|x-hop/i)
    assert.match(origin.received[0] ?? '', /\r\nx-end: 1\r\n/i)
    assert.match(
      origin.received[0] ?? '',
      new RegExp(`\\r\\nhost: 127\\.0\\.0\\.1:${origin.port}\\r\\n`, 'i'),
    )
  })

  test('tells programs of one machine apart by their names', async (t) => {
    const asked: (string | undefined)[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    const proxy = await startProxy(
      t,
      {},
      {
        resources: {
          ruleOf: () => 'default',
          hot: () => undefined,
          miss: () => undefined,
          get: (request) => {
            asked.push(request.client)
            assert.equal(fieldValue(request.received, 'host'), 'a')
            if (asked.length === 2) resolve()
            return Promise.reject(new Fault('UNREACHABLE', 'no way'))
          },
        },
      },
    )
    for (const name of ['apt', 'npm with spaces'])
      await exchange(t, proxy.port, `GET http://a.test/ HTTP/1.1\r\nHost: a\r\nUser-Agent: ${name}\r\n\r\n`)
    await promise
    assert.equal(new Set(asked).size, 2)
    for (const client of asked) assert.match(client ?? '', /^\S+$/)
  })
})

describe('what comes behind a request that is not answered yet', () => {
  const HALF = `${CACHEABLE.replace('Length: 2', 'Length: 4')}\r\nok`
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'

  for (const [name, second, status] of [
    ['no request', () => 'nonsense\r\n\r\n', 400],
    ['an unknown method', (origin) => get(origin).replace('GET', 'BREW'), 501],
    ['too long a head', (origin) => get(origin, '/', `X: ${'x'.repeat(40_000)}\r\n`), 431],
    ['a refused one', (origin) => get(origin, '/', 'Host: b\r\n'), 400],
    ['CONNECT', (origin) => get(origin).replace(/GET \S*/, `CONNECT 127.0.0.1:${origin.port}`), 200],
    ['CONNECT that is refused', (origin) => get(origin).replace(/GET \S*/, 'CONNECT 169.254.0.1:80'), 403],
    ['an upgrade', (origin) => get(origin, '/', upgrade), 200],
    ['an upgrade that is refused', () => `GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`, 421],
  ] as readonly (readonly [string, (origin: Origin) => string, number])[])
    test(`is answered behind it, and not within it: ${name}`, async (t) => {
      const origin = await startOrigin(t, answering(HALF))
      const proxy = await startProxy(t)
      const post = `${get(origin, '/', 'Content-Length: 3\r\n').replace('GET', 'POST')}abc`
      const client = await rawClient(t, proxy.port, post)
      const asked = await origin.next()
      await client.until(/ok$/)
      client.send(second(origin))
      // When this is answered, that has been read.
      await exchange(t, proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      asked.write('..')
      const text = await client.until(/\r\n\r\nok\.\.HTTP\/1\.1 \d+ [^]*\r\n\r\n/)
      assert.equal(statusOf(text.slice(text.indexOf('ok..') + 4)), status)
    })

  test('is answered behind it as well where both come at once, and nothing behind that is done', async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const proxy = await startProxy(t)
    const post = get(origin, '/', 'Content-Length: 0\r\n').replace('GET', 'POST')
    const client = await rawClient(t, proxy.port, `${post}nonsense\r\n\r\n${post}`)
    const text = await client.closed()
    assert.deepEqual(
      Array.from(text.matchAll(/HTTP\/1\.1 (\d+)/g), ([, status]) => status),
      ['200', '400'],
    )
    assert.equal(origin.received.length, 1)
  })
})

describe('a connection that waits to be switched', { timeout: 60_000 }, () => {
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
  const connectTo = (origin: Origin) => get(origin).replace(/GET \S*/, `CONNECT 127.0.0.1:${origin.port}`)
  const upgradeOf = (origin: Origin) => get(origin, '/', upgrade)

  /** Behind two requests of one connection that are not answered, and one that was. */
  async function waiting(t: TestContext, second: (origin: Origin) => string) {
    const { promise: areAsked, resolve } = Promise.withResolvers<void>()
    const gets: Socket[] = []
    const origin = await startOrigin(t, (socket, text) => {
      if (text.startsWith('POST')) socket.write(OK)
      else if (text.endsWith('last')) socket.write('all')
      else if (text.startsWith('GET') && gets.push(socket) === 2) resolve()
    })
    const proxy = await startProxy(t)
    const post = get(origin, '/', 'Content-Length: 0\r\n').replace('GET', 'POST')
    const client = await rawClient(
      t,
      proxy.port,
      post + get(origin, '/1') + get(origin, '/2') + second(origin),
    )
    await areAsked
    return { origin, gets, proxy, client }
  }

  for (const [name, second] of [
    ['CONNECT', connectTo],
    ['an upgrade', upgradeOf],
  ] as const)
    test(`is cut when a stop has waited for it: ${name}`, async (t) => {
      const { gets, proxy, client } = await waiting(t, second)
      const ended = Promise.all(gets.map((socket) => once(socket, 'close')))
      await proxy.server.stop()
      await client.closed()
      await ended
    })

  for (const [name, second, way] of [
    ['CONNECT', connectTo, 'tunnel'],
    ['an upgrade', upgradeOf, 'pass-through'],
  ] as const)
    for (const leave of ['end', 'resetAndDestroy'] as const)
      test(`ends with all that it has asked for when its client leaves (${leave}): ${name}`, async (t) => {
        const { origin, gets, proxy, client } = await waiting(t, second)
        const ended = Promise.all(gets.map((socket) => once(socket, 'close')))
        client.socket[leave]()
        await ended
        const line = proxy.lines.find(({ code }) => code === 'ABORTED')
        assert.deepEqual([line?.way, line?.status, line?.outcome], [way, 499, 'fault'])
        await proxy.server.stop()
        assert.equal(origin.sockets.length, 3, 'it was switched for nobody')
      })

  test('has what it sends meanwhile carried by the tunnel', async (t) => {
    const { origin, gets, proxy, client } = await waiting(t, (to) => `${connectTo(to)}early`)
    const more = 'x'.repeat(200_000)
    client.send(`${more}last`)
    // When this is answered, some of that has been read.
    await exchange(t, proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    for (const socket of gets) socket.write(OK)
    await client.until(/all$/)
    assert.equal(origin.received[3], `early${more}last`)
  })
})

describe('interim responses on the path of a resource', () => {
  const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X\r\nX: 1\r\n\r\n'

  test('pass end to end, with their fields, and are not stored', async (t) => {
    const origin = await startOrigin(t, answering(`${HINTS}${CACHEABLE}\r\nok`))
    const proxy = await startProxy(t)
    const client = await rawClient(t, proxy.port, get(origin))
    assert.match(
      await client.until(/ok$/),
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    )
    await proxy.node.settle()
    const hit = await exchange(t, proxy.port, get(origin))
    assert.match(hit, /^HTTP\/1\.1 200 OK\r\n/)
    assert.equal(field(hit, 'Link'), undefined)
  })

  test('pass for HEAD too, and not to HTTP/1.0 clients', async (t) => {
    const origin = await startOrigin(t, answering(`${HINTS}${CACHEABLE}\r\n`))
    const proxy = await startProxy(t)
    const head = (version: string) => get(origin, '/', '', version).replace('GET', 'HEAD')
    const client = await rawClient(t, proxy.port, head('1.1'))
    await client.until(/^HTTP\/1\.1 103 [^]*HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/)
    assert.match(await exchange(t, proxy.port, head('1.0')), /^HTTP\/1\.1 200 OK\r\n/)
  })

  test('without an end are not waited for', async (t) => {
    const origin = await startOrigin(t, answering(HINTS.repeat(100)))
    const proxy = await startProxy(t)
    const client = await rawClient(t, proxy.port, get(origin))
    const text = await client.until(/HTTP\/1\.1 [45]\d\d /)
    assert.equal(text.split('103 Early Hints').length - 1, 64)
  })
})

describe('a plain request', () => {
  /** Any other connection option makes it one for node:http. */
  const BY_NODE = 'Connection: keep-alive, X-None\r\n'
  const missing =
    'HTTP/1.1 404 Not Here\r\nContent-Length: 2\r\nX-Odd:  \xe9 \r\nCache-Control: no-store\r\n\r\nno'
  const endless =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: no-store\r\n\r\n2\r\nok\r\n0\r\n\r\n'

  for (const [name, answer, lines, method] of [
    ['a hit', `${CACHEABLE}\r\nok`, '', 'GET'],
    ['a hit of HEAD', `${CACHEABLE}\r\nok`, '', 'HEAD'],
    ['a 304', `${CACHEABLE}\r\nok`, 'If-None-Match: "1"\r\n', 'GET'],
    ['a 206', `${CACHEABLE}\r\nok`, 'Range: bytes=1-\r\n', 'GET'],
    ['a 416', `${CACHEABLE}\r\nok`, 'Range: bytes=9-\r\n', 'GET'],
    ['a 412', `${CACHEABLE}\r\nok`, 'If-Match: "2"\r\n', 'GET'],
    ['what is only passed on', missing, '', 'GET'],
    ['what is of unknown length', endless, '', 'GET'],
    ['a page of text', 'nonsense\r\n\r\n', 'Accept: text/plain\r\n', 'GET'],
    ['a page of HTML', 'nonsense\r\n\r\n', 'Accept: text/html\r\n', 'GET'],
    ['a miss that was not allowed', missing, 'Cache-Control: only-if-cached\r\n', 'GET'],
  ] as const)
    test(`is answered as node:http would: ${name}`, async (t) => {
      const origin = await startOrigin(t, (socket, text) => {
        if (text.endsWith('\r\n\r\n')) socket.write(answer, 'latin1')
      })
      const proxy = await startProxy(t)
      const read = async (more: string) => {
        const client = await rawClient(t, proxy.port, get(origin, '/', lines + more).replace('GET', method))
        const last = get(origin, '/last', 'Cache-Control: only-if-cached\r\n')
        const text = await client.until(/\r\n\r\n/)
        client.send(last)
        await client.until(/HTTP\/1\.1 504 Gateway Timeout\r\n[^]*\r\n\r\n$/)
        await proxy.node.settle()
        return `${text.slice(0, 15)}…${client.text()}`.replaceAll(/\r\nDate: [^\r]*|[\d.]+:\d+/g, '')
      }
      await read('') // stores what can be stored
      const heated = await read('')
      assert.equal(heated, await read(BY_NODE))
      assert.equal(await read(''), heated, 'hot')
    })
})
