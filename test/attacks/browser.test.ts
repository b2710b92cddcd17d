/** V§4 "web pages attacking the node through a browser, DNS rebinding", "open proxy": see browser-scene.ts. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { missing, Scene, withoutNamespaces } from '../clients/harness.ts'
import { run } from '../clients/programs.ts'
import type { DriveBy } from './browser-scene.ts'

const skip = withoutNamespaces()
const hasNoBrowser = missing('chromium')
const scene = new Scene()
let seen: DriveBy

/** The attacker's names: where his server is, where he rebinds them to, and where he would like to be let in. */
const HOSTS = `127.0.0.1 localhost
10.99.0.1 evil.test
127.0.0.1 rebound.test
127.0.0.2 rebound-files.test
169.254.169.254 metadata.test
`

const STAGE = `
mount --bind "$1" /etc/hosts
ip link set lo up
ip address add 10.99.0.1/24 dev lo
ip address add 169.254.169.254/32 dev lo
shift
exec "$@"
`

before(async () => {
  if (skip !== false) return
  const hosts = join(scene.directory(), 'hosts')
  writeFileSync(hosts, HOSTS)
  const program = new URL('browser-scene.ts', import.meta.url).pathname
  const stage = ['--net', '--mount', 'sh', '-e', '-c', STAGE, 'sh', hosts]
  const how = hasNoBrowser === false ? 'with-browser' : 'without'
  const ran = await run('unshare', [...stage, process.execPath, program, how])
  assert.equal(ran.code, 0, ran.stderr)
  seen = JSON.parse(ran.stdout.toString()) as DriveBy
})

after(() => scene.close())

test(
  'a page in a browser can read, run, show or change nothing of a node',
  { skip: skip || hasNoBrowser },
  () => {
    const attempts = Object.entries(seen.page ?? {})
    assert.ok(attempts.length >= 14, seen.stderr)
    const harmless = ['send a form'] // is sent, and answered with an error that the page cannot read
    for (const [name, got] of attempts)
      assert.ok(got === 'refused' || (harmless.includes(name) && got === 'opaque'), `${name}: ${got}`)
  },
)

test('the requests that a browser sends for it are refused', { skip }, () => {
  for (const [name, code] of Object.entries(seen.recorded))
    assert.ok([0, 400, 403, 404, 405, 421].includes(code), `${name}: ${code}`)
})

test('nobody is sent to the address of cloud metadata, by whatever name', { skip }, () => {
  for (const [name, code] of Object.entries(seen.names)) assert.equal(code, 403, name)
  assert.equal(seen.metadata, 0)
})

test('the node fetches nothing that a page has put into a path', { skip }, () => {
  assert.equal(seen.throughNode, 0)
})
