import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, hasField, type Fields } from '../../core/fields.ts'
import type { Address } from '../../core/transport.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { POISONED_MS } from '../../retrieval/retrievals.ts'
import { Flow, type Reply } from './upstreams.ts'
import {
  A,
  BY_UPDATER,
  changedAtTheLastMoment,
  digestOf,
  download,
  field,
  offer,
  PEER,
  shunned,
  storedTexts,
  storingAfter,
  textOf,
  world,
  type World,
} from './world.ts'

const OTHER_PEER = '127.0.0.7' as Address
const SIZE = 8_000_000
const GOOD = Buffer.alloc(SIZE, 'g')
const BAD = Buffer.alloc(SIZE, 'b')

function whole(body: Uint8Array | string | Flow, size: number, fields: Fields = []): Reply {
  return { status: 200, fields: [['Content-Length', String(size)], ...fields], body }
}

function fresh(body: Uint8Array | string, fields: Fields = []): Reply {
  return whole(body, body.length, [['Cache-Control', 'max-age=60'], ...fields])
}

/** Two requests side by side, each answered by the value of its own `name` field. */
async function sideBySide(
  name: string,
  values: readonly [string, string],
  vary: string,
): Promise<[World, readonly string[], readonly boolean[]]> {
  const node = world({
    rule: { share: false },
    origin: ({ fields }) => fresh((fieldValue(fields, name) ?? 'none').slice(0, 2), [['Vary', vary]]),
  })
  const asked = values.map((value) => node.ask([[name, value]]))
  const given = []
  for (const each of asked) given.push(await node.read(each))
  return [node, given.map(({ text }) => text), given.map(({ isCollapsed }) => isCollapsed)]
}

describe('requests for the same at the same time', () => {
  test('are collapsed into one', async () => {
    const [node, texts, collapsed] = await sideBySide('Accept-Language', ['de', 'de'], 'Accept-Language')
    assert.deepEqual([node.origin.requests.length, texts, collapsed], [1, ['de', 'de'], [false, true]])
  })

  test('are collapsed when what they differ in does not matter', async () => {
    const [node, texts] = await sideBySide('Accept-Language', ['de', 'fr'], 'Accept-Encoding')
    assert.deepEqual([node.origin.requests.length, texts], [1, ['de', 'de']])
  })

  for (const [name, vary] of [
    ['Accept-Language', 'Accept-Language'],
    ['Accept-Language', 'accept-encoding, accept-language'],
    ['Accept-Encoding', 'Accept-Encoding'],
    ['User-Agent', 'User-Agent'],
  ] as [string, string][])
    test(`are answered each for itself when ${name} differs and Vary is ${vary}`, async () => {
      const [node, texts, collapsed] = await sideBySide(name, ['de', 'fr'], vary)
      assert.deepEqual([node.origin.requests.length, texts, collapsed], [2, ['de', 'fr'], [false, false]])
      await node.settle()
      assert.deepEqual((await storedTexts(node)).toSorted(), ['de', 'fr'])
    })

  for (const [name, codings, requests] of [
    ['identity', 'identity', 1],
    ['Identity ; q=1.0', 'Identity ; q=1.0', 1],
    ['something else', 'identity, gzip', 2],
    ['identity, though less', 'identity;q=0.5', 2],
  ] as const)
    for (const share of [true, false])
      test(`are ${requests === 1 ? '' : 'not '}collapsed when one accepts ${name} and the other says nothing of codings (${share ? '' : 'not '}shared)`, async () => {
        const node = world({ rule: { share }, origin: () => fresh('plain') })
        const asked = [node.ask([]), node.ask([['Accept-Encoding', codings]])]
        for (const each of asked) assert.equal((await node.within(node.read(each))).text, 'plain')
        assert.equal(node.origin.requests.length, requests)
      })

  test('are each answered for itself where Vary says that identity is another variant', async () => {
    const node = world({
      rule: { share: false },
      origin: ({ fields }) =>
        fresh(fieldValue(fields, 'accept-encoding') ?? 'none', [['Vary', 'Accept-Encoding']]),
    })
    const asked = [node.ask([]), node.ask([['Accept-Encoding', 'identity']])]
    const texts = []
    for (const each of asked) texts.push((await node.within(node.read(each))).text)
    assert.deepEqual(texts, ['none', 'identity'])
  })

  test('are collapsed for each variant, also while another one is on its way', async () => {
    const languages = ['de', 'fr', 'en', 'nl']
    const answered = Promise.withResolvers<void>()
    const node = world({
      rule: { share: false },
      origin: async ({ fields }) => {
        await answered.promise
        return fresh(fieldValue(fields, 'accept-language') ?? 'none', [['Vary', 'Accept-Language']])
      },
    })
    const wanted = Array.from({ length: 20 }, (_, at) => languages[at % languages.length] ?? '')
    const asked = wanted.map((language) => node.ask([['Accept-Language', language]]))
    await node.settle()
    answered.resolve()
    const given = await Promise.all(asked.map((each) => node.within(node.read(each))))
    assert.deepEqual(
      given.map(({ text }) => text),
      wanted,
    )
    assert.equal(node.origin.requests.length, languages.length)
    assert.equal(given.filter(({ isCollapsed }) => isCollapsed).length, 20 - languages.length)
    await node.settle()
    assert.deepEqual((await storedTexts(node)).toSorted(), languages.toSorted())
    // What varies is known now.
    for (const language of languages)
      assert.equal((await node.get([['Accept-Language', language]])).how, 'hit')
  })

  for (const isSame of [true, false])
    test(`that validate ${isSame ? 'the same variant are collapsed' : 'variants of the same date are each asked for'}`, async () => {
      let changed = ''
      const node = world({
        rule: { share: false },
        origin: ({ fields }) => {
          const language = fieldValue(fields, 'accept-language') ?? 'none'
          const head: Fields = [
            ['Vary', 'Accept-Language'],
            ['Cache-Control', 'max-age=0, must-revalidate'],
            ['Last-Modified', 'Sat, 28 Nov 2026 00:00:00 GMT'],
          ]
          const isHeld = hasField(fields, 'if-modified-since') && changed !== language
          return isHeld
            ? { status: 304, fields: head }
            : whole(`${language}${changed}`, language.length + changed.length, head)
        },
      })
      for (const language of ['en', 'fr']) {
        await node.get([['Accept-Language', language]])
        await node.settle()
      }
      changed = 'fr'
      const asked = ['en', isSame ? 'en' : 'fr'].map((language) => node.ask([['Accept-Language', language]]))
      const given = await Promise.all(asked.map((each) => node.within(node.read(each))))
      assert.deepEqual(
        given.map(({ text }) => text),
        ['en', isSame ? 'en' : 'frfr'],
      )
      assert.equal(node.origin.requests.length, isSame ? 3 : 4)
      const traces = await Promise.all(asked.map(async ({ resource }) => (await resource).trace.cacheStatus))
      const collapsed = traces.map((each) => 'isCollapsed' in each && each.isCollapsed)
      assert.deepEqual(collapsed, [false, isSame])
    })

  describe('by applications that hold something of it already', () => {
    const holding = (tag: string): Fields => [['If-None-Match', `"${tag}"`]]
    const NEW: Fields = [
      ['Cache-Control', 'max-age=60'],
      ['ETag', '"new"'],
    ]

    /** An origin server that heeds conditions; its answers to the first `waits` requests come when `answered` resolves. */
    function conditional(body: Flow, waits = 0) {
      const answered = Promise.withResolvers<void>()
      const node = world({
        rule: { share: false },
        origin: async ({ fields }, n) => {
          if (n <= waits) await answered.promise
          if (fieldValue(fields, 'if-none-match') === '"new"') return { status: 304, fields: NEW }
          return whole(body, 4, NEW)
        },
      })
      return { node, answered }
    }

    test('are answered from what comes: whether it has changed, and what it is now', async () => {
      for (const leading of [[], holding('older')]) {
        const body = new Flow().push('ne')
        const { node } = conditional(body)
        const first = node.ask(leading)
        await node.within(first.resource)
        assert.equal((await node.get(holding('new'))).status, 304)
        const others = [holding('old'), [['Range', 'bytes=2-3']] as Fields, []].map((fields) =>
          node.ask(fields),
        )
        for (const { resource } of others) await node.within(resource)
        body.push('ws').end()
        const texts = []
        for (const each of [first, ...others]) texts.push((await node.read(each)).text)
        assert.deepEqual([texts, node.origin.requests.length], [['news', 'news', 'ws', 'news'], 1])
      }
    })

    test('wait for the answer to each other, and to who holds nothing', async () => {
      for (const leading of [[], holding('0')]) {
        const { node, answered } = conditional(Flow.of('news'), 1)
        const asked = [leading, holding('1'), holding('2'), holding('new')].map((fields) => node.ask(fields))
        await node.settle()
        answered.resolve()
        const given = []
        for (const each of asked) given.push((await node.read(each)).status)
        assert.deepEqual([given, node.origin.requests.length], [[200, 200, 200, 304], 1])
      }
    })

    test('ask again together when one of them is told that what it holds has not changed', async () => {
      const { node, answered } = conditional(Flow.of('news'), 1)
      const asked = ['new', '1', '2', '3'].map((tag) => node.ask(holding(tag)))
      await node.settle()
      answered.resolve()
      const given = []
      for (const each of asked) given.push((await node.read(each)).text)
      assert.deepEqual([given, node.origin.requests.length], [['', 'news', 'news', 'news'], 2])
    })

    test('are not waited for by who holds nothing: an answer may be of no use to that one', async () => {
      const { node, answered } = conditional(Flow.of('news'), 1)
      const first = node.ask(holding('new'))
      await node.settle()
      assert.equal((await node.get()).text, 'news')
      answered.resolve()
      assert.equal((await node.read(first)).status, 304)
    })

    test('are the origin server’s to answer where they expect something (RFC 9110 13.1.1)', async () => {
      const body = new Flow().push('ne')
      const { node } = conditional(body)
      await node.within(node.ask().resource)
      await node.within(node.ask([['If-Match', '"new"']]).resource)
      assert.equal(node.origin.requests.length, 2)
      body.push('ws').end()
    })
  })

  test('are answered each for itself when Vary is *', async () => {
    const [node, texts, collapsed] = await sideBySide('Accept-Language', ['de', 'de'], '*')
    assert.deepEqual([node.origin.requests.length, texts, collapsed], [2, ['de', 'de'], [false, false]])
  })

  for (const name of ['Authorization', 'Cookie'])
    test(`are never collapsed when one of them has ${name}, nor is its answer stored or named to the LAN`, async () => {
      let n = 0
      const node = world({
        expectation: digestOf('x1'),
        offers: [offer(2)],
        origin: () => fresh(`x${++n}`),
        peers: () => fresh('x1'),
      })
      const asked = [node.ask([[name, 'secret']]), node.ask([[name, 'secret']])]
      const given = [await node.read(asked[0]!), await node.read(asked[1]!)]
      assert.deepEqual([given.map(({ text }) => text), node.inquiries.length], [['x1', 'x2'], 0])
      assert.equal(node.peers.requests.length, 0)
      await node.settle()
      if (name === 'Authorization') assert.deepEqual(node.store.lookup(A), [])
      else assert.ok(node.store.lookup(A).every(({ shareable }) => !shareable))
    })

  test('with and without credentials do not meet', async () => {
    const body = new Flow().push('for all')
    const node = world({
      rule: { share: false },
      origin: ({ fields }) =>
        fieldValue(fields, 'authorization')
          ? fresh('for one')
          : whole(body, 7, [['Cache-Control', 'max-age=9']]),
    })
    const everybody = node.ask()
    const one = await node.get([['Authorization', 'Basic c2VjcmV0']])
    body.end()
    assert.deepEqual([one.text, (await node.read(everybody)).text], ['for one', 'for all'])
    assert.deepEqual([one.isCollapsed, node.origin.requests.length], [false, 2])
  })

  test('do not wait for each other when the answer is not to be stored', async () => {
    const bodies = [new Flow(), new Flow(), new Flow()]
    const node = world({
      rule: { share: false },
      origin: (_, n) => whole(bodies[n - 1] ?? '', 5, [['Cache-Control', 'no-store']]),
    })
    const asked = bodies.map(() => node.ask())
    const heads = await node.within(Promise.all(asked.map(({ resource }) => resource)))
    assert.deepEqual([heads.length, node.origin.requests.length], [3, 3])
    // The last one is done while the first has not had a byte.
    bodies[2]?.push('third').end()
    assert.equal(await node.within(textOf(heads[2]?.answer.body)), 'third')
    for (const body of bodies) body.push('other').end()
    assert.equal(await node.within(textOf(heads[0]?.answer.body)), 'other')
  })
})

describe('a response that is still coming', () => {
  /** The first request has its head, and nothing of the body. */
  async function coming(cacheControl: string, fields: Fields = []): Promise<World> {
    const node: World = world({
      rule: { share: false },
      origin: (_, n) =>
        whole(n === 1 ? new Flow() : 'later', 5, [
          ...node.dated(),
          ['Cache-Control', cacheControl],
          ...fields,
        ]),
    })
    await node.within(node.ask().resource)
    await node.pass(1500)
    return node
  }

  test('is given to a later request while it is fresh, with its age', async () => {
    const node = await coming('max-age=2')
    const { answer, trace } = await node.within(node.ask().resource)
    assert.deepEqual([fieldValue(answer.fields, 'age'), node.origin.requests.length], ['1', 1])
    assert.equal(trace.cacheStatus.kind === 'forward' && trace.cacheStatus.isCollapsed, true)
  })

  const asking: [string, string, Fields, Fields][] = [
    ['it is stale', 'max-age=1', [], []],
    ['it says no-cache', 'max-age=60, no-cache', [], []],
    ['it says no-cache of a field', 'max-age=60, no-cache="x"', [], []],
    ['the request says no-cache', 'max-age=60', [], [['Cache-Control', 'no-cache']]],
    ['it is too old for the request', 'max-age=60', [], [['Cache-Control', 'max-age=1']]],
    ['it varies', 'max-age=60', [['Vary', 'Accept-Language']], [['Accept-Language', 'de']]],
  ]
  for (const [why, cacheControl, came, asked] of asking)
    test(`is not given to a later request: ${why}`, async () => {
      const node = await coming(cacheControl, came)
      const given = await node.get(asked)
      assert.deepEqual([given.text, given.isCollapsed, node.origin.requests.length], ['later', false, 2])
    })

  test('is given to those that wait, and kept for nobody, when the resource was changed meanwhile', async () => {
    const body = new Flow()
    const node = world({
      rule: { share: true },
      origin: (_, n) => (n === 1 ? whole(body, 5, [['Cache-Control', 'max-age=60']]) : fresh('later')),
    })
    const first = node.ask()
    await node.within(first.resource)
    node.retrievals.outdate(A)
    assert.equal((await node.get()).text, 'later')
    node.store.remove(A)
    body.push('early').end()
    assert.equal((await node.read(first)).text, 'early')
    await node.settle()
    assert.deepEqual(await storedTexts(node), [])
  })

  for (const source of ['the origin server', 'a peer'])
    test(`is not stored for a moment when the resource is changed just then: from ${source}`, async () => {
      const isPeers = source === 'a peer'
      const node = world({
        rule: { share: isPeers },
        expectation: digestOf('told'),
        offers: isPeers ? [offer(4)] : [],
        peers: () => fresh('told'),
        origin: () => fresh('told'),
      })
      changedAtTheLastMoment(node)
      const events: string[] = []
      node.store.subscribe(({ kind }) => events.push(kind))
      const { text, how } = await node.get()
      await node.settle()
      assert.deepEqual([text, how, events], ['told', isPeers ? 'peer' : 'internet', []])
      assert.deepEqual([node.store.usage().bytes, node.retrievals.all()], [0, []])
      assert.ok(!node.told.some(({ kind }) => kind === 'stored'))
    })

  test('does not take the place of a newer one that was stored meanwhile', async () => {
    const body = new Flow()
    const node: World = world({
      rule: { share: false },
      origin: (_, n) => (n === 1 ? whole(body, 3, [['Cache-Control', 'max-age=60']]) : fresh('new')),
    })
    const first = node.ask()
    await node.within(first.resource)
    await node.pass(1000)
    assert.equal((await node.get([['Cache-Control', 'no-cache']])).text, 'new')
    await node.settle()
    body.push('old').end()
    assert.equal((await node.read(first)).text, 'old')
    await node.settle()
    assert.deepEqual(await storedTexts(node), ['new'])
  })

  test('is waited for while it is stored by whoever could not read along', async () => {
    const node = world({ rule: { share: false }, origin: () => fresh('x', [['ETag', '"1"']]) })
    const stored = Promise.withResolvers<void>()
    storingAfter(node, stored.promise)
    await node.get()
    const asked = [[['If-None-Match', '"1"']], [['Cookie', 'a=b']]] satisfies Fields[]
    const waiting = asked.map((fields) => node.ask(fields))
    await node.settle()
    stored.resolve()
    const given = []
    for (const each of waiting) given.push(await node.read(each))
    assert.deepEqual(
      given.map(({ status, how }) => [status, how]),
      [
        [304, 'hit'],
        [200, 'hit'],
      ],
    )
    assert.equal(node.origin.requests.length, 1)
  })

  const waiting: [string, number][] = [
    ['max-age=0', 1],
    ['no-cache', 2],
    ['no-cache="x", max-age=60', 2],
    ['max-age=0, must-revalidate', 2],
    ['s-maxage=0', 2],
  ]
  for (const [cacheControl, requests] of waiting)
    test(`is fetched ${requests} times for two that wait for it: ${cacheControl}`, async () => {
      const node: World = world({
        rule: { share: false },
        origin: () => whole('x', 1, [...node.dated(), ['Cache-Control', cacheControl]]),
      })
      const asked = [node.ask(), node.ask()]
      const texts = await Promise.all(asked.map(async (each) => (await node.read(each)).text))
      assert.deepEqual([texts, node.origin.requests.length], [['x', 'x'], requests])
    })
})

describe('a request that distrusts peers', () => {
  /** A retrieval that a peer feeds, slowly. */
  function fedByPeer(): World {
    return world({
      expectation: BY_UPDATER,
      rule: { verify: 'updater' },
      offers: [offer(SIZE)],
      peers: () => whole(new Flow().push(BAD.subarray(0, 1_000_000)), SIZE),
      origin: () => fresh('good'),
    })
  }

  test('does not join a retrieval that peers feed: Cache-Control: no-cache', async () => {
    const node = fedByPeer()
    const other = node.ask([], { client: '127.0.0.9' })
    const { trace } = await node.within(other.resource)
    assert.equal(trace.how, 'peer')
    const distrusting = node.ask([['Cache-Control', 'no-cache']])
    assert.equal((await node.within(distrusting.resource)).trace.how, 'internet')
    assert.equal((await node.read(distrusting)).text, 'good')
    other.leave()
  })

  test('does not join a retrieval that peers feed: a complaint (V5) that the origin server did not answer', async () => {
    const node = world({
      expectation: BY_UPDATER,
      rule: { verify: 'updater', immutable: true },
      offers: [offer(3)],
      peers: (_, n) => (n === 1 ? whole('bad', 3) : whole(new Flow(), 3)),
      origin: (_, n) => {
        if (n > 1) return fresh('good')
        throw new Fault('UNREACHABLE', 'no way')
      },
    })
    assert.equal((await node.get()).text, 'bad')
    await assert.rejects(node.get(), { code: 'UNREACHABLE' })
    assert.deepEqual(shunned(node), [[PEER, 'asked-again']])
    // Meanwhile another application is given it by another peer.
    const other = node.ask([], { client: '127.0.0.9' })
    await node.pass(5)
    node.inquiries[1]?.heardResponse(offer(3, OTHER_PEER))
    assert.equal((await node.within(other.resource)).trace.how, 'peer')
    const again = node.ask()
    const { trace } = await node.within(again.resource)
    assert.equal(trace.how, 'internet')
    assert.equal((await node.read(again)).text, 'good')
    other.leave()
  })

  test('does not join a retrieval that peers feed: the name was spoilt', async () => {
    const slow = new Flow()
    const node = world({
      expectation: digestOf(GOOD),
      downloads: [download(SIZE)],
      peers: (_, n) => (n === 1 ? whole(BAD, SIZE) : whole(slow, SIZE)),
      origin: () => fresh(GOOD),
    })
    assert.ok((await node.get()).error, 'wrong bytes were delivered to the end')
    assert.ok(node.retrievals.isPoisoned(A))
    const [first, second] = [node.ask(), node.ask()]
    assert.deepEqual(
      [(await node.read(first)).text.length, (await node.read(second)).text.length],
      [SIZE, SIZE],
    )
    assert.deepEqual([node.peers.requests.length, node.origin.requests.length], [1, 1])
  })
})

describe('a name of which wrong bytes were delivered', () => {
  function spoilt(origin: (request: UpstreamRequest) => Reply): World {
    return world({
      rule: { immutable: true },
      expectation: digestOf(GOOD),
      downloads: [download(SIZE)],
      peers: () => whole(BAD, SIZE),
      origin,
    })
  }

  test('is fetched from the origin server once, and from then on it is in the store', async () => {
    const node = spoilt(() => fresh(GOOD))
    assert.ok((await node.get()).error)
    const ways = []
    for (let n = 0; n < 4; n++) {
      const { text, how } = await node.get()
      assert.equal(text.length, SIZE)
      ways.push(how)
      await node.settle()
    }
    assert.deepEqual([ways, node.origin.requests.length], [['internet', 'hit', 'hit', 'hit'], 1])
    assert.deepEqual(shunned(node), [[PEER, 'bad-bytes']])
  })

  test('is given whole to whoever asks to continue what was wrong', async () => {
    const node = spoilt(() => fresh(GOOD))
    assert.ok((await node.get()).error)
    const given = await node.get([['Range', 'bytes=1000000-']])
    assert.deepEqual([given.status, given.text.length, field(given, 'content-range')], [200, SIZE, undefined])
  })

  test('stays the origin server’s while its answers cannot be stored, and no longer than ten minutes', async () => {
    const node = spoilt(() => whole(GOOD, SIZE, [['Cache-Control', 'no-store']]))
    assert.ok((await node.get()).error)
    for (let n = 0; n < 2; n++) assert.equal((await node.get()).how, 'internet')
    assert.equal(node.inquiries.length, 1)
    node.clock.advance(POISONED_MS)
    assert.ok(!node.retrievals.isPoisoned(A))
  })
})

describe('a range of a copy under way', () => {
  function under(begun: number): [World, Flow] {
    const body = new Flow().push(GOOD.subarray(0, begun))
    const node = world({
      rule: { share: false },
      origin: ({ fields }) => {
        const from = Number(/^bytes=(\d+)-/.exec(fieldValue(fields, 'range') ?? '')?.[1] ?? 0)
        if (from === 0) return whole(body, SIZE, [['Cache-Control', 'max-age=60']])
        const range: Fields = [['Content-Range', `bytes ${from}-${SIZE - 1}/${SIZE}`]]
        return { status: 206, fields: range, body: GOOD.subarray(from) }
      },
    })
    return [node, body]
  }

  test('is read from it when it comes soon', async () => {
    const [node, body] = under(1_000_000)
    const first = node.ask()
    await node.within(first.resource)
    await node.settle()
    const second = node.ask([['Range', 'bytes=2000000-']])
    const { trace } = await node.within(second.resource)
    assert.deepEqual([trace.cacheStatus.kind, node.origin.requests.length], ['forward', 1])
    body.push(GOOD.subarray(1_000_000)).end()
    const given = await node.read(second)
    assert.deepEqual([given.status, given.text.length, given.isCollapsed], [206, SIZE - 2_000_000, true])
    assert.equal(field(given, 'content-range'), `bytes 2000000-${SIZE - 1}/${SIZE}`)
  })

  test('is asked of the origin server when it is far away', async () => {
    const [node] = under(1_000_000)
    const first = node.ask()
    await node.within(first.resource)
    await node.settle()
    const given = await node.get([['Range', 'bytes=7000000-']])
    assert.deepEqual([given.status, given.text.length, node.origin.requests.length], [206, 1_000_000, 2])
    first.leave()
  })

  test('is not read from a copy whose readers were told another representation (If-Range)', async () => {
    const [node] = under(1_000_000)
    const first = node.ask()
    await node.within(first.resource)
    await node.settle()
    const given = node.ask([
      ['Range', 'bytes=2000000-'],
      ['If-Range', '"another"'],
    ])
    const { answer } = await node.within(given.resource)
    assert.ok(answer.status === 200 || node.origin.requests.length === 2)
    given.leave()
    first.leave()
  })
})
