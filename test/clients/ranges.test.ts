/** Readers of ranges over real sockets, and what each of them costs at the origin server, to the byte. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import type { Node } from '../../service/node.ts'
import { acquainted, freePacketPort, missing, Scene, settled, until, type Sections } from './harness.ts'
import { Origin, sha256, uniqueBody, type Page } from './origin.ts'
import { curl, run, sourceOf } from './programs.ts'

const MB = 1_000_000
const FIELDS = { ETag: '"v1"', 'Cache-Control': 'max-age=600', 'Content-Type': 'application/x-game' }

const scene = new Scene()
let origin: Origin
let node: Node
let other: Node

before(async () => {
  const packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.2', packetPort } })
  other = await scene.node({ peering: { address: '127.0.0.3', packetPort } })
  await acquainted(node, other)
})

after(() => scene.close())

let files = 0

function put(body: Uint8Array, page: Omit<Page, 'body'> = {}): string {
  return origin.put(`/file-${++files}`, { body, fields: FIELDS, ...page })
}

interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** One request through a node, on one of an agent's connections. */
function get(url: string, headers: Record<string, string> = {}, agent?: Agent, method = 'GET'): Promise<Got> {
  const [host, port] = node.proxyAddress.split(':')
  const options = {
    host,
    port,
    path: url,
    method,
    headers: { Host: new URL(url).host, ...headers },
    agent: agent ?? false,
  }
  return new Promise((resolve, reject) => {
    const asking = httpRequest(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    asking.on('error', reject).end()
  })
}

/** Bytes of a file that the node has received of a running download. */
function received(url: string): number {
  return node.status().transfers.find(({ uri }) => uri === url)?.receivedBytes ?? 0
}

/** Waits until what was fetched of a file is kept. */
function kept(proxy: string, url: string, range: string): Promise<void> {
  return until('a range that is kept', async () => {
    const reply = await curl(proxy, '-r', range, '-H', 'Cache-Control: only-if-cached', url)
    return reply.status === 206
  })
}

test('a node that knows no peer serves ranges, and the whole file after them', async () => {
  const rules = [{ match: '**/pool/**', share: true, immutable: true }]
  const packetPort = await freePacketPort()
  const alone = await scene.node({ peering: { address: '127.0.0.4', packetPort }, rules })
  await until('nobody to wait for', () => alone.status().peering?.waitMs === undefined)
  const body = uniqueBody(8 * MB)
  // Peers would be asked for it, were there any.
  const url = origin.put('/debian/pool/main/a/alone_1.0-1_all.deb', { body, fields: FIELDS })
  for (const range of ['0-999999', '0-999999']) {
    const reply = await curl(alone.proxyAddress, '-r', range, url)
    assert.deepEqual([reply.status, sha256(reply.body)], [206, sha256(body.subarray(0, MB))])
  }
  const whole = await curl(alone.proxyAddress, url)
  assert.deepEqual([whole.status, sha256(whole.body)], [200, sha256(body)])
})

test(
  'T3: ranges twice cost their bytes once, the whole file then only the rest',
  { skip: missing('curl') },
  async () => {
    const body = uniqueBody(20 * MB)
    const url = put(body)
    const sources = []
    for (const range of ['0-999999', '0-999999', '8000000-8999999', '8000000-8999999']) {
      const reply = await curl(node.proxyAddress, '-r', range, url)
      const [first = 0] = range.split('-').map(Number)
      assert.deepEqual([reply.code, reply.status], [0, 206])
      assert.equal(reply.fields.get('content-type'), ' application/x-game'.trim())
      assert.equal(sha256(reply.body), sha256(body.subarray(first, first + MB)))
      sources.push(sourceOf(reply))
      await kept(node.proxyAddress, url, range)
    }
    assert.deepEqual(sources, ['internet', 'hit', 'internet', 'hit'])
    assert.equal(origin.sentBytes(url), 2 * MB)
    const whole = await curl(node.proxyAddress, url)
    assert.deepEqual([whole.code, whole.status, sha256(whole.body)], [0, 200, sha256(body)])
    assert.match(whole.fields.get('cache-status') ?? '', /fwd=partial/)
    assert.equal(origin.sentBytes(url), 20 * MB)
    await settled(node)
    await until(
      'a whole file that is stored',
      async () => sourceOf(await curl(node.proxyAddress, url)) === 'hit',
    )
  },
)

test(
  'T4: a file aborted at 5 MB and asked for again comes from the origin server once',
  { skip: missing('curl') },
  async () => {
    const body = uniqueBody(20 * MB)
    const opening = deferred<void>()
    const url = put(body, { gate: { atByte: 5 * MB, opened: opening.promise } })
    const cut = new AbortController()
    const file = join(scene.directory(), 'file')
    const proxy = `http://${node.proxyAddress}`
    const cutting = run('curl', ['-q', '-sS', '-x', proxy, '-o', file, url], { signal: cut.signal })
    await until('5 MB', () => received(url) >= 5 * MB)
    cut.abort()
    await cutting
    await kept(node.proxyAddress, url, '0-99')
    opening.resolve()
    const again = await curl(node.proxyAddress, url)
    assert.deepEqual([again.code, sha256(again.body)], [0, sha256(body)])
    assert.equal(origin.sentBytes(url), 20 * MB)
  },
)

test('wget -c goes on where it was cut, and so does the node', { skip: missing('wget') }, async () => {
  const body = uniqueBody(20 * MB)
  const opening = deferred<void>()
  const url = put(body, { gate: { atByte: 5 * MB, opened: opening.promise } })
  const file = join(scene.directory(), 'file')
  const environment = { http_proxy: `http://${node.proxyAddress}` }
  const cut = new AbortController()
  const cutting = run('wget', ['-q', '-c', '-O', file, url], { environment, signal: cut.signal })
  await until('5 MB', () => received(url) >= 5 * MB && existsSync(file))
  cut.abort()
  await cutting
  await kept(node.proxyAddress, url, '0-99')
  opening.resolve()
  const resumed = await run('wget', ['-q', '-c', '-O', file, url], { environment })
  assert.deepEqual([resumed.code, sha256(readFileSync(file))], [0, sha256(body)])
  assert.equal(origin.sentBytes(url), 20 * MB)
})

for (const [name, condition] of [
  ['', {}],
  [' with If-Range', { 'If-Range': FIELDS.ETag }],
] as [string, Record<string, string>][])
  test(`a reader like BITS, HEAD and then ranges one after the other${name}, costs each byte once`, async () => {
    const body = uniqueBody(10 * MB + 123)
    const url = put(body)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const { headers } = await get(url, {}, agent, 'HEAD')
    const size = Number(headers['content-length'])
    const parts = []
    for (let start = 0; start < size; start += MB) {
      const range = `bytes=${start}-${Math.min(size, start + MB) - 1}`
      const part = await get(url, { Range: range, ...condition }, agent)
      assert.deepEqual([part.status, part.headers.etag], [206, FIELDS.ETag])
      parts.push(part.body)
    }
    agent.destroy()
    assert.equal(sha256(Buffer.concat(parts)), sha256(body))
    assert.equal(origin.sentBytes(url), body.length)
    await until('a file that is stored', async () =>
      /hit/.test(String((await get(url)).headers['cache-status'])),
    )
    assert.equal(origin.sentBytes(url), body.length)
  })

test('a reader like BITS of a file that a peer holds asks the origin server for nothing but the head', async () => {
  const body = uniqueBody(8 * MB)
  const url = origin.putByHash(body)
  await curl(other.proxyAddress, url)
  await settled(other)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  await get(url, {}, agent, 'HEAD')
  const parts = []
  for (let start = 0; start < body.length; start += MB) {
    const part = await get(url, { Range: `bytes=${start}-${start + MB - 1}` }, agent)
    assert.equal(part.status, 206)
    parts.push(part.body)
  }
  agent.destroy()
  assert.equal(sha256(Buffer.concat(parts)), sha256(body))
  assert.equal(origin.sentBytes(url), body.length)
})

test('a reader like a game, 20 connections and chunks of 1 MB in any order, costs each byte once', async () => {
  const body = uniqueBody(40 * MB)
  const url = put(body)
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  const starts = Array.from({ length: 40 }, (_, n) => ((n * 17) % 40) * MB)
  const chunks = await Promise.all(
    starts.map(async (start) => {
      const { status, body: chunk } = await get(url, { Range: `bytes=${start}-${start + MB - 1}` }, agent)
      assert.equal(status, 206)
      return { start, chunk }
    }),
  )
  agent.destroy()
  const sorted = chunks.toSorted((a, b) => a.start - b.start).map(({ chunk }) => chunk)
  assert.equal(sha256(Buffer.concat(sorted)), sha256(body))
  assert.equal(origin.sentBytes(url), body.length)
  await until('a file that is stored', async () =>
    /hit/.test(String((await get(url)).headers['cache-status'])),
  )
  assert.equal(origin.sentBytes(url), body.length)
})

test('two readers of overlapping ranges at the same time cost each byte once', async () => {
  const body = uniqueBody(2 * MB)
  const opening = deferred<void>()
  const url = put(body, { gate: { atByte: 1000, opened: opening.promise } })
  const asked = [
    { start: 0, end: MB },
    { start: MB / 2, end: 1.5 * MB },
  ]
  const got = asked.map(({ start, end }) => get(url, { Range: `bytes=${start}-${end - 1}` }))
  await until('the first request', () => origin.count(url) > 0)
  opening.resolve()
  for (const [n, { start, end }] of asked.entries())
    assert.equal(sha256((await got[n]!).body), sha256(body.subarray(start, end)))
  assert.equal(origin.sentBytes(url), 1.5 * MB)
})

test('a file that changes between two ranges is begun anew', async () => {
  const old = uniqueBody(4 * MB)
  const url = put(old)
  await get(url, { Range: 'bytes=0-999999' })
  const body = uniqueBody(4 * MB)
  origin.put(new URL(url).pathname, { body, fields: { ...FIELDS, ETag: '"v2"' } })
  const part = await get(url, { Range: 'bytes=1000000-1999999' })
  assert.deepEqual(
    [part.status, part.headers.etag, sha256(part.body)],
    [206, '"v2"', sha256(body.subarray(MB, 2 * MB))],
  )
  assert.equal(sha256((await get(url)).body), sha256(body))
})

const ALONE: Sections = { peering: { enabled: false } }

test(
  'kill -9 between two ranges costs nothing that was kept, and no wrong byte',
  { skip: missing('curl') },
  async () => {
    const body = uniqueBody(6 * MB)
    const url = put(body)
    const config = scene.configFile(ALONE)
    let process = scene.ihave(config)
    for (const start of [0, 3 * MB, 5 * MB]) {
      const proxy = await process.ready()
      const range = `${start}-${start + MB - 1}`
      const reply = await curl(proxy, '-r', range, url)
      assert.equal(sha256(reply.body), sha256(body.subarray(start, start + MB)))
      await kept(proxy, url, range)
      await process.kill('SIGKILL')
      process = scene.ihave(config)
    }
    const proxy = await process.ready()
    const held = await curl(proxy, '-r', '3000000-3999999', url)
    assert.deepEqual([sourceOf(held), sha256(held.body)], ['hit', sha256(body.subarray(3 * MB, 4 * MB))])
    assert.equal(origin.sentBytes(url), 3 * MB)
    const whole = await curl(proxy, url)
    assert.deepEqual([whole.code, sha256(whole.body)], [0, sha256(body)])
    assert.equal(origin.sentBytes(url), 6 * MB)
    await process.kill('SIGTERM')
  },
)

test(
  'kill -9 in the middle of a large download costs no more than what came last',
  { skip: missing('curl') },
  async () => {
    const body = uniqueBody(40 * MB)
    const opening = deferred<void>()
    const url = put(body, { gate: { atByte: 36 * MB, opened: opening.promise } })
    const config = scene.configFile(ALONE)
    const process = scene.ihave(config)
    const file = join(scene.directory(), 'file')
    const cut = run('curl', ['-q', '-sS', '-x', `http://${await process.ready()}`, '-o', file, url])
    await until('36 MB', () => existsSync(file) && statSync(file).size >= 35.9 * MB, 10_000)
    await process.kill('SIGKILL')
    await cut
    opening.resolve()
    const again = scene.ihave(config)
    const whole = await curl(await again.ready(), url)
    assert.deepEqual([whole.code, sha256(whole.body)], [0, sha256(body)])
    // Written down after each 16 MiB: 32 of 36 MB are.
    assert.ok(
      origin.sentBytes(url) <= 36 * MB + (40 * MB - 2 * 16 * 1024 * 1024),
      `${origin.sentBytes(url)} bytes`,
    )
    await again.kill('SIGTERM')
  },
)
