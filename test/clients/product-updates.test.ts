/** Publishing, updating and sharing with the commands as people type them, real nodes and a static web server. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { statusText } from '../../cli/status.ts'
import { systemClock } from '../../core/clock.ts'
import { deferred } from '../../core/deferred.ts'
import type { Node } from '../../service/node.ts'
import { connected } from '../library/sessions.ts'
import { onlyWhenAsked } from '../update/only-when-asked.ts'
import { acquainted, CLI, freePacketPort, missing, Scene, settled, until } from './harness.ts'
import { uniqueBody } from './origin.ts'
import { run } from './programs.ts'

const scene = new Scene()
const home = scene.directory()
const site = join(home, 'site')
/** What the web server was asked for. */
const asked: string[] = []
let catalog = ''
let first: Node
let second: Node
let third: Node

async function ihave(...args: readonly string[]) {
  const ran = await run(process.execPath, [CLI, ...args], { directory: home })
  const stdout = ran.stdout.toString()
  return { code: ran.code, stdout, stderr: ran.stderr, text: stdout + ran.stderr }
}

async function publish(component: string, version: string, body: Buffer): Promise<void> {
  writeFileSync(join(home, `${component}.dat`), body)
  const added = await ihave(
    'publish',
    'add',
    'site/',
    '--keys',
    'keys/',
    '--component',
    component,
    '--version',
    version,
    `${component}.dat`,
  )
  assert.equal(added.code, 0, added.text)
}

async function release(): Promise<void> {
  const released = await ihave('publish', 'release', 'site/', '--keys', 'keys/')
  assert.equal(released.code, 0, released.text)
}

async function updateRun(node: Node | undefined, into: string, ...more: readonly string[]) {
  const proxy = node ? ['--proxy', `http://${node.proxyAddress}`] : []
  const ran = await ihave(
    'update',
    'run',
    '--catalog',
    catalog,
    '--trust',
    'keys/publisher.pem',
    '--into',
    into,
    ...proxy,
    '--json',
    ...more,
  )
  const events = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return { ...ran, events, done: events.at(-1) }
}

before(async () => {
  const made = await ihave('publish', 'init', 'site/', '--product', 'ViruScan', '--keys', 'keys/')
  assert.equal(made.code, 0, made.text)
  const server = createServer((request, response) => {
    const path = join(site, request.url ?? '')
    asked.push(request.url ?? '')
    if (existsSync(path)) response.end(readFileSync(path))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  scene.ending(() => {
    server.close()
    server.closeAllConnections()
  })
  catalog = `http://127.0.0.1:${(server.address() as AddressInfo).port}/myupdate.cab`
  const packetPort = await freePacketPort()
  first = await scene.node({ peering: { address: '127.0.0.2', packetPort } })
  second = await scene.node({ peering: { address: '127.0.0.3', packetPort } })
  const product = { catalog, trust: join(home, 'keys/publisher.pem'), into: join(home, 'third') }
  const updates = [{ name: 'ViruScan', ...product, ...onlyWhenAsked() }]
  third = await scene.node({ peering: { address: '127.0.0.4', packetPort }, updates })
  await acquainted(first, second, third)
})

after(() => scene.close())

test('the first machine gets packages from the Internet, the second from the first, each the catalogue itself', async () => {
  const [big, small] = [uniqueBody(300_000), uniqueBody(10_000)]
  await publish('vsasap', '4.5.1', big)
  await publish('engine', '1.0', small)
  await release()
  const one = await updateRun(first, 'one')
  assert.deepEqual([one.code, one.done.outcome], [0, 'updated'], one.text)
  await settled(first)
  const two = await updateRun(second, 'two')
  assert.deepEqual([two.code, two.done.outcome], [0, 'updated'], two.text)
  const { internet, peer } = two.done.received
  assert.ok(internet === 0 && peer > 310_000, JSON.stringify(two.done.received))
  assert.ok(readFileSync(join(home, 'two/current/vsasap/vsasap.dat')).equals(big))
  assert.equal(asked.filter((url) => url.endsWith('myupdate.cab')).length, 2)
  assert.equal(asked.filter((url) => /\.\d{12}\.cab$/.test(url)).length, 2)
})

test('without a proxy everything comes from the Internet, and a proxy that is away is no obstacle', async () => {
  const direct = await updateRun(undefined, 'direct')
  assert.equal(direct.done.outcome, 'updated', direct.text)
  const away = await updateRun(undefined, 'away', '--proxy', 'http://127.0.0.1:9')
  assert.equal(away.done.outcome, 'updated', away.text)
})

test('the daemon keeps a product up to date, checks when it is told to, and tells applications', async () => {
  const listening = deferred<void>()
  const told: string[] = []
  const session = await connected(scene, third)
  const hearing = (async () => {
    const options = { kinds: ['update'], onListening: () => listening.resolve() } as const
    for await (const event of session.events(options)) {
      if (event.kind !== 'update') continue
      const { name, update } = event
      told.push(`${name} ${update.event}`)
      if (update.event === 'done') return update.outcome
    }
    return undefined
  })()
  await listening.promise
  const [result] = await collect(third)
  assert.equal(await hearing, 'updated')
  const expected = ['catalogue', 'progress', 'package', 'installed', 'done']
  assert.deepEqual(
    [...new Set(told)],
    expected.map((each) => `ViruScan ${each}`),
  )
  assert.deepEqual([result?.name, result?.result?.outcome], ['ViruScan', 'updated'], JSON.stringify(result))
  assert.ok(existsSync(join(home, 'third/current/engine/engine.dat')))
  const status = third.status().updates[0]
  assert.equal(status?.lastCheck?.outcome, 'updated')
  assert.ok((status?.nextCheck ?? 0) > (status?.lastCheck?.at ?? Infinity))
  assert.ok(result?.result && result.result.received.peer > 0)
})

async function collect(node: Node) {
  const results = []
  for await (const each of node.checkUpdates()) results.push(each)
  return results
}

test('status of the daemon raises an alarm when the catalogue has expired, and not before (a freeze)', () => {
  const now = systemClock.wall()
  const status = third.status()
  assert.ok((status.updates[0]?.expiresAt ?? 0) > now)
  assert.doesNotMatch(statusText(status), /EXPIRED/)
  const later = { ...status, updates: status.updates.map((each) => ({ ...each, expiresAt: now - 1 })) }
  assert.match(statusText(later), /^update +ViruScan: .*; ITS CATALOGUE HAS EXPIRED$/m)
})

test('status of the daemon says why a product was refused', () => {
  const status = third.status()
  const lastCheck = {
    at: systemClock.wall(),
    outcome: 'refused',
    reason: 'disk',
    detail: 'it is full',
  } as const
  const refused = { ...status, updates: status.updates.map((each) => ({ ...each, lastCheck })) }
  assert.match(statusText(refused), /^update +ViruScan: \S+, refused \(disk\) \S+ m?s ago, next check in /m)
})

test('status, history and rollback tell people what happened', async () => {
  await publish('engine', '1.1', uniqueBody(10_000))
  await release()
  await updateRun(undefined, 'one')
  const status = await ihave('update', 'status', '--into', 'one')
  assert.match(status.stdout, /^ViruScan \S+ is installed\n  engine 1\.1\n  vsasap 4\.5\.1\n/)
  const back = await ihave('update', 'rollback', '--into', 'one')
  assert.match(back.stdout, /^back to .* by hand\n/, back.text)
  const history = await ihave('update', 'history', '--into', 'one')
  assert.equal(history.stdout.trim().split('\n').length, 3)
  const held = await updateRun(undefined, 'one')
  assert.equal(held.done.outcome, 'held-back')
})

test('what is refused is said in words and in JSON, with exit code 1', async () => {
  const file = join(site, 'myupdate.cab')
  const right = readFileSync(file)
  const wrong = Buffer.from(right)
  wrong[100] = (wrong[100] ?? 0) ^ 1
  writeFileSync(file, wrong)
  const refused = await updateRun(undefined, 'one')
  assert.deepEqual([refused.code, refused.done.outcome, refused.done.reason], [1, 'refused', 'altered'])
  const text = await ihave(
    'update',
    'run',
    '--catalog',
    catalog,
    '--trust',
    'keys/publisher.pem',
    '--into',
    'one',
  )
  assert.match(text.stdout, /refused \(altered\): the file is not what was signed/)
  const status = JSON.parse((await ihave('update', 'status', '--into', 'one', '--json')).stdout)
  assert.equal(status.refused.altered, 2)
  writeFileSync(file, right)
})

for (const [args, expected] of [
  [['publish', 'init'], /expected one folder: SITE/],
  [['publish', 'init', 'x'], /expected --product NAME/],
  [['publish', 'release', 'nowhere'], /no publisher's folder/],
  [
    ['publish', 'add', 'site', '--keys', 'nowhere', '--component', 'x', '--version', '1', 'f'],
    /there is no .*packages\.key\.pem/,
  ],
  [['publish', 'release', 'site/', '--at', 'yesterday'], /expected a time such as/],
  [
    ['update', 'run', '--catalog', 'ftp://x', '--trust', 'keys/publisher.pem', '--into', 'x'],
    /--catalog: expected an http URL/,
  ],
  [
    ['update', 'run', '--catalog', 'http://x/', '--trust', 'nowhere.pem', '--into', 'x'],
    /--trust: there is no nowhere\.pem/,
  ],
  [['update', 'status', '--into', 'nowhere'], /nothing was installed in/],
] as const)
  test(`ihave ${args.join(' ')} says what is wrong`, async () => {
    const { code, stderr } = await ihave(...args)
    assert.notEqual(code, 0)
    assert.match(stderr, expected)
  })

test('nginx shows the folder as it is', { skip: missing('nginx') }, async () => {
  const port = 20_000 + (process.pid % 20_000)
  const config = join(home, 'nginx.conf')
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${home}/nginx.pid; error_log ${home}/nginx.log; events {}
     http { access_log off; client_body_temp_path ${home}/t1; proxy_temp_path ${home}/t2; fastcgi_temp_path ${home}/t3;
     uwsgi_temp_path ${home}/t4; scgi_temp_path ${home}/t5;
     server { listen 127.0.0.1:${port}; root ${site}; } }`,
  )
  const ended = new AbortController()
  // One process, so that it ends with this test.
  const nginx = run('nginx', ['-c', config], { signal: ended.signal })
  scene.ending(async () => {
    ended.abort()
    await nginx
  })
  const url = `http://127.0.0.1:${port}/myupdate.cab`
  await until('nginx', async () => (await fetch(url).catch(() => undefined))?.ok, 10_000)
  const ran = await ihave(
    'update',
    'run',
    '--catalog',
    url,
    '--trust',
    'keys/publisher.pem',
    '--into',
    'nginx',
  )
  assert.match(ran.stdout, /^updated: /m, ran.text)
})
