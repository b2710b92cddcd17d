import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { systemClock, type Clock } from '../../core/clock.ts'
import { bodyOf } from '../../core/answer.ts'
import type { Fields } from '../../core/fields.ts'
import type { Abuse } from '../../peering/abuses.ts'
import type { LocalAlias, NodeId } from '../../peering/packets.ts'
import { UploadSlots } from '../../peering/upload-slots.ts'
import {
  FileServer,
  MAX_PIPELINED,
  type FileServerSettings,
  type SharedFile,
  type SharedFiles,
} from '../../peering/file-server.ts'
import { manualClock } from '../manual-clock.ts'

const HOST = '127.0.0.41'
const WHOLE = 'a'.repeat(64)
const GROWING = 'b'.repeat(64)
const BROKEN = 'c'.repeat(64)
const SHORT = 'd'.repeat(64)
const UNSENDABLE = 'e'.repeat(64)
const UNOPENABLE = 'f'.repeat(64)
const LIMITED = '1'.repeat(64) as LocalAlias
const SUMMARY = { standing: { edition: 7, number: 3, keys: 20 }, bytes: new Uint8Array(1024).fill(5) }
const NODE = '9'.repeat(32) as NodeId
const DOCUMENTS: Record<string, string> = { '/functions': '{"functions":[]}', '/site/deny-list': 'list' }
const BODY = Buffer.from(Array.from({ length: 1000 }, (_, each) => each & 255))

const STORED_FIELDS: Fields = [
  ['Content-Type', 'application/x-deb'],
  ['ETag', '"e"'],
  ['Last-Modified', 'Sun, 22 Nov 2026 10:00:00 GMT'],
  ['Set-Cookie', 'session=secret'],
  ['Authorization', 'secret'],
  ['X-Served-By', 'secret'],
  ['Location', 'http://127.0.0.1/'],
  ['Age', '7'],
]

/** A file that grows as the test says. */
class GrowingFile {
  readonly #chunks: Buffer[] = []
  #wake = () => {}
  #isWhole = false
  closed = 0

  write(bytes: Buffer): void {
    this.#chunks.push(bytes)
    this.#wake()
  }

  end(): void {
    this.#isWhole = true
    this.#wake()
  }

  async *read(signal: AbortSignal): AsyncIterable<Uint8Array> {
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    while (!signal.aborted) {
      const next = this.#chunks.shift()
      if (next) yield next
      else if (this.#isWhole) return
      else await new Promise<void>((wake) => (this.#wake = wake))
    }
  }
}

interface Scene {
  readonly server: FileServer
  readonly growing: GrowingFile
  /** What the server told its node. */
  readonly uploaded: (readonly [target: string, bytes: number])[]
  readonly refused: number[]
  readonly abuses: Abuse[]
  /** Files opened and not closed. */
  readonly open: () => number
  readonly url: (path: string) => string
}

async function* thrower(): AsyncIterable<Uint8Array> {
  yield BODY.subarray(0, 100)
  throw new Error('the disk is on fire')
}

async function* slice(start: number, end: number): AsyncIterable<Uint8Array> {
  for (let from = start; from < end; from += 300) yield BODY.subarray(from, Math.min(end, from + 300))
}

async function served(
  t: TestContext,
  settings: Partial<FileServerSettings> = {},
  clock?: Clock,
  perform?: SharedFiles['perform'],
): Promise<Scene> {
  const growing = new GrowingFile()
  let open = 0
  const file = (more: Pick<SharedFile, 'size' | 'read'>, fields = STORED_FIELDS): SharedFile => {
    open++
    return { fields, ...more, close: () => void open-- }
  }
  const slots = new UploadSlots({ perFile: 1, inAll: 2 }, systemClock)
  const uploaded: [string, number][] = []
  const refused: number[] = []
  const seen: Abuse[] = []
  const whole = {
    size: BODY.length,
    read: ({ start, end }: { start: number; end: number }) => slice(start, end),
  }
  const files: Record<string, () => SharedFile> = {
    [WHOLE]: () => file(whole),
    [GROWING]: () => file({ size: undefined, read: (_span, signal) => growing.read(signal) }),
    [BROKEN]: () => file({ size: BODY.length, read: () => thrower() }),
    [SHORT]: () => file({ size: BODY.length, read: () => slice(0, 400) }),
    [UNSENDABLE]: () => file(whole, [['ETag', '"\n"']]),
    [LIMITED]: () => ({
      ...file({ size: undefined, read: (_span, signal) => growing.read(signal) }),
      path: [NODE],
      admit: (reader) => slots.take(LIMITED, reader),
    }),
    [UNOPENABLE]: () => {
      throw new Error('no file handles left')
    },
  }
  const server = new FileServer(
    { address: HOST, port: 0, maxConnections: 256, isOnLink: () => true, ...settings },
    {
      open: (alias) => files[alias]?.(),
      summary: () => SUMMARY,
      document: (path) => DOCUMENTS[path],
      ...(perform && { perform }),
    },
    {
      uploaded: (_peer, target, bytes) => void uploaded.push([target, bytes]),
      refused: (_peer, status) => void refused.push(status),
      abused: (abuse) => void seen.push(abuse),
    },
    clock,
  )
  await server.start()
  t.after(() => server.stop())
  return {
    server,
    growing,
    uploaded,
    refused,
    abuses: seen,
    open: () => open,
    url: (path) => `http://${HOST}:${server.port}${path}`,
  }
}

/** A raw connection; `all` is everything that came when it was closed. */
function dial(t: TestContext, { server }: Scene, from?: string): { socket: Socket; all: Promise<string> } {
  const socket = connect({
    host: HOST,
    port: server.port,
    ...(from === undefined ? {} : { localAddress: from }),
  })
  t.after(() => socket.destroy())
  let text = ''
  socket.on('data', (bytes) => (text += bytes.toString('latin1'))).on('error', () => {})
  return { socket, all: new Promise((resolve) => socket.on('close', () => resolve(text))) }
}

/** Sends these bytes and reads until the server closes. */
function raw(t: TestContext, scene: Scene, bytes: string): Promise<string> {
  const { socket, all } = dial(t, scene)
  socket.write(bytes.replaceAll('HOST', `${HOST}:${scene.server.port}`))
  return all
}

/** Resolves when the condition holds; the test's own time-out is the limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

async function get(
  url: string,
  headers: Record<string, string> = {},
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'OPTIONS' = 'GET',
) {
  const response = await request(url, { method, headers })
  return {
    status: response.statusCode,
    fields: response.headers,
    body: Buffer.from(await response.body.arrayBuffer()),
  }
}

const OPTIONS = { timeout: 20_000 }

test('GET of a local alias is answered with the whole, and with nothing private', OPTIONS, async (t) => {
  const scene = await served(t)
  const { status, fields, body } = await get(scene.url(`/${WHOLE}`))
  assert.equal(status, 200)
  assert.deepEqual(body, BODY)
  const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...told } = fields
  assert.deepEqual(told, {
    'content-type': 'application/x-deb',
    etag: '"e"',
    'last-modified': 'Sun, 22 Nov 2026 10:00:00 GMT',
    age: '7',
    'cross-origin-resource-policy': 'same-origin',
    'content-length': '1000',
    'accept-ranges': 'bytes',
  })
  await until(() => scene.uploaded.length === 1)
  assert.deepEqual(scene.uploaded, [[`/${WHOLE}`, 1000]])
  assert.deepEqual([scene.server.uploads, scene.open()], [0, 0])
})

test(
  'HEAD says what GET would say, whatever Range it carries (RFC 9110 14.2), and is no upload',
  OPTIONS,
  async (t) => {
    const scene = await served(t)
    for (const headers of [{}, { range: 'bytes=0-9' }]) {
      const { status, fields, body } = await get(scene.url(`/${WHOLE}`), headers, 'HEAD')
      assert.deepEqual([status, fields['content-length'], body.length], [200, '1000', 0])
    }
    assert.deepEqual([scene.uploaded, scene.open()], [[], 0])
  },
)

test('ranges', OPTIONS, async (t) => {
  const scene = await served(t)
  const cases = [
    ['bytes=0-0', 206, 0, 1],
    ['bytes=100-199', 206, 100, 200],
    ['bytes=990-', 206, 990, 1000],
    ['bytes=-10', 206, 990, 1000],
    ['bytes=-5000', 206, 0, 1000],
    ['bytes=500-99999', 206, 500, 1000],
    ['bytes=0-1,5-6', 200, 0, 1000],
    ['bytes=5-1', 200, 0, 1000],
    ['lines=1-2', 200, 0, 1000],
    ['bytes=1000-', 416, 0, 0],
    ['bytes=-0', 416, 0, 0],
  ] as const
  for (const [range, expected, start, end] of cases)
    await t.test(`${range}: ${expected}`, async () => {
      const { status, fields, body } = await get(scene.url(`/${WHOLE}`), { range })
      assert.equal(status, expected)
      if (expected === 416) return assert.equal(fields['content-range'], 'bytes */1000')
      assert.deepEqual(body, BODY.subarray(start, end))
      assert.equal(fields['content-range'], expected === 206 ? `bytes ${start}-${end - 1}/1000` : undefined)
    })
  assert.equal(scene.open(), 0)
})

test('If-Range is answered with the whole', OPTIONS, async (t) => {
  const scene = await served(t)
  const { status, body } = await get(scene.url(`/${WHOLE}`), { range: 'bytes=5-9', 'if-range': '"e"' })
  assert.deepEqual([status, body.length], [200, 1000])
})

test(
  'who finds no place is told who is being served; the place is free when its reader is done',
  OPTIONS,
  async (t) => {
    const scene = await served(t)
    const relayed = { 'ihave-relay': `6515/${WHOLE}` }
    const first = await request(scene.url(`/${LIMITED}`), { headers: relayed })
    assert.deepEqual([first.statusCode, first.headers['ihave-path']], [200, NODE])
    const second = await get(scene.url(`/${LIMITED}`), relayed)
    assert.deepEqual([second.status, second.fields['retry-after']], [503, '1'])
    // Both come from one address here, and nobody is sent on to itself.
    assert.equal(second.fields['ihave-relays'], undefined)
    const head = await get(scene.url(`/${LIMITED}`), relayed, 'HEAD')
    assert.equal(head.status, 200, 'HEAD needs no place')
    scene.growing.write(BODY)
    scene.growing.end()
    await first.body.dump()
    await until(() => scene.uploaded.length === 1)
    assert.equal((await get(scene.url(`/${LIMITED}`), relayed)).status, 200)
    assert.equal(scene.open(), 0)
  },
)

test('texts of the site and who performs which function, for nodes', OPTIONS, async (t) => {
  const scene = await served(t)
  for (const [path, text] of Object.entries(DOCUMENTS)) {
    const { status, body } = await get(scene.url(path), { 'ihave-node': NODE })
    assert.deepEqual([status, body.toString()], [200, `${text}\n`])
    assert.equal((await get(scene.url(path))).status, 404)
  }
  for (const path of ['/functions/', '/functions?x', '/site/other'])
    assert.equal((await get(scene.url(path), { 'ihave-node': NODE })).status, 404, path)
  assert.deepEqual(scene.uploaded, [])
})

test('the summary of what is here, for nodes', OPTIONS, async (t) => {
  const scene = await served(t)
  const { status, fields, body } = await get(scene.url('/summary'), { 'ihave-node': NODE })
  assert.deepEqual([status, fields['ihave-summary'], body], [200, '7.3.20', Buffer.from(SUMMARY.bytes)])
  assert.equal((await get(scene.url('/summary'))).status, 404)
  assert.deepEqual(scene.uploaded, [], 'it is no upload')
})

test('health', OPTIONS, async (t) => {
  const scene = await served(t)
  assert.equal((await get(scene.url('/health'))).body.toString(), 'ok\n')
  assert.deepEqual(scene.uploaded, [])
})

test('nothing but aliases and health exists: no path, no other host, no redirect', OPTIONS, async (t) => {
  const scene = await served(t)
  const targets = [
    '/',
    `/${'0'.repeat(64)}`,
    `/${WHOLE.toUpperCase()}`,
    `/${WHOLE}/`,
    `/${WHOLE}?x`,
    `//${WHOLE}`,
    `/../${WHOLE}`,
    '/../../../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    `/${WHOLE}%00`,
    '/health/../etc/passwd',
    `http://127.0.0.1/${WHOLE}`,
    'http://example.org/',
    '/constructor',
    '*',
  ]
  for (const target of targets) {
    const answer = await raw(t, scene, `GET ${target} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 40[034] /, target)
    assert.doesNotMatch(answer, /\r\nlocation:/i)
  }
  assert.equal(scene.open(), 0)
})

test('other methods are refused', OPTIONS, async (t) => {
  const scene = await served(t)
  for (const method of ['POST', 'PUT', 'OPTIONS'] as const) {
    const { status, fields } = await get(scene.url(`/${WHOLE}`), {}, method)
    assert.deepEqual([status, fields['allow']], [405, 'GET, HEAD'])
  }
  await until(() => scene.refused.length === 3)
  assert.deepEqual(scene.refused, [405, 405, 405])
})

test('CONNECT and Upgrade are cut without a word: this is no proxy', OPTIONS, async (t) => {
  const scene = await served(t)
  const requests = [
    'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n',
    `GET /${WHOLE} HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ]
  for (const each of requests) assert.equal(await raw(t, scene, each), '')
  assert.deepEqual(scene.refused, [0, 0])
})

test(
  'whatever a page in a browser causes is refused: rebound names, and the marks of a browser',
  OPTIONS,
  async (t) => {
    const scene = await served(t)
    const refused = [
      'Host: attacker.example\r\n',
      `Host: ${HOST}\r\n`,
      'Host: 127.0.0.1:6515\r\n',
      'Host: HOST\r\nHost: HOST\r\n',
      'Host: HOST\r\nOrigin: http://attacker.example\r\n',
      'Host: HOST\r\nReferer: http://attacker.example/\r\n',
      'Host: HOST\r\nCookie: a=b\r\n',
      'Host: HOST\r\nSec-Fetch-Site: cross-site\r\n',
      'Host: HOST\r\nSec-Fetch-Dest: image\r\n',
    ]
    for (const fields of refused) {
      const answer = await raw(t, scene, `GET /${WHOLE} HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 40[03] /, fields)
      assert.doesNotMatch(answer, /access-control/i)
    }
    assert.equal(scene.open(), 0)
  },
)

test('what no peer does is told by its kind, and what peers do is not', OPTIONS, async (t) => {
  const scene = await served(t)
  const own = 'Host: HOST\r\nConnection: close\r\n'
  const tried: readonly (readonly [string, Abuse['kind'], string])[] = [
    [
      'GET http://example.org/?key=secret HTTP/1.1\r\nHost: example.org',
      'other-url',
      'GET http://example.org/?…',
    ],
    [`PUT http://example.org/ HTTP/1.1\r\n${own}`, 'other-url', 'PUT http://example.org/'],
    ['CONNECT example.org:25 HTTP/1.1\r\nHost: example.org', 'connect', 'CONNECT example.org:25'],
    [`GET / HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket`, 'upgrade', 'GET /'],
    [`POST /health HTTP/1.1\r\n${own}`, 'method', 'POST /health'],
    [`GET /health HTTP/1.1\r\n${own}Content-Length: 1`, 'content', 'GET /health'],
    [`GET /health HTTP/1.1\r\n${own}Sec-Fetch-Site: none`, 'page', 'GET /health'],
    ['GET /health HTTP/1.1\r\nHost: rebound.example', 'other-host', 'GET /health'],
    [`GET /../etc/passwd HTTP/1.1\r\n${own}`, 'path', 'GET /../etc/passwd'],
    ['NONSENSE / HTTP/1.1\r\nHost: HOST', 'malformed', ''],
  ]
  for (const [head, kind, told] of tried) {
    const { request: line, ...abuse } = await onlyAbuse(t, scene, `${head.trimEnd()}\r\n\r\n`)
    assert.deepEqual([abuse.kind, line, abuse.from], [kind, told, '127.0.0.1'], head)
  }
  for (const path of ['/health', `/${'0'.repeat(64)}`, '/summary', '/functions/none', '/site/none'])
    await raw(t, scene, `GET ${path} HTTP/1.1\r\n${own}\r\n`)
  dial(t, scene).socket.destroy()
  assert.deepEqual(scene.abuses, [])
})

async function onlyAbuse(t: TestContext, scene: Scene, bytes: string): Promise<Abuse> {
  await raw(t, scene, bytes)
  const [abuse, ...more] = scene.abuses.splice(0)
  assert.deepEqual(more, [])
  assert.ok(abuse, bytes)
  return abuse
}

test('connections from beyond the LAN, and too many of them, are told', OPTIONS, async (t) => {
  const scene = await served(t, {
    isOnLink: (address) => address !== '127.0.0.43',
    maxConnectionsPerPeer: 1,
    maxConnections: 2,
  })
  await dial(t, scene, '127.0.0.43').all
  dial(t, scene, '127.0.0.44')
  await dial(t, scene, '127.0.0.44').all
  dial(t, scene, '127.0.0.45')
  await dial(t, scene, '127.0.0.46').all
  assert.deepEqual(
    scene.abuses.map(({ kind, from }) => `${kind} ${from}`),
    ['off-link 127.0.0.43', 'too-many-connections 127.0.0.44', 'too-many-connections 127.0.0.46'],
  )
})

/** Connects and resets so often, while this process accepts nothing. */
function resetAtOnce(port: number, times: number): void {
  const program = `for (let left = ${times}; left > 0; left--)
    require('node:net').connect(${port}, '${HOST}', function () { this.resetAndDestroy() })`
  const { status } = spawnSync(process.execPath, ['-e', program])
  assert.equal(status, 0)
}

test(
  'who has gone before its connection is accepted is told of as nothing, from nobody',
  OPTIONS,
  async (t) => {
    const scene = await served(t, { isOnLink: (address) => address.startsWith('127.'), maxConnections: 1 })
    resetAtOnce(scene.server.port, 10)
    let status = 0
    // The one before it may still be closing.
    while (status !== 200) status = (await get(scene.url('/health')).catch(() => ({ status: 0 }))).status
    const told = [scene.abuses.filter(({ from }) => from === ''), scene.refused]
    assert.deepEqual(told, [[], []])
  },
)

test(
  'requests that do not wait for their answers are few, or the connection is cut, and it is told',
  OPTIONS,
  async (t) => {
    const scene = await served(t)
    const one = `GET /health HTTP/1.1\r\nHost: HOST\r\n\r\n`
    const last = `GET /health HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n`
    const few = await raw(t, scene, one.repeat(MAX_PIPELINED - 1) + last)
    assert.equal(few.match(/^HTTP\/1\.1 200 /gm)?.length, MAX_PIPELINED)
    const many = await raw(t, scene, one.repeat(10 * MAX_PIPELINED))
    assert.ok((many.match(/^HTTP\/1\.1 200 /gm)?.length ?? 0) <= MAX_PIPELINED, many)
    assert.deepEqual(
      scene.abuses.map(({ kind }) => kind),
      ['pipelined'],
    )
  },
)

test('what is malformed behind a request is answered behind it', OPTIONS, async (t) => {
  const scene = await served(t)
  const peer = dial(t, scene)
  const host = `Host: ${HOST}:${scene.server.port}\r\n\r\n`
  peer.socket.write(`GET /${GROWING} HTTP/1.1\r\n${host}nonsense\r\n${host}`)
  scene.growing.write(Buffer.from('file'))
  scene.growing.end()
  assert.match(await peer.all, /^HTTP\/1\.1 200 [^]*\r\n4\r\nfile\r\n0\r\n\r\nHTTP\/1\.1 400 Bad Request\r\n/)
  assert.deepEqual(
    scene.abuses.map(({ kind }) => kind),
    ['malformed'],
  )
})

test('a source that is not on link gets no answer, not even to a connection', OPTIONS, async (t) => {
  const scene = await served(t, { isOnLink: (address) => address === '127.0.0.42' })
  const stranger = dial(t, scene, '127.0.0.43')
  assert.equal(await stranger.all, '')
  const peer = dial(t, scene, '127.0.0.42')
  peer.socket.write(`GET /health HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\nConnection: close\r\n\r\n`)
  assert.match(await peer.all, /^HTTP\/1\.1 200 /)
})

test('a flood of header fields is refused', OPTIONS, async (t) => {
  const scene = await served(t)
  const flood = `X-Flood: ${'x'.repeat(1000)}\r\n`.repeat(8)
  assert.match(
    await raw(t, scene, `GET /${WHOLE} HTTP/1.1\r\nHost: HOST\r\n${flood}\r\n`),
    /^HTTP\/1\.1 431 /,
  )
})

const STALLING = { headersMs: 10_000, requestMs: 10_000, idleMs: 10_000, stallMs: 1500 }
const QUICK = { headersMs: 100, requestMs: 200, idleMs: 100, stallMs: 300 }

test('a request that never ends, and a connection that never asks, are cut', OPTIONS, async (t) => {
  const scene = await served(t, { timeouts: QUICK })
  for (const beginning of ['GET / HT', '', `GET /${WHOLE} HTTP/1.1\r\nHost: `]) {
    const answer = await raw(t, scene, beginning)
    assert.ok(answer === '' || answer.startsWith('HTTP/1.1 408 '), answer)
  }
  const body = `POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100000\r\n\r\nbit`
  assert.match(await raw(t, scene, body), /^HTTP\/1\.1 405 /)
})

test('a copy that does not grow, and a peer that does not read, are given up', OPTIONS, async (t) => {
  const scene = await served(t, { timeouts: QUICK })
  const { socket, all } = dial(t, scene)
  socket.write(`GET /${GROWING} HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\n\r\n`)
  await until(() => scene.open() === 1)
  await all
  await until(() => scene.open() === 0 && scene.server.uploads === 0)

  const lazy = dial(t, scene)
  lazy.socket.pause()
  lazy.socket.write(`GET /${GROWING} HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\n\r\n`)
  await until(() => scene.open() === 1)
  scene.growing.write(Buffer.alloc(32_000_000))
  await until(() => scene.open() === 0 && scene.server.uploads === 0)
})

test(
  'who reads nothing, or no more, is given up after the limit and not after twice that',
  OPTIONS,
  async (t) => {
    const scene = await served(t, { timeouts: STALLING }, manualClock())
    const ask = `GET /${GROWING} HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\n\r\n`
    const reader = dial(t, scene).socket
    reader.write(ask)
    await until(() => scene.open() === 1)
    scene.growing.write(Buffer.alloc(32_000_000))
    // Some of it is taken at a time when Node has looked already.
    await new Promise((resolve) => reader.once('data', resolve))
    reader.pause()
    const isLate = pause(2700, 'too late')
    const isGivenUp = until(() => scene.open() === 0).then(() => 'in time')
    assert.equal(await Promise.race([isGivenUp, isLate]), 'in time')
  },
)

test(
  'who reads slowly and steadily is not given up: the system tells of it late',
  { ...OPTIONS, skip: process.platform !== 'linux' && 'only Linux tells what a reader has taken' },
  async (t) => {
    const scene = await served(t, { timeouts: STALLING })
    const { socket } = dial(t, scene)
    socket.pause()
    socket.write(`GET /${GROWING} HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\n\r\n`)
    await until(() => scene.open() === 1)
    scene.growing.write(Buffer.alloc(32_000_000))
    for (let taken = 0, times = 0; times < 80; times++) {
      await pause(50)
      taken += socket.read(16_000)?.length ?? 0
      assert.equal(scene.open(), 1, `cut after ${taken} bytes`)
    }
  },
)

test('who waits for what somebody else has to do first is not given up', OPTIONS, async (t) => {
  const timeouts = { ...QUICK, headersMs: 5_000, requestMs: 5_000 }
  const scene = await served(t, { timeouts }, manualClock(), async () => {
    await pause(4 * QUICK.stallMs)
    return { status: 200, fields: [['Content-Length', '4']], body: bodyOf(Buffer.from('done')) }
  })
  const { status, body } = await get(scene.url('/functions/gateway'))
  assert.deepEqual([status, body.toString()], [200, 'done'])
  // From then on it is as with any other answer.
  assert.equal((await get(scene.url('/health'))).status, 200)
})

test('who pauses for less than the limit has the whole', OPTIONS, async (t) => {
  const scene = await served(t, { timeouts: STALLING }, manualClock())
  const reader = dial(t, scene)
  reader.socket.pause()
  reader.socket.write(
    `GET /${GROWING} HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\nConnection: close\r\n\r\n`,
  )
  await until(() => scene.open() === 1)
  scene.growing.write(Buffer.alloc(32_000_000))
  scene.growing.end()
  await pause(300)
  reader.socket.resume()
  assert.ok((await reader.all).length > 32_000_000)
})

test('of 300 idle connections no more than the limit stay open', OPTIONS, async (t) => {
  const scene = await served(t, { maxConnectionsPerPeer: 1000 })
  let closed = 0
  const connections = Array.from({ length: 300 }, () => dial(t, scene))
  for (const { all } of connections) void all.then(() => closed++)
  await until(() => closed === 300 - 256 && connections.every(({ socket }) => !socket.connecting))
  await assert.rejects(get(scene.url('/health')))
  for (const { socket } of connections) socket.destroy()
  await until(() => closed === 300)
})

test(
  'one peer cannot take all connections, and has its share back when it closes them',
  OPTIONS,
  async (t) => {
    const scene = await served(t, { maxConnectionsPerPeer: 3 })
    const greedy = Array.from({ length: 3 }, () => dial(t, scene, '127.0.0.44').socket)
    await until(() => greedy.every((socket) => !socket.connecting))
    assert.equal(await dial(t, scene, '127.0.0.44').all, '')
    assert.deepEqual(scene.refused, [0])
    const ask = (from: string) => {
      const { socket, all } = dial(t, scene, from)
      socket.write(`GET /health HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\nConnection: close\r\n\r\n`)
      return all
    }
    assert.match(await ask('127.0.0.45'), / 200 OK/)
    for (const socket of greedy) socket.destroy()
    let answer = ''
    while (answer === '') answer = await ask('127.0.0.44')
    assert.match(answer, / 200 OK/)
  },
)

test('a growing copy arrives as it is released, without a length', OPTIONS, async (t) => {
  const scene = await served(t)
  const response = await request(scene.url(`/${GROWING}`))
  assert.equal(response.headers['content-length'], undefined)
  const chunks = response.body[Symbol.asyncIterator]()
  for (const text of ['one', 'two', 'three']) {
    scene.growing.write(Buffer.from(text))
    assert.equal(String((await chunks.next()).value), text)
    assert.equal(scene.server.uploads, 1)
  }
  scene.growing.end()
  assert.equal((await chunks.next()).done, true)
  await until(() => scene.server.uploads === 0)
  assert.deepEqual(scene.uploaded, [[`/${GROWING}`, 11]])
})

test('the rest of a copy of unknown size cannot be had yet; its beginning can', OPTIONS, async (t) => {
  const scene = await served(t)
  scene.growing.write(Buffer.from('all'))
  scene.growing.end()
  const rest = await get(scene.url(`/${GROWING}`), { range: 'bytes=1-' })
  assert.deepEqual([rest.status, rest.fields['retry-after']], [503, '1'])
  const all = await get(scene.url(`/${GROWING}`), { range: 'bytes=0-' })
  assert.deepEqual([all.status, all.body.toString()], [200, 'all'])
})

test('a reader that goes away closes the file, even while there is nothing to send', OPTIONS, async (t) => {
  const scene = await served(t)
  const { socket } = dial(t, scene)
  socket.write(`GET /${GROWING} HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\n\r\n`)
  await until(() => scene.open() === 1 && scene.server.uploads === 1)
  socket.destroy()
  await until(() => scene.open() === 0 && scene.server.uploads === 0)
})

test('a file whose reading fails, or that ends early, cuts the connection', OPTIONS, async (t) => {
  const scene = await served(t)
  for (const [alias, bytes] of [
    [BROKEN, 100],
    [SHORT, 400],
  ] as const) {
    const answer = await raw(t, scene, `GET /${alias} HTTP/1.1\r\nHost: HOST\r\n\r\n`)
    const [head = '', body = ''] = answer.split('\r\n\r\n', 2)
    assert.match(head, /content-length: 1000/i)
    assert.ok(body.length <= bytes)
    await until(() => scene.server.uploads === 0)
  }
  assert.equal(scene.open(), 0)
})

test(
  'a file that cannot be opened, or described, costs its connection and nothing more',
  OPTIONS,
  async (t) => {
    const scene = await served(t)
    for (const alias of [UNOPENABLE, UNSENDABLE])
      assert.equal(await raw(t, scene, `GET /${alias} HTTP/1.1\r\nHost: HOST\r\n\r\n`), '')
    await until(() => scene.open() === 0 && scene.server.uploads === 0)
    assert.equal((await get(scene.url('/health'))).status, 200)
  },
)

test('a busy port is a fault that names the setting', OPTIONS, async (t) => {
  const scene = await served(t)
  const other = new FileServer(
    { address: HOST, port: scene.server.port, maxConnections: 1, isOnLink: () => true },
    { open: () => undefined },
    { uploaded: () => {}, refused: () => {}, abused: () => {} },
  )
  await assert.rejects(other.start(), { code: 'ADDRESS_IN_USE', message: /peering\.filePort.*127\.0\.0\.41/ })
  await other.stop()
})

test('stopping cuts what runs, and is safe twice', OPTIONS, async (t) => {
  const scene = await served(t)
  const { socket, all } = dial(t, scene)
  socket.write(`GET /${GROWING} HTTP/1.1\r\nHost: ${HOST}:${scene.server.port}\r\n\r\n`)
  await until(() => scene.server.uploads === 1)
  await scene.server.stop()
  await all
  await until(() => scene.open() === 0)
  await scene.server.stop()
})
