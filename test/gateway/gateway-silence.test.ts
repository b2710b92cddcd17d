/** Gateways that do nothing for a while, or break off, in virtual time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sleep, type Clock, type EpochMs } from '../../core/clock.ts'
import { Fault, type FaultCode } from '../../core/fault.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../../core/upstream.ts'
import { GatewayClient, HEALTH_MS, SILENCE_MS } from '../../gateway/gateway-client.ts'
import { GATEWAY_FUNCTION, GATEWAY_PATH, OUTCOME_FIELD } from '../../gateway/wire.ts'
import { HEALTH } from '../../peering/peer-answer.ts'
import type { NodeId } from '../../peering/packets.ts'
import type { Provider } from '../../providers/functions.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'
import type { MemberId } from '../../site/keys.ts'
import type { Pass } from '../../site/pass.ts'
import { fakeFunctions } from '../providers/fake-functions.ts'
import { UPDATE } from './gateway-scene.ts'

const MEMBER = 'gateway' as MemberId
/** A gateway that is silent for longer is gone. */
const PATIENCE_MS = SILENCE_MS + 2 * HEALTH_MS

function provider(authority: string): Provider {
  return {
    function: GATEWAY_FUNCTION,
    node: authority as NodeId,
    member: MEMBER,
    location: `http://${authority}${GATEWAY_PATH}`,
    value: 1,
    term: 1,
    since: 0 as EpochMs,
    expires: Infinity as EpochMs,
    source: 'election',
  }
}

/** What the machine that asks sees of the gateways on its LAN, by `address:port`. */
type Gateways = Readonly<Record<string, Pick<Upstream, 'request'>>>

/** A member that asks. @param found whether a reported provider is found all the same: nobody else stood. */
function scene(gateways: (clock: Clock) => Gateways, found: 'still' | 'no longer' = 'no longer') {
  const clock = new VirtualClock()
  const all = gateways(clock)
  const functions = fakeFunctions(Object.keys(all).map(provider))
  functions.report = (gone, reason) => {
    functions.reported.push({ provider: gone, reason })
    if (found === 'no longer') functions.providers = functions.providers.filter((each) => each !== gone)
  }
  const client = new GatewayClient({
    clock,
    functions,
    signatures: {
      signRequest: ({ fields }) => fields,
      responseSigner: () => ({ kind: 'member', pass: { member: MEMBER } as Pass, signature: '' }),
      isGood: () => true,
    },
    knownDigest: () => undefined,
    peers: {
      request: async (request) => {
        const gateway = all[new URL(request.uri).host]
        if (gateway === undefined) throw new Fault('CONNECT_REFUSED', 'nobody is there')
        return gateway.request(request)
      },
    },
    log: () => {},
  })
  const ask = () =>
    client.request({ method: 'GET', uri: UPDATE, fields: [], signal: new AbortController().signal })
  const text = async () => {
    const relayed = await ask()
    let body = ''
    for await (const chunk of relayed?.response.body ?? []) body += Buffer.from(chunk).toString()
    return relayed && `${body} of ${relayed.gateway}`
  }
  return { clock, functions, run: () => clock.run(text(), 60_000) }
}

/** Does nothing from its first request on, for so long; then all that was asked meanwhile. */
function paused(clock: Clock, forMs: number): Pick<Upstream, 'request'> {
  let isOver: Promise<void> | undefined
  return {
    async request(request) {
      isOver ??= sleep(clock, forMs)
      await Promise.race([isOver, ended(request)])
      return answered(request)
    },
  }
}

/** Breaks the first connections off before the response's head. */
function breaking(times: number, code: FaultCode): Pick<Upstream, 'request'> {
  let left = times
  return {
    async request(request) {
      if (new URL(request.uri).pathname === GATEWAY_PATH && left-- > 0) throw new Fault(code, 'broke off')
      return answered(request)
    },
  }
}

async function ended({ signal }: UpstreamRequest): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Fault('ABORTED', 'given up')), { once: true })
  })
}

function answered({ uri }: UpstreamRequest): UpstreamResponse {
  const isHealth = new URL(uri).pathname === HEALTH
  const fields = isHealth ? [] : [[OUTCOME_FIELD, 'served'] as const]
  return { status: 200, reason: 'OK', fields, body: bytes(isHealth ? '' : 'bytes') }
}

async function* bytes(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text)
}

describe('a gateway that is silent', () => {
  for (const ms of [SILENCE_MS + 100, SILENCE_MS + HEALTH_MS + 100, PATIENCE_MS - 50])
    test(`for ${ms} ms is waited for, and reported by nobody`, async () => {
      const { run, functions, clock } = scene((of) => ({ 'a:1': paused(of, ms), 'b:1': paused(of, 0) }))
      assert.equal(await run(), 'bytes of a:1')
      assert.deepEqual([functions.reported, clock.monotonic()], [[], ms])
    })

  test('for longer is reported, though it comes back in that moment, and the next one is asked', async () => {
    const { run, functions } = scene((of) => ({ 'a:1': paused(of, PATIENCE_MS + 1), 'b:1': paused(of, 0) }))
    assert.equal(await run(), 'bytes of b:1')
    assert.equal(functions.reported.length, 1)
  })
})

describe('the only gateway', () => {
  for (const found of ['still', 'no longer'] as const)
    test(`is asked again when it is back, and ${found} found`, async () => {
      const { run, functions } = scene((of) => ({ 'a:1': paused(of, PATIENCE_MS + HEALTH_MS - 50) }), found)
      assert.equal(await run(), 'bytes of a:1')
      assert.equal(functions.reported.length, 1)
      assert.equal(await run(), 'bytes of a:1')
    })

  for (const found of ['still', 'no longer'] as const)
    test(`is not waited for without end when it is ${found} found`, async () => {
      const { run, functions, clock } = scene((of) => ({ 'a:1': paused(of, 60_000) }), found)
      assert.equal(await run(), undefined)
      assert.equal(functions.reported.length, 1)
      assert.ok(clock.monotonic() <= PATIENCE_MS + HEALTH_MS + 1000, `after ${clock.monotonic()} ms`)
    })

  test('is not asked again for what it says and nobody believes, though it lives', async () => {
    const asked: string[] = []
    const gateways = () => ({
      'a:1': {
        async request(request: UpstreamRequest) {
          asked.push(request.uri)
          return { ...answered(request), fields: [] }
        },
      },
    })
    const { run } = scene(gateways, 'still')
    assert.equal(await run(), undefined)
    assert.equal(await run(), undefined)
    assert.deepEqual(asked, [`http://a:1${GATEWAY_PATH}`])
  })
})

describe('a gateway that lives and breaks off before the head', () => {
  for (const code of ['RESPONSE_INCOMPLETE', 'CONNECT_TIMEOUT'] as const)
    test(`is asked again, and reported by nobody: ${code}`, async () => {
      const { run, functions } = scene(() => ({ 'a:1': breaking(1, code) }))
      assert.equal(await run(), 'bytes of a:1')
      assert.deepEqual(functions.reported, [])
    })

  for (const [times, code] of [
    [Infinity, 'RESPONSE_INCOMPLETE'],
    [1, 'RESPONSE_TIMEOUT'],
  ] as const)
    test(`${times} times is not asked without end: ${code}`, async () => {
      const { run, functions } = scene(() => ({ 'a:1': breaking(times, code) }))
      await assert.rejects(run(), { code: 'RESPONSE_INCOMPLETE', message: /^a:1 \(gateway\): broke off$/ })
      assert.deepEqual(functions.reported, [])
    })
})
