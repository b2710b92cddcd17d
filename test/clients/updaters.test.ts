import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { createDigest } from '../../core/hash.ts'
import type { Node } from '../../service/node.ts'
import { acquainted, freePacketPort, missing, Scene, settled, until } from './harness.ts'
import { Origin, sha256, uniqueBody } from './origin.ts'
import { run, type RunOptions } from './programs.ts'

const scene = new Scene()
let origin: Origin
let first: Node
let second: Node
/** Takes npm's tarballs from peers, because npm verifies them itself (V5). */
let trusting: Node

before(async () => {
  const packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  first = await scene.node({ peering: { address: '127.0.0.2', packetPort } })
  second = await scene.node({ peering: { address: '127.0.0.3', packetPort } })
  const rule = { match: '**/-/*.tgz', share: true, immutable: true, verify: 'updater' }
  trusting = await scene.node({ peering: { address: '127.0.0.4', packetPort }, rules: [rule] })
  await acquainted(first, second, trusting)
})

after(() => scene.close())

test('wget -c continues an interrupted download', { skip: missing('wget') }, async () => {
  const body = uniqueBody(600_000)
  const opening = deferred<void>()
  const url = origin.putByHash(body, { gate: { atByte: 300_000, opened: opening.promise } })
  const file = join(scene.directory(), 'file')
  const cut = new AbortController()
  const get = (more: RunOptions) => run('wget', ['-q', '-c', '-O', file, url], { ...through(first), ...more })
  const cutting = get({ signal: cut.signal })
  await until('a part of the file', () => existsSync(file) && statSync(file).size > 200_000)
  cut.abort()
  await cutting
  opening.resolve()
  const resumed = await get({})
  assert.deepEqual([resumed.code, resumed.stderr], [0, ''])
  assert.equal(sha256(readFileSync(file)), sha256(body))
  await settled(first)
  assert.ok(
    origin.sentBytes(url) <= body.length + 64 * 1024,
    `${origin.sentBytes(url)} bytes from the origin server`,
  )
})

test(
  'npm installs through the node, and other nodes have the tarball from it, proved by the packument (V2)',
  { skip: missing('npm') },
  async () => {
    const tarball = await publishToNpm()
    await npmInstalls(first)
    await npmInstalls(first)
    await npmInstalls(second)
    await npmInstalls(trusting)
    assert.deepEqual([origin.count(tarball), origin.count(tarball, 'HEAD')], [1, 0])
    for (const node of [second, trusting])
      assert.equal(node.status().totals.receivedBytes.peer, origin.sentBytes(tarball))
  },
)

for (const [what, pathOf] of [
  ['by the digest in its path (V1)', pathByDigest],
  ['by the index (V2)', () => `/files/${WHEEL}`],
] as const)
  test(
    `pip downloads through the node, and a second node has it from its peer, proved ${what}`,
    { skip: missing('python3') || withoutPip() },
    async () => {
      const wheel = await publishToPyPi(pathOf)
      for (const node of [first, second]) await pipDownloads(node, wheel.digest)
      assert.deepEqual([origin.count(wheel.url), origin.count(wheel.url, 'HEAD')], [1, 0])
    },
  )

async function pipDownloads(node: Node, digest: string): Promise<void> {
  const directory = scene.directory()
  const index = ['--trusted-host', '127.0.0.1', '-i', `http://${origin.authority}/simple/`]
  const quiet = ['-q', '--isolated', '--no-cache-dir', '--disable-pip-version-check', '--no-deps']
  const proxy = ['--proxy', `http://${node.proxyAddress}`]
  const args = ['-m', 'pip', 'download', ...quiet, ...index, ...proxy, '-d', directory, 'tiny-thing']
  const ran = await run('python3', args)
  assert.equal(ran.code, 0, ran.stderr)
  assert.deepEqual(readdirSync(directory), [WHEEL])
  assert.equal(sha256(readFileSync(join(directory, WHEEL))), digest)
  await settled(node)
}

/** Programs that take the proxy from the environment. */
function through(node: Node): RunOptions {
  return { environment: { http_proxy: `http://${node.proxyAddress}` } }
}

const PACKAGE = { name: 'tiny-thing', version: '1.0.0', description: 'made by a test', license: 'MIT' }
const NPM_QUIET = ['--no-audit', '--no-fund', '--no-update-notifier', '--ignore-scripts']

/** Packs a package with npm and serves it as a registry does. @returns the tarball's URL. */
async function publishToNpm(): Promise<string> {
  const directory = scene.directory()
  writeFileSync(join(directory, 'package.json'), JSON.stringify(PACKAGE))
  writeFileSync(join(directory, 'content.bin'), uniqueBody(50_000))
  const packed = await run('npm', ['pack', ...NPM_QUIET], { directory, environment: npmHome() })
  assert.equal(packed.code, 0, packed.stderr)
  const body = readFileSync(join(directory, 'tiny-thing-1.0.0.tgz'))
  const tarball = origin.put('/tiny-thing/-/tiny-thing-1.0.0.tgz', { body })
  const integrity = `sha512-${createHash('sha512').update(body).digest('base64')}`
  const packument = {
    name: PACKAGE.name,
    'dist-tags': { latest: PACKAGE.version },
    versions: { [PACKAGE.version]: { ...PACKAGE, dist: { tarball, integrity } } },
  }
  const fields = { 'Content-Type': 'application/json', 'Cache-Control': 'max-age=300' }
  origin.put('/tiny-thing', { body: Buffer.from(JSON.stringify(packument)), fields })
  return tarball
}

/** Installs it into an empty project, with an empty cache of npm's own. */
async function npmInstalls(node: Node): Promise<void> {
  const directory = scene.directory()
  writeFileSync(join(directory, 'package.json'), '{ "name": "project", "private": true }')
  const ran = await run('npm', ['install', 'tiny-thing', ...NPM_QUIET], {
    directory,
    environment: {
      ...npmHome(),
      http_proxy: `http://${node.proxyAddress}`,
      npm_config_registry: `http://${origin.authority}/`,
    },
  })
  assert.equal(ran.code, 0, ran.stderr)
  const content = readFileSync(join(directory, 'node_modules', 'tiny-thing', 'content.bin'))
  assert.equal(content.length, 50_000)
  await settled(node)
}

function npmHome(): NodeJS.ProcessEnv {
  const HOME = scene.directory()
  return { HOME, npm_config_cache: join(HOME, 'cache'), npm_config_userconfig: join(HOME, 'npmrc') }
}

const WHEEL = 'tiny_thing-1.0.0-py3-none-any.whl'

/** Writes a wheel: a zip archive with metadata. */
const MAKE_WHEEL = `
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    info = 'tiny_thing-1.0.0.dist-info/'
    wheel.writestr('tiny_thing.py', '# ' + os.urandom(20000).hex())
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: tiny-thing\\nVersion: 1.0.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
`

/** As PyPI has it: under its BLAKE2b digest. */
function pathByDigest(body: Buffer): string {
  const blake = createDigest('blake2b-256')
  blake.update(body)
  const hex = blake.hex()
  return `/packages/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex.slice(4)}/${WHEEL}`
}

/** Serves a new wheel, listed in a simple index. */
async function publishToPyPi(
  pathOf: (body: Buffer) => string,
): Promise<{ readonly url: string; readonly digest: string }> {
  const directory = join(scene.directory(), 'wheel')
  mkdirSync(directory)
  const made = await run('python3', ['-c', MAKE_WHEEL, join(directory, WHEEL)])
  assert.equal(made.code, 0, made.stderr)
  const body = readFileSync(join(directory, WHEEL))
  const url = origin.put(pathOf(body), { body })
  const page = `<!doctype html><a href="${url}#sha256=${sha256(body)}">${WHEEL}</a>`
  origin.put('/simple/tiny-thing/', { body: Buffer.from(page), fields: { 'Content-Type': 'text/html' } })
  return { url, digest: sha256(body) }
}

function withoutPip(): string | false {
  return missing('pip3') && missing('pip')
}
