import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import type { Status } from '../../service/status.ts'
import {
  CLI,
  freePacketPort,
  missing,
  type NodeProcess,
  Scene,
  type Sections,
  until,
  withoutNamespaces,
} from './harness.ts'
import { Origin, sha256, uniqueBody } from './origin.ts'
import { curl, run, sourceOf } from './programs.ts'

const skip = missing('curl')
const ALONE = { peering: { enabled: false } }
const scene = new Scene()
let origin: Origin

before(async () => {
  origin = await Origin.start(scene)
})

after(() => scene.close())

test('a node says one ready line, tells its status, and leaves with 0', { skip }, async () => {
  const packetPort = await freePacketPort()
  const config = scene.configFile({ peering: { address: '127.0.0.2', packetPort } })
  const node = scene.ihave(config)
  const proxy = await node.ready()
  assert.match(
    node.stdout,
    /^ihave \S+ is ready: proxy http:\/\/127\.0\.0\.1:\d+, peers at 127\.0\.0\.2 \(packets \d+, files \d+\), cache \S+ \(0 B of 20\.0 GB\)\n$/,
  )
  const url = origin.putByHash(uniqueBody(1_000_000))
  await curl(proxy, url)
  const { stdout } = await ihave('status', '--config', config, '--json')
  const status = JSON.parse(stdout.toString()) as Status
  assert.equal(status.proxy, proxy)
  assert.deepEqual(
    [status.totals.deliveredBytes, status.totals.receivedBytes.internet],
    [1_000_000, 1_000_000],
  )
  const text = (await ihave('status', '--config', config)).stdout.toString()
  assert.match(text, /^ihave .*, up .*, proxy http:\/\/127\.0\.0\.1:\d+$/m)
  assert.match(text, /^received {3}1\.0 MB from the Internet, 0 B from peers$/m)
  assert.match(text, /^peering {4}127\.0\.0\.2, packets \d+, files \d+; 0 peers/m)
  await node.kill('SIGTERM')
  assert.equal(await node.exit, 0)
  assert.deepEqual([node.stdout.split('\n').length, node.stderr], [2, ''])
  const gone = await ihave('status', '--config', config)
  assert.equal(gone.code, 3)
  assert.match(gone.stderr, /no node answers at /)
})

test('a node without products says that there are none to check', async () => {
  const config = scene.configFile(ALONE)
  const node = scene.ihave(config)
  await node.ready()
  const people = await ihave('update', 'now', '--config', config)
  const programs = await ihave('update', 'now', '--config', config, '--json')
  assert.deepEqual(
    [people.code, people.stdout.toString(), programs.code, programs.stdout.toString()],
    [0, 'the node has no products to check: its configuration has no "updates"\n', 0, ''],
  )
})

test('what a first start compiled is kept beside the cache, for the next one', { skip }, async () => {
  const config = scene.configFile(ALONE)
  const compiled = join(dirname(config), 'cache', 'compiled')
  // Those of the other tests find what an earlier test's compiled.
  const node = scene.ihave(config, ['env', '-u', 'NODE_COMPILE_CACHE'])
  await node.ready()
  const kept = () => (existsSync(compiled) ? readdirSync(compiled, { recursive: true }).length : 0)
  await until('compiled code', () => kept() > 100)
  await node.kill('SIGTERM')
  assert.equal(await node.exit, 0)
})

test('SIGTERM lets a slow download complete, and takes no new connection', { skip }, async () => {
  const { node, proxy, download, body, open } = await slowDownload({ stopGraceMs: 10_000 })
  await node.kill('SIGTERM')
  await until('a proxy that listens no more', () => isRefused(proxy))
  open()
  const reply = await download
  assert.deepEqual([reply.code, sha256(reply.body)], [0, sha256(body)])
  assert.equal(await node.exit, 0)
})

test('a download that takes longer than the grace is cut, and the node leaves with 0', { skip }, async () => {
  const { node, download, open } = await slowDownload({ stopGraceMs: 300 })
  await node.kill('SIGTERM')
  assert.equal(await node.exit, 0)
  assert.notEqual((await download).code, 0)
  open()
})

test('SIGHUP begins the log file anew, and the node goes on', { skip }, async () => {
  const directory = scene.directory()
  const file = join(directory, 'node.log')
  const node = scene.ihave(scene.configFile({ ...ALONE, log: { file } }))
  const proxy = await node.ready()
  await curl(proxy, origin.putByHash(uniqueBody(1000)))
  renameSync(file, `${file}.1`)
  await node.kill('SIGHUP')
  await until('a new log file', () => existsSync(file) && readFileSync(file, 'utf8').includes('SIGHUP'))
  const url = origin.putByHash(uniqueBody(1000))
  await curl(proxy, url)
  await node.kill('SIGTERM')
  assert.equal(await node.exit, 0)
  const [was, is] = [`${file}.1`, file].map((each) => readFileSync(each, 'utf8'))
  assert.ok(is?.includes(url), 'what comes afterwards is in the new one')
  assert.ok(was?.includes('"request"') && !was.includes(url), 'what came before is in the old one')
})

test('SIGHUP while a node starts does not end it', { skip }, async () => {
  const file = join(scene.directory(), 'node.log')
  const node = scene.ihave(scene.configFile({ ...ALONE, log: { file } }))
  await until('a log file', () => existsSync(file))
  await node.kill('SIGHUP')
  await node.ready()
  await node.kill('SIGTERM')
  assert.equal(await node.exit, 0)
  assert.match(readFileSync(file, 'utf8'), /SIGHUP/)
})

test(
  'SIGHUP without a log file is a terminal that was closed: the node stops as with SIGTERM',
  { skip },
  async () => {
    const { node, proxy, download, body, open } = await slowDownload({ stopGraceMs: 10_000 })
    for (let time = 0; time < 2; time++) {
      await node.kill('SIGHUP')
      await until('a proxy that listens no more', () => isRefused(proxy))
    }
    open()
    const reply = await download
    assert.deepEqual([reply.code, sha256(reply.body)], [0, sha256(body)])
    assert.equal(await node.exit, 0)
  },
)

test('a second SIGINT ends the node at once', { skip }, async () => {
  const { node, proxy, download, open } = await slowDownload({ stopGraceMs: 60_000 })
  await node.kill('SIGINT')
  await until('a proxy that listens no more', () => isRefused(proxy))
  await node.kill('SIGINT')
  assert.equal(await node.exit, 130)
  assert.notEqual((await download).code, 0)
  open()
})

test('a busy proxy port, a busy port for files, a busy packet port: exit 1 and which it is', async () => {
  const busy = createServer().listen(0, '127.0.0.1')
  const busyFiles = createServer().listen(0, '127.0.0.2')
  scene.ending(() => [busy, busyFiles].forEach((each) => each.close()))
  await until('two servers', () => busy.listening && busyFiles.listening)
  const { port } = busy.address() as AddressInfo
  const { port: filePort } = busyFiles.address() as AddressInfo
  const packetPort = await freePacketPort()
  const peering = { address: '127.0.0.2', packetPort }
  await fails(
    { proxy: { listen: `127.0.0.1:${port}` }, ...ALONE, log: { level: 'info' } },
    `proxy.listen: cannot listen on 127.0.0.1:${port}`,
  )
  await fails(
    { peering: { ...peering, filePort } },
    `peering.filePort: cannot listen on 127.0.0.2:${filePort}`,
  )
  await scene.node({ peering })
  await fails({ peering }, `peering.packetPort: cannot listen on 127.0.0.2:${packetPort}`)
})

test('a cache directory in use, and one that cannot be: exit 1 and its name', async () => {
  const cache = { directory: join(scene.directory(), 'cache') }
  await scene.node({ ...ALONE, cache })
  await fails({ ...ALONE, cache }, cache.directory)
  const file = join(scene.directory(), 'file')
  writeFileSync(file, '')
  await fails({ ...ALONE, cache: { directory: join(file, 'cache') } }, file)
})

test('errors of the configuration are all told, each with its place, and the exit code is 2', async () => {
  const file = join(scene.directory(), 'proxy.config.yaml')
  writeFileSync(file, 'proxy:\n  listen: 127.0.0.1:0\npeering:\n  packetPort: x\ncache:\n  maxsize: 1 GB\n')
  const ran = await ihave('start', '--config', file)
  assert.equal(ran.code, 2)
  assert.deepEqual(ran.stderr.trimEnd().split('\n'), [
    `ihave start: ${file}:4:15: peering.packetPort: expected a port from 1 to 65535, got "x"`,
    `${file}:6:3: cache.maxsize: unknown key; did you mean maxSize?`,
  ])
  assert.equal((await ihave('start', '--config', join(file, 'absent'))).code, 2)
  assert.equal((await ihave('start', '--no-such-option')).code, 2)
  assert.equal((await ihave('no-such-command')).code, 2)
})

test('without a LAN the node works alone, and says so', { skip: withoutNamespaces() }, async () => {
  const config = scene.configFile({ peering: { broadcast: 'auto' } })
  const node = scene.ihave(config, ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$0" "$@"'])
  await node.ready()
  assert.match(node.stdout, /, no LAN found: working alone, /)
  assert.match(
    (await ihave('status', '--config', config)).stdout.toString(),
    /^peering {4}no LAN found: working alone$/m,
  )
  await node.kill('SIGTERM')
  assert.equal(await node.exit, 0)
})

test(
  'after kill -9 in a download nothing wrong is served, and what was stored before is a hit',
  { skip },
  async () => {
    const stored = uniqueBody(500_000)
    const storedUrl = origin.putByHash(stored)
    const { node, proxy, download, body, url, open, config } = await slowDownload({}, storedUrl)
    assert.equal(sourceOf(await curl(proxy, storedUrl)), 'hit')
    await node.kill('SIGKILL')
    assert.notEqual((await download).code, 0)
    open()
    const again = scene.ihave(config)
    const newProxy = await again.ready()
    const hit = await curl(newProxy, storedUrl)
    assert.deepEqual([sourceOf(hit), sha256(hit.body)], ['hit', sha256(stored)])
    const whole = await curl(newProxy, url)
    assert.deepEqual([whole.code, sourceOf(whole), sha256(whole.body)], [0, 'internet', sha256(body)])
    assert.equal(origin.count(storedUrl), 1)
    await again.kill('SIGTERM')
    assert.equal(await again.exit, 0)
  },
)

test('with a full disk downloads still work, uncached', { skip: skip || withoutNamespaces() }, async () => {
  const directory = scene.directory()
  const config = scene.configFile(ALONE, directory)
  const mounted = 'mkdir -p "$1" && mount -t tmpfs -o size=8m tmpfs "$1" && shift && exec "$@"'
  const cache = join(directory, 'cache')
  const node = scene.ihave(config, ['unshare', '--mount', 'sh', '-c', mounted, 'sh', cache])
  const proxy = await node.ready()
  const early = uniqueBody(100_000)
  const earlyUrl = origin.putByHash(early)
  await curl(proxy, earlyUrl)
  fill(`/proc/${node.id}/root${cache}/filler`)
  for (const size of [1000, 3_000_000]) {
    const body = uniqueBody(size)
    const url = origin.putByHash(body, size > 1000 ? {} : { isChunked: true })
    for (const _ of [1, 2]) {
      const reply = await curl(proxy, url)
      assert.deepEqual(
        [reply.code, reply.status, sha256(reply.body)],
        [0, 200, sha256(body)],
        `${size} bytes`,
      )
    }
  }
  const hit = await curl(proxy, earlyUrl)
  assert.equal(sha256(hit.body), sha256(early))
  await node.kill('SIGTERM')
  assert.equal(await node.exit, 0)
})

test(
  'a node starts in an empty folder on a disk without a free byte',
  { skip: skip || withoutNamespaces() },
  async () => {
    const directory = scene.directory()
    const config = scene.configFile(ALONE, directory)
    const filled =
      'mkdir -p "$1" && mount -t tmpfs -o size=4m tmpfs "$1" && ! cat /dev/zero > "$1/filler" && shift && exec "$@"'
    const cache = join(directory, 'cache')
    const node = scene.ihave(config, ['unshare', '--mount', 'sh', '-c', filled, 'sh', cache])
    const proxy = await node.ready()
    const body = uniqueBody(100_000)
    const url = origin.putByHash(body)
    for (const _ of [1, 2]) {
      const reply = await curl(proxy, url)
      assert.deepEqual([reply.code, reply.status, sha256(reply.body)], [0, 200, sha256(body)])
    }
    await node.kill('SIGTERM')
    assert.equal(await node.exit, 0)
  },
)

/** Writes until the file system has no byte left. */
function fill(file: string): void {
  for (const size of [1 << 20, 1 << 12, 1]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
    } catch (error) {
      assert.match(String(error), /ENOSPC/)
    }
  }
  assert.ok(statSync(file).size > 1 << 20)
}

interface SlowDownload {
  readonly node: NodeProcess
  readonly proxy: string
  readonly download: ReturnType<typeof curl>
  readonly body: Buffer
  readonly url: string
  readonly config: string
  /** Lets the origin server send the rest. */
  readonly open: () => void
}

/** A node with a download that has come half way. @param first what it is asked for before. */
async function slowDownload(proxySettings: Sections, first?: string): Promise<SlowDownload> {
  const config = scene.configFile({ ...ALONE, proxy: proxySettings })
  const node = scene.ihave(config)
  const proxy = await node.ready()
  if (first !== undefined) await curl(proxy, first)
  const body = uniqueBody(2_000_000)
  const opening = deferred<void>()
  const url = origin.putByHash(body, { gate: { atByte: 1_000_000, opened: opening.promise } })
  const download = curl(proxy, url)
  await until('half of the download', async () => {
    const { transfers } = JSON.parse(
      (await ihave('status', '--config', config, '--json')).stdout.toString(),
    ) as Status
    return (transfers[0]?.receivedBytes ?? 0) >= 1_000_000
  })
  return { node, proxy, download, body, url, config, open: () => opening.resolve() }
}

function ihave(...args: readonly string[]) {
  return run(process.execPath, [CLI, ...args])
}

async function fails(sections: Sections, expected: string): Promise<void> {
  const ran = await ihave('start', '--config', scene.configFile(sections))
  assert.deepEqual([ran.code, ran.stdout.toString()], [1, ''], ran.stderr)
  assert.ok(ran.stderr.startsWith('ihave start: ') && ran.stderr.includes(expected), ran.stderr)
}

function isRefused(proxy: string): Promise<boolean> {
  const [host = '', port] = proxy.split(':')
  return new Promise((resolve) => {
    const socket = connect(Number(port), host, () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', () => resolve(true))
  })
}
