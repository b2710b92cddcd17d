/** Clients and gateways on real ports, with service functions that the test decides. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { systemClock, type EpochMs } from '../../core/clock.ts'
import type { Digest } from '../../core/digest.ts'
import { Fault } from '../../core/fault.ts'
import { systemRandom } from '../../core/random.ts'
import type { UpstreamResponse } from '../../core/upstream.ts'
import { GatewayClient, SILENCE_MS, type GatewayEvent } from '../../gateway/gateway-client.ts'
import { GATEWAY_FUNCTION, GATEWAY_PATH } from '../../gateway/wire.ts'
import type { NodeId } from '../../peering/packets.ts'
import type { Provider } from '../../providers/functions.ts'
import { peerUpstream } from '../../proxy/http-upstream.ts'
import { httpSignatures } from '../../site/http-signature.ts'
import { fakeFunctions } from '../providers/fake-functions.ts'
import { TestSite } from '../site/fixtures.ts'
import { answering, gatewayScene, inHalves, resourceOf, UPDATE, type GatewayScene } from './gateway-scene.ts'

const GONE = '127.0.0.71:9'

function provider(
  authority: string,
  member: string | undefined,
  source: Provider['source'] = 'election',
): Provider {
  return {
    function: GATEWAY_FUNCTION,
    node: authority as NodeId,
    member,
    location: `http://${authority}${GATEWAY_PATH}`,
    value: 1,
    term: 1,
    since: 0 as EpochMs,
    expires: Infinity as EpochMs,
    source,
  }
}

/** A member that asks; a reported provider is no longer found. */
function clientOf(
  context: TestContext,
  { site }: Pick<GatewayScene, 'site'>,
  providers: readonly Provider[],
  digests: ReadonlyMap<string, Digest> = new Map(),
) {
  const member = site.member('asker')
  const known = { own: member }
  const functions = fakeFunctions(providers)
  functions.report = (gone, reason) => {
    functions.reported.push({ provider: gone, reason })
    functions.providers = functions.providers.filter((each) => each !== gone)
  }
  const peers = peerUpstream(() => undefined)
  context.after(() => peers.stop())
  const events: GatewayEvent[] = []
  const client = new GatewayClient({
    clock: systemClock,
    functions,
    signatures: httpSignatures({ clock: systemClock, random: systemRandom, membership: () => known.own }),
    knownDigest: (target) => digests.get(target),
    peers,
    log: (event) => events.push(event),
  })
  const ask = async (uri = UPDATE) =>
    (
      await client.request({
        method: 'GET',
        uri,
        fields: [['Range', 'bytes=0-']],
        signal: new AbortController().signal,
      })
    )?.response
  return { client, functions, events, ask, known }
}

async function textOf(response: UpstreamResponse | undefined): Promise<string> {
  let text = ''
  for await (const chunk of response?.body ?? []) text += Buffer.from(chunk).toString()
  return text
}

describe('a machine that asks the gateway', () => {
  test('gets the origin server’s response, without the gateway’s own fields', async (t) => {
    const at = await gatewayScene(t, {
      address: '127.0.0.72',
      get: answering('bytes', [['ETag', '"1"']], 206),
    })
    const { ask, client } = clientOf(t, at, [provider(at.authority, at.gateway.id)])
    const response = await ask()
    assert.equal(response?.status, 206)
    const names = response.fields.map(([name]) => name.toLowerCase())
    assert.ok(names.includes('etag'))
    assert.ok(!names.some((name) => name.startsWith('ihave') || name.startsWith('signature')), names.join())
    assert.equal(await textOf(response), 'bytes')
    assert.deepEqual([client.requests, client.bytes], [1, 5])
    assert.deepEqual(
      at.asked[0]?.received.filter(([name]) => name === 'Range'),
      [['Range', 'bytes=0-']],
    )
  })

  test('has nobody to ask where there is no provider, a stranger only, or itself', async (t) => {
    const at = await gatewayScene(t, { address: '127.0.0.72' })
    for (const providers of [
      [],
      [provider(at.authority, undefined)],
      [provider(at.authority, at.gateway.id, 'self')],
    ]) {
      const { ask } = clientOf(t, at, providers)
      assert.equal(await ask(), undefined)
    }
    assert.equal(at.uses.length, 0)
    const configured = clientOf(t, at, [provider(at.authority, undefined, 'configured')])
    assert.equal(await textOf(await configured.ask()), 'a update')
  })

  test('takes the next one when the first is gone, and says which', async (t) => {
    const at = await gatewayScene(t, { address: '127.0.0.72' })
    const gone = provider(GONE, at.gateway.id)
    const { ask, functions, events } = clientOf(t, at, [gone, provider(at.authority, at.gateway.id)])
    assert.equal(await textOf(await ask()), 'a update')
    assert.deepEqual(
      functions.reported.map((each) => each.provider),
      [gone],
    )
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['gateway-failed', 'gateway-used'],
    )
  })

  test('believes no answer of another machine in the gateway’s place', async (t) => {
    const at = await gatewayScene(t, { address: '127.0.0.72' })
    const other = at.site.member('other')
    const wrong = clientOf(t, at, [provider(at.authority, other.id)])
    assert.equal(await wrong.ask(), undefined)
    assert.match(wrong.functions.reported[0]?.reason ?? '', /another member/)
    const forger = createServer((_, response) => {
      response.writeHead(200, { 'Ihave-Gateway': 'served', 'Content-Length': 5 }).end('wrong')
    })
    await new Promise<void>((listening) => forger.listen(0, '127.0.0.74', listening))
    t.after(() => forger.close())
    const { port } = forger.address() as AddressInfo
    const { ask, functions } = clientOf(t, at, [provider(`127.0.0.74:${port}`, at.gateway.id)])
    assert.equal(await ask(), undefined)
    assert.match(functions.reported[0]?.reason ?? '', /unsigned/)
  })

  test('that the gateway takes for a stranger says so, and calls nobody dead', async (t) => {
    const at = await gatewayScene(t, { address: '127.0.0.72' })
    const other = { site: new TestSite(systemClock) }
    const { ask, functions } = clientOf(t, other, [provider(at.authority, at.gateway.id)])
    await assert.rejects(ask(), { code: 'GATEWAY_REFUSED', message: /does not know this machine/ })
    assert.deepEqual(functions.reported, [])
  })

  test('passes on what the gateway refuses, and why; it is no failure of the gateway', async (t) => {
    const at = await gatewayScene(t, { address: '127.0.0.72' })
    const { ask, functions } = clientOf(t, at, [provider(at.authority, at.gateway.id)])
    await assert.rejects(ask('http://updates.test/page.html'), {
      code: 'GATEWAY_REFUSED',
      message:
        /^none of the gateway’s rules calls this an update \(not-shared\), so 127\.0\.0\.72:\d+ does not get it$/,
    })
    assert.deepEqual(functions.reported, [])
  })

  test('passes on the fault of an origin server that the gateway does not reach either', async (t) => {
    const get = () => Promise.reject(new Fault('DNS_FAILED', 'no such name'))
    const at = await gatewayScene(t, { address: '127.0.0.72', get })
    const { ask, functions } = clientOf(t, at, [provider(at.authority, at.gateway.id)])
    await assert.rejects(ask(), { code: 'DNS_FAILED' })
    assert.deepEqual([functions.reported, at.uses[0]?.outcome], [[], 'failed'])
  })

  test('waits for a gateway that is silent but lives', async (t) => {
    const get = async () => {
      await new Promise((done) => setTimeout(done, 2 * SILENCE_MS))
      return resourceOf(Buffer.from('slow'))
    }
    const at = await gatewayScene(t, { address: '127.0.0.72', get })
    const { ask, functions } = clientOf(t, at, [provider(at.authority, at.gateway.id)])
    assert.equal(await textOf(await ask()), 'slow')
    assert.deepEqual(functions.reported, [])
  })

  test('a gateway that dies in the middle is reported, and the body ends so that it is gone on with', async (t) => {
    const endless = async () => {
      const resource = resourceOf(Buffer.alloc(0))
      return {
        ...resource,
        answer: { ...resource.answer, fields: [['Content-Length', '100']] as const, body: half() },
      }
    }
    const at = await gatewayScene(t, { address: '127.0.0.72', get: endless })
    const { ask, functions } = clientOf(t, at, [provider(at.authority, at.gateway.id)])
    const response = await ask()
    const chunks = response?.body[Symbol.asyncIterator]()
    assert.equal((await chunks?.next())?.value?.length, 50)
    await at.stop()
    await assert.rejects(chunks?.next() ?? Promise.resolve(), { code: 'RESPONSE_INCOMPLETE' })
    assert.equal(functions.reported.length, 1)
  })

  for (const who of ['the gateway', 'this machine'] as const)
    test(`when ${who} is thrown out in the middle, takes nothing more from it`, async (t) => {
      const { get, letGo } = inHalves()
      const at = await gatewayScene(t, { address: '127.0.0.72', get })
      const { ask, functions, known } = clientOf(t, at, [provider(at.authority, at.gateway.id)])
      const response = await ask()
      const chunks = response?.body[Symbol.asyncIterator]()
      assert.equal((await chunks?.next())?.value?.length, 50)
      known.own = at.site.denying(known.own, who === 'the gateway' ? at.gateway.id : known.own.id)
      letGo()
      await assert.rejects(chunks?.next() ?? Promise.resolve(), {
        code: 'RESPONSE_INCOMPLETE',
        message: /revoked/,
      })
      assert.equal(functions.reported.length, 1)
    })

  test('when the gateway is thrown out while it sends nothing, waits no longer', async (t) => {
    const { get } = inHalves()
    const at = await gatewayScene(t, { address: '127.0.0.72', get })
    const { ask, known } = clientOf(t, at, [provider(at.authority, at.gateway.id)])
    const chunks = (await ask())?.body[Symbol.asyncIterator]()
    assert.equal((await chunks?.next())?.value?.length, 50)
    known.own = at.site.denying(known.own, at.gateway.id)
    await assert.rejects(chunks?.next() ?? Promise.resolve(), { message: /revoked/ })
  })

  test('a body that broke off at the origin server is not the gateway’s fault', async (t) => {
    const broken = async () => {
      const resource = resourceOf(Buffer.alloc(0))
      const fields = [['Content-Length', '100']] as const
      return { ...resource, answer: { ...resource.answer, fields, body: breaking() } }
    }
    const at = await gatewayScene(t, { address: '127.0.0.72', get: broken })
    const { ask, functions } = clientOf(t, at, [provider(at.authority, at.gateway.id)])
    await assert.rejects(ask().then(textOf), { code: 'RESPONSE_INCOMPLETE' })
    assert.deepEqual(functions.reported, [])
  })
})

describe('bytes whose digest this machine knows', () => {
  const right = 'the right bytes'
  const digests = new Map<string, Digest>([
    [UPDATE, { algorithm: 'sha-256', hex: createHash('sha256').update(right).digest('hex') }],
  ])

  test('are passed on when they are right', async (t) => {
    const at = await gatewayScene(t, { address: '127.0.0.73', get: answering(right) })
    const { ask, functions } = clientOf(t, at, [provider(at.authority, at.gateway.id)], digests)
    assert.equal(await textOf(await ask()), right)
    assert.deepEqual(functions.reported, [])
  })

  test('are never whole when they are wrong, and the gateway is not asked again', async (t) => {
    const at = await gatewayScene(t, { address: '127.0.0.73', get: answering('the wrong bytes') })
    const { ask, functions } = clientOf(t, at, [provider(at.authority, at.gateway.id)], digests)
    await assert.rejects(ask().then(textOf), { code: 'VERIFICATION_FAILED' })
    assert.equal(functions.reported.length, 1)
  })
})

async function* half(): AsyncIterable<Uint8Array> {
  yield Buffer.alloc(50)
  await new Promise(() => {})
}

async function* breaking(): AsyncIterable<Uint8Array> {
  yield Buffer.alloc(50)
  throw new Fault('RESPONSE_INCOMPLETE', 'the origin server broke off')
}
