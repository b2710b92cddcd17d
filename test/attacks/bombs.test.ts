/**
 * V§4 "XML", "exhaustion": indexes that are small on the wire and enormous when they are read, or that make their reader work
 * without an end, through a running node that gathers digests from them. Their bounds one by one: test/verify/metadata/.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Readable, type Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { createGzip, gzipSync } from 'node:zlib'
import { spawn } from 'node:child_process'
import type { Node } from '../../service/node.ts'
import { freePacketPort, missing, Scene, settled } from '../clients/harness.ts'
import { Origin, uniqueBody } from '../clients/origin.ts'
import { fetched } from './fetched.ts'

const scene = new Scene()
let origin: Origin
let node: Node

before(async () => {
  origin = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort: await freePacketPort() } })
})

after(() => scene.close())

/** A stream of zeros or of a repeated text, packed: 1000 to 1. */
function packed(unit: Buffer, times: number): Promise<Buffer> {
  const gzip = createGzip({ level: 9 })
  return through(gzip, gzip, unit, times)
}

/** The same by a program of this machine. */
function packedBy(program: string, unit: Buffer, times: number): Promise<Buffer> {
  const { stdin, stdout } = spawn(program, ['-1', '--stdout'], { stdio: ['pipe', 'pipe', 'inherit'] })
  return through(stdin, stdout, unit, times)
}

function through(into: Writable, outOf: Readable, unit: Buffer, times: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  outOf.on('data', (chunk: Buffer) => chunks.push(chunk))
  const whole = new Promise<Buffer>((resolve) => outOf.once('end', () => resolve(Buffer.concat(chunks))))
  Readable.from(Array.from({ length: times }, () => unit)).pipe(into)
  return whole
}

const laughs = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
  .map((name, at) => `<!ENTITY ${name} "${at === 0 ? 'ha' : `&${'abcdefghi'[at - 1]};`.repeat(10)}">`)
  .join('')

const XML = Buffer.from(
  `<?xml version="1.0"?><!DOCTYPE m [${laughs}]><metadata><package><name>&i;</name></package></metadata>`,
)
const nested = Buffer.from(`<metadata>${'<package>'.repeat(200_000)}`)
const deepJson = Buffer.from(`{"name":"a","versions":${'['.repeat(500_000)}`)
const endlessAttribute = Buffer.from(`<metadata x="${'y'.repeat(20_000_000)}`)

/** Each is asked for, and passed on as it is. What the node makes of it must not show. */
const BOMBS: readonly (readonly [
  name: string,
  path: string,
  body: () => Promise<Buffer> | Buffer,
  type: string,
  program?: string,
])[] = [
  ['a billion laughs in an index of packages', '/rpm/repodata/primary.xml', () => XML, 'application/xml'],
  ['the same, packed', '/rpm/repodata/0-primary.xml.gz', () => gzipSync(XML), 'application/gzip'],
  [
    'more than 1 GB of spaces in 1 MB',
    '/rpm2/repodata/primary.xml.gz',
    () => packed(Buffer.alloc(1 << 22, ' '), 272),
    'application/gzip',
  ],
  [
    'more than 1 GB of spaces in a file of xz',
    '/xz/dists/x/main/binary-amd64/Packages.xz',
    () => packedBy('xz', Buffer.alloc(1 << 22, ' '), 272),
    'application/x-xz',
    'xz',
  ],
  ['elements without an end', '/rpm3/repodata/primary.xml', () => nested, 'application/xml'],
  ['one attribute of 20 MB', '/rpm4/repodata/primary.xml', () => endlessAttribute, 'application/xml'],
  ['brackets without an end in a packument', '/left-pad', () => deepJson, 'application/json'],
  [
    'an HTML index of one endless tag',
    '/simple/x/',
    () => Buffer.from(`<a href="${'z'.repeat(5_000_000)}`),
    'text/html',
  ],
]

for (const [name, path, body, type, program] of BOMBS) {
  const skip = program !== undefined && missing(program)
  test(`${name}: passed on, not believed, and nobody waits for it`, { skip, timeout: 120_000 }, async (t) => {
    const right = await body()
    const url = origin.put(path, {
      body: right,
      fields: { 'Content-Type': type, 'Cache-Control': 'max-age=60' },
    })
    const earlier = count(node)
    const rssBefore = process.memoryUsage.rss()
    const cpuBefore = process.cpuUsage()
    const got = await fetched(node, url)
    assert.ok(got.body.equals(right))
    let slowest = 0
    await settled(node)
    const done = () => count(node) - earlier
    for (;;) {
      const other = await fetched(node, origin.putByHash(uniqueBody(1000)))
      slowest = Math.max(slowest, other.ms)
      if (done() > 0) break
      await pause(50)
    }
    const { user, system } = process.cpuUsage(cpuBefore)
    const grown = (process.memoryUsage.rss() - rssBefore) / 1e6
    t.diagnostic(
      `${Math.round((user + system) / 1000)} ms of processor time, ${Math.round(grown)} MB, slowest ${Math.round(slowest)} ms`,
    )
    assert.ok(grown < 400, `${grown} MB`)
    assert.ok(slowest < 2000, `${slowest} ms`)
  })
}

test('what could not be read is counted', () => {
  assert.ok(node.status().indexes.failed >= 5, JSON.stringify(node.status().indexes))
})

/** Indexes that were read, or could not be. */
function count(of: Node): number {
  const { read, failed } = of.status().indexes
  return read + failed
}
