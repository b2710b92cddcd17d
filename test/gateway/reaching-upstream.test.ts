import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { Fault, type FaultCode } from '../../core/fault.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { CallingUpstream, UpstreamRequest, UpstreamResponse } from '../../core/upstream.ts'
import { permission } from '../../gateway/allowed.ts'
import { FIRST_TRY_MS } from '../../gateway/machines/reach.ts'
import { ReachingUpstream, TRY_AGAIN_MS, TRY_MS } from '../../gateway/reaching-upstream.ts'
import { PRESET_NAMES } from '../../retrieval/presets.ts'
import { compileRules } from '../../retrieval/rules.ts'
import { manualClock } from '../manual-clock.ts'

const A = 'http://a.test/pool/x/xz_5.6.3_amd64.deb'
const B = 'http://b.test/pool/x/xz_5.6.3_amd64.deb'
const PAGE = 'http://a.test/index.html'
const NEAR = 'http://near.test/pool/x/xz_5.6.3_amd64.deb'

type Direct = (request: UpstreamRequest) => Promise<UpstreamResponse>

function response(text: string): UpstreamResponse {
  return { status: 200, reason: 'OK', fields: [], body: once(text) }
}

async function* once(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text)
}

function failing(code: FaultCode): Direct {
  return () => Promise.reject(new Fault(code, 'as the test says'))
}

function scene({ isMember = true, hasRoute = true } = {}) {
  const clock = manualClock()
  const rules = compileRules([], PRESET_NAMES)
  const state = {
    direct: failing('UNREACHABLE'),
    gateway: (async () => response('gateway')) as (
      request: UpstreamRequest,
    ) => Promise<UpstreamResponse | undefined>,
    hasRoute,
    ways: [] as string[],
    changes: [] as string[],
  }
  const direct: CallingUpstream = {
    request(request) {
      state.ways.push('direct')
      return state.direct(request)
    },
    prepare: () => state.ways.push('prepared'),
    call() {
      state.ways.push('called')
      return { pause() {}, resume() {}, giveUp() {} }
    },
  }
  const upstream = new ReachingUpstream({
    clock,
    direct,
    gateways: {
      async request(request) {
        state.ways.push('gateway')
        const said = await state.gateway(request)
        return said && { response: said, gateway: 'gateway:6515' }
      },
    },
    mayHaveGateway: () => isMember,
    isNear: async (host) => host === 'near.test',
    hasRoute: () => state.hasRoute,
    permission: (target, fields) => permission(target, fields, (uri) => rules.policyFor(uri)),
    changed: (to) => state.changes.push(to),
  })
  const ask = async (uri: string) => {
    state.ways.length = 0
    const said = await upstream.request({
      method: 'GET',
      uri,
      fields: [],
      signal: new AbortController().signal,
    })
    return textOf(said)
  }
  return { clock, upstream, ask, state }
}

async function textOf({ body }: UpstreamResponse): Promise<string> {
  for await (const chunk of body) return Buffer.from(chunk).toString()
  return ''
}

const works: Direct = async () => response('direct')

async function isolatedScene() {
  const at = scene({ hasRoute: false })
  await at.ask(A)
  assert.equal(at.upstream.state.kind, 'isolated')
  return at
}

describe('the short way of a plain miss', () => {
  test('is open to a machine for which there can be no gateway', () => {
    const { upstream, state } = scene({ isMember: false })
    assert.equal(upstream.mayCall, true)
    const nobody = { onInformation() {}, onHead() {}, onData() {}, onEnd() {}, onFailure() {} }
    upstream.call({ method: 'GET', uri: A, fields: [] }, nobody)
    assert.deepEqual(state.ways, ['called'])
  })

  test('is closed to a member of a site, who may need its gateway', () => {
    assert.equal(scene().upstream.mayCall, false)
  })
})

describe('a machine that reaches the Internet', () => {
  test('asks no gateway', async () => {
    const { ask, state } = scene()
    state.direct = works
    assert.equal(await ask(A), 'direct')
    assert.deepEqual(state.ways, ['direct'])
  })

  test('a server that fails right after another has answered is passed on as it is', async () => {
    const { ask, state } = scene()
    state.direct = works
    await ask(A)
    state.direct = failing('CONNECT_TIMEOUT')
    await assert.rejects(ask(B), { code: 'CONNECT_TIMEOUT' })
    assert.deepEqual(state.ways, ['direct'])
  })

  test('opens connections ahead, and does not where they would lead nowhere', async () => {
    const { upstream, state, ask } = scene({ hasRoute: false })
    upstream.prepare(A)
    assert.deepEqual(state.ways, ['prepared'])
    await ask(A)
    state.ways.length = 0
    upstream.prepare(A)
    assert.deepEqual(state.ways, [])
  })

  test('without a site nothing but the direct way exists', async () => {
    const { ask, state } = scene({ isMember: false })
    await assert.rejects(ask(A), { code: 'UNREACHABLE' })
    assert.deepEqual(state.ways, ['direct'])
  })
})

describe('a machine without Internet access', () => {
  test('gets the very first update by way of the gateway, and the next ones at once', async () => {
    const { ask, state } = scene({ hasRoute: false })
    assert.equal(await ask(A), 'gateway')
    assert.deepEqual(state.ways, ['direct', 'gateway'])
    assert.equal(await ask(B), 'gateway')
    assert.deepEqual(state.ways, ['gateway'])
    assert.deepEqual(state.changes, ['isolated'])
  })

  test('behind a wall that swallows everything, waits 2 s once', async () => {
    const { ask, state, clock, upstream } = scene()
    state.direct = ({ signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new Fault('ABORTED', 'given up'))),
      )
    const asking = ask(A)
    await setImmediate()
    clock.advance(TRY_MS - 1)
    await setImmediate()
    assert.deepEqual(state.ways, ['direct'])
    clock.advance(1)
    assert.equal(await asking, 'gateway')
    assert.equal(upstream.state.kind, 'isolated')
    assert.equal(await ask(A), 'gateway')
    assert.deepEqual(state.ways, ['gateway'])
  })

  test('a name that does not resolve, and a time-out, are signs; a refused connection is none', async () => {
    for (const code of ['DNS_FAILED', 'DNS_TIMEOUT', 'CONNECT_TIMEOUT', 'UNREACHABLE'] as const) {
      const { ask, state } = scene()
      state.direct = failing(code)
      assert.equal(await ask(A), 'gateway', code)
    }
    const { ask, state } = scene()
    state.direct = failing('CONNECT_REFUSED')
    await assert.rejects(ask(A), { code: 'CONNECT_REFUSED' })
  })

  test('servers of its own network are reached directly, and say nothing about the Internet', async () => {
    const { ask, state, upstream } = await isolatedScene()
    state.direct = works
    assert.equal(await ask(NEAR), 'direct')
    assert.equal(upstream.state.kind, 'isolated')
    state.direct = failing('UNREACHABLE')
    await assert.rejects(ask(NEAR), { code: 'UNREACHABLE' })
    assert.deepEqual(state.ways, ['direct'])
  })

  test('what no rule calls an update is told to nobody, and the answer says why', async () => {
    const { ask, state } = await isolatedScene()
    await assert.rejects(ask(PAGE), (error) => {
      assert.ok(error instanceof Fault)
      assert.equal(error.code, 'GATEWAY_REFUSED')
      assert.match(
        error.message,
        /^the site’s gateway gets updates only, and the rule .* does not share it; .*no Internet access/,
      )
      return true
    })
    assert.deepEqual(state.ways, ['direct'])
  })

  test('where nobody is a gateway, the failure is the one of the direct way, and says so', async () => {
    const { ask, state } = await isolatedScene()
    state.gateway = async () => undefined
    await assert.rejects(ask(A), { code: 'UNREACHABLE', message: /^no machine of the site offers/ })
  })

  test('what the gateway refuses is passed on', async () => {
    const { ask, state } = await isolatedScene()
    state.gateway = () => Promise.reject(new Fault('GATEWAY_REFUSED', 'no'))
    await assert.rejects(ask(A), { code: 'GATEWAY_REFUSED' })
  })

  test('whose own access comes back takes the direct way again', async () => {
    const { ask, state, clock, upstream } = await isolatedScene()
    state.direct = works
    assert.equal(await ask(A), 'gateway', 'not every request tries')
    clock.advance(FIRST_TRY_MS)
    assert.equal(await ask(A), 'direct')
    assert.equal(upstream.state.kind, 'direct')
    assert.deepEqual(state.changes, ['isolated', 'direct'])
  })

  test('a try that fails costs the application nothing', async () => {
    const { ask, clock } = await isolatedScene()
    clock.advance(FIRST_TRY_MS)
    assert.equal(await ask(A), 'gateway')
  })

  test('a try that nobody answers costs it 0.3 s, so that it stays beside those who have begun', async () => {
    const { ask, state, clock } = await isolatedScene()
    state.direct = ({ signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new Fault('ABORTED', 'given up'))),
      )
    clock.advance(FIRST_TRY_MS)
    const asking = ask(A)
    await setImmediate()
    clock.advance(TRY_AGAIN_MS - 1)
    await setImmediate()
    assert.deepEqual(state.ways, ['direct'])
    clock.advance(1)
    assert.equal(await asking, 'gateway')
  })

  test('does not vouch for what came by way of a gateway, and does again for what it got itself', async () => {
    const { ask, state, clock, upstream } = await isolatedScene()
    assert.equal(upstream.relayedBy(A as TargetUri), 'gateway:6515')
    state.direct = works
    clock.advance(FIRST_TRY_MS)
    await ask(A)
    assert.equal(upstream.relayedBy(A as TargetUri), undefined)
  })

  test('a success that comes late still counts', async () => {
    const { ask, state, clock, upstream } = await isolatedScene()
    clock.advance(FIRST_TRY_MS)
    const late = deferred<UpstreamResponse>()
    state.direct = () => late.promise
    const asking = ask(A)
    await setImmediate()
    clock.advance(TRY_AGAIN_MS)
    assert.equal(await asking, 'gateway')
    late.resolve(response('late'))
    await setImmediate()
    assert.equal(upstream.state.kind, 'direct')
  })
})

describe('what is got for others', () => {
  test('takes no other way, but shows as well whether the Internet is reached', async () => {
    const { upstream, state } = scene({ hasRoute: false })
    const observed = upstream.observed({ request: failing('UNREACHABLE') })
    const request = { method: 'GET', uri: A, fields: [], signal: new AbortController().signal } as const
    await assert.rejects(observed.request(request), { code: 'UNREACHABLE' })
    assert.deepEqual(state.ways, [])
    assert.equal(upstream.state.kind, 'isolated')
    await upstream.observed({ request: works }).request(request)
    assert.equal(upstream.state.kind, 'direct')
  })

  test('or takes the gateway where that direct way fails, and says so by the gateway’s answer', async () => {
    const { upstream, state } = scene()
    const request = { method: 'GET', uri: A, fields: [], signal: new AbortController().signal } as const
    const said = await upstream.by({ request: failing('UNREACHABLE') }).request(request)
    assert.equal(await textOf(said), 'gateway')
    assert.deepEqual(state.ways, ['gateway'], 'the way of the applications was not tried')
    assert.equal(upstream.state.kind, 'isolated')
  })

  test('the direct way of others may not lead where the applications’ does, and no gateway is asked instead', async () => {
    const { upstream, state } = scene()
    const request = { method: 'GET', uri: A, fields: [], signal: new AbortController().signal } as const
    const by = upstream.by({ request: failing('FORBIDDEN_TARGET') })
    await assert.rejects(by.request(request), { code: 'FORBIDDEN_TARGET' })
    assert.deepEqual(state.ways, [])
  })

  test('without a site it is still noticed what becomes of its requests', async () => {
    const { upstream, state } = scene({ isMember: false, hasRoute: false })
    const request = { method: 'GET', uri: A, fields: [], signal: new AbortController().signal } as const
    await assert.rejects(upstream.by({ request: failing('UNREACHABLE') }).request(request), {
      code: 'UNREACHABLE',
    })
    assert.deepEqual(state.ways, [])
    assert.equal(upstream.state.kind, 'isolated')
  })
})
