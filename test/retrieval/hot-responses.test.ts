import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EpochMs } from '../../core/clock.ts'
import { fieldValue, withField, type Fields } from '../../core/fields.ts'
import { compileRules } from '../../retrieval/rules.ts'
import { HotResponses, type HotComponents } from '../../retrieval/hot-responses.ts'
import type { Address } from '../../core/transport.ts'
import type { StoredResponse } from '../../core/store.ts'
import { retryWatch } from '../../verify/retry-watch.ts'
import { A, URL_A, world, type Asking, type World } from './world.ts'

const CLIENT = '127.0.0.1'

/** A node that has given its application a fresh response out of its store twice, as a plain hit. */
async function warm(fields: Fields = [], asked: Fields = []): Promise<World> {
  const node: World = world({
    origin: () => ({
      status: 200,
      fields: node.dated([['Cache-Control', 'max-age=60'], ['ETag', '"1"'], ...fields]),
      body: 'body',
    }),
  })
  for (let time = 0; time < 3; time++) {
    await node.get(asked)
    await node.settle()
  }
  return node
}

function hot(node: World, received: Fields = [], { method = 'GET', client = CLIENT }: Asking = {}) {
  return node.resources.hot({ method, uri: A, received, client })
}

describe('a response that was a plain hit twice', () => {
  test('is hot, and says the same as the path of a resource at every moment of its freshness', async () => {
    const node = await warm([['Age', '7']])
    for (const ms of [0, 999, 1, 20_500, 31_499]) {
      await node.pass(ms)
      const hit = hot(node)
      assert.ok(hit, `not after ${ms} ms`)
      const { answer, trace } = await node.ask().resource
      assert.equal(hit.hot.status, answer.status)
      assert.deepEqual(withField(hit.hot.fields, 'Age', ''), withField(answer.fields, 'Age', ''))
      assert.equal(String(Math.floor(hit.ageMs / 1000)), fieldValue(answer.fields, 'Age'))
      assert.deepEqual({ ...hit.hot.cacheStatus, ttlMs: hit.ttlMs }, trace.cacheStatus)
      assert.equal(hit.hot.rule, node.resources.ruleOf({ uri: A }))
      assert.equal(Buffer.from(hit.bytes).toString(), 'body')
    }
    await node.pass(1)
    assert.equal(hot(node), undefined, 'it is stale')
  })

  test('is the same object from hit to hit', async () => {
    const node = await warm()
    assert.equal(hot(node)?.hot, hot(node)?.hot)
  })

  test('is hot for HEAD too, whose age and freshness are the same', async () => {
    const node = await warm()
    assert.deepEqual(hot(node, [], { method: 'HEAD' }), hot(node))
  })

  test('was not hot before it was hit twice', async () => {
    const node: World = world({
      origin: () => ({ status: 200, fields: node.dated([['Cache-Control', 'max-age=60']]), body: 'body' }),
    })
    for (const what of ['fetched', 'read once more']) {
      await node.get()
      await node.settle()
      assert.equal(hot(node), undefined, what)
    }
    await node.get()
    assert.ok(hot(node))
  })

  test('is marked as used', async () => {
    const node = await warm()
    await node.get([], { url: `${URL_A}2` })
    await node.settle()
    assert.equal([...node.store.list()][1]?.uri, A)
    hot(node)
    assert.equal([...node.store.list()][1]?.uri, A, 'it was marked a moment ago')
    await node.pass(10_000)
    hot(node)
    assert.equal([...node.store.list()][0]?.uri, A)
  })

  for (const line of [
    ['Authorization', 'Basic eA=='],
    ['Cookie', 'a=b'],
    ['Cache-Control', 'max-age=0'],
    ['Pragma', 'no-cache'],
    ['Range', 'bytes=0-1'],
    ['If-Range', '"1"'],
    ['IF-NONE-MATCH', '"1"'],
    ['If-Match', '"2"'],
    ['If-Modified-Since', 'Sat, 28 Nov 2026 01:00:00 GMT'],
    ['If-Unmodified-Since', 'Sat, 28 Nov 2026 01:00:00 GMT'],
  ] as const)
    test(`does not answer a request with ${line[0]} at once`, async () => {
      const node = await warm()
      assert.equal(hot(node, [['Host', 'a'], line]), undefined)
      assert.ok(hot(node), 'it is still hot for the others')
    })

  test('is not made hot by such a request', async () => {
    const node = await warm([], [['If-None-Match', '"2"']])
    assert.equal(hot(node), undefined)
  })

  test('with selecting fields is hot for those who ask the same', async () => {
    const node = await warm([['Vary', 'Accept-Encoding']], [['Accept-Encoding', 'gzip, br']])
    assert.ok(hot(node, [['accept-encoding', 'br,gzip']]))
    assert.equal(hot(node), undefined)
    assert.equal(hot(node, [['Accept-Encoding', 'identity']]), undefined)
  })

  test('beside another variant is not hot', async () => {
    const node = await warm([['Vary', 'Accept-Encoding']], [['Accept-Encoding', 'br']])
    await node.get([['Accept-Encoding', 'gzip']])
    await node.settle()
    assert.equal(hot(node, [['Accept-Encoding', 'br']]), undefined)
    await node.get([['Accept-Encoding', 'br']])
    assert.equal(hot(node, [['Accept-Encoding', 'br']]), undefined)
  })
})

describe('a hot response is no longer hot', () => {
  test('when it was removed', async () => {
    const node = await warm()
    node.store.remove(A)
    assert.equal(hot(node), undefined)
  })

  test('when it was replaced', async () => {
    const node = await warm()
    await node.get([['Cache-Control', 'no-cache']])
    await node.settle()
    const [stored] = node.store.lookup(A)
    assert.ok(stored)
    node.store.link(stored, { ...stored, fields: [['Date', 'x']] })
    assert.equal(hot(node), undefined)
  })

  test('when it was freshened: then it is hot anew, with its new fields', async () => {
    const node = await warm()
    const [stored] = node.store.lookup(A)
    assert.ok(stored)
    const fields = withField(stored.fields, 'X', 'new')
    node.store.freshen(stored, { ...stored, fields })
    assert.equal(hot(node), undefined)
    await node.get()
    assert.equal(fieldValue(hot(node)?.hot.fields ?? [], 'X'), 'new')
  })
})

/** What the path of a resource is told of besides the store, on parts that the test holds. */
async function parts(changes: Partial<StoredResponse> = {}) {
  const node = await warm()
  const [first] = node.store.lookup(A)
  assert.ok(first)
  if (Object.keys(changes).length > 0) node.store.link(first, { ...first, ...changes })
  const [stored] = node.store.lookup(A)
  assert.ok(stored)
  const state = {
    rules: compileRules([], []),
    isPoisoned: false,
    unverified: undefined as Address | undefined,
  }
  const watch = retryWatch()
  let wall: number = node.clock.wall()
  const setBack = (ms: number) => {
    wall -= ms
  }
  const components: HotComponents = {
    clock: { ...node.clock, wall: () => wall as EpochMs },
    random: { hex: () => 'x' } as never,
    store: node.store,
    rules: () => state.rules,
    retrievals: { isPoisoned: () => state.isPoisoned },
    retryWatch: watch,
    unverifiedPeer: () => state.unverified,
  }
  const responses = new HotResponses(components)
  const request = { method: 'GET', uri: A, received: [], client: CLIENT } as const
  const hit = { response: stored, ageMs: 0, ttlMs: 60_000 }
  for (let time = 0; time < 2; time++) responses.remember(request, hit, state.rules.policyFor(A))
  return {
    find: (client = CLIENT) => responses.find({ ...request, client }),
    state,
    watch,
    stored,
    node,
    setBack,
  }
}

describe('a hot response is left to the path of a resource', () => {
  test('when the rules have changed', async () => {
    const { find, state } = await parts()
    assert.ok(find())
    state.rules = compileRules([], [])
    assert.equal(find(), undefined)
  })

  test('when the clock was set back: it came at a time that is still to come', async () => {
    const { find, setBack } = await parts()
    setBack(900)
    assert.ok(find(), 'clocks are kept right by small steps')
    setBack(3_600_000)
    assert.equal(find(), undefined)
  })

  test('when wrong bytes of its name were delivered', async () => {
    const { find, state } = await parts()
    state.isPoisoned = true
    assert.equal(find(), undefined)
  })

  test('when only an application can tell whether its bytes are right', async () => {
    const { find, state } = await parts({ source: 'peer' })
    assert.ok(find())
    state.unverified = '127.0.0.6' as Address
    assert.equal(find(), undefined)
  })

  test('when the application asks again for what a peer gave it', async () => {
    const { find, watch, stored, node } = await parts({ source: 'peer' })
    const peer = '127.0.0.6' as Address
    watch.delivered({ client: CLIENT, uri: A, peer, body: stored.digest, at: node.clock.monotonic() })
    assert.ok(find('127.0.0.9'), 'another application asks for the first time')
    assert.equal(find(), undefined)
  })

  test('not when what the application was given has come from the origin server since', async () => {
    const { find, watch, stored, node } = await parts()
    const peer = '127.0.0.6' as Address
    watch.delivered({ client: CLIENT, uri: A, peer, body: stored.digest, at: node.clock.monotonic() })
    assert.ok(find())
  })
})
