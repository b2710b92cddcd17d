import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { BrowserScene } from './browser-scene.ts'
import { missing, Scene, withoutNamespaces } from './harness.ts'
import { run } from './programs.ts'

const skip = missing('chromium') || withoutNamespaces()
const scene = new Scene()
let seen: BrowserScene

/** Names for both the browser's machine and the node, in the namespace's own /etc/hosts; nothing outlives it. */
const STAGE = `
mount --bind "$1" /etc/hosts
ip link set lo up
ip address add 10.99.0.1/24 dev lo
shift
exec "$@"
`

before(async () => {
  if (skip !== false) return
  const hosts = join(scene.directory(), 'hosts')
  writeFileSync(hosts, '127.0.0.1 localhost\n10.99.0.1 updates.test elsewhere.test gone.test\n')
  const program = new URL('browser-scene.ts', import.meta.url).pathname
  const stage = ['--net', '--mount', 'sh', '-e', '-c', STAGE, 'sh', hosts]
  const ran = await run('unshare', [...stage, process.execPath, program])
  assert.equal(ran.code, 0, ran.stderr)
  seen = JSON.parse(ran.stdout.toString()) as BrowserScene
})

after(() => scene.close())

test('a browser that uses the PAC file sends what a rule matches through the node', { skip }, () => {
  assert.match(seen.documents.matching, /this is \/matching/, seen.stderr)
  assert.match(seen.via['/matching'] ?? 'never asked', /^1\.1 ihave-/)
})

test('everything else goes directly', { skip }, () => {
  assert.match(seen.documents.other, /this is \/other/, seen.stderr)
  assert.equal(seen.via['/other'], '')
})

test('when the node has gone, matching pages come directly', { skip }, () => {
  assert.match(seen.documents.away, /this is \/away/, seen.stderr)
  assert.equal(seen.via['/away'], '')
})
