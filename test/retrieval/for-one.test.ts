/** What a response gives to one user agent alone: fields that `private` names, and 304s that are nobody else's (RFC 9111 5.2.2.7). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fieldValue, type Fields } from '../../core/fields.ts'
import { Flow, type Reply } from './upstreams.ts'
import { A, field, world, type Given, type World } from './world.ts'

const ETAG: Fields = [['ETag', '"1"']]
const FOR_ONE = 'max-age=60, private="Set-Cookie"'
const STALE: Reply = {
  status: 200,
  fields: [['Cache-Control', 'max-age=0'], ['Content-Length', '1'], ...ETAG],
  body: 'x',
}

/** A response whose cookie says which of the requests it was sent to. */
function withCookie(reply: Omit<Reply, 'fields'>, cacheControl: string, n: number, more: Fields = []): Reply {
  return { ...reply, fields: [['Cache-Control', cacheControl], ['Set-Cookie', `n=${n}`], ...ETAG, ...more] }
}

/** A node whose origin server gives these answers, one after the other; the last one again and again. */
function answering(...replies: readonly ((n: number) => Reply)[]): World {
  const node: World = world({
    rule: { share: false },
    origin: (_request, n) => {
      const reply = (replies[n - 1] ?? replies.at(-1))?.(n) ?? STALE
      return { ...reply, fields: node.dated(reply.fields) }
    },
  })
  return node
}

/** As many at the same moment. */
async function together(node: World, count: number, fields: Fields = []): Promise<Given[]> {
  const asking = Array.from({ length: count }, () => node.ask(fields))
  return Promise.all(asking.map((each) => node.read(each)))
}

/** One that has a stale response, and is told this by each 304 after it. */
async function stale(reply: (n: number) => Reply): Promise<World> {
  const node = answering(() => STALE, reply)
  await node.get()
  await node.pass(1500)
  return node
}

/** The cookies that they got, sorted; `-`: none. */
function cookies(all: readonly Given[]): string[] {
  return all.map((given) => field(given, 'set-cookie') ?? '-').toSorted()
}

describe('a field that private="…" names', () => {
  test('goes to whoever asked, and to none of those who wait with it, come later, or find it stored', async () => {
    const body = new Flow()
    const reply = (n: number) => withCookie({ status: 200, body }, FOR_ONE, n, [['Content-Length', '2']])
    const node = answering(reply)
    const first = [node.ask(), node.ask()]
    await node.settle()
    body.push('a')
    await node.within(Promise.all(first.map(({ resource }) => resource)))
    const late = node.ask()
    await node.within(late.resource)
    body.push('b').end()
    const all = await Promise.all([...first, late].map((each) => node.read(each)))
    assert.deepEqual(cookies(all), ['-', '-', 'n=1'])
    await node.settle()
    assert.deepEqual(cookies([await node.get()]), ['-'])
    assert.equal(node.origin.requests.length, 1)
  })

  test('of a part goes to whoever asked for it', async () => {
    const range: Fields = [['Range', 'bytes=0-1']]
    const part: Fields = [
      ['Content-Range', 'bytes 0-1/9'],
      ['Content-Length', '2'],
    ]
    const node = answering((n) => withCookie({ status: 206, body: 'ab' }, FOR_ONE, n, part))
    assert.deepEqual(cookies(await together(node, 3, range)), ['-', '-', 'n=1'])
  })

  test('of a 304 goes to whoever was validated for, and is not stored', async () => {
    const node = await stale((n) => withCookie({ status: 304 }, FOR_ONE, n))
    assert.deepEqual(cookies([await node.get()]), ['n=2'])
    assert.deepEqual(cookies([await node.get()]), ['-'])
    assert.equal(fieldValue(node.store.lookup(A)[0]?.fields ?? [], 'set-cookie'), undefined)
    assert.equal(node.origin.requests.length, 2)
  })

  test('of a 304 for which several wait goes to one of them', async () => {
    const node = await stale((n) => withCookie({ status: 304 }, FOR_ONE, n))
    assert.deepEqual(cookies(await together(node, 3)), ['-', '-', 'n=2'])
    assert.equal(node.origin.requests.length, 2)
  })

  test('of the answer to a HEAD does not come into what is stored', async () => {
    const fresh: Reply = {
      ...STALE,
      fields: [['Cache-Control', 'max-age=60'], ['Content-Length', '1'], ...ETAG],
    }
    const node = answering(
      () => fresh,
      (n) => withCookie({ status: 200 }, FOR_ONE, n, [['Content-Length', '1']]),
    )
    await node.get()
    const head = await node.get([['Cache-Control', 'no-cache']], { method: 'HEAD' })
    assert.deepEqual(cookies([head]), ['n=2'])
    const given = await node.get()
    assert.deepEqual([given.how, cookies([given])], ['hit', ['-']])
  })
})

describe('a 304 for which several wait', () => {
  for (const cacheControl of ['private, max-age=60', 'no-store', 'max-age=60'])
    test(`with "${cacheControl}" and a cookie is for one of them: each asks for itself`, async () => {
      const node = await stale((n) =>
        withCookie(n === 2 ? { status: 304 } : { status: 200, body: 'y' }, cacheControl, n),
      )
      const all = await together(node, 3)
      const got = cookies(all)
      assert.equal(new Set(got).size, 3, got.join(', '))
    })

  test('that is for everybody answers all of them', async () => {
    const node = await stale(() => ({ status: 304, fields: [['Cache-Control', 'max-age=60'], ...ETAG] }))
    assert.deepEqual(
      (await together(node, 3)).map(({ status, text }) => [status, text]),
      [
        [200, 'x'],
        [200, 'x'],
        [200, 'x'],
      ],
    )
    assert.equal(node.origin.requests.length, 2)
  })
})
