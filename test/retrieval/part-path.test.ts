import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cacheStatus, type CacheStatusEntry } from '../../cache/semantics/cache-status.ts'
import { memoryStore } from '../../cache/memory-store.ts'
import { Fault } from '../../core/fault.ts'
import { fieldValue, withoutFields, type Fields } from '../../core/fields.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { MAX_RESUMPTIONS } from '../../retrieval/copy-use.ts'
import { MOST_WAITS } from '../../retrieval/lost-line.ts'
import { NEXT_PART_MS } from '../../retrieval/readers.ts'
import { distinctBytes, RangedOrigin, type RangedFile } from './ranged-origin.ts'
import { Flow, type Reply } from './upstreams.ts'
import {
  A,
  digestOf,
  download,
  ended,
  field,
  offer,
  sha256,
  shunned,
  storedTexts,
  world,
  type Given,
  type Scene,
  type World,
} from './world.ts'

const MB = 1_000_000
const BYTES = distinctBytes(20 * MB)
const V1: Fields = [['ETag', '"v1"']]

interface Setting {
  readonly node: World
  readonly origin: RangedOrigin
}

function setting(file: Partial<RangedFile> = {}, scene: Partial<Scene> = {}): Setting {
  const origin = new RangedOrigin({ body: BYTES, fields: V1, ...file })
  return { origin, node: world({ rule: { share: false }, origin: origin.answer, ...scene }) }
}

const answering = (reply: (request: UpstreamRequest, n: number) => Reply): World =>
  world({ rule: { share: false }, origin: reply })

/** A request for the bytes from `start` up to, not including, `end`. */
function range(start: number, end: number | '', more: Fields = []): Fields {
  return [['Range', `bytes=${start}-${end === '' ? '' : end - 1}`], ...more]
}

function text(start: number, end?: number, body: Uint8Array = BYTES): string {
  return Buffer.from(body.subarray(start, end)).toString('latin1')
}

function isRight(given: Given, start: number, end: number = BYTES.length): void {
  assert.deepEqual([given.status, given.error], [206, undefined])
  assert.equal(field(given, 'content-range'), `bytes ${start}-${end - 1}/${BYTES.length}`)
  assert.equal(field(given, 'content-length'), String(end - start))
  assert.ok(given.text === text(start, end), 'other bytes were delivered')
}

/** What `Cache-Status` says. */
async function statusOf(node: World, fields: Fields): Promise<string> {
  const application = node.ask(fields)
  const { trace } = await node.within(application.resource)
  await node.read(application)
  return cacheStatus({ ...trace.cacheStatus, detail: '' }).replace('; detail=""', '')
}

describe('ranges of a file that is not here (T3)', () => {
  test('are fetched alone, kept, and completed by what is missing when the whole is wanted', async () => {
    const { node, origin } = setting()
    for (const start of [0, 0, 8 * MB, 8 * MB])
      isRight(await node.get(range(start, start + MB)), start, start + MB)
    assert.deepEqual([origin.sent, origin.asked.length], [2 * MB, 2])
    const whole = await node.get()
    assert.deepEqual([whole.status, whole.text === text(0)], [200, true])
    await node.settle()
    assert.deepEqual(origin.asked.slice(2), ['bytes=1000000-7999999', 'bytes=9000000-'])
    assert.equal(origin.sent, 20 * MB)
    assert.deepEqual(node.store.lookup(A)[0]?.digest, sha256(BYTES))
    assert.deepEqual(
      [node.growingBytes(), node.store.usage().partialBytes, node.origin.openBodies],
      [0, 0, 0],
    )
    const bytes = ended(node).reduce((sum, report) => sum + report.bytes.internet, 0)
    assert.equal(bytes, 20 * MB, 'the books do not add up')
  })

  test('are as well served where no peer is known, and the whole after them', async () => {
    const { origin } = setting()
    const node: World = world({ isAlone: true, origin: (request) => origin.reply(request) })
    isRight(await node.get(range(0, MB)), 0, MB)
    const whole = await node.get()
    assert.deepEqual([whole.status, whole.error, whole.text === text(0)], [200, undefined, true])
    assert.equal(origin.sent, 20 * MB)
    assert.deepEqual(node.retrievals.all(), [])
    const states = node.inquiries.map(({ state }) => state)
    assert.deepEqual(
      states.filter((state) => state !== 'done' && state !== 'failed'),
      [],
      'a question stays open',
    )
  })

  test('are not kept when the resource is changed on their way to the partial copies (RFC 9111 4.4)', async () => {
    for (const isChanged of [false, true]) {
      const { node } = setting()
      const shelve = node.store.shelve.bind(node.store)
      node.store.shelve = (...copy) => {
        if (isChanged) {
          node.retrievals.outdate(A)
          node.store.remove(A)
        }
        return shelve(...copy)
      }
      isRight(await node.get(range(0, MB)), 0, MB)
      await node.pass(NEXT_PART_MS)
      assert.equal(node.store.usage().bytes, isChanged ? 0 : MB)
    }
  })

  test('say what happened: a miss, a part of it here, all of it here', async () => {
    const { node } = setting()
    assert.equal(await statusOf(node, range(0, MB)), 'ihave; fwd=uri-miss; fwd-status=206; stored')
    assert.equal(await statusOf(node, range(0, 2 * MB)), 'ihave; fwd=partial; fwd-status=206; stored')
    assert.match(await statusOf(node, range(500, 2 * MB)), /^ihave; hit; ttl=\d+$/)
    assert.equal(await statusOf(node, []), 'ihave; fwd=partial; fwd-status=206; stored')
    await node.settle()
    assert.match(await statusOf(node, []), /^ihave; hit; ttl=\d+$/)
  })

  test('say what the origin server sent, which need not be what the application is sent (RFC 9211 2.3)', async () => {
    const { node } = setting()
    await node.get(range(0, MB))
    const whole = range(0, MB, [['If-Range', '"v0"']])
    assert.equal(await statusOf(node, whole), 'ihave; fwd=partial; fwd-status=206; stored')
    const rangeless = answering(() => ({ status: 200, fields: V1, body: BYTES.subarray(0, MB) }))
    assert.match(await statusOf(rangeless, range(0, 100)), /^ihave; fwd=uri-miss; fwd-status=200/)
  })

  test('say why the origin server was asked for what is here (RFC 9211 2.2)', async () => {
    const { node, origin } = setting()
    await node.get(range(0, MB))
    for (const wish of ['no-cache', 'max-age=0']) {
      const asked = range(0, 100, [['Cache-Control', wish]])
      assert.equal(await statusOf(node, asked), 'ihave; fwd=request; fwd-status=304')
    }
    node.clock.advance(61_000)
    assert.equal(await statusOf(node, range(0, 100)), 'ihave; fwd=stale; fwd-status=304')
    node.clock.advance(61_000)
    origin.file.fields = [['ETag', '"v2"']]
    assert.equal(await statusOf(node, range(0, 100)), 'ihave; fwd=stale; fwd-status=206; stored')
    origin.file.fields = [['ETag', '"v3"']]
    assert.equal(await statusOf(node, range(0, 200)), 'ihave; fwd=partial; fwd-status=206; stored')
    node.clock.advance(61_000)
    origin.file.fields = [['ETag', '"v4"']]
    assert.equal(await statusOf(node, []), 'ihave; fwd=stale; fwd-status=200; stored')
  })

  test('from the end, open ones, and several at once', async () => {
    const { node, origin } = setting()
    isRight(await node.get([['Range', 'bytes=-1000']]), 20 * MB - 1000)
    isRight(await node.get([['Range', 'bytes=19999000-']]), 20 * MB - 1000)
    isRight(await node.get([['Range', 'bytes=-500']]), 20 * MB - 500)
    assert.equal(origin.sent, 1000)
    const several = await node.get([['Range', 'bytes=0-99,5000-5099,-100']])
    assert.equal(several.status, 206)
    assert.match(field(several, 'content-type') ?? '', /^multipart\/byteranges/)
    for (const part of [text(0, 100), text(5000, 5100), text(20 * MB - 100)])
      assert.ok(several.text.includes(part))
    assert.deepEqual([origin.sent, several.text.length], [1200, Number(field(several, 'content-length'))])
  })

  test('several at once, of a file of which nothing is known', async () => {
    const { node, origin } = setting()
    const several = await node.get([['Range', 'bytes=0-99, 5000-5099']])
    assert.equal(several.status, 206)
    assert.deepEqual([origin.asked, origin.sent], [['bytes=0-99', 'bytes=5000-5099'], 200])
  })

  test('that lie beyond its end are refused as the origin server does, and by what is here', async () => {
    const { node, origin } = setting()
    assert.equal((await node.get(range(21 * MB, ''))).status, 416)
    isRight(await node.get(range(0, 100)), 0, 100)
    const refused = await node.get(range(21 * MB, ''))
    assert.deepEqual([refused.status, field(refused, 'content-range')], [416, 'bytes */20000000'])
    assert.equal(origin.asked.length, 2)
  })

  test('complete it without anybody asking for the whole: games, BITS', async () => {
    const { node, origin } = setting()
    for (let start = 19 * MB; start >= 0; start -= MB)
      isRight(await node.get(range(start, start + MB)), start, start + MB)
    await node.settle()
    assert.deepEqual([origin.sent, node.store.lookup(A)[0]?.digest], [20 * MB, sha256(BYTES)])
    assert.equal((await node.get()).how, 'hit')
  })

  test('asked for at the same time by twenty, in any order, cost each byte once', async () => {
    const { node, origin } = setting()
    const order = Array.from({ length: 20 }, (_, n) => ((n * 7) % 20) * MB)
    const asked = order.map((start) => node.ask(range(start, start + MB)))
    for (const [n, application] of asked.entries())
      isRight(await node.read(application), order[n] ?? 0, (order[n] ?? 0) + MB)
    await node.settle()
    assert.deepEqual([origin.sent, node.store.lookup(A)[0]?.digest], [20 * MB, sha256(BYTES)])
  })

  test('that overlap at the same time cost each byte once', async () => {
    const { node, origin } = setting()
    const one = node.ask(range(0, MB))
    const other = node.ask(range(MB / 2, 1.5 * MB))
    isRight(await node.read(one), 0, MB)
    const given = await node.read(other)
    isRight(given, MB / 2, 1.5 * MB)
    assert.deepEqual([origin.sent, given.isCollapsed], [1.5 * MB, true])
  })

  test('answer HEAD and only-if-cached from what is here', async () => {
    const { node, origin } = setting()
    const cached: Fields = [['Cache-Control', 'only-if-cached']]
    assert.equal((await node.get(range(0, 100, cached))).status, 504)
    await node.get(range(0, 100))
    const head = await node.get([], { method: 'HEAD' })
    assert.deepEqual(
      [head.status, field(head, 'content-length'), field(head, 'etag')],
      [200, '20000000', '"v1"'],
    )
    isRight(await node.get(range(10, 90, cached)), 10, 90)
    assert.equal((await node.get(range(10, 101, cached))).status, 504)
    assert.equal((await node.get(cached)).status, 504)
    assert.equal(origin.asked.length, 1)
    assert.deepEqual([node.growingBytes(), node.store.usage().partialBytes], [0, 100])
  })
})

describe('HEAD for a file of which parts are here', () => {
  const NO_CACHE: Fields = [['Cache-Control', 'no-cache']]
  for (const [name, changed, isKept] of [
    ['says that it is the same: they stay', {}, true],
    ['says that it is another version: they go (RFC 9111 4.3.5)', { fields: [['ETag', '"v2"']] }, false],
    ['says that it is of another length: they go', { body: BYTES.subarray(0, MB) }, false],
  ] as [string, Partial<RangedFile>, boolean][])
    test(name, async () => {
      const { node, origin } = setting()
      await node.get(range(0, 100))
      Object.assign(origin.file, changed)
      await node.get(NO_CACHE, { method: 'HEAD' })
      assert.equal(node.store.partials(A).length, isKept ? 1 : 0)
      const { length } = node.origin.requests
      assert.equal((await node.get(range(0, 100))).how, isKept ? 'hit' : 'internet')
      assert.equal(node.origin.requests.length, isKept ? length : length + 1)
    })
})

describe('a file that was aborted (T4)', () => {
  test('is gone on with, and every byte came from the origin server once', async () => {
    const { origin } = setting()
    const first = new Flow().push(BYTES.subarray(0, 5 * MB))
    const node: World = world({
      rule: { share: false },
      origin: (request, n) => (n === 1 ? { ...origin.reply(request), body: first } : origin.reply(request)),
    })
    const application = node.ask()
    const { answer } = await node.within(application.resource)
    const chunks = answer.body?.[Symbol.asyncIterator]()
    await chunks?.next()
    application.leave()
    await chunks?.return?.()
    await node.settle()
    assert.equal(node.store.usage().partialBytes, 5 * MB)
    const again = await node.get()
    assert.deepEqual([again.text === text(0), again.error], [true, undefined])
    assert.deepEqual([origin.sent, origin.asked], [15 * MB, [undefined, 'bytes=5000000-']])
  })

  test('by its only reader is read on for those who came in between', async () => {
    const { origin } = setting()
    const body = new Flow().push(BYTES.subarray(0, MB))
    const node: World = world({
      rule: { share: false },
      origin: (request) => ({ ...origin.reply(request), body }),
    })
    const leader = node.ask()
    await node.within(leader.resource)
    const follower = node.ask(range(2 * MB, 3 * MB))
    await node.within(follower.resource)
    leader.leave()
    await node.settle()
    assert.equal(node.origin.openBodies, 1)
    body.push(BYTES.subarray(MB, 4 * MB))
    isRight(await node.read(follower), 2 * MB, 3 * MB)
    await node.settle()
    // Nobody wants the rest.
    assert.deepEqual([node.origin.openBodies, node.origin.requests.length], [0, 1])
    assert.equal(node.store.usage().partialBytes, 4 * MB)
  })

  test('that breaks off by itself is gone on with at the byte where it stopped', async () => {
    const { origin } = setting()
    const node: World = world({
      rule: { share: false },
      origin: (request, n) =>
        n === 1
          ? { ...origin.reply(request), body: new Flow().push(BYTES.subarray(0, MB)).breakOff() }
          : origin.reply(request),
    })
    const given = await node.get()
    assert.deepEqual(
      [given.text === text(0), given.error, origin.asked[1]],
      [true, undefined, 'bytes=1000000-'],
    )
  })

  test('that is the whole in place of a part is read once, past what is here', async () => {
    const { origin } = setting()
    // Two servers behind one name: one knows ranges, the other does not.
    const node: World = world({
      rule: { share: false },
      origin: (request, n) =>
        origin.reply(n <= 3 ? request : { ...request, fields: withoutFields(request.fields, ['range']) }),
    })
    for (const start of [0, 8 * MB]) isRight(await node.get(range(start, start + MB)), start, start + MB)
    const whole = await node.get()
    assert.deepEqual([whole.status, whole.error, whole.text === text(0)], [200, undefined, true])
    await node.settle()
    assert.deepEqual(origin.asked.slice(2), ['bytes=1000000-7999999', undefined])
    assert.equal(node.store.lookup(A)[0]?.digest, sha256(BYTES))
  })

  test('that breaks off again and again is cut in the end', async () => {
    const node: World = world({
      rule: { share: false },
      origin: ({ fields }) => {
        const from = Number(/=(\d+)-/.exec(fieldValue(fields, 'range') ?? '')?.[1] ?? 0)
        const part: Fields = [['Content-Range', `bytes ${from}-${20 * MB - 1}/${20 * MB}`]]
        const body = new Flow().push(BYTES.subarray(from, from + 1000)).breakOff()
        const head: Fields = [...V1, ['Cache-Control', 'max-age=60']]
        if (from > 0) return { status: 206, fields: [...head, ...part], body }
        return { status: 200, fields: [...head, ['Content-Length', String(20 * MB)]], body }
      },
    })
    const given = await node.get()
    assert.ok(given.error, 'it ended well')
    assert.equal(node.origin.requests.length, 1 + MAX_RESUMPTIONS + MOST_WAITS)
  })
})

describe('a reader that is far ahead', () => {
  test('of the whole under way gets its bytes at once, in the same copy', async () => {
    const { origin } = setting()
    const body = new Flow().push(BYTES.subarray(0, MB))
    const node: World = world({
      rule: { share: false },
      origin: (request, n) => (n === 1 ? { ...origin.reply(request), body } : origin.reply(request)),
    })
    const first = node.ask()
    await node.within(first.resource)
    isRight(await node.get(range(10 * MB, 12 * MB)), 10 * MB, 12 * MB)
    body
      .push(BYTES.subarray(MB, 10 * MB))
      .push(BYTES.subarray(10 * MB, 10 * MB + 5))
      .end()
    const whole = await node.read(first)
    assert.deepEqual([whole.text === text(0), whole.error], [true, undefined])
    // The first request ended where the second one's bytes are.
    assert.deepEqual(origin.asked, [undefined, 'bytes=10000000-11999999', 'bytes=12000000-'])
  })
})

describe('a file that changes between two ranges', () => {
  const NEW = distinctBytes(20 * MB, 1)
  for (const [name, before, after, size] of [
    ['another entity tag', V1, [['ETag', '"v2"']], 20 * MB],
    ['another size', V1, [['ETag', '"v2"']], 19 * MB],
    [
      'another date',
      [['Last-Modified', 'Mon, 13 Nov 2023 00:00:00 GMT']],
      [['Last-Modified', 'Tue, 14 Nov 2023 00:00:00 GMT']],
      20 * MB,
    ],
  ] as [string, Fields, Fields, number][])
    test(`is begun anew: ${name}`, async () => {
      const { node, origin } = setting({ fields: before })
      isRight(await node.get(range(0, MB)), 0, MB)
      origin.file.body = NEW.subarray(0, size)
      origin.file.fields = after
      const given = await node.get(range(MB, 2 * MB))
      assert.deepEqual([given.status, given.text === text(MB, 2 * MB, NEW)], [206, true])
      assert.equal(field(given, 'content-range'), `bytes 1000000-1999999/${size}`)
      const whole = await node.get()
      assert.deepEqual([whole.text === text(0, size, NEW), whole.error], [true, undefined])
      await node.settle()
      assert.deepEqual(
        node.store.lookup(A).map(({ digest }) => digest),
        [sha256(NEW.subarray(0, size))],
      )
      assert.deepEqual([node.growingBytes(), node.store.usage().partialBytes], [0, 0])
    })

  test('is cut for nobody who reads what came before', async () => {
    const { origin } = setting()
    const body = new Flow().push(BYTES.subarray(0, MB))
    const node: World = world({
      rule: { share: false },
      origin: (request, n) => (n === 1 ? { ...origin.reply(request), body } : origin.reply(request)),
    })
    const early = node.ask()
    await node.within(early.resource)
    await node.settle()
    origin.file.body = NEW
    origin.file.fields = [['ETag', '"v2"']]
    const late = await node.get(range(10 * MB, 11 * MB))
    assert.ok(late.text === text(10 * MB, 11 * MB, NEW))
    body.push(BYTES.subarray(MB)).end()
    const whole = await node.read(early)
    assert.deepEqual([whole.text === text(0), whole.error], [true, undefined])
    await node.settle()
    assert.deepEqual(node.store.lookup(A), [], 'the old version was stored')
  })

  test('and is asked for whole then comes as it is now', async () => {
    const { node, origin } = setting()
    isRight(await node.get(range(0, MB)), 0, MB)
    origin.file.body = NEW
    origin.file.fields = [['ETag', '"v2"']]
    const given = await node.get()
    assert.deepEqual([given.status, given.text === text(0, undefined, NEW)], [200, true])
  })

  test('is noticed when what is here is no longer fresh, although all that is asked for is here', async () => {
    const { node, origin } = setting()
    isRight(await node.get(range(0, MB)), 0, MB)
    node.clock.advance(61_000)
    const confirmed = await node.get(range(0, 100))
    isRight(confirmed, 0, 100)
    const told = { kind: 'forward', reason: 'stale', status: 304, detail: 'validated' }
    assert.deepEqual(confirmed.cacheStatus, told)
    assert.equal(origin.sent, MB, 'what is confirmed needs no bytes')
    node.clock.advance(61_000)
    origin.file.body = NEW
    origin.file.fields = [['ETag', '"v2"']]
    const given = await node.get(range(0, 100))
    assert.deepEqual([given.status, given.text === text(0, 100, NEW)], [206, true])
  })

  test('without any validator has no bytes joined to it, unless the rule says that it never changes', async () => {
    const { node, origin } = setting({ fields: [] })
    isRight(await node.get(range(0, MB)), 0, MB)
    origin.file.body = NEW
    const within = await node.get(range(0, MB / 2))
    assert.deepEqual([within.how, within.text === text(0, MB / 2)], ['hit', true])
    const given = await node.get(range(MB / 2, 2 * MB))
    assert.ok(given.text === text(MB / 2, 2 * MB, NEW))
    const fixed = setting({ fields: [] }, { rule: { share: false, immutable: true } })
    for (const start of [0, MB / 2])
      isRight(await fixed.node.get(range(start, start + MB)), start, start + MB)
    assert.equal(fixed.origin.sent, 1.5 * MB)
    fixed.origin.file.body = NEW.subarray(1)
    const other = await fixed.node.get(range(2 * MB, 3 * MB))
    assert.ok(other.text === text(2 * MB + 1, 3 * MB + 1, NEW), 'another size is another file')
  })

  for (const fields of [
    [['ETag', 'W/"v1"']],
    [
      ['ETag', 'W/"v1"'],
      ['Last-Modified', 'Mon, 13 Nov 2023 00:00:00 GMT'],
    ],
  ] as Fields[])
    test(`with a weak validator only has no bytes joined to it: ${JSON.stringify(fields)}`, async () => {
      const { node, origin } = setting({ fields })
      isRight(await node.get(range(0, MB)), 0, MB)
      origin.file.body = NEW
      const given = await node.get(range(0, 2 * MB))
      assert.ok(given.text === text(0, 2 * MB, NEW))
    })
})

describe('a part without any validator, when the whole is wanted', () => {
  const fresh: Fields = [['Cache-Control', 'max-age=3600']]
  const part = (value: string, body: string): Reply => ({
    status: 206,
    fields: [...fresh, ['Content-Range', value]],
    body,
  })
  const lastFive: Fields = [['Range', 'bytes=-5']]
  const rangesOf = ({ origin }: World) => origin.requests.map(({ fields }) => fieldValue(fields, 'range'))

  test('has the rest asked for, and an origin server that sends the whole is asked once', async () => {
    const node = answering((_, n) =>
      n === 1 ? part('bytes 5-9/10', 'olden') : { status: 200, fields: fresh, body: 'new things' },
    )
    assert.equal((await node.get(lastFive)).text, 'olden')
    await node.settle()
    assert.equal((await node.get()).text, 'new things')
    await node.settle()
    assert.deepEqual(rangesOf(node), ['bytes=-5', 'bytes=0-4'])
    assert.deepEqual([(await node.get()).how, node.store.usage().partialBytes], ['hit', 0])
  })

  for (const [name, second] of [
    ['the rest', part('bytes 0-4/10', 'other')],
    ['an error', { status: 416, fields: [['Content-Range', 'bytes */3']] }],
  ] as const)
    test(`is not joined with ${name}: the whole is asked for`, async () => {
      const replies: Reply[] = [
        part('bytes 5-9/10', 'olden'),
        second,
        { status: 200, fields: fresh, body: 'new things' },
      ]
      const node = answering((_, n) => replies[n - 1] ?? second)
      await node.get(lastFive)
      await node.settle()
      const given = await node.get()
      assert.deepEqual([given.status, given.text], [200, 'new things'])
      assert.deepEqual(rangesOf(node), ['bytes=-5', 'bytes=0-4', undefined])
    })

  test('may be another than the suffix that was asked for: it goes on as it came, and stands where it says', async () => {
    const node = answering(() => part('bytes 0-4/10', '01234'))
    const given = await node.get(lastFive)
    assert.deepEqual(
      [given.status, given.text, field(given, 'content-range')],
      [206, '01234', 'bytes 0-4/10'],
    )
    await node.settle()
    const again = await node.get(range(1, 3))
    assert.deepEqual([again.how, again.text], ['hit', '12'])
  })

  test('that an application leaves is kept as far as it came, and holds nothing', async () => {
    const body = new Flow().push('012')
    const node = answering(() => ({ ...part('bytes 0-4/10', ''), body }))
    const application = node.ask(lastFive)
    await node.within(application.resource)
    application.leave()
    await node.settle()
    assert.ok(node.growingBytes() === 0 && node.store.usage().partialBytes <= 3)
  })
})

describe('If-Range', () => {
  for (const [name, condition, status] of [
    ['the entity tag', '"v1"', 206],
    ['another entity tag', '"v0"', 200],
    ['a weak entity tag', 'W/"v1"', 200],
    ['a date', 'Mon, 13 Nov 2023 00:00:00 GMT', 200],
  ] as const)
    test(`with ${name} is answered with ${status}, from the origin server and from what is here`, async () => {
      for (const isHere of [false, true]) {
        const { node } = setting()
        if (isHere) await node.get(range(0, 1000))
        const given = await node.get(range(100, 200, [['If-Range', condition]]))
        assert.deepEqual([given.status, given.error], [status, undefined])
        assert.ok(given.text === (status === 206 ? text(100, 200) : text(0)))
      }
    })

  test('of what may not be kept is the origin server’s to answer', async () => {
    const { node } = setting({ cacheControl: 'no-store' })
    const given = await node.get(range(100, 200, [['If-Range', '"v0"']]))
    assert.deepEqual([given.status, given.text.length], [200, 20 * MB])
  })
})

describe('an expectation of the file (If-Match, If-Unmodified-Since)', () => {
  const DATED: Fields = [...V1, ['Last-Modified', 'Mon, 13 Nov 2023 00:00:00 GMT']]
  const MET = [
    ['If-Match', '"v1"'],
    ['If-Match', '"v0", "v1"'],
    ['If-Match', '*'],
    ['If-Unmodified-Since', 'Mon, 13 Nov 2023 00:00:00 GMT'],
    ['If-Unmodified-Since', 'Tue, 14 Nov 2023 00:00:00 GMT'],
  ] as const
  const FAILED = [
    ['If-Match', '"v0"'],
    ['If-Match', 'W/"v1"'],
    ['If-Unmodified-Since', 'Sun, 12 Nov 2023 00:00:00 GMT'],
  ] as const

  test('that is met has the part kept, and answered from what is here (BITS)', async () => {
    for (const expectation of MET) {
      const { node, origin } = setting({ fields: DATED })
      for (let start = 0; start < 4 * MB; start += MB) {
        isRight(await node.get(range(start, start + MB, [expectation])), start, start + MB)
        const again = await node.get(range(start, start + MB, [expectation]))
        isRight(again, start, start + MB)
        assert.equal(again.how, 'hit')
      }
      assert.equal(origin.sent, 4 * MB)
      isRight(await node.get(range(0, 1000)), 0, 1000)
      assert.equal(origin.sent, 4 * MB)
    }
  })

  test('that is not met is answered with 412 by what the origin server has, and no part is wrong', async () => {
    for (const expectation of FAILED)
      for (const cacheControl of ['max-age=60', 'no-store']) {
        const { node } = setting({ fields: DATED, cacheControl })
        const given = await node.get(range(100, 200, [expectation]))
        assert.deepEqual([given.status, given.text, given.error], [412, '', undefined], expectation.join())
        assert.deepEqual([node.origin.openBodies, node.growingBytes()], [0, 0])
      }
  })

  test('that what is here does not meet is the origin server’s to judge: it may have another version', async () => {
    const { node, origin } = setting({ fields: DATED })
    await node.get(range(0, 1000))
    origin.file.fields = [['ETag', '"v2"']]
    const given = await node.get(range(100, 200, [['If-Match', '"v2"']]))
    const asked = node.origin.requests.at(-1)?.fields ?? []
    assert.deepEqual([fieldValue(asked, 'if-match'), fieldValue(asked, 'range')], ['"v2"', 'bytes=100-199'])
    isRight(given, 100, 200)
  })
})

describe('an origin server', () => {
  const head: Fields = [...V1, ['Cache-Control', 'max-age=60']]
  test('that does not know ranges sends the whole once, and every range comes from that', async () => {
    const small = BYTES.subarray(0, 3 * MB)
    const node = answering(() => ({
      status: 200,
      fields: [...head, ['Content-Length', String(small.length)]],
      body: small,
    }))
    const given = await node.get(range(2 * MB, 2 * MB + 100))
    assert.deepEqual([given.status, given.text === text(2 * MB, 2 * MB + 100)], [206, true])
    await node.settle()
    assert.equal(await statusOf(node, range(0, 100)).then((status) => status.startsWith('ihave; hit')), true)
    assert.equal(node.origin.requests.length, 1)
  })

  test('that does not know ranges, nor how long the file is, is answered with the whole', async () => {
    const body = new Flow()
    const node = answering(() => ({ status: 200, fields: head, body }))
    const application = node.ask(range(1, 3))
    await node.within(application.resource)
    body.push('hello').end()
    const given = await node.read(application)
    assert.deepEqual([given.status, given.text], [200, 'hello'])
    await node.settle()
    const again = await node.get(range(1, 3))
    assert.deepEqual([again.status, again.text, again.how], [206, 'el', 'hit'])
  })

  const contradictions: [string, Fields, string][] = [
    [
      'other bytes than asked for',
      [
        ['Content-Range', 'bytes 0-4/100'],
        ['Content-Length', '5'],
      ],
      'hello',
    ],
    [
      'more bytes than asked for',
      [
        ['Content-Range', 'bytes 10-29/100'],
        ['Content-Length', '20'],
      ],
      'x'.repeat(20),
    ],
    [
      'a length that contradicts the range',
      [
        ['Content-Range', 'bytes 10-19/100'],
        ['Content-Length', '5'],
      ],
      'hello',
    ],
    ['no Content-Range', [['Content-Length', '10']], 'helloworld'],
    [
      'an unknown size',
      [
        ['Content-Range', 'bytes 10-19/*'],
        ['Content-Length', '10'],
      ],
      'helloworld',
    ],
    [
      'a range beyond the size',
      [
        ['Content-Range', 'bytes 10-19/15'],
        ['Content-Length', '10'],
      ],
      'helloworld',
    ],
    ['several parts', [['Content-Type', 'multipart/byteranges; boundary=x']], '--x--'],
  ]
  for (const [name, fields, body] of contradictions)
    test(`that says ${name} is passed on, and nothing is kept of it`, async () => {
      const node = answering(() => ({ status: 206, fields: [...head, ...fields], body }))
      for (const n of [1, 2]) {
        const given = await node.get(range(10, 20))
        assert.deepEqual([given.status, given.text], [206, body])
        await node.settle()
        assert.equal(node.origin.requests.length, n)
      }
      assert.deepEqual([node.growingBytes(), node.store.usage().bytes, node.store.lookup(A)], [0, 0, []])
    })

  for (const [name, fields, body] of contradictions)
    test(`that says ${name} for a hole does not spoil what is here`, async () => {
      const node = answering((_, n) =>
        n === 1
          ? { status: 206, fields: [...head, ['Content-Range', 'bytes 0-9/100']], body: '0123456789' }
          : { status: 206, fields: [...head, ...fields], body },
      )
      assert.equal((await node.get(range(0, 10))).text, '0123456789')
      await node.get(range(10, 20))
      const given = await node.get(range(0, 10))
      assert.deepEqual([given.text, given.how], ['0123456789', 'hit'])
      assert.equal(node.store.usage().bytes, 10)
    })

  for (const [name, body] of [
    ['fewer bytes than it says', 'hell'],
    ['more bytes than it says', 'hello, world'],
  ] as const)
    test(`that sends ${name} is cut, and no byte beyond is kept`, async () => {
      const node = answering(() => ({
        status: 206,
        fields: [...head, ['Content-Range', 'bytes 10-14/100']],
        body: Flow.of(body),
      }))
      const given = await node.get(range(10, 15))
      assert.ok(given.error, 'it ended well')
      assert.ok('hello'.startsWith(given.text))
      assert.ok(node.store.usage().bytes <= 5)
    })

  test('that sends a part unasked is passed on', async () => {
    const node = answering(() => ({
      status: 206,
      fields: [...head, ['Content-Range', 'bytes 0-4/100']],
      body: 'hello',
    }))
    const given = await node.get()
    assert.deepEqual([given.status, given.text, node.store.usage().bytes], [206, 'hello', 0])
  })

  test('that is busy when the rest is asked for says so itself, and what is here stays', async () => {
    const { origin } = setting()
    const node = answering((request, n) =>
      n === 1 || n > 3
        ? origin.reply(request)
        : { status: 503, fields: [['Retry-After', '1']], body: 'later' },
    )
    await node.get(range(0, MB))
    const given = await node.get(range(MB, 2 * MB))
    assert.deepEqual([given.status, given.text], [503, 'later'])
    isRight(await node.get(range(0, 2 * MB)), 0, 2 * MB)
    assert.equal(origin.sent, 2 * MB)
  })

  for (const status of [301, 404, 410, 503])
    test(`that answers a request for a part with a ${status} that may be stored has it passed on, and not as a part`, async () => {
      const fields: Fields = [
        ['Cache-Control', 'max-age=60'],
        ['Content-Length', '10'],
      ]
      const node = answering(() => ({ status, fields, body: '0123456789' }))
      for (let time = 0; time < 2; time++) {
        const given = await node.get(range(2, 6))
        assert.deepEqual(
          [given.status, given.text, field(given, 'content-range')],
          [status, '0123456789', undefined],
        )
      }
      assert.equal(node.origin.openBodies, 0)
    })

  describe('that fails when a part that is here is no longer fresh', () => {
    const lost = () => Promise.reject(new Fault('CONNECT_REFUSED', 'nothing listens there'))
    const busy = () => ({ status: 503, fields: [], body: 'later' }) as const

    async function stale(
      cacheControl: string,
      failing: () => Reply | Promise<Reply>,
      more: Fields = [],
    ): Promise<World> {
      const origin = new RangedOrigin({ body: BYTES, fields: [['ETag', '"v1"'], ...more], cacheControl })
      const node = world({
        rule: { share: false },
        origin: (request, n) => (n === 1 ? origin.reply(request) : failing()),
      })
      await node.get(range(0, MB))
      await node.pass(61_000)
      return node
    }

    test('has it stand in where it cannot be reached (RFC 9111 4.2.4)', async () => {
      const node = await stale('max-age=60', lost)
      const given = await node.get(range(10, 100))
      isRight(given, 10, 100)
      assert.equal(field(given, 'age'), '61')
      const { ttlMs, ...told } = given.cacheStatus as Extract<CacheStatusEntry, { kind: 'forward' }>
      assert.deepEqual(told, { kind: 'forward', reason: 'stale', detail: 'unreachable' })
      assert.ok((ttlMs ?? 0) < 0)
    })

    test('does not send what no-cache="…" names without validation', async () => {
      const node = await stale('max-age=60, no-cache="X-Secret"', lost, [['X-Secret', 'yes']])
      const given = await node.get(range(10, 100))
      isRight(given, 10, 100)
      assert.equal(field(given, 'x-secret'), undefined)
    })

    test('has it stand in for an error where its response allows that, also one that may be stored (RFC 5861 4)', async () => {
      const node = await stale('max-age=60, stale-if-error=600', () => ({
        status: 503,
        fields: [['Cache-Control', 'max-age=60']],
        body: 'later',
      }))
      isRight(await node.get(range(10, 100)), 10, 100)
    })

    test('has it stand in for an error where its response allows that (RFC 5861 4)', async () => {
      const node = await stale('max-age=60, stale-if-error=600', busy)
      const given = await node.get(range(10, 100))
      isRight(given, 10, 100)
      assert.equal(node.origin.openBodies, 0, 'the error page holds a connection')
    })

    test('says so itself where its response does not allow that', async () => {
      const given = await (await stale('max-age=60', busy)).get(range(10, 100))
      assert.deepEqual([given.status, given.text], [503, 'later'])
    })

    test('says so itself to whoever expects another version', async () => {
      const node = await stale('max-age=60, stale-if-error=600', busy)
      assert.equal((await node.get(range(10, 100, [['If-Match', '"v2"']]))).text, 'later')
      isRight(await node.get(range(10, 100, [['If-Match', '"v1"']])), 10, 100)
    })

    for (const [what, cacheControl, asked] of [
      ['must be revalidated', 'max-age=60, must-revalidate', range(10, 100)],
      ['is not all that is asked for', 'max-age=60, stale-if-error=600', range(10, 2 * MB)],
    ] as const)
      test(`has nothing stand in that ${what}`, async () => {
        const node = await stale(cacheControl, lost)
        await assert.rejects(node.within(node.ask(asked).resource), { code: 'CONNECT_REFUSED' })
      })
  })

  test('that codes its content is joined with its own bytes only, by what varies', async () => {
    const plain = new RangedOrigin({
      body: BYTES,
      fields: [
        ['ETag', '"p"'],
        ['Vary', 'Accept-Encoding'],
      ],
    })
    const coded = new RangedOrigin({
      body: distinctBytes(MB, 3),
      fields: [
        ['ETag', '"g"'],
        ['Vary', 'Accept-Encoding'],
        ['Content-Encoding', 'gzip'],
      ],
    })
    const node = answering((request) =>
      fieldValue(request.fields, 'accept-encoding') === 'gzip' ? coded.reply(request) : plain.reply(request),
    )
    const gzip: Fields = [['Accept-Encoding', 'gzip']]
    isRight(await node.get(range(0, 1000)), 0, 1000)
    const one = await node.get(range(0, 1000, gzip))
    assert.deepEqual(
      [one.text === text(0, 1000, coded.file.body), field(one, 'content-encoding')],
      [true, 'gzip'],
    )
    isRight(await node.get(range(500, 2000)), 500, 2000)
    const two = await node.get(range(500, 2000, gzip))
    assert.ok(two.text === text(500, 2000, coded.file.body))
    assert.deepEqual([plain.sent, coded.sent], [2000, 2000])
  })

  test('says some things to one application alone, also where another one reads along', async () => {
    for (const named of ['private="X-Token"', 'no-cache="X-Token"']) {
      const slow = [new Flow().push('ab'), new Flow().push('ab')]
      const fields = (n: number): Fields => [
        ['Cache-Control', `max-age=60, ${named}`],
        ['X-Token', `of ${n}`],
        ['ETag', '"v1"'],
        ['Content-Length', '4'],
      ]
      const node = answering((_, n) => ({ status: 200, fields: fields(n), body: slow[n - 1] ?? '' }))
      const first = node.ask(range(0, 4))
      await node.within(first.resource)
      const second = node.ask()
      await node.within(second.resource)
      for (const each of slow) each.push('cd').end()
      const [one, other] = [await node.read(first), await node.read(second)]
      assert.deepEqual([field(one, 'x-token'), one.text], ['of 1', 'abcd'], named)
      const itsOwn = node.origin.requests.length === 1 ? undefined : 'of 2'
      assert.deepEqual([field(other, 'x-token'), other.text], [itsOwn, 'abcd'], named)
    }
  })

  test('that has several variants has all of them kept, whichever comes while another is on its way', async () => {
    const slow = new Flow().push('de')
    const node = answering((request) => {
      const language = fieldValue(request.fields, 'accept-language') ?? ''
      const fields: Fields = [...head, ['Vary', 'Accept-Language'], ['Content-Length', '4']]
      return { status: 200, fields, body: language === 'de' ? slow : language.repeat(2) }
    })
    const first = node.ask([['Accept-Language', 'de']])
    await node.within(first.resource)
    assert.equal((await node.get([['Accept-Language', 'fr']])).text, 'frfr')
    slow.push('de').end()
    assert.equal((await node.read(first)).text, 'dede')
    await node.settle()
    assert.deepEqual((await storedTexts(node)).toSorted(), ['dede', 'frfr'])
  })

  test('that has several variants is asked once for each, however requests spell it, once it has said what varies', async () => {
    const answered = Promise.withResolvers<void>()
    const node = world({
      rule: { share: false },
      origin: async ({ fields }, n) => {
        if (n > 1) await answered.promise
        const [language = ''] = (fieldValue(fields, 'accept-language') ?? '').split(',')
        const said: Fields = [...head, ['Vary', 'Accept-Language'], ['Content-Length', '4']]
        return { status: 200, fields: said, body: language.repeat(2) }
      },
    })
    await node.get(range(0, 2, [['Accept-Language', 'fr']]))
    const spelled = ['de,en', 'de, en', 'de ,en', 'nl']
    const asked = spelled.map((value) => node.ask(range(0, 2, [['Accept-Language', value]])))
    await node.settle()
    answered.resolve()
    const given = []
    for (const each of asked) given.push((await node.within(node.read(each))).text)
    assert.deepEqual([given, node.origin.requests.length], [['de', 'de', 'de', 'nl'], 3])
  })

  test('whose responses are not to be kept is asked by everybody for himself, and nobody waits for the other', async () => {
    const bodies = [new Flow(), new Flow(), new Flow()]
    const node = answering((_, n) => ({
      status: 206,
      fields: [
        ['Cache-Control', 'no-store'],
        ['Content-Range', 'bytes 0-4/100'],
      ],
      body: bodies[n - 1] ?? '',
    }))
    const asked = bodies.map(() => node.ask(range(0, 5)))
    await node.within(Promise.all(asked.map(({ resource }) => resource)))
    bodies[2]?.push('third').end()
    assert.equal((await node.read(asked[2]!)).text, 'third')
    for (const body of bodies) body.push('other').end()
    assert.equal((await node.read(asked[0]!)).text, 'other')
    assert.equal(node.store.usage().bytes, 0)
  })
})

describe('what is asked for on behalf of one application is asked in its words (RFC 9111 3.4, 4.3.1)', () => {
  const token = (value: string): Fields => [['X-Token', value]]
  const tokens = ({ origin }: World) => origin.requests.map(({ fields }) => fieldValue(fields, 'x-token'))

  /** An origin server that sends `first` to the first request, and nothing without a token that is `valid`. */
  function guarded(first: Flow, valid: Set<string>): World {
    const { origin } = setting()
    return world({
      rule: { share: false },
      origin: (request, n) => {
        if (n === 1) return { ...origin.reply(request), body: first }
        const isValid = valid.has(fieldValue(request.fields, 'x-token') ?? '')
        return isValid ? origin.reply(request) : { status: 403, fields: [], body: 'no' }
      },
    })
  }

  test('a range of what another one downloads', async () => {
    const node = guarded(new Flow().push(BYTES.subarray(0, MB)), new Set(['alice', 'bob']))
    const alice = node.ask(range(0, 3 * MB, token('alice')))
    await node.within(alice.resource)
    isRight(await node.get(range(8 * MB, 9 * MB, token('bob'))), 8 * MB, 9 * MB)
    assert.equal((await node.get(range(10 * MB, 11 * MB))).status, 403)
    assert.deepEqual(tokens(node).slice(0, 3), ['alice', 'bob', undefined])
    assert.ok(!tokens(node).slice(1).includes('alice'))
    alice.leave()
  })

  test('the rest behind what another one brings, which is refused to that one by then', async () => {
    const valid = new Set(['bob'])
    const first = new Flow().push(BYTES.subarray(0, MB))
    const node = guarded(first, valid)
    const alice = node.ask(range(0, 3 * MB, token('alice')))
    await node.within(alice.resource)
    const bob = node.ask(range(100, 5 * MB, token('bob')))
    await node.within(bob.resource)
    first.push(BYTES.subarray(MB, 3 * MB)).end()
    isRight(await node.read(bob), 100, 5 * MB)
    isRight(await node.read(alice), 0, 3 * MB)
    assert.deepEqual(tokens(node), ['alice', 'bob'])
  })

  for (const isGone of [true, false])
    test(`the rest of a whole whose first reader ${isGone ? 'has gone' : 'is refused it'}`, async () => {
      const first = new Flow().push(BYTES.subarray(0, MB))
      const node = guarded(first, new Set(['bob', ...(isGone ? ['alice'] : [])]))
      const alice = node.ask(token('alice'))
      await node.within(alice.resource)
      const bob = node.ask(token('bob'))
      await node.within(bob.resource)
      if (isGone) alice.leave()
      await node.settle()
      first.breakOff()
      const given = await node.read(bob)
      assert.deepEqual([given.text === text(0), given.error], [true, undefined])
      assert.deepEqual(tokens(node), isGone ? ['alice', 'bob'] : ['alice', 'alice', 'bob'])
    })
})

describe('requests for parts', () => {
  for (const name of ['Authorization', 'Cookie'])
    test(`in somebody's name (${name}) are passed on`, async () => {
      const { node, origin } = setting()
      for (let n = 0; n < 2; n++) isRight(await node.get(range(0, 100, [[name, 'x']])), 0, 100)
      assert.deepEqual([origin.asked.length, node.store.usage().bytes], [2, 0])
    })

  test('of which nothing is to be stored leave what is here as it is (RFC 9111 5.2.1.5)', async () => {
    const { node, origin } = setting()
    const noStore: Fields = [['Cache-Control', 'no-store']]
    isRight(await node.get(range(0, MB)), 0, MB)
    isRight(await node.get(range(0, MB, noStore)), 0, MB)
    isRight(await node.get(range(MB / 2, 2 * MB, noStore)), MB / 2, 2 * MB)
    const several = await node.get([['Range', 'bytes=0-9, 5000000-5000009'], ...noStore])
    assert.deepEqual([several.status, origin.asked.at(-1)], [206, 'bytes=0-9, 5000000-5000009'])
    const whole = await node.get(noStore)
    assert.deepEqual([whole.status, whole.text === text(0)], [200, true])
    await node.settle()
    assert.deepEqual([node.store.usage().bytes, origin.asked.length], [MB, 4])
    isRight(await node.get(range(0, MB)), 0, MB)
    assert.equal(origin.asked.length, 4)
  })

  test('whose first one leaves before the answer are not left without', async () => {
    const answered = Promise.withResolvers<void>()
    const { origin } = setting()
    const node: World = world({
      rule: { share: false },
      origin: async (request) => {
        await answered.promise
        return origin.reply(request)
      },
    })
    const first = node.ask(range(0, 100))
    await node.settle()
    const second = node.ask(range(100, 200))
    await node.settle()
    first.leave()
    await node.settle()
    answered.resolve()
    isRight(await node.read(second), 100, 200)
    await assert.rejects(first.resource)
    assert.ok(origin.sent <= 200)
  })

  test('leave nothing behind when all of them leave before the answer', async () => {
    const answered = Promise.withResolvers<void>()
    const { origin } = setting()
    const node: World = world({
      rule: { share: false },
      origin: async (request) => {
        await answered.promise
        return origin.reply(request)
      },
    })
    const asked = [node.ask(range(0, 100)), node.ask(range(0, 100))]
    await node.settle()
    for (const each of asked) each.leave()
    await node.settle()
    answered.resolve()
    await node.settle()
    assert.deepEqual([node.growingBytes(), node.origin.openBodies, node.retrievals.all().length], [0, 0, 0])
    isRight(await node.get(range(0, 100)), 0, 100)
  })

  test('of a file larger than what may be stored are passed on', async () => {
    const { node } = setting({}, { store: (clock) => memoryStore({ maxBytes: 10 * MB, clock }) })
    isRight(await node.get(range(0, 100)), 0, 100)
    assert.equal(node.store.usage().bytes, 0)
  })

  test('invalidated by an unsafe request are forgotten', async () => {
    const { node, origin } = setting()
    await node.get(range(0, 100))
    node.store.remove(A)
    isRight(await node.get(range(0, 100)), 0, 100)
    assert.equal(origin.sent, 200)
  })
})

describe('peers', () => {
  const small = BYTES.subarray(0, 3 * MB)
  const scene = { rule: { share: true, immutable: true }, expectation: digestOf(small) }
  const copy = (body: Uint8Array): Reply => ({
    status: 200,
    fields: [['Content-Length', String(body.length)]],
    body,
  })

  test('that have it are asked for the whole, once for many ranges', async () => {
    const { node, origin } = setting(
      { body: small },
      { ...scene, offers: [offer(small.length)], peers: () => copy(small) },
    )
    for (let start = 0; start < 3 * MB; start += MB) {
      const given = await node.get(range(start, start + MB))
      assert.deepEqual([given.status, given.text === text(start, start + MB)], [206, true])
    }
    assert.deepEqual([node.inquiries.length, node.peers.requests.length, origin.asked], [1, 1, []])
  })

  test('that have it are waited for by twenty at the same time', async () => {
    const { node, origin } = setting(
      { body: small },
      { ...scene, offers: [offer(small.length)], peers: () => copy(small) },
    )
    const asked = Array.from({ length: 20 }, (_, n) => node.ask(range(n * 100_000, (n + 1) * 100_000)))
    for (const [n, each] of asked.entries())
      assert.ok((await node.read(each)).text === text(n * 100_000, (n + 1) * 100_000))
    assert.deepEqual([node.inquiries.length, node.peers.requests.length, origin.asked], [1, 1, []])
  })

  test('whose running download is read in parts go on between one part and the next, and not for long', async () => {
    const body = new Flow().push(BYTES.subarray(0, 2 * MB))
    const { node, origin } = setting(
      {},
      {
        rule: { share: true, immutable: true },
        expectation: digestOf(BYTES),
        downloads: [download(BYTES.length)],
        peers: () => ({ ...copy(BYTES), body }),
      },
    )
    isRight(await node.get(range(0, MB)), 0, MB)
    for (let at = 2 * MB; at < 4 * MB; at += MB / 2) {
      body.push(BYTES.subarray(at, at + MB / 2))
      await node.pass(NEXT_PART_MS / 6)
    }
    isRight(await node.get(range(MB, 3 * MB)), MB, 3 * MB)
    assert.deepEqual([node.inquiries.length, node.peers.requests.length, node.peers.openBodies], [1, 1, 1])
    for (let at = 4 * MB; at < 8 * MB; at += MB / 2) {
      body.push(BYTES.subarray(at, at + MB / 2))
      await node.pass(NEXT_PART_MS / 6)
    }
    assert.deepEqual([node.peers.openBodies, origin.asked, shunned(node)], [0, [], []])
  })

  test('that do not have it are asked once a minute for many ranges', async () => {
    const { node, origin } = setting(
      {},
      { rule: { share: true, immutable: true }, expectation: digestOf(BYTES) },
    )
    for (let start = 0; start < 3 * MB; start += MB)
      isRight(await node.get(range(start, start + MB)), start, start + MB)
    assert.deepEqual([node.inquiries.length, origin.sent], [1, 3 * MB])
    node.store.remove(A)
    node.clock.advance(60_000)
    await node.get(range(0, 100))
    assert.equal(node.inquiries.length, 2)
  })

  test('that send wrong bytes do not reach the reader of a range', async () => {
    const { node, origin } = setting(
      { body: small },
      { ...scene, offers: [offer(small.length)], peers: () => copy(distinctBytes(3 * MB, 5)) },
    )
    const given = await node.get(range(0, MB))
    assert.deepEqual([given.status, given.text === text(0, MB), origin.sent], [206, true, MB])
  })

  test('are asked for the whole although parts of it are here, and theirs then is the stored one', async () => {
    const { node, origin } = setting({ body: small }, { ...scene, peers: () => copy(small) })
    await node.get(range(0, MB))
    const whole = node.ask()
    await node.pass(5)
    node.inquiries.at(-1)?.heardResponse(offer(small.length))
    const given = await node.read(whole)
    assert.deepEqual([given.how, given.text === text(0, 3 * MB), origin.sent], ['peer', true, MB])
    await node.settle()
    assert.deepEqual([(await storedTexts(node)).length, node.store.usage().partialBytes], [1, 0])
  })

  test('do not go on with what readers of parts have been given (V§2)', async () => {
    const { origin } = setting()
    const body = new Flow().push(BYTES.subarray(0, MB))
    const node: World = world({
      rule: { share: true },
      expectation: digestOf(BYTES),
      origin: (request, n) => (n === 1 ? { ...origin.reply(request), body } : origin.reply(request)),
      peers: () => copy(distinctBytes(20 * MB, 5)),
      waitMs: 0,
    })
    const whole = node.ask()
    await node.within(whole.resource)
    isRight(await node.get(range(10 * MB, 11 * MB)), 10 * MB, 11 * MB)
    node.inquiries[0]?.heardResponse(offer(20 * MB))
    await node.settle()
    body.push(BYTES.subarray(MB)).end()
    const given = await node.read(whole)
    assert.deepEqual([given.text === text(0), node.peers.requests.length], [true, 0])
  })
})

test('a node that stops keeps what has come, and its readers are told', async () => {
  const { origin } = setting()
  const node: World = world({
    rule: { share: false },
    origin: (request) => ({ ...origin.reply(request), body: new Flow().push(BYTES.subarray(0, 1000)) }),
  })
  const application = node.ask(range(0, MB))
  await node.within(application.resource)
  const reading = node.read(application)
  await node.settle()
  await node.retrievals.stop()
  assert.ok((await reading).error)
  assert.deepEqual([node.store.usage().partialBytes, node.origin.openBodies], [1000, 0])
})
