/**
 * The abuse of 2012 against the gateway: the ancestor's port 6515 relayed for anybody to anywhere. Each way is tried over a real
 * connection, is refused before anything is fetched, is counted under its reason, and is shown.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { request } from 'undici'
import { fieldsToRaw, withField, type Fields } from '../../core/fields.ts'
import { systemClock } from '../../core/clock.ts'
import { MAX_TARGET_CHARACTERS } from '../../gateway/wire.ts'
import { CLOCK_SKEW_MS } from '../../site/pass.ts'
import { TestSite } from '../site/fixtures.ts'
import { until } from '../clients/harness.ts'
import { manualClock } from '../manual-clock.ts'
import {
  answering,
  GENEROUS,
  gatewayScene,
  inHalves,
  resourceOf,
  UPDATE,
  type GatewayScene,
  type SceneSettings,
} from '../gateway/gateway-scene.ts'

const ADDRESS = '127.0.0.61'

async function scene(context: TestContext, settings: Partial<SceneSettings> = {}): Promise<GatewayScene> {
  return gatewayScene(context, { address: ADDRESS, ...settings })
}

interface Said {
  readonly status: number
  readonly outcome: string
  readonly text: string
}

async function ask(
  { authority }: GatewayScene,
  fields: Fields,
  { method = 'GET', path = '/functions/internet-gateway' } = {},
): Promise<Said> {
  const answer = await request(`http://${authority}${path}`, {
    method: method as 'GET',
    headers: fieldsToRaw(fields),
  })
  const outcome = String(answer.headers['ihave-gateway'] ?? '')
  return { status: answer.statusCode, outcome, text: await answer.body.text() }
}

/** Refused for this reason, counted once, shown with the URL, and nothing was fetched for it. */
async function mustRefuse(at: GatewayScene, said: Said, reason: string, what: string): Promise<void> {
  assert.equal(said.outcome, `refused; ${reason}`, what)
  assert.ok(said.status >= 400, what)
  assert.equal(at.audit.totals().lastRefused[0]?.reason, reason, what)
  assert.deepEqual(at.asked, [], `${what}: fetched`)
}

test('a member’s signed request for an update is answered, and every use is noted', async (t) => {
  const at = await scene(t)
  const said = await ask(at, at.fields(UPDATE))
  assert.deepEqual([said.status, said.outcome, said.text], [200, 'served', 'a update'])
  const [use] = at.uses
  assert.deepEqual(
    [use?.member, use?.outcome, use?.url, use?.bytes, use?.status],
    ['asker', 'served', UPDATE, 8, 200],
  )
  assert.equal(at.asked[0]?.mayAskPeers, false)
})

test('any URL: what no rule calls an update is not got', async (t) => {
  const at = await scene(t)
  const urls = [
    'http://example.test/',
    'http://example.test/login?user=x',
    'http://example.test/pool/../index.html',
    `http://example.test/?x=${UPDATE}`,
    'http://example.test/anything.deb.html',
  ]
  for (const url of urls) await mustRefuse(at, await ask(at, at.fields(url)), 'not-shared', url)
  assert.equal(at.audit.totals().refused['not-shared'], urls.length)
})

test('https, userinfo, credentials and what is no URL are not got', async (t) => {
  const at = await scene(t)
  const cases: readonly (readonly [url: string, reason: string])[] = [
    [UPDATE.replace('http:', 'https:'), 'https'],
    [UPDATE.replace('//', '//user:secret@'), 'no-url'],
    [`${UPDATE}?token=abcdef0123456789`, 'credentials'],
    ['ftp://updates.test/pool/x_1.0_amd64.deb', 'no-url'],
    ['file:///etc/passwd', 'no-url'],
    ['/pool/main/x_1.0_amd64.deb', 'no-url'],
    ['', 'no-url'],
    [`http://updates.test/${'a/'.repeat(MAX_TARGET_CHARACTERS / 2)}pool/x_1.0_amd64.deb`, 'no-url'],
  ]
  for (const [url, reason] of cases) await mustRefuse(at, await ask(at, at.fields(url)), reason, url)
  assert.ok(!JSON.stringify(at.audit.totals()).includes('secret'), 'what is noted tells no secret')
})

test('port 25, and every other but 80', async (t) => {
  const at = await scene(t)
  for (const port of [25, 22, 443, 587, 3128, 6515, 8080]) {
    const url = UPDATE.replace('updates.test', `updates.test:${port}`)
    await mustRefuse(at, await ask(at, at.fields(url)), 'port', url)
  }
})

test('internal addresses: in any spelling, behind a name, and this node itself', async (t) => {
  const names = {
    'router.test': '192.168.1.1',
    'loop.test': '127.0.0.1',
    'metadata.test': '169.254.169.254',
    'six.test': 'fd00::1',
    'mapped.test': '::ffff:10.0.0.1',
  }
  const at = await scene(t, { addresses: names })
  const hosts = [
    ...Object.keys(names),
    '10.0.0.1',
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '0.0.0.0',
    '169.254.169.254',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[fe80::1]',
    '[64:ff9b::a00:1]',
    '255.255.255.255',
    '224.0.0.1',
    ADDRESS,
  ]
  for (const host of hosts) {
    const url = UPDATE.replace('updates.test', host)
    await mustRefuse(at, await ask(at, at.fields(url)), 'internal-address', url)
  }
})

test('a redirect is the answer, and not followed', async (t) => {
  const location = 'http://mirror.test:8080/pool/x_1.0_amd64.deb'
  const at = await scene(t, { get: answering('', [['Location', location]], 302) })
  const answer = await request(`http://${at.authority}/functions/internet-gateway`, {
    headers: fieldsToRaw(at.fields(UPDATE)),
  })
  await answer.body.dump()
  assert.deepEqual([answer.statusCode, answer.headers['location']], [302, location])
  assert.equal(at.asked.length, 1)
  // The program follows it through its own proxy, which asks anew.
  const said = await ask(at, at.fields(location))
  assert.equal(said.outcome, 'refused; port')
})

test('a redirect to an internal address, in any spelling and behind a name, is not passed on', async (t) => {
  const hosts = [
    '127.0.0.1',
    '10.0.0.1:8080',
    '2130706433',
    '169.254.169.254',
    '[::1]',
    'router.test',
    ADDRESS,
  ]
  for (const host of hosts)
    for (const location of [`http://${host}/x`, `https://${host}/x`, `//${host}/x`]) {
      const at = await scene(t, {
        get: answering('a body', [['Location', location]], 302),
        addresses: { 'router.test': '192.168.1.1' },
      })
      const said = await ask(at, at.fields(UPDATE))
      assert.deepEqual([said.status, said.outcome], [403, 'refused; internal-redirect'], location)
      const { refused, lastRefused } = at.audit.totals()
      assert.deepEqual(refused, { 'internal-redirect': 1 }, location)
      assert.match(lastRefused[0]?.detail ?? '', /^it redirects to /)
      assert.equal(at.confined.size, 0, 'nothing stays confined')
    }
})

test('what only looks like a redirect into the network is passed on', async (t) => {
  const cases: readonly (readonly [string, number])[] = [
    ['http://127.0.0.1/x', 200],
    ['ftp://127.0.0.1/x', 302],
    ['http://', 302],
    ['/other/x_1.0_amd64.deb', 302],
  ]
  for (const [location, status] of cases) {
    const at = await scene(t, { get: answering('', [['Location', location]], status) })
    assert.equal((await ask(at, at.fields(UPDATE))).outcome, 'served', location)
  }
})

test('strangers, members who were thrown out, and other members’ names', async (t) => {
  const at = await scene(t)
  const { clock } = { clock: manualClock() }
  const plain: Fields = [['Ihave-Target', UPDATE]]
  await mustRefuse(at, await ask(at, plain), 'unsigned', 'a stranger')
  const stranger = new TestSite(clock).member('stranger')
  await mustRefuse(at, await ask(at, at.fields(UPDATE, [], stranger)), 'unknown-member', 'another site')
  const other = at.site.member('other')
  const stolen = withField(at.fields(UPDATE), 'Ihave-Pass', other.pass.text)
  await mustRefuse(at, await ask(at, stolen), 'unknown-member', 'another member’s name')
  assert.equal(
    at.uses.every(({ member }) => member === undefined),
    true,
  )
})

test('a member that is thrown out in the middle of a transfer gets no more of it', async (t) => {
  const { get, letGo } = inHalves()
  const site = new TestSite(systemClock)
  const gateway = site.member('gateway')
  let known = gateway
  const at = await scene(t, { get, site, gateway, known: () => known })
  const answer = await request(`http://${at.authority}/functions/internet-gateway`, {
    headers: fieldsToRaw(at.fields(UPDATE)),
  })
  const chunks = answer.body[Symbol.asyncIterator]()
  assert.equal((await chunks.next()).value.length, 50)
  known = site.denying(gateway, at.member.id)
  letGo()
  await assert.rejects(chunks.next())
  await until('the end of it', () => at.uses.length === 1)
  assert.equal(at.uses[0]?.bytes, 50)
})

test('replayed and altered requests, and those meant for another machine', async (t) => {
  const at = await scene(t, { get: answering('x') })
  const fields = at.fields(UPDATE)
  assert.equal((await ask(at, fields)).outcome, 'served')
  assert.equal((await ask(at, fields)).outcome, 'refused; replayed')
  const altered = withField(at.fields(UPDATE), 'Ihave-Target', UPDATE.replace('xz', 'yz'))
  assert.equal((await ask(at, altered)).outcome, 'refused; wrong-signature')
  const ranged: Fields = [...at.fields(UPDATE), ['Range', 'bytes=0-0']]
  assert.equal((await ask(at, ranged)).outcome, 'refused; wrong-signature')
  assert.equal((await ask(at, at.fields(UPDATE), { method: 'HEAD' })).outcome, 'refused; wrong-signature')
  const elsewhere = await scene(t)
  assert.equal((await ask(elsewhere, at.fields(UPDATE))).outcome, 'refused; unknown-member')
  const twin = await gatewayScene(t, { address: '127.0.0.62', site: at.site, gateway: at.gateway })
  assert.equal((await ask(twin, at.fields(UPDATE))).outcome, 'refused; wrong-signature')
  assert.equal(at.asked.length, 1)
})

test('a request that was kept back', async (t) => {
  const clock = manualClock()
  const at = await scene(t, { clock })
  const fields = at.fields(UPDATE)
  clock.advance(CLOCK_SKEW_MS + 1001)
  await mustRefuse(at, await ask(at, fields), 'another-time', 'old')
})

test('other methods, CONNECT, a proxy’s form of request, and pages in browsers', async (t) => {
  const at = await scene(t)
  const posted = await ask(at, at.fields(UPDATE, [], at.member, 'POST'), { method: 'POST' })
  await mustRefuse(at, posted, 'method', 'POST')
  assert.equal((await ask(at, [...at.fields(UPDATE), ['Origin', 'http://evil.test']])).status, 403)
  assert.equal((await ask(at, at.fields(UPDATE), { path: '/functions/other' })).status, 404)
  const host = at.authority
  const heads = [
    `CONNECT updates.test:443 HTTP/1.1\r\nHost: updates.test:443\r\n\r\n`,
    `GET ${UPDATE} HTTP/1.1\r\nHost: updates.test\r\n\r\n`,
    `GET http://${host}/functions/internet-gateway HTTP/1.1\r\nHost: ${host}\r\nIhave-Target: ${UPDATE}\r\n\r\n`,
    `GET /functions/internet-gateway HTTP/1.1\r\nHost: evil.test\r\nIhave-Target: ${UPDATE}\r\n\r\n`,
  ]
  for (const head of heads) assert.doesNotMatch(await raw(at, head), /^HTTP\/1.1 2/, head)
  assert.deepEqual(at.asked, [])
})

test('one member that takes too much: requests, bytes, and at once', async (t) => {
  const perMember = { requestsPerMinute: 3, bytesPerHour: 100, atOnce: 100 }
  const often = await scene(t, { limits: { ...GENEROUS, perMember }, get: answering('x') })
  for (let each = 0; each < 3; each++) assert.equal((await ask(often, often.fields(UPDATE))).status, 200)
  const refused = await ask(often, often.fields(UPDATE))
  assert.deepEqual([refused.status, refused.outcome], [429, 'refused; too-many-requests'])
  const other = often.site.member('other')
  assert.equal((await ask(often, often.fields(UPDATE, [], other))).status, 200, 'others go on')

  const much = await scene(t, { limits: { ...GENEROUS, perMember }, get: answering('x'.repeat(60)) })
  assert.equal((await ask(much, much.fields(UPDATE))).status, 200)
  assert.equal((await ask(much, much.fields(UPDATE))).outcome, 'refused; too-many-bytes')

  let end = () => {}
  const ended = new Promise<void>((resolve) => (end = resolve))
  const slow: SceneSettings['get'] = async () => {
    const resource = resourceOf(Buffer.from('x'))
    await ended
    return resource
  }
  const one = { ...perMember, requestsPerMinute: 100, atOnce: 1 }
  const busy = await scene(t, { limits: { ...GENEROUS, perMember: one }, get: slow })
  const running = ask(busy, busy.fields(UPDATE))
  while (busy.asked.length === 0) await new Promise((done) => setImmediate(done))
  assert.equal((await ask(busy, busy.fields(UPDATE))).outcome, 'refused; too-many-at-once')
  end()
  assert.equal((await running).status, 200)
  assert.equal((await ask(busy, busy.fields(UPDATE))).status, 200, 'a place is free again')
})

test('an endless body without a length is cut when the bytes are used up', async (t) => {
  const perMember = { requestsPerMinute: 100, bytesPerHour: 1000, atOnce: 10 }
  const endless: SceneSettings['get'] = async () => {
    const resource = resourceOf(Buffer.alloc(0))
    return { ...resource, answer: { status: 200, fields: [], body: forever() } }
  }
  const at = await scene(t, { limits: { ...GENEROUS, perMember }, get: endless })
  await assert.rejects(ask(at, at.fields(UPDATE)))
  assert.ok((at.uses[0]?.bytes ?? 0) <= 1200, 'not much more than was allowed')
  assert.equal(at.uses[0]?.outcome, 'served')
})

test('while something is got for a member, it is connected to at addresses of the Internet only', async (t) => {
  let during = 0
  const at: GatewayScene = await scene(t, {
    get: async () => {
      during = at.confined.size
      return resourceOf(Buffer.from('x'))
    },
  })
  await ask(at, at.fields(UPDATE))
  assert.deepEqual([during, at.confined.size], [1, 0])
})

async function* forever(): AsyncIterable<Uint8Array> {
  for (;;) yield Buffer.alloc(100)
}

/** What comes back for these very bytes. */
function raw({ authority }: GatewayScene, head: string): Promise<string> {
  const [host = '', port] = authority.split(':')
  return new Promise((resolve) => {
    let said = ''
    const socket = connect(Number(port), host, () => socket.write(head))
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      socket.end()
    })
    socket.on('close', () => resolve(said)).on('error', () => {})
  })
}
