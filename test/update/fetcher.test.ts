import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { systemClock, type Clock } from '../../core/clock.ts'
import { httpFetcher } from '../../update/installer/fetcher.ts'
import { Refused } from '../../update/refused.ts'

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
) {
  const fetcher = httpFetcher(proxy, clock)
  t.after(() => fetcher.close())
  return fetcher.fetch({ url: base + path, maxBytes: 1000, isFresh: true })
}

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

test('a server that drips and never ends is stalled', async (t) => {
  let ring = () => {}
  const clock: Clock = {
    ...systemClock,
    after: (_, wake) => {
      ring = wake
      return () => {}
    },
  }
  const base = await serve(t, (response) => {
    response.writeHead(200).write('x')
    setImmediate(() => ring())
  })
  assert.equal(await reason(fetched(t, base, '/file', clock)), 'stalled')
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
