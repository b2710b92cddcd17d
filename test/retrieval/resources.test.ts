import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, hasField, type Fields } from '../../core/fields.ts'
import type { StoredResponse } from '../../core/store.ts'
import type { Address } from '../../core/transport.ts'
import type { Expectation } from '../../core/verifier.ts'
import { RETRY_WINDOW_MS } from '../../verify/retry-watch.ts'
import { Flow, type Answering, type Reply } from './upstreams.ts'
import {
  A,
  BY_UPDATER,
  digestOf,
  ended,
  field,
  offer,
  PEER,
  shunned,
  storedTexts,
  URL_A,
  world,
  type Scene,
  type World,
} from './world.ts'

const ETAG: Fields = [['ETag', '"1"']]

function file(text: string, cacheControl: string, fields: Fields = []): Reply {
  const described: Fields = [
    ['Content-Length', String(text.length)],
    ['Cache-Control', cacheControl],
  ]
  return { status: 200, fields: [...described, ...fields], body: text }
}

function notModified(fields: Fields = []): Reply {
  return { status: 304, fields: [...ETAG, ...fields] }
}

/** A node whose origin server gives these answers one after the other; each with the `Date` of its moment. */
function answering(replies: readonly (Reply | Answering)[], scene: Partial<Scene> = {}): World {
  const node: World = world({
    rule: { share: false },
    origin: async (request, n) => {
      const reply = replies[n - 1]
      if (reply === undefined) throw new Fault('UNREACHABLE', `nobody expected request ${n}`)
      const told = await (typeof reply === 'function' ? reply(request, n) : reply)
      return { ...told, fields: node.dated(told.fields) }
    },
    ...scene,
  })
  return node
}

/** The first request, after which the response is stored. */
async function stored(replies: readonly (Reply | Answering)[], scene?: Partial<Scene>): Promise<World> {
  const node = answering(replies, scene)
  assert.equal((await node.get()).status, 200)
  await node.pass(1500)
  assert.equal(node.store.lookup(A).length, 1)
  return node
}

/** Whatever is read of the store is damaged from now on: noticing it removes the response. */
function damage({ store }: World): void {
  store.read = (response: StoredResponse) => ({
    async *[Symbol.asyncIterator]() {
      store.remove(response.uri)
      yield* [] as Uint8Array[]
      throw new Fault('STORE_CORRUPT', 'the body is damaged')
    },
  })
}

const STALE = 'max-age=0'
const FRESH = 'max-age=60'
const NO_CACHE: Fields = [['Cache-Control', 'no-cache']]

describe('a stored response', () => {
  test('that is fresh is a hit, with its age, and nobody is asked', async () => {
    const node = await stored([file('x', FRESH)])
    const given = await node.get()
    assert.deepEqual([given.how, given.text, field(given, 'age')], ['hit', 'x', '1'])
    assert.equal(node.origin.requests.length, 1)
  })

  test('answers HEAD, ranges and conditions', async () => {
    const node = await stored([file('hello', FRESH, ETAG)])
    const head = await node.get([], { method: 'HEAD' })
    assert.deepEqual([head.status, head.text, field(head, 'content-length')], [200, '', '5'])
    const part = await node.get([['Range', 'bytes=1-2']])
    assert.deepEqual([part.status, part.text, field(part, 'content-range')], [206, 'el', 'bytes 1-2/5'])
    const same = await node.get([['If-None-Match', '"1"']])
    assert.deepEqual([same.status, same.text, node.origin.requests.length], [304, '', 1])
  })

  test('of nothing is answered whole where its last bytes are asked for', async () => {
    const node = await stored([file('', FRESH, ETAG)])
    const last = await node.get([['Range', 'bytes=-5']])
    assert.deepEqual([last.status, last.how, field(last, 'content-length')], [200, 'hit', '0'])
    assert.equal((await node.get([['Range', 'bytes=0-']])).status, 416)
  })

  test('whose body turns out damaged is fetched again at once', async () => {
    const node = await stored([file('x', FRESH), file('y', FRESH)])
    damage(node)
    const given = await node.get()
    assert.deepEqual([given.status, given.text, given.how, given.error], [200, 'y', 'internet', undefined])
  })
})

describe('validating a stale response', () => {
  test('asks by its validator alone; a 304 makes it fresh again', async () => {
    const node = await stored([file('x', STALE, ETAG), notModified([['Cache-Control', FRESH]])])
    const given = await node.get()
    assert.deepEqual([given.status, given.how, given.text], [200, 'validated', 'x'])
    const ttlMs = 59_500
    const asked = { kind: 'forward', reason: 'stale', status: 304, detail: 'validated' }
    assert.deepEqual({ ...given.cacheStatus, ttlMs }, { ...asked, ttlMs })
    assert.deepEqual(node.origin.requests[1]?.fields, [['If-None-Match', '"1"']])
    assert.equal((await node.get()).how, 'hit')
    assert.deepEqual([node.origin.openBodies, node.retrievals.all().length], [0, 0])
  })

  test('is done with the application’s own condition answered from what was renewed', async () => {
    const node = await stored([file('x', STALE, ETAG), notModified([['Cache-Control', FRESH]])])
    const given = await node.get([['If-None-Match', '"0", "1"']])
    assert.deepEqual([given.status, given.how, given.text], [304, 'validated', ''])
    assert.deepEqual(node.origin.requests[1]?.fields, [['If-None-Match', '"1"']])
  })

  test('is dated by when it was confirmed, where the origin server has no clock (RFC 9110 6.6.1)', async () => {
    for (const [fields, seconds] of [
      [[], 61],
      [[['Range', 'bytes=0-1']] as Fields, 61],
    ] as const) {
      const node: World = world({
        rule: { share: false },
        origin: (_, n) => (n === 1 ? file('abc', 'max-age=60', ETAG) : notModified()),
      })
      const date = async () => Date.parse(field(await node.get(fields), 'date') ?? '')
      await node.get()
      const came = await date()
      node.clock.advance(seconds * 1000)
      const confirmed = await date()
      assert.equal(confirmed - came, seconds * 1000)
      node.clock.advance(5_000)
      assert.equal(await date(), confirmed)
    }
  })

  test('fetches the file when the 304 is about another one: no application asked for that', async () => {
    const other: Reply = { status: 304, fields: [['ETag', '"2"']] }
    const node = await stored([file('x', STALE, ETAG), other, file('y', FRESH, [['ETag', '"2"']])])
    const given = await node.get()
    assert.deepEqual([given.status, given.text], [200, 'y'])
    assert.equal(hasField(node.origin.requests[2]?.fields ?? [], 'if-none-match'), false)
  })

  test('tells how long the origin server took: the new age begins when it was asked (RFC 9111 4.2.3)', async () => {
    const node: World = await stored([
      file('x', STALE, ETAG),
      () => {
        node.clock.advance(3000)
        return notModified([['Cache-Control', FRESH]])
      },
    ])
    assert.equal(field(await node.get(), 'age'), '3')
  })

  test('takes the new response where the origin server has one', async () => {
    const node = await stored([file('x', STALE, ETAG), file('y', FRESH, [['ETag', '"2"']])])
    const given = await node.get()
    assert.deepEqual([given.text, given.how], ['y', 'internet'])
    await node.settle()
    assert.deepEqual(await storedTexts(node), ['y'])
  })

  test('on behalf of a request whose response is not to be stored leaves it as it was (RFC 9111 5.2.1.5)', async () => {
    const node = await stored([file('x', STALE, ETAG), notModified([['Cache-Control', FRESH]])])
    const before = node.store.lookup(A)
    const given = await node.get([['Cache-Control', 'no-store']])
    assert.deepEqual([given.status, given.how, given.text], [200, 'validated', 'x'])
    await node.settle()
    assert.deepEqual(
      node.store.lookup(A).map(({ id, fields }) => ({ id, fields })),
      before.map(({ id, fields }) => ({ id, fields })),
    )
  })

  test('of one that was removed meanwhile gives the application the file all the same', async () => {
    const node: World = await stored([
      file('x', STALE, ETAG),
      () => {
        node.store.remove(A)
        return notModified()
      },
      file('y', FRESH),
    ])
    const given = await node.get()
    assert.deepEqual([given.status, given.text, given.error], [200, 'y', undefined])
    assert.equal(hasField(node.origin.requests[2]?.fields ?? [], 'if-none-match'), false)
  })

  test('of one that was replaced meanwhile does not renew the one that is gone', async () => {
    const node: World = await stored([
      file('x', STALE, ETAG),
      async () => {
        const copy = await node.store.create(1)
        copy.setSize(1)
        await copy.write(0, Buffer.from('n'))
        const [old] = node.store.lookup(A)
        assert.ok(old)
        await node.store.commit(copy, { ...old, fields: [['ETag', '"new"']] })
        return notModified([['Cache-Control', FRESH]])
      },
      file('y', FRESH),
    ])
    const given = await node.get()
    assert.deepEqual([given.status, given.text.length, given.error], [200, 1, undefined])
    await node.settle()
    for (const { fields } of node.store.lookup(A)) assert.notEqual(fieldValue(fields, 'etag'), '"1"')
  })

  test('whose body turns out damaged after the 304 fetches it again', async () => {
    const node = await stored([
      file('x', STALE, ETAG),
      notModified([['Cache-Control', FRESH]]),
      file('y', FRESH),
    ])
    damage(node)
    const given = await node.get()
    assert.deepEqual([given.status, given.text, given.error], [200, 'y', undefined])
  })

  test('keeps a field that no-cache="…" names, for the next validation', async () => {
    const cacheControl = 'max-age=0, no-cache="X-Foo"'
    const node = await stored([
      file('x', cacheControl, [...ETAG, ['X-Foo', 'kept']]),
      notModified([['Cache-Control', cacheControl]]),
    ])
    await node.get()
    assert.equal(fieldValue(node.store.lookup(A)[0]?.fields ?? [], 'x-foo'), 'kept')
  })

  for (const cacheControl of ['no-store', 'private'])
    test(`delivers it once more, and keeps it no longer, when the 304 says ${cacheControl}`, async () => {
      const node = await stored([file('x', STALE, ETAG), notModified([['Cache-Control', cacheControl]])], {
        rule: { share: true },
      })
      assert.equal(node.store.lookup(A)[0]?.shareable, true)
      const given = await node.get()
      assert.deepEqual([given.status, given.text], [200, 'x'])
      await node.settle()
      assert.deepEqual([node.store.lookup(A), node.lan.locate(URL_A).kind], [[], 'absent'])
    })

  test('does not ask by validators that a peer has said', async () => {
    const invented: Fields = [
      ['ETag', '"chosen-by-the-peer"'],
      ['Last-Modified', 'Mon, 13 Nov 2023 00:00:00 GMT'],
    ]
    const node = answering([file('new', FRESH)], {
      rule: { share: true, immutable: true },
      expectation: digestOf('old'),
      offers: [offer(3)],
      peers: () => file('old', FRESH, invented),
    })
    assert.equal((await node.get()).how, 'peer')
    await node.pass(1500)
    const given = await node.get(NO_CACHE)
    assert.deepEqual([given.text, given.how], ['new', 'internet'])
    assert.doesNotMatch(JSON.stringify(node.origin.requests), /chosen-by-the-peer|13 Nov 2023/)
  })
})

describe('a response of another status', () => {
  test('is stored for as long as it is fresh: a file that is not there', async () => {
    const gone: Reply = { status: 404, fields: [['Cache-Control', 'max-age=2']], body: 'gone' }
    const node = answering([gone, file('here', FRESH)])
    const first = await node.get()
    assert.deepEqual([first.status, first.text], [404, 'gone'])
    await node.pass(1000)
    const second = await node.get()
    assert.deepEqual([second.status, second.text, second.how], [404, 'gone', 'hit'])
    await node.pass(1000)
    assert.deepEqual([(await node.get()).text, node.origin.requests.length], ['here', 2])
  })

  test('without content is stored and sent without any', async () => {
    const node = answering([{ status: 204, fields: [['Cache-Control', FRESH]] }])
    assert.equal((await node.get()).status, 204)
    await node.settle()
    const given = await node.get()
    assert.deepEqual([given.status, given.how, given.text], [204, 'hit', ''])
    assert.deepEqual([hasField(given.fields, 'content-length'), given.error], [false, undefined])
  })

  test('is nothing that peers are asked about, told of, or silenced by', async () => {
    const node = answering([{ status: 404, fields: [['Cache-Control', 'max-age=1']], body: 'gone' }], {
      rule: { share: true, immutable: true, verify: 'updater' },
      expectation: BY_UPDATER,
      offers: [],
    })
    assert.equal((await node.get()).status, 404)
    await node.pass(1500)
    assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
    assert.equal(node.inquiries.length, 1)
    await node.get().catch(() => {})
    assert.equal(node.inquiries.length, 2)
  })

  test('takes a stored file’s place only where that may not stand in', async () => {
    const busy: Reply = { status: 503, fields: [['Cache-Control', FRESH]], body: 'busy' }
    const node = await stored([file('x', 'max-age=0, stale-if-error=60'), busy])
    const given = await node.get()
    assert.deepEqual([given.status, given.text], [200, 'x'])
    assert.match(JSON.stringify(given.cacheStatus), /"status":503,"detail":"stale-if-error"/)
  })
})

describe('stale-while-revalidate', () => {
  const cacheControl = 'max-age=0, stale-while-revalidate=60'

  test('serves at once what is stored, and renews it for the next one', async () => {
    const answered = Promise.withResolvers<Reply>()
    const node = await stored([file('x', cacheControl, ETAG), () => answered.promise])
    const given = await node.get()
    assert.deepEqual([given.text, given.how], ['x', 'hit'])
    answered.resolve(file('y', FRESH))
    await node.settle()
    assert.deepEqual([await storedTexts(node), (await node.get()).text], [['y'], 'y'])
    assert.equal(node.origin.requests.length, 2)
  })

  test('renews the whole for an application that asked for a part', async () => {
    const node = await stored([file('first', cacheControl, ETAG), file('second', FRESH)])
    const given = await node.get([['Range', 'bytes=0-1']])
    assert.deepEqual([given.status, given.text], [206, 'fi'])
    await node.settle()
    assert.deepEqual(await storedTexts(node), ['second'])
    assert.equal((await node.get([['Range', 'bytes=0-1']])).text, 'se')
    assert.equal(node.origin.requests.length, 2)
  })

  test('keeps a field that no-cache="…" names', async () => {
    const qualified = `${cacheControl}, no-cache="X-Foo"`
    const node = await stored([
      file('x', qualified, [...ETAG, ['X-Foo', 'kept']]),
      notModified([['Cache-Control', qualified]]),
    ])
    await node.get()
    await node.settle()
    assert.equal(node.origin.requests.length, 2)
    assert.equal(fieldValue(node.store.lookup(A)[0]?.fields ?? [], 'x-foo'), 'kept')
  })

  for (const [name, reply] of [
    ['a response that is not to be stored', file('large', 'no-store')],
    ['an error', { status: 500, fields: [], body: 'sorry' }],
    [
      'a response that never ends',
      { status: 200, fields: [['Cache-Control', 'no-store']], body: new Flow().push('a') },
    ],
  ] as [string, Reply][])
    test(`gives up the body of ${name}`, async () => {
      const node = await stored([file('x', cacheControl, ETAG), reply])
      await node.get()
      await node.pass(100)
      assert.equal(node.origin.requests.length, 2)
      assert.deepEqual([node.origin.openBodies, node.growingBytes(), node.retrievals.all().length], [0, 0, 0])
    })

  for (const [name, reply, texts] of [
    ['is gone', { status: 410, fields: [['Cache-Control', 'no-store']], body: 'gone' }, []],
    ['may not be had any more', { status: 403, fields: [], body: 'no' }, []],
    ['is for one alone', file('mine', 'private'), []],
    ['cannot be had at present', { status: 503, fields: [], body: 'busy' }, ['x']],
    ['was asked for too often', { status: 429, fields: [], body: 'later' }, ['x']],
  ] as [string, Reply, string[]][])
    test(`${texts.length === 0 ? 'drops' : 'keeps'} what the origin server says ${name} (RFC 9111 4.3.3)`, async () => {
      const node = await stored([file('x', cacheControl, ETAG), reply])
      assert.equal((await node.get()).text, 'x')
      await node.pass(100)
      assert.deepEqual(await storedTexts(node), texts)
    })

  test('stores a new response whole, however large', async () => {
    const large = 'y'.repeat(5_000_000)
    const node = await stored([file('x', cacheControl, ETAG), file(large, FRESH)])
    await node.get()
    await node.pass(100)
    const [text] = await storedTexts(node)
    assert.equal(text?.length, large.length)
  })

  test('is asked once, however many applications come meanwhile', async () => {
    const answered = Promise.withResolvers<Reply>()
    const node = await stored([file('x', cacheControl, ETAG), () => answered.promise])
    for (let n = 0; n < 5; n++) assert.equal((await node.get()).how, 'hit')
    answered.resolve(notModified())
    await node.settle()
    assert.equal(node.origin.requests.length, 2)
  })
})

describe('stale-if-error', () => {
  const cacheControl = 'max-age=0, stale-if-error=60'
  const failures: [string, Answering][] = [
    ['says 503', () => ({ status: 503, fields: [['Content-Length', '4']], body: 'busy' })],
    [
      'cannot be reached',
      () => {
        throw new Fault('UNREACHABLE', 'no way')
      },
    ],
  ]
  for (const [name, failing] of failures) {
    test(`lets the stored response stand in when the origin server ${name}`, async () => {
      const node = await stored([file('x', cacheControl, ETAG), failing])
      const given = await node.get()
      assert.deepEqual([given.status, given.text], [200, 'x'])
      assert.equal(node.origin.openBodies, 0)
    })

    test(`lets it stand in also behind a 304 about something else: the origin server ${name}`, async () => {
      const other: Reply = { status: 304, fields: [['ETag', '"other"']] }
      const node = await stored([file('x', cacheControl, ETAG), other, failing])
      const given = await node.get()
      assert.deepEqual([given.status, given.text, node.origin.requests.length], [200, 'x', 3])
    })

    test(`no longer does so after its time: the origin server ${name}`, async () => {
      const node = await stored([file('x', cacheControl, ETAG), failing])
      node.clock.advance(60_000)
      const status = await node.get().then(
        (given) => given.status,
        (error: unknown) => (error as Fault).code,
      )
      assert.ok(status === 503 || status === 'UNREACHABLE')
    })
  }

  test('does not hide that a file is gone', async () => {
    const node = await stored([file('x', cacheControl, ETAG), { status: 404, fields: [], body: 'gone' }])
    assert.deepEqual((await node.get()).status, 404)
  })

  test('does not hide a body that is damaged as well', async () => {
    const node = await stored([file('x', cacheControl, ETAG)])
    damage(node)
    await assert.rejects(node.get())
  })
})

describe('an origin server that cannot be reached', () => {
  const away: Answering = () => {
    throw new Fault('CONNECT_REFUSED', 'nobody listens')
  }

  test('leaves what is stored to stand in, with a validator or without, for GET and HEAD', async () => {
    for (const fields of [ETAG, []]) {
      const node = await stored([file('x', STALE, fields), away, away])
      const given = await node.get()
      assert.deepEqual([given.status, given.text], [200, 'x'])
      assert.match(JSON.stringify(given.cacheStatus), /"reason":"stale","detail":"unreachable","ttlMs":-1500/)
      assert.equal((await node.get([], { method: 'HEAD' })).status, 200)
    }
  })

  test('is told of where nothing stale may be sent, and where the fault is another’s', async () => {
    for (const strict of ['max-age=0, must-revalidate', 'max-age=0, no-cache', 's-maxage=0']) {
      const node = await stored([file('x', strict, ETAG), away])
      await assert.rejects(node.get(), { code: 'CONNECT_REFUSED' })
    }
    const refused: Answering = () => {
      throw new Fault('FORBIDDEN_TARGET', 'not there')
    }
    const node = await stored([file('x', STALE, ETAG), refused])
    await assert.rejects(node.get(), { code: 'FORBIDDEN_TARGET' })
  })
})

describe('only-if-cached', () => {
  const asked: Fields = [['Cache-Control', 'only-if-cached']]

  test('is answered with 504 where nothing is stored, and nobody is asked', async () => {
    const node = answering([], { rule: { share: true }, expectation: BY_UPDATER, offers: [offer(1)] })
    const given = await node.get(asked)
    assert.deepEqual([given.status, given.text, node.origin.requests.length], [504, '', 0])
    assert.equal(node.inquiries.length, 0)
  })

  test('is answered from the store', async () => {
    const node = await stored([file('x', FRESH)])
    assert.deepEqual([(await node.get(asked)).text, node.origin.requests.length], ['x', 1])
  })

  test('is answered with 504 where what is stored would have to be validated', async () => {
    const node = await stored([file('x', STALE, ETAG)])
    assert.deepEqual([(await node.get(asked)).status, node.origin.requests.length], [504, 1])
  })
})

describe('HEAD', () => {
  test('of what is not here asks the origin server; the LAN is not asked and nothing is stored', async () => {
    const node = answering([{ status: 200, fields: [['Content-Length', '5']] }], {
      rule: { share: true },
      expectation: BY_UPDATER,
      offers: [offer(5)],
    })
    const given = await node.get([], { method: 'HEAD' })
    assert.deepEqual([given.status, given.text, field(given, 'content-length')], [200, '', '5'])
    assert.deepEqual([node.origin.requests[0]?.method, node.inquiries.length], ['HEAD', 0])
    assert.deepEqual(node.store.lookup(A), [])
  })

  test('updates what is stored when nothing says that it is another (RFC 9111 4.3.5)', async () => {
    const head: Reply = { status: 200, fields: [...ETAG, ['Content-Length', '1'], ['Cache-Control', FRESH]] }
    const node = await stored([file('x', STALE, ETAG), head])
    await node.get([], { method: 'HEAD' })
    const given = await node.get()
    assert.deepEqual([given.text, given.how, node.origin.requests.length], ['x', 'hit', 2])
  })

  for (const [what, fields] of [
    ['entity tag', [['ETag', '"2"']]],
    ['length', [['Content-Length', '2']]],
  ] satisfies [string, Fields][])
    test(`removes what is stored when it tells of another ${what}`, async () => {
      const node = await stored([file('x', STALE, ETAG), { status: 200, fields }, file('yy', FRESH)])
      await node.get([], { method: 'HEAD' })
      assert.deepEqual([node.store.lookup(A), (await node.get()).text], [[], 'yy'])
    })

  test('leaves alone what another request would select, and what never changes', async () => {
    const another: Reply = { status: 200, fields: [['ETag', '"2"']] }
    const varied = await stored([file('x', STALE, [...ETAG, ['Vary', 'Accept']]), another])
    await varied.get([['Accept', 'text/html']], { method: 'HEAD' })
    assert.equal(varied.store.lookup(A).length, 1)
    const immutable = await stored([file('x', STALE, ETAG), another], { rule: { immutable: true } })
    await immutable.get(NO_CACHE, { method: 'HEAD' })
    assert.equal(immutable.store.lookup(A).length, 1)
  })

  test('of what is stale asks the origin server', async () => {
    const node = await stored([file('x', STALE, ETAG), { status: 200, fields: [['Content-Length', '9']] }])
    const given = await node.get([], { method: 'HEAD' })
    assert.deepEqual([field(given, 'content-length'), node.origin.requests[1]?.method], ['9', 'HEAD'])
  })
})

describe('a copy of which only the application can tell (V5)', () => {
  const scene: Partial<Scene> = {
    rule: { share: true, verify: 'updater', immutable: true },
    expectation: BY_UPDATER,
    offers: [offer(3)],
    peers: () => file('bad', FRESH),
  }
  const from = async (node: World, client: string) => {
    const { how, text } = await node.get([], { client })
    await node.settle()
    return [how, text]
  }

  test('is asked of the origin server when its application comes back, and the peer is shunned', async () => {
    const node = answering([file('good', FRESH)], scene)
    assert.deepEqual(await from(node, 'one'), ['peer', 'bad'])
    assert.deepEqual(shunned(node), [])
    assert.deepEqual(await from(node, 'one'), ['internet', 'good'])
    assert.deepEqual(shunned(node), [[PEER, 'asked-again']])
    // From then on it is an ordinary hit, and no complaint.
    assert.deepEqual(await from(node, 'one'), ['hit', 'good'])
    assert.equal(shunned(node).length, 1)
  })

  test('is a hit for others; their first request is no complaint', async () => {
    const node = answering([], scene)
    await from(node, 'one')
    assert.deepEqual(await from(node, 'two'), ['hit', 'bad'])
    assert.deepEqual(await from(node, 'three'), ['hit', 'bad'])
    assert.deepEqual(shunned(node), [])
  })

  test('that was a hit for an application is asked of the origin server when that one comes back', async () => {
    const node = answering([file('good', FRESH)], scene)
    await from(node, 'one')
    assert.deepEqual(await from(node, 'two'), ['hit', 'bad'])
    assert.deepEqual(await from(node, 'two'), ['internet', 'good'])
    assert.deepEqual(shunned(node), [[PEER, 'asked-again']])
  })

  test('is trusted when nobody has come back for ten minutes', async () => {
    const node = answering([], scene)
    await from(node, 'one')
    node.clock.advance(RETRY_WINDOW_MS)
    assert.deepEqual(await from(node, 'one'), ['hit', 'bad'])
    assert.deepEqual(shunned(node), [])
  })

  test('that its application asks for in parts, or only after changes, is not complained about', async () => {
    const node = answering([], scene)
    await from(node, 'one')
    for (const fields of [[['Range', 'bytes=1-']], [['If-None-Match', '"x"']]] as Fields[])
      assert.equal((await node.get(fields, { client: 'one' })).how, 'hit')
    assert.equal((await node.get([], { client: 'one', method: 'HEAD' })).how, 'hit')
    assert.deepEqual(shunned(node), [])
  })

  test('goes to everybody who joined its retrieval, and each of them may complain', async () => {
    const body = new Flow()
    const node = answering([file('good', FRESH)], {
      ...scene,
      peers: () => ({ status: 200, fields: [['Content-Length', '3']], body }),
    })
    const asked = ['one', 'two'].map((client) => node.ask([], { client }))
    await node.within(Promise.all(asked.map(({ resource }) => resource)))
    body.push('bad').end()
    for (const each of asked) assert.equal((await node.read(each)).text, 'bad')
    await node.settle()
    assert.deepEqual(await from(node, 'two'), ['internet', 'good'])
    assert.deepEqual(shunned(node), [[PEER, 'asked-again']])
  })

  test('is read again by the program itself as often as it likes: nobody complains, and nobody is shunned', async () => {
    const node = answering([file('good', FRESH)], scene)
    const ahead = async () => {
      const { how, text } = await node.get([], { client: undefined })
      await node.settle()
      return [how, text]
    }
    assert.deepEqual(await ahead(), ['peer', 'bad'])
    assert.deepEqual(await ahead(), ['hit', 'bad'])
    assert.deepEqual(await ahead(), ['hit', 'bad'])
    assert.deepEqual(shunned(node), [])
    // Whoever judges may still complain.
    assert.deepEqual(await from(node, 'one'), ['hit', 'bad'])
    assert.deepEqual(await from(node, 'one'), ['internet', 'good'])
    assert.deepEqual(shunned(node), [[PEER, 'asked-again']])
  })

  test('is the fault of the peer that it came from, not of another', async () => {
    const other = '127.0.0.7' as Address
    const node = answering([file('good', FRESH)], { ...scene, offers: [offer(3, other)] })
    await from(node, 'one')
    await from(node, 'one')
    assert.deepEqual(shunned(node), [[other, 'asked-again']])
  })
})

describe('a request', () => {
  for (const [name, expectation] of [
    ['there is no proof', { kind: 'none', rung: 'V6' }],
    ['the proof cannot be looked up', new Error('the index is broken')],
  ] as [string, Expectation | Error][])
    test(`is answered by the origin server, whatever peers offer, when ${name}`, async () => {
      const scene = { rule: { share: true }, expectation, offers: [offer(1)], peers: () => file('p', FRESH) }
      const node = answering([file('x', FRESH)], scene)
      const given = await node.get()
      assert.deepEqual([given.how, given.text, node.peers.requests.length], ['internet', 'x', 0])
    })

  test('that nobody can answer fails with the origin server’s fault, and its end is told', async () => {
    const node = answering([])
    await assert.rejects(node.get(), { code: 'UNREACHABLE' })
    assert.deepEqual([ended(node).length, node.retrievals.all().length, node.growingBytes()], [1, 0, 0])
  })

  test('goes to the origin server under the name that the application wrote', async () => {
    const node = answering([file('x', FRESH)])
    await node.get([], { url: `${URL_A}/%7euser?q=%2f` })
    assert.equal(node.origin.requests[0]?.uri, `${URL_A}/%7euser?q=%2f`)
  })

  test('that forbids what is stored is not answered with it', async () => {
    const node = await stored([file('x', FRESH, ETAG), notModified()])
    assert.equal((await node.get(NO_CACHE)).how, 'validated')
  })
})
