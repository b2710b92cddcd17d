/**
 * Five machines of which two have Internet access (patent A, FIG. 1; issue 7 "must hold"). The Internet is one server behind a
 * router; the other three have no route, a route that leads nowhere, and a router that swallows what comes back.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../core/clock.ts'
import { askStatus } from '../../service/control.ts'
import type { ProductResult } from '../../service/product-updates.ts'
import { checkUpdates } from '../../service/remote-cache.ts'
import type { Status } from '../../service/status.ts'
import { addComponent } from '../../update/publisher/add.ts'
import { initSite } from '../../update/publisher/init.ts'
import { release } from '../../update/publisher/release.ts'
import { onlyWhenAsked } from '../update/only-when-asked.ts'
import { quietMachine } from './quiet-machine.ts'
import { namespaceLan, whyNoNamespaces, type Host, type NamespaceLan } from './namespaces.ts'
import { said, until } from './waiting.ts'

const MAIN = resolve(import.meta.dirname, '../../cli/main.ts')
/** An address of the Internet, in the router's namespace only. */
const INTERNET = '203.0.113.10'
/** How often the elected machine looks for news. */
const CHECK_MS = 2000
/** Requests for what the elected machine looks at. */
const WATCHED = /^GET \/(myupdate\.cab|debian\/dists\/\S+) /
/** Paths of packages. */
const PACKAGE = /^\/[a-z0-9]+\.\d{12}\.cab$/
const COMPONENTS = { myavdat: 910, myxtrdat: 16, mycioagt: 370, vsasap: 360, vseng9x: 240, vsengine: 340 }

/** A static server with entity tags and ranges; what lies below /slow/ comes at 1 MB/s. It tells what it sent. */
const ORIGIN = `
const { createServer } = require('node:http'), { readFileSync } = require('node:fs'), { join } = require('node:path')
const { createHash } = require('node:crypto')
createServer((request, response) => {
  let body
  try { body = readFileSync(join(process.argv[1], request.url)) } catch { return response.writeHead(404).end() }
  const etag = '"' + createHash('sha256').update(body).digest('hex').slice(0, 16) + '"'
  const isSame = request.headers['if-none-match'] === etag
  console.log(request.method + ' ' + request.url + ' ' + (isSame ? 304 : 200) + ' ' + (request.headers.range ?? ''))
  const common = { ETag: etag, 'Accept-Ranges': 'bytes' }
  if (isSame) return response.writeHead(304, common).end()
  const [asked, first = 0, last = ''] = /^bytes=(\\d+)-(\\d*)$/.exec(request.headers.range ?? '') ?? []
  const from = Number(first)
  const part = body.subarray(from, last === '' ? body.length : Number(last) + 1)
  const range = { 'Content-Range': 'bytes ' + from + '-' + (from + part.length - 1) + '/' + body.length }
  response.writeHead(asked ? 206 : 200, { ...common, ...(asked ? range : {}), 'Content-Length': part.length })
  if (request.method === 'HEAD') return response.end()
  const step = request.url.startsWith('/slow/') ? 20_000 : Infinity
  const send = (at) => {
    if (response.destroyed || at >= part.length) return response.end()
    const piece = part.subarray(at, at + step)
    console.log('sent ' + piece.length + ' ' + request.url)
    response.write(piece)
    setTimeout(() => send(at + piece.length), step === Infinity ? 0 : 20)
  }
  send(0)
}).listen(80, '${INTERNET}', () => console.log('ready'))`

describe(
  'five machines of which two have Internet access',
  { skip: whyNoNamespaces() ?? false, timeout: 300_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'ihave-gateway-'))
    const [web, keys] = [join(folder, 'web'), join(folder, 'keys')]
    let lan: NamespaceLan
    let router: Host
    let nodes: readonly Host[] = []
    const running = new Map<Host, ChildProcess>()
    let asked: string[] = []
    /** Bytes that the Internet has carried, by path. */
    const sent = new Map<string, number>()
    /** When it began to carry each, on this process's clock. */
    const beganAt = new Map<string, number>()
    let packageBytes = 0
    /** Whether nothing else keeps this machine's processors, as it was before all this began. */
    let isQuiet = false

    before(async () => {
      isQuiet = quietMachine().isQuiet
      publish()
      lan = namespaceLan(6)
      const [first, ...others] = lan.hosts
      assert.ok(first)
      router = first
      nodes = others
      await router.run('ip', 'addr', 'add', `${INTERNET}/32`, 'dev', 'lo')
      await said(router.start(process.execPath, ['-e', ORIGIN, web]), 'ready', (line) => {
        const [what, bytes, path = ''] = line.split(' ')
        if (what !== 'sent') return void asked.push(line)
        if (!beganAt.has(path)) beganAt.set(path, performance.now())
        sent.set(path, (sent.get(path) ?? 0) + Number(bytes))
      })
      const [one, two, , nowhere, swallowed] = nodes as [Host, Host, Host, Host, Host]
      for (const node of [one, two, swallowed])
        await node.run('ip', 'route', 'add', 'default', 'via', router.address)
      await nowhere.run('ip', 'route', 'add', 'default', 'via', '10.77.0.250')
      await router.run('ip', 'route', 'add', 'blackhole', `${swallowed.address}/32`)
      for (const node of nodes) await startNode(node)
      await makeSite()
      await until('machines that know each other', async () => {
        const all = await Promise.all(nodes.map(statusOf))
        return all.every(({ peering }) => peering?.peers.length === nodes.length - 1)
      })
      // Members have heard each other's passes when they believe the same one.
      await until('machines that know who checks', async () => {
        const all = await Promise.all(nodes.map(statusOf))
        return all.every(({ functions }) => functions.some((each) => each.function === 'update-checker'))
      })
      // The two show that they reach the Internet by using it.
      for (const node of [one, two]) await download(node, '/index.html')
    })

    after(async () => {
      await lan?.remove()
      rmSync(folder, { recursive: true, force: true })
    })

    function sentOf(paths: RegExp): number {
      return [...sent].reduce((sum, [path, bytes]) => sum + (paths.test(path) ? bytes : 0), 0)
    }

    /**
     * How long the line needs for a whole file, by its pace up to now: 1 MB/s, and less where the machine is busy with other
     * work; in ms.
     */
    function aloneMs(path: string, size: number): number {
      const carriedMs = performance.now() - (beganAt.get(path) ?? 0)
      return Math.max(size / 1000, (size * carriedMs) / (sent.get(path) ?? 0))
    }

    /** For people who look for what was sent twice. */
    function sentByPath(paths: RegExp): string {
      const lines = [...sent].flatMap(([path, bytes]) => (paths.test(path) ? [`${bytes} ${path}`] : []))
      return lines.join('\n')
    }

    function put(path: string, body: Buffer): string {
      const file = join(web, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, body)
      return createHash('sha256').update(body).digest('hex')
    }

    function publish(): void {
      const at = Math.floor(systemClock.wall() / 1000) * 1000
      initSite(web, { product: 'ViruScan', keys, at, kind: 'rsa', own: undefined, ownCatalog: undefined })
      for (const [component, kilobytes] of Object.entries(COMPONENTS)) {
        const file = join(folder, `${component}.dat`)
        writeFileSync(file, randomBytes(kilobytes * 1000))
        const install = { kind: 'unpack', into: component } as const
        addComponent(web, { component, version: '4.5.1', minProduct: undefined, install, paths: [file] })
      }
      const made = release(web, { keys, at, compression: 'mszip', validDays: 14, baseUrl: undefined })
      packageBytes = made.packages.reduce((sum, { size }) => sum + size, 0)

      put('index.html', Buffer.from('the Internet'))
    }

    async function startNode(node: Host): Promise<void> {
      const home = join(folder, node.name)
      mkdirSync(home, { recursive: true })
      const product = {
        catalog: `http://${INTERNET}/myupdate.cab`,
        trust: join(keys, 'publisher.pem'),
        into: join(home, 'opt'),
      }
      const updates = [{ name: 'ViruScan', ...product, ...onlyWhenAsked() }]
      const config = {
        updates,
        checks: { everyMs: CHECK_MS },
        verification: { aptConfig: 'off' },
        log: { file: join(home, 'log'), level: 'debug' },
      }
      writeFileSync(join(home, 'proxy.config.yaml'), JSON.stringify(config))
      const child = node.start(process.execPath, [MAIN, 'start'], { cwd: home })
      running.set(node, child)
      await said(child, 'is ready')
    }

    async function ihave(node: Host, ...args: readonly string[]): Promise<string> {
      return node.run('env', '-C', join(folder, node.name), process.execPath, MAIN, ...args)
    }

    async function makeSite(): Promise<void> {
      const [first, ...others] = nodes
      assert.ok(first)
      const token = (await ihave(first, 'site', 'init', 'home', '--uses', '20', '--name', 'one')).match(
        /ihave-site-\S+/,
      )?.[0]
      assert.ok(token)
      for (const [at, node] of others.entries())
        await ihave(node, 'site', 'join', token, '--name', `node${at + 2}`)
    }

    function socket(node: Host): string {
      return join(folder, node.name, 'cache-data/control.sock')
    }

    function statusOf(node: Host): Promise<Status> {
      return askStatus(socket(node))
    }

    async function download(
      node: Host,
      path: string,
      ...more: readonly string[]
    ): Promise<{ sha256: string; fields: string }> {
      const file = join(folder, `${node.name}.out`)
      rmSync(file, { force: true })
      const args = [
        '-sS',
        '-x',
        'http://127.0.0.1:3128',
        '-o',
        file,
        '-D',
        '-',
        ...more,
        `http://${INTERNET}${path}`,
      ]
      const fields = await node.run('curl', ...args)
      return { sha256: createHash('sha256').update(readFileSync(file)).digest('hex'), fields }
    }

    test('what apt asks for arrives everywhere, and the Internet carries each package once', async () => {
      const indexes = ['/debian/dists/x/InRelease', '/debian/dists/x/main/Packages.xz']
      const packages = Array.from(
        { length: 6 },
        (_, each) => `/debian/pool/main/p/pkg${each}/pkg${each}_1.${each}-1_amd64.deb`,
      )
      const digests = new Map<string, string>()
      for (const path of indexes) digests.set(path, put(path, randomBytes(30_000)))
      for (const path of packages) digests.set(path, put(path, randomBytes(400_000)))
      asked = []
      for (const node of nodes.toReversed())
        for (const path of [...indexes, ...packages]) {
          const got = await download(node, path)
          assert.match(got.fields, /^HTTP\/1.1 200/, `${node.name} ${path}: ${got.fields}`)
          assert.equal(got.sha256, digests.get(path), `${node.name} ${path}`)
        }
      for (const path of packages)
        assert.equal(
          asked.filter((line) => line.startsWith(`GET ${path} 200`)).length,
          1,
          `${path}: ${asked.join('\n')}`,
        )
    })

    test('the reference workload arrives everywhere, all at once, and the Internet carries it once', async (t) => {
      asked = []
      const results = await Promise.all(nodes.map(checkNow))
      for (const { result } of results) assert.equal(result?.outcome, 'updated', JSON.stringify(result))
      for (const node of nodes)
        for (const component of Object.keys(COMPONENTS)) {
          const got = readFileSync(join(folder, node.name, 'opt/current', component, `${component}.dat`))
          assert.ok(got.equals(readFileSync(join(folder, `${component}.dat`))), `${node.name} ${component}`)
        }
      const sentBytes = sentOf(PACKAGE)
      // One copy and 5 %. A node that is given no processor for a few ms answers a question too late, and is taken for one that
      // has nothing; then the asker fetches that file a second time. Among so many processes on one machine this happens to one of
      // the 30 questions now and then. 5 % have room for the smallest package (16 kB) and for no other, of which the next has
      // 240 kB: a second copy of any of those fails here. Where the machine is busy with other work besides, many answers are late;
      // then the bound is only what shows that anybody shares at all: each machine for itself would be five copies.
      const mostBytes = isQuiet ? packageBytes * 1.05 : (nodes.length - 1) * packageBytes
      const carried = `the Internet carried ${sentBytes} bytes of packages, ${packageBytes} are one copy, ${mostBytes} the bound`
      t.diagnostic(carried)
      assert.ok(sentBytes <= mostBytes, `${carried}:\n${sentByPath(PACKAGE)}\n${asked.join('\n')}`)
    })

    async function checkNow(node: Host): Promise<ProductResult> {
      for await (const result of checkUpdates(socket(node))) return result
      throw new Error(`${node.name} has no product`)
    }

    test('what is no update is refused with a page that says why', async () => {
      const { fields } = await download(nodes[2] as Host, '/index.html')
      assert.match(fields, /^HTTP\/1.1 403/)
      assert.match(fields, /GATEWAY_REFUSED.*updates only/)
    })

    test('the abuse of 2012: strangers are refused on the port for files, counted, and shown', async () => {
      const isolated = nodes[2] as Host
      const { location = '' } =
        (await statusOf(isolated)).functions.find((each) => each.function === 'internet-gateway')?.provider ??
        {}
      const gateway = nodes.find(({ address }) => address === new URL(location).hostname)
      assert.ok(gateway, location)
      const askedBefore = asked.length
      for (const target of [
        `http://${INTERNET}/index.html`,
        'http://10.77.0.1/',
        'http://127.0.0.1:6515/health',
      ]) {
        const status = await router.run(
          'curl',
          '-s',
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
          '-H',
          `Ihave-Target: ${target}`,
          location,
        )
        assert.equal(status, '401', target)
      }
      await assert.rejects(
        router.run('curl', '-sf', '-x', new URL(location).origin, `http://${INTERNET}/index.html`),
      )
      // The elected machine looks for news meanwhile, also of the indexes that apt was given before.
      const fetched = asked.slice(askedBefore).filter((line) => !WATCHED.test(line))
      assert.deepEqual(fetched, [], 'nothing was fetched')
      const text = await ihave(gateway, 'status')
      assert.match(text, /gateway {4}offered to members; .*refused: .*3 × a stranger’s request \(unsigned\)/)
      assert.match(
        text,
        /refused .* a stranger at 10\.77\.0\.1: GET http:\/\/127\.0\.0\.1:6515\/health: a stranger’s request \(unsigned\)/,
      )
      assert.match(text, /member {3}node\d: \d+ requests/)
    })

    test('one machine sees that there is a release, fetches it ahead and tells the others, who verify and install it', async (t) => {
      await until('one machine that has looked at everything', async () => {
        const all = await Promise.all(nodes.map(statusOf))
        const checking = all.flatMap(({ gateway }) => (gateway?.checks.isChecking ? [gateway.checks] : []))
        return (
          checking.length === 1 && checking.every(({ checks, watched }) => watched >= 2 && checks > watched)
        )
      })
      for (const component of Object.keys(COMPONENTS).slice(0, 2)) {
        const file = join(folder, `${component}.dat`)
        writeFileSync(file, randomBytes(300_000))
        const install = { kind: 'unpack', into: component } as const
        addComponent(web, { component, version: '4.5.2', minProduct: undefined, install, paths: [file] })
      }
      asked = []
      const at = Math.floor(systemClock.wall() / 1000) * 1000 + 60_000
      release(web, { keys, at, compression: 'mszip', validDays: 14, baseUrl: undefined })
      await until('the new release on every machine', async () => {
        const all = await Promise.all(nodes.map(statusOf))
        return all.every(
          ({ updates }) => updates[0]?.components.filter(({ version }) => version === '4.5.2').length === 2,
        )
      })
      const packages = asked.filter((line) => PACKAGE.test(line.split(' ')[1] ?? ''))
      t.diagnostic(`${packages.length} requests for packages`)
      assert.equal(packages.length, 2, packages.join('\n'))
      const checks = await Promise.all(nodes.map(async (node) => (await statusOf(node)).gateway?.checks))
      assert.ok(
        checks.some((each) => (each?.aheadBytes ?? 0) > 500_000 && each?.news === 1),
        JSON.stringify(checks),
      )
    })

    test('the gateway is killed in the middle of a download: the other one goes on, right bytes, at most 2 s more', async (t) => {
      const path = '/slow/pool/main/b/big/big_2.0-1_amd64.deb'
      const size = 6_000_000
      const sha256 = put(path, randomBytes(size))
      asked = []
      const isolated = nodes[2] as Host
      const began = performance.now()
      const downloading = download(isolated, path)
      await until('a third of it', async () => sentOf(/big_2/) > size / 3)
      const gateway = new URL((await statusOf(isolated)).gateway?.asked.gateway ?? '').hostname
      const dying = nodes.find(({ address }) => address === gateway)
      assert.ok(dying, gateway)
      const neededMs = aloneMs(path, size)
      // `ip netns exec` becomes the program.
      running.get(dying)?.kill('SIGKILL')
      const got = await downloading
      const sentBytes = sentOf(/big_2/)
      const tookMs = performance.now() - began
      t.diagnostic(
        `took ${Math.round(tookMs)} ms, the line needs ${Math.round(neededMs)} ms; ${sentBytes} of ${size} bytes sent`,
      )
      assert.equal(got.sha256, sha256)
      t.diagnostic(asked.join('; '))
      assert.ok(sentBytes <= size * 1.1, `${sentBytes} bytes from the Internet`)
      assert.ok(tookMs <= neededMs * 1.15 + 2000, `${tookMs} ms, of which the line needs ${neededMs}`)
      await startNode(dying)
      // It shows that it reaches the Internet.
      await download(dying, '/index.html', '-H', 'Cache-Control: no-cache')
    })

    test('two machines download the same while the gateway is killed: both whole, in one copy, at most 2 s more', async (t) => {
      const path = '/slow/pool/main/b/big/big_3.0-1_amd64.deb'
      const size = 6_000_000
      const sha256 = put(path, randomBytes(size))
      const [one, two, third, fourth] = nodes as [Host, Host, Host, Host]
      asked = []
      const began = performance.now()
      const downloading = [third, fourth].map((node) => download(node, path))
      await until('a third of it', async () => sentOf(/big_3/) > size / 3)
      const serving = await Promise.all(
        [one, two].map(async (node) => {
          const { transfers } = await statusOf(node)
          return transfers.some(({ uri }) => uri.endsWith(path)) ? node : undefined
        }),
      )
      const dying = serving.find((node) => node !== undefined)
      assert.ok(dying, 'nobody serves it')
      const neededMs = aloneMs(path, size)
      running.get(dying)?.kill('SIGKILL')
      const got = await Promise.all(downloading)
      const sentBytes = sentOf(/big_3/)
      const tookMs = performance.now() - began
      t.diagnostic(
        `took ${Math.round(tookMs)} ms, the line needs ${Math.round(neededMs)} ms; ${sentBytes} of ${size} bytes`,
      )
      t.diagnostic(asked.join('; '))
      for (const each of got) assert.equal(each.sha256, sha256, each.fields)
      assert.ok(sentBytes <= size * 1.1, `${sentByPath(/big_3/)}\n${asked.join('\n')}`)
      assert.ok(tookMs <= neededMs * 1.15 + 2000, `${tookMs} ms, of which the line needs ${neededMs}`)
      await startNode(dying)
    })
  },
)
