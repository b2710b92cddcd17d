/**
 * The reference workload (R9.4, issue 6 "must hold"): a fleet whose machines all check at once, behind one slow line. Set
 * IHAVE_TEST_NODES=20 for the whole of it, and IHAVE_MAIN to the built `dist/cli/main.js`, which is what a fleet runs; fewer take part
 * otherwise, from the sources, because one machine has to run them all.
 */
import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { systemClock } from '../../core/clock.ts'
import { askStatus } from '../../service/control.ts'
import type { ProductResult } from '../../service/product-updates.ts'
import { checkUpdates } from '../../service/remote-cache.ts'
import { addComponent } from '../../update/publisher/add.ts'
import { initSite } from '../../update/publisher/init.ts'
import { release } from '../../update/publisher/release.ts'
import { onlyWhenAsked } from '../update/only-when-asked.ts'
import { quietMachine, type QuietMachine } from './quiet-machine.ts'
import { namespaceLan, whyNoNamespaces, type Host, type NamespaceLan } from './namespaces.ts'
import { said, until } from './waiting.ts'
import { randomBytes } from 'node:crypto'

const MAIN = resolve(process.env['IHAVE_MAIN'] ?? join(import.meta.dirname, '../../cli/main.ts'))
const NODES = Number(process.env['IHAVE_TEST_NODES'] ?? 5)
/** The line to the Internet, in bytes per second. */
const LINE = Number(process.env['IHAVE_TEST_LINE'] ?? 200_000)
/** What a fleet has that has been updated before: files of this many bytes. */
const FORMER_BYTES = 1000
/** What all may take longer than the line needs (issue 6). */
const SLACK_MS = 2000
/**
 * Processes of one machine hear of each other when they get a processor: two may begin the same file before one hears of the other and
 * yields (issue 4 allows 1.01 copies for that). It is rare, so that it does not happen to the next release as well.
 */
const MOST_COPIES = 1.01
const COMPONENTS = { myavdat: 910, myxtrdat: 16, mycioagt: 370, vsasap: 360, vseng9x: 240, vsengine: 340 }

/** A static server with ranges, behind a line that all its answers share; it tells what it sent on standard output. */
const ORIGIN = `
const { createServer } = require('node:http'), { readFileSync } = require('node:fs'), { join } = require('node:path')
let free = 0
const send = (response, url, body, at) => {
  if (at >= body.length || response.destroyed) return response.end()
  const piece = body.subarray(at, at + 1400), now = performance.now()
  free = Math.max(free, now - 100) + piece.length / ${LINE} * 1000
  setTimeout(() => { response.write(piece); console.log('sent ' + piece.length + ' ' + url); send(response, url, body, at + piece.length) }, free - now)
}
createServer((request, response) => {
  console.log(request.method + ' ' + request.url)
  let body
  try { body = readFileSync(join(process.argv[1], request.url)) } catch { return response.writeHead(404).end() }
  const [, first, last] = /^bytes=(\\d+)-(\\d*)$/.exec(request.headers.range ?? '') ?? []
  const from = Number(first ?? 0), end = last ? Math.min(Number(last) + 1, body.length) : body.length
  const etag = { ETag: '"' + body.length + '"', 'Accept-Ranges': 'bytes', 'Content-Length': end - from }
  const range = { 'Content-Range': 'bytes ' + from + '-' + (end - 1) + '/' + body.length }
  response.writeHead(first ? 206 : 200, { ...etag, ...(first ? range : {}) })
  if (request.method === 'HEAD') return response.end()
  send(response, request.url + ' ' + (request.headers.range ?? ''), body.subarray(0, end), from)
}).listen(80, '10.77.0.1', () => console.log('ready'))`

/** Each machine would have a disk of its own; here they would share one, and wait for each other's writes: so memory, if there is room. */
function disks(): string {
  const memory = '/dev/shm'
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize > NODES * 20_000_000 ? memory : tmpdir()
}

describe(
  `${NODES} machines that all update at once`,
  { skip: whyNoNamespaces() ?? false, timeout: 240_000 },
  () => {
    const folder = mkdtempSync(join(disks(), 'ihave-fleet-'))
    const [site, keys] = [join(folder, 'site'), join(folder, 'keys')]
    let lan: NamespaceLan
    let nodes: readonly Host[] = []
    /** Bytes that the line has carried, by URL and range. */
    const sent = new Map<string, number>()
    let lineEndedAt = 0
    const asked: string[] = []
    const processes: number[] = []
    let machine: QuietMachine

    before(async () => {
      machine = quietMachine()
      initSite(site, {
        product: 'ViruScan',
        keys,
        at: now(),
        kind: 'rsa',
        own: undefined,
        ownCatalog: undefined,
      })
      publish('4.5.0', () => FORMER_BYTES, now())
      lan = namespaceLan(NODES + 1)
      const [origin, ...others] = lan.hosts
      assert.ok(origin)
      nodes = others
      await said(origin.start(process.execPath, ['-e', ORIGIN, site]), 'ready', (line) => {
        if (line.startsWith('GET ')) asked.push(line.slice(4))
        if (!line.startsWith('sent ')) return
        const [, bytes, ...url] = line.split(' ')
        sent.set(url.join(' '), (sent.get(url.join(' ')) ?? 0) + Number(bytes))
        lineEndedAt = performance.now()
      })
      for (const node of nodes) await startNode(node)
      await until('machines that know each other', async () => {
        const known = await Promise.all(
          nodes.map(async (node) => (await askStatus(socket(node))).peering?.peers.length),
        )
        return known.every((count) => count === NODES - 1)
      })
      // A fleet is updated again and again: the release that is measured is not the first that these nodes see.
      for (const node of nodes) await checkNow(node)
    })

    after(async () => {
      await lan?.remove()
      rmSync(folder, { recursive: true, force: true })
    })

    function now(): number {
      return Math.floor(systemClock.wall() / 1000) * 1000
    }

    function publish(version: string, bytesOf: (kilobytes: number) => number, at: number) {
      for (const [component, kilobytes] of Object.entries(COMPONENTS)) {
        const file = join(folder, `${component}.dat`)
        writeFileSync(file, randomBytes(bytesOf(kilobytes)))
        const install = { kind: 'unpack', into: component } as const
        addComponent(site, { component, version, minProduct: undefined, install, paths: [file] })
      }
      const made = release(site, { keys, at, compression: 'mszip', validDays: 14, baseUrl: undefined })
      const sizes = made.packages.map(({ size }) => size)
      return { packageBytes: sizes.reduce((sum, size) => sum + size, 0), catalogueBytes: made.catalogueBytes }
    }

    async function startNode(node: Host): Promise<void> {
      const home = join(folder, node.name)
      mkdirSync(home)
      const product = {
        catalog: 'http://10.77.0.1/myupdate.cab',
        trust: join(keys, 'publisher.pem'),
        into: join(home, 'opt'),
      }
      const updates = [{ name: 'ViruScan', ...product, ...onlyWhenAsked() }]
      writeFileSync(
        join(home, 'proxy.config.yaml'),
        JSON.stringify({ updates, verification: { aptConfig: 'off' } }),
      )
      const started = node.start(process.execPath, [MAIN, 'start'], { cwd: home })
      if (started.pid !== undefined) processes.push(started.pid)
      await said(started, 'is ready')
    }

    function socket(node: Host): string {
      return join(folder, node.name, 'cache-data/control.sock')
    }

    async function checkNow(node: Host): Promise<ProductResult & { ms: number }> {
      const began = performance.now()
      for await (const result of checkUpdates(socket(node)))
        return { ...result, ms: performance.now() - began }
      throw new Error(`${node.name} has no product`)
    }

    /** All look for the next release at once. @returns what the line carried and how long it took, and what is promised of both. */
    async function storm(t: TestContext, number: number) {
      const at = now() + number * 60_000
      const { packageBytes, catalogueBytes } = publish(`4.5.${number}`, (kilobytes) => kilobytes * 1000, at)
      asked.length = 0
      sent.clear()
      const wasQuiet = machine.watch(processes)
      const began = performance.now()
      const results = await Promise.all(nodes.map((node) => checkNow(node)))
      const isQuiet = wasQuiet()
      for (const { result } of results) assert.equal(result?.outcome, 'updated', JSON.stringify(result))
      const allowedBytes = packageBytes + NODES * catalogueBytes
      const lineMs = (allowedBytes / LINE) * 1000
      const sentBytes = [...sent.values()].reduce((sum, bytes) => sum + bytes, 0)
      const slowestMs = Math.max(...results.map(({ ms }) => ms))
      t.diagnostic(`catalogue ${catalogueBytes} bytes, packages ${packageBytes} bytes`)
      t.diagnostic(`the line carried ${sentBytes} of ${allowedBytes} bytes`)
      t.diagnostic(
        `the slowest was done after ${Math.round(slowestMs)} ms; the line needs ${Math.round(lineMs)} ms`,
      )
      t.diagnostic(
        `the line was done after ${Math.round(lineEndedAt - began)} ms; each: ${results.map(({ ms }) => Math.round(ms)).join(' ')}`,
      )
      assert.ok(catalogueBytes <= 8000)
      assert.equal(asked.filter((url) => url === '/myupdate.cab').length, NODES)
      if (!isQuiet)
        t.diagnostic(
          'this machine is busy with something else: times are not judged, and copies only by what there were without sharing',
        )
      // Where nobody shares, each machine has a copy of its own from the line.
      const mostBytes = isQuiet ? MOST_COPIES * allowedBytes : allowedBytes + (NODES - 2) * packageBytes
      assert.ok(sentBytes <= mostBytes, [...sent].map(([url, bytes]) => `${bytes} ${url}`).join('\n'))
      if (isQuiet) assert.ok(slowestMs <= lineMs + SLACK_MS, `${slowestMs} ms, the line needs ${lineMs} ms`)
      return { isExact: sentBytes <= allowedBytes, isQuiet }
    }

    test('the line carries one copy of the packages and one catalogue for each, and all are done soon after', async (t) => {
      const first = await storm(t, 1)
      if (first.isExact || !first.isQuiet) return
      const again = await storm(t, 2)
      assert.ok(again.isExact || !again.isQuiet, 'more than one copy, twice')
    })

    test('every machine has every file', () => {
      for (const node of nodes)
        for (const component of Object.keys(COMPONENTS)) {
          const [file] = [join(folder, node.name, 'opt/current', component, `${component}.dat`)]
          assert.ok(
            readFileSync(file).equals(readFileSync(join(folder, `${component}.dat`))),
            `${node.name} ${component}`,
          )
        }
      assert.equal(
        readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory()).length,
        NODES + 2,
      )
    })
  },
)
