/**
 * The abuse of 2012 against a running node with its default ports (issue 7 "must hold"): each way is tried from another machine of
 * the LAN, with a member's key where it takes one, and what became of it is read as its user would, in `ihave status`.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../core/clock.ts'
import type { Fields } from '../../core/fields.ts'
import { systemRandom } from '../../core/random.ts'
import { GATEWAY_PATH, TARGET_FIELD } from '../../gateway/wire.ts'
import type { Status } from '../../service/status.ts'
import { httpSignatures } from '../../site/http-signature.ts'
import { Membership } from '../../site/membership.ts'
import { siteFiles } from '../../site/site-files.ts'
import { namespaceLan, whyNoNamespaces, type Host, type NamespaceLan } from './namespaces.ts'
import { said, until } from './waiting.ts'

const MAIN = resolve(import.meta.dirname, '../../cli/main.ts')
/** An address of the Internet, in the router's namespace only. */
const INTERNET = '203.0.113.10'
const UPDATE = `http://${INTERNET}/pool/x/xz_5.6.3_amd64.deb`
/** Redirects into the LAN. */
const TRAP = `http://${INTERNET}/pool/t/trap_1.0-1_amd64.deb`
const PRIZE = 'http://10.77.0.1/pool/p/prize_1.0-1_amd64.deb'

/** Tells on standard output whatever it is asked for. */
const ORIGIN = `
const { createServer } = require('node:http')
createServer((request, response) => {
  console.log(request.method + ' ' + request.headers.host + request.url)
  if (request.url.includes('trap')) return response.writeHead(302, { Location: '${PRIZE}' }).end()
  response.writeHead(200, { 'Content-Length': 5 }).end(request.method === 'HEAD' ? undefined : 'bytes')
}).listen(80, '0.0.0.0', () => console.log('ready'))`

describe('the abuse of 2012', { skip: whyNoNamespaces() ?? false, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-abuse-'))
  let lan: NamespaceLan
  let stranger: Host
  let node: Host
  let place = ''
  let signed: (target: string) => Fields
  /** What servers were asked for. */
  const asked: string[] = []

  before(async () => {
    lan = namespaceLan(3)
    const [router, one, two] = lan.hosts as [Host, Host, Host]
    stranger = router
    node = one
    place = `${node.address}:6515`
    await router.run('ip', 'addr', 'add', `${INTERNET}/32`, 'dev', 'lo')
    await node.run('ip', 'route', 'add', 'default', 'via', router.address)
    await said(router.start(process.execPath, ['-e', ORIGIN]), 'ready', (line) => void asked.push(line))
    for (const each of [one, two]) await start(each)
    const invited = await ihave(one, 'site', 'init', 'home', '--uses', '2', '--name', 'one')
    await ihave(two, 'site', 'join', /ihave-site-\S+/.exec(invited)?.[0] ?? '', '--name', 'two')
    signed = await signerOf(two)
    await node.run('curl', '-sf', '-x', 'http://127.0.0.1:3128', `http://${INTERNET}/index.html`)
    await until('a gateway', async () => (await status()).gateway?.isOffering === true)
    asked.length = 0
  })

  after(async () => {
    await lan?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  async function start(host: Host): Promise<void> {
    const home = join(folder, host.name)
    mkdirSync(home)
    writeFileSync(join(home, 'proxy.config.yaml'), JSON.stringify({ verification: { aptConfig: 'off' } }))
    await said(host.start(process.execPath, [MAIN, 'start'], { cwd: home }), 'is ready')
  }

  function ihave(host: Host, ...args: readonly string[]): Promise<string> {
    return host.run('env', '-C', join(folder, host.name), process.execPath, MAIN, ...args)
  }

  async function status(): Promise<Status> {
    return JSON.parse(await ihave(node, 'status', '--json')) as Status
  }

  /** What the member on that machine would send to have a URL. */
  async function signerOf(host: Host): Promise<typeof signed> {
    const { member } = await siteFiles(join(folder, host.name, 'site-data')).load()
    assert.ok(member)
    const membership = new Membership(member, systemClock)
    const signatures = httpSignatures({
      clock: systemClock,
      random: systemRandom,
      membership: () => membership,
    })
    return (target) =>
      signatures.signRequest({
        method: 'GET',
        authority: place,
        path: GATEWAY_PATH,
        fields: [[TARGET_FIELD, target]],
      }) ?? []
  }

  /** The status of the answer; 0: the connection was closed without one. */
  async function curl(...args: readonly string[]): Promise<number> {
    const sent = stranger.run('curl', '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', ...args)
    const told = await sent.catch((error: unknown) => (error as { readonly stdout?: string }).stdout ?? '')
    return Number(told)
  }

  async function ask(fields: Fields): Promise<number> {
    const heads = fields.flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    // Every field is signed: what curl adds of its own would be a change on the way.
    return curl('-H', 'User-Agent:', '-H', 'Accept:', ...heads, `http://${place}${GATEWAY_PATH}`)
  }

  test('on the port for files nothing is fetched for anybody, and `ihave status` counts each way by its kind', async () => {
    const proxy = ['-x', `http://${place}`]
    assert.equal(await curl(...proxy, UPDATE), 403)
    assert.equal(await curl(...proxy, 'http://127.0.0.1/'), 403)
    assert.equal(await curl(...proxy, '-X', 'POST', '-d', 'x', UPDATE), 403)
    assert.equal(await curl(...proxy, '--proxytunnel', `http://${INTERNET}:25/`), 0)
    assert.equal(await curl('-X', 'POST', '-d', 'x', `http://${place}/health`), 405)
    assert.equal(await curl('-X', 'DELETE', `http://${place}/health`), 405)
    assert.equal(await curl('--path-as-is', `http://${place}/../../etc/passwd`), 404)
    assert.equal(await curl('-H', 'Origin: http://page.example', `http://${place}/health`), 403)
    assert.equal(await curl('-H', 'Host: rebound.example', `http://${place}/health`), 403)
    assert.equal(await curl('-X', 'NONSENSE', `http://${place}/health`), 400)
    assert.deepEqual(asked, [])
    const { filePort } = await status()
    assert.deepEqual(filePort.refused, {
      'other-url': 3,
      connect: 1,
      method: 2,
      path: 1,
      page: 1,
      'other-host': 1,
      malformed: 1,
    })
    const text = await ihave(node, 'status')
    assert.match(text, /^files {6}refused on the port for files: 3 × another server’s URL: this is no proxy/m)
    assert.match(text, /1 × a tunnel to another server \(connect\)/)
    assert.match(
      text,
      /refused .*Z 10\.77\.0\.1: POST http:\/\/203\.0\.113\.10\/pool\/x\/xz_5\.6\.3_amd64\.deb: another server’s URL/,
    )
  })

  test('of the gateway members get updates and nothing else, and `ihave status` says why', async () => {
    assert.equal(await ask(signed(UPDATE)), 200)
    const updates = asked.splice(0)
    assert.equal(await ask(signed(`http://${INTERNET}/any/page.html`)), 403)
    assert.equal(await ask(signed(UPDATE.replace(INTERNET, `${INTERNET}:25`))), 403)
    assert.equal(await ask(signed(PRIZE)), 403)
    assert.equal(await ask(signed(PRIZE.replace('10.77.0.1', '127.0.0.1'))), 403)
    assert.deepEqual(asked, [], 'not even looked at')
    assert.equal(await ask(signed(TRAP)), 403)
    assert.deepEqual(asked.splice(0), [`GET ${new URL(TRAP).host}${new URL(TRAP).pathname}`])
    assert.equal(await ask([[TARGET_FIELD, UPDATE]]), 401)
    const once = signed(UPDATE)
    assert.equal(await ask(once), 200)
    assert.equal(await ask(once), 401)
    assert.deepEqual([updates.length, asked.length], [1, 0], 'the second time it was here')
    const { gateway } = await status()
    assert.deepEqual(gateway?.served.refused, {
      'not-shared': 1,
      port: 1,
      'internal-address': 2,
      'internal-redirect': 1,
      unsigned: 1,
      replayed: 1,
    })
    const text = await ihave(node, 'status')
    for (const words of [
      /^gateway .*; refused: 1 × no rule calls this URL an update \(not-shared\), 1 × a port that is not for updates \(port\), 2 × an internal address/m,
      /two at 10\.77\.0\.1: GET http:\/\/203\.0\.113\.10:25\/\S+: a port that is not for updates \(port\): port 25 of/,
      /two at 10\.77\.0\.1: GET \S+trap_1\.0-1_amd64\.deb: a redirect to an internal address \(internal-redirect\): it redirects to 10\.77\.0\.1/,
      /a stranger at 10\.77\.0\.1: GET \S+: a stranger’s request \(unsigned\)/,
      /a stranger at 10\.77\.0\.1: GET \S+: a replay \(replayed\)/,
    ])
      assert.match(text, words)
  })
})
