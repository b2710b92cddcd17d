import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { Dispatcher } from 'undici'
import { systemClock, type Clock } from '../../core/clock.ts'
import { Coming } from '../../update/installer/coming.ts'
import type { FetchRequest } from '../../update/installer/fetch-request.ts'
import { httpFetcher } from '../../update/installer/fetcher.ts'
import { WINDOW_MS } from '../../update/installer/pace.ts'
import { transfer } from '../../update/installer/transfer.ts'
import { Refused } from '../../update/refused.ts'
import { manualClock } from '../manual-clock.ts'

type Answer = (response: ServerResponse, request: IncomingMessage) => void

async function serve(t: TestContext, answer: Answer): Promise<string> {
  const server = createServer((request, response) => answer(response, request))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function fetched(
  t: TestContext,
  base: string,
  path = '/file',
  clock: Clock = systemClock,
  proxy?: string,
  more: Partial<FetchRequest> = {},
) {
  const fetcher = httpFetcher(proxy, clock)
  t.after(() => fetcher.close())
  return fetcher.fetch({ ...ASKED, url: base + path, ...more })
}

const ASKED = { maxBytes: 1000, leastBytesPerS: 5, isFresh: true } as const

async function reason(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    assert.ok(error instanceof Refused, String(error))
    return error.reason
  }
  return 'fetched'
}

const SENDS: Readonly<Record<string, readonly [reason: string, Answer]>> = {
  'more than it announced': [
    'oversized',
    (response) => void response.writeHead(200, { 'Content-Length': 1001 }).end(Buffer.alloc(1001)),
  ],
  'without end': [
    'oversized',
    (response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(100)));
      }
      response.on('drain', more)
      more()
    },
  ],
  'that there is no such file': ['not-found', (response) => void response.writeHead(404).end('no')],
  'that it has a fault': ['unreachable', (response) => void response.writeHead(503).end('no')],
  'a part and breaks off': [
    'unreachable',
    (response) => {
      response.writeHead(200, { 'Content-Length': 500 }).write('part')
      setImmediate(() => response.destroy())
    },
  ],
  'the user in circles': [
    'unreachable',
    (response) => void response.writeHead(302, { Location: '/file' }).end(),
  ],
}

for (const [what, [expected, answer]] of Object.entries(SENDS))
  test(`a server that sends ${what} is ${expected}`, async (t) => {
    assert.equal(await reason(fetched(t, await serve(t, answer))), expected)
  })

/** A server that sends `bytes`, and again so many each time that they have come and the clock went on by `pauseMs`. */
async function drip(t: TestContext, bytes: number, pauseMs: number, total: number, leastBytesPerS: number) {
  const clock = manualClock()
  let sending: ServerResponse | undefined
  let sent = 0
  const send = () => {
    sent += bytes
    if (sent >= total) sending?.end(Buffer.alloc(bytes))
    else sending?.write(Buffer.alloc(bytes))
  }
  const base = await serve(t, (response) => {
    sending = response.writeHead(200)
    send()
  })
  const onReceived = () => {
    clock.advance(pauseMs)
    send()
  }
  const came = await reason(fetched(t, base, '/file', clock, undefined, { leastBytesPerS, onReceived }))
  return { came, sent, ms: clock.monotonic(), timers: clock.pending() }
}

test('a server that drips a byte now and then is too slow within a minute or two', async (t) => {
  const { came, ms, timers } = await drip(t, 1, 29_000, 1000, 5)
  assert.equal(came, 'too-slow')
  assert.ok(ms <= 2 * WINDOW_MS, String(ms))
  assert.equal(timers, 0)
})

test('a server that is slow but fast enough is waited for', async (t) => {
  const { came, ms } = await drip(t, 100, 19_000, 1000, 5)
  assert.equal(came, 'fetched')
  assert.ok(ms > 2 * WINDOW_MS, String(ms))
})

test('where no rate is demanded, a drip is waited for', async (t) => {
  assert.equal((await drip(t, 10, 29_000, 100, 0)).came, 'fetched')
})

test('a server that says nothing at all is too slow as well', async (t) => {
  const clock = manualClock()
  const base = await serve(t, () => setImmediate(() => clock.advance(WINDOW_MS)))
  assert.equal(await reason(fetched(t, base, '/file', clock)), 'too-slow')
})

test('a redirect is followed, and no content coding is asked for', async (t) => {
  const asked: (string | undefined)[] = []
  const base = await serve(t, (response, request) => {
    asked.push(request.url, request.headers['accept-encoding'], request.headers['cache-control'])
    if (request.url === '/file') response.writeHead(307, { Location: 'other' }).end()
    else response.end('content')
  })
  assert.equal((await fetched(t, base)).bytes.toString(), 'content')
  assert.deepEqual(asked, ['/file', 'identity', 'no-cache', '/other', 'identity', 'no-cache'])
})

for (const [field, source] of [
  [undefined, 'internet'],
  ['ihave; fwd=uri-miss; fwd-status=200; stored; detail=internet', 'internet'],
  ['ihave; fwd=uri-miss; stored; detail=peer', 'peer'],
  ['ihave; fwd=uri-miss; collapsed; detail=in-progress', 'peer'],
  ['cdn; hit, ihave; fwd=uri-miss; detail=internet', 'internet'],
  ['ihave; hit; ttl=300', 'cache'],
  ['cdn; hit', 'internet'],
] as const)
  test(`Cache-Status ${field ?? 'absent'} means ${source}`, async (t) => {
    const base = await serve(t, (response) =>
      response.writeHead(200, field === undefined ? {} : { 'Cache-Status': field }).end('x'),
    )
    assert.equal((await fetched(t, base)).source, source)
  })

test('through a proxy the whole URL is asked for; one that is away is passed by', async (t) => {
  const asked: (string | undefined)[] = []
  const proxy = await serve(t, (response, request) => {
    asked.push(request.url)
    response.end('through')
  })
  assert.equal(
    (await fetched(t, 'http://updates.example', '/file', systemClock, proxy)).bytes.toString(),
    'through',
  )
  assert.deepEqual(asked, ['http://updates.example/file'])
  const direct = await serve(t, (response) => void response.end('direct'))
  assert.equal(
    (await fetched(t, direct, '/file', systemClock, 'http://127.0.0.1:9')).bytes.toString(),
    'direct',
  )
})

const FILE = Buffer.from('0123456789'.repeat(50))

/** A proxy that begins with the file, from a peer, and is killed at byte 200. */
const dies =
  (fields: Record<string, string>): Answer =>
  (response) => {
    response.writeHead(200, {
      'Content-Length': FILE.length,
      'Cache-Status': 'ihave; detail=peer',
      ...fields,
    })
    response.write(FILE.subarray(0, 200), () => setImmediate(() => response.destroy()))
  }

/** What is asked of the origin server in its place, and what comes. */
async function afterwards(t: TestContext, proxy: Answer, origin: Answer) {
  const asked: IncomingMessage['headers'][] = []
  const base = await serve(t, (response, request) => {
    asked.push(request.headers)
    origin(response, request)
  })
  const received: Record<string, number> = {}
  const failures: string[] = []
  const work = fetched(t, base, '/file', systemClock, await serve(t, proxy), {
    onReceived: (source, bytes) => (received[source] = (received[source] ?? 0) + bytes),
    onProxyFailed: (detail) => failures.push(detail),
  })
  return { came: await reason(work), work, asked, received, failures }
}

const rest: Answer = (response) =>
  void response
    .writeHead(206, { 'Content-Range': `bytes 200-499/${FILE.length}`, ETag: '"1"' })
    .end(FILE.subarray(200))
const whole: Answer = (response) => void response.writeHead(200, { ETag: '"2"' }).end(FILE)

test('when the proxy dies in the middle of a file, the rest comes from the origin server, and that is told', async (t) => {
  const { work, asked, received, failures } = await afterwards(t, dies({ ETag: '"1"' }), rest)
  assert.deepEqual((await work).bytes, FILE)
  assert.deepEqual([asked.length, asked[0]?.range, asked[0]?.['if-range']], [1, 'bytes=200-', '"1"'])
  assert.deepEqual(received, { peer: 200, internet: 300 })
  // A bad digest may be the peer's doing, so that the whole is asked for again.
  assert.equal((await work).source, 'peer')
  assert.equal(failures.length, 1)
})

for (const [what, fields, origin, range] of [
  ['of which the origin server has another', { ETag: '"1"' }, whole, 'bytes=200-'],
  ['without an entity tag', {}, whole, undefined],
  ['with a weak entity tag', { ETag: 'W/"1"' }, whole, undefined],
] as const)
  test(`a file ${what} comes whole when the proxy dies in its middle`, async (t) => {
    const { work, asked, received } = await afterwards(t, dies(fields), origin)
    assert.deepEqual((await work).bytes, FILE)
    assert.equal(asked[0]?.range, range)
    assert.deepEqual(received, { peer: 200, internet: 500 })
  })

test('a file of which everything had come is asked for anew where the server has no more of it', async (t) => {
  let answers = 0
  const { work } = await afterwards(t, dies({ ETag: '"1"' }), (response, request) => {
    if (answers++ === 0) response.writeHead(416).end()
    else whole(response, request)
  })
  assert.deepEqual((await work).bytes, FILE)
})

test('another part than was asked for is refused', async (t) => {
  const { came } = await afterwards(t, dies({ ETag: '"1"' }), (response) => {
    response.writeHead(206, { 'Content-Range': `bytes 100-499/${FILE.length}` }).end(FILE.subarray(100))
  })
  assert.equal(came, 'unreachable')
})

const NODE_SAYS = { 'Proxy-Status': 'ihave; error=proxy_internal_error; details="STOPPING: x"' }
const SAYS_NOT_FOUND: Answer = (response) => void response.writeHead(404).end()

test('a node that is stopping is passed by; what the origin server says through it is believed', async (t) => {
  const stopping = await afterwards(t, (response) => void response.writeHead(503, NODE_SAYS).end(), whole)
  assert.deepEqual([stopping.came, stopping.asked.length], ['fetched', 1])
  const absent = await afterwards(t, SAYS_NOT_FOUND, whole)
  assert.deepEqual([absent.came, absent.asked.length, absent.failures], ['not-found', 0, []])
})

test('several files at once all pass by a proxy that is away, which is tried once', async (t) => {
  const base = await serve(t, (response) => void response.end('direct'))
  const fetcher = httpFetcher('http://127.0.0.1:9', systemClock)
  t.after(() => fetcher.close())
  const one = () => fetcher.fetch({ ...ASKED, url: `${base}/file` })
  const all = await Promise.all([one(), one(), one()])
  assert.deepEqual(new Set(all.map(({ bytes }) => bytes.toString())), new Set(['direct']))
  const failures: string[] = []
  await fetcher.fetch({ ...ASKED, url: `${base}/file`, onProxyFailed: (detail) => failures.push(detail) })
  assert.deepEqual(failures, [])
})

/** Two files through a proxy that is silent until `clock` says that it is too slow. @returns how often each was asked. */
async function pastSilence(t: TestContext, origin: Answer, clock = manualClock()) {
  const asked = { proxy: 0, origin: 0 }
  const proxy = await serve(t, () => {
    asked.proxy += 1
    setImmediate(() => clock.advance(WINDOW_MS))
  })
  const base = await serve(t, (response, request) => {
    asked.origin += 1
    origin(response, request)
  })
  const fetcher = httpFetcher(proxy, clock)
  t.after(() => fetcher.close())
  const came = []
  for (const path of ['/1', '/2']) came.push(await reason(fetcher.fetch({ ...ASKED, url: base + path })))
  return { came, asked }
}

test('a proxy that is silent where the origin server is not is waited for once', async (t) => {
  const { came, asked } = await pastSilence(t, (response) => void response.end('direct'))
  assert.deepEqual([came, asked], [['fetched', 'fetched'], { proxy: 1, origin: 2 }])
})

test('a proxy is not to blame where the line was silent: the origin server takes its time as well', async (t) => {
  const clock = manualClock()
  const origin: Answer = (response) => {
    clock.advance(5_000)
    response.end('direct')
  }
  const { came, asked } = await pastSilence(t, origin, clock)
  assert.deepEqual([came, asked], [['fetched', 'fetched'], { proxy: 2, origin: 2 }])
})

test('a proxy is not to blame for a file that the origin server does not send either', async (t) => {
  const { came, asked } = await pastSilence(t, (response) => void response.writeHead(500).end())
  assert.deepEqual([came, asked.proxy], [['unreachable', 'unreachable'], 2])
})

test('half a minute without a byte is too long on every way, also on one that does not say so itself', async () => {
  const asked: { headersTimeout?: number | null; bodyTimeout?: number | null }[] = []
  const way = new (class extends Dispatcher {
    override dispatch(options: Dispatcher.DispatchOptions): boolean {
      asked.push(options)
      throw new Error('no way')
    }
  })()
  const wanted = { ...ASKED, url: 'http://updates.example/file' }
  assert.equal(await reason(transfer(way, wanted, new Coming(), systemClock)), 'unreachable')
  assert.deepEqual(
    asked.map(({ headersTimeout, bodyTimeout }) => [headersTimeout, bodyTimeout]),
    [[30_000, 30_000]],
  )
})
