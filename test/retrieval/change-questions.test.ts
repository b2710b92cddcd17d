/** Files that change and that others may have: whether they have changed is asked for alone, and a new version is had as a missing file is. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import { PATIENCE_MS, WORTH_ASKING_BYTES } from '../../retrieval/change-questions.ts'
import type { Reply } from './upstreams.ts'
import { BY_UPDATER, offer, shunned, world, type Given, type Scene, type World } from './world.ts'

const SIZE = WORTH_ASKING_BYTES
const tagged = (tag: string): Fields => [
  ['ETag', `"${tag}"`],
  ['Cache-Control', 'max-age=60'],
]

interface Published {
  /** What the origin server has. */
  tag: string
  readonly size: number
  /** What it answers to HEAD in place of that. */
  readonly head?: () => Reply | Promise<Reply>
}

function whole(tag: string, size: number): Reply {
  return { status: 200, fields: [['Content-Length', String(size)], ...tagged(tag)], body: tag.repeat(size) }
}

/** An origin server as they are, and a peer that has `peerTag`. */
function published(origin: Published, peerTag: string, more: Partial<Scene> = {}): World {
  const node: World = world({
    rule: { immutable: false, verify: 'updater' },
    expectation: BY_UPDATER,
    offers: [offer(origin.size)],
    peers: () => whole(peerTag, origin.size),
    origin: ({ method, fields }) => {
      if (method === 'HEAD' && origin.head !== undefined) return origin.head()
      const isSame = fieldValue(fields, 'if-none-match') === `"${origin.tag}"`
      if (isSame) return { status: 304, fields: tagged(origin.tag) }
      const { status, fields: told, body = '' } = whole(origin.tag, origin.size)
      return method === 'HEAD' ? { status, fields: told } : { status, fields: told, body }
    },
    ...more,
  })
  return node
}

/** Who asks again for what only an application can verify complains of it. */
const ANOTHER = { client: '127.0.0.2' }

/** It is here, from the origin server, and stale. */
async function stale(node: World): Promise<void> {
  await node.get([['Cache-Control', 'no-cache']])
  node.clock.advance(61_000)
}

/** The same, from a peer. */
async function staleFromPeer(node: World): Promise<void> {
  assert.equal((await node.get([], { client: '127.0.0.3' })).how, 'peer')
  node.clock.advance(61_000)
}

const askedOf = ({ origin }: World) => origin.requests.slice(1).map(({ method }) => method)
const said = ({ how, text }: Given) => [how, text[0], text.length]

describe('a file that others may have, and that is stale here', () => {
  test('is not fetched where it has not changed', async () => {
    const node = published({ tag: '1', size: SIZE }, '1')
    await stale(node)
    assert.deepEqual(said(await node.get()), ['validated', '1', SIZE])
    assert.deepEqual(askedOf(node), ['HEAD'])
    assert.equal((await node.get()).how, 'hit')
  })

  test('comes from a peer where it has changed, and one has the new version', async () => {
    const origin = { tag: '1', size: SIZE }
    const node = published(origin, '2')
    await stale(node)
    origin.tag = '2'
    assert.deepEqual(said(await node.get()), ['peer', '2', SIZE])
    assert.deepEqual(askedOf(node), ['HEAD'])
    assert.equal((await node.get([], ANOTHER)).how, 'hit')
  })

  test('does not come from a peer that has the old version still, which has done no wrong', async () => {
    const origin = { tag: '1', size: SIZE }
    const node = published(origin, '1')
    await stale(node)
    origin.tag = '2'
    assert.deepEqual(said(await node.get()), ['internet', '2', SIZE])
    assert.deepEqual([node.peers.requests.length, shunned(node)], [1, []])
  })

  for (const [what, head] of [
    ['refuses HEAD', () => ({ status: 405, fields: [] })],
    ['answers it without a validator', () => ({ status: 200, fields: [] })],
    [
      'counts no bytes in it',
      () => ({
        status: 200,
        fields: [
          ['Content-Length', '0'],
          ['ETag', '"1"'],
        ],
      }),
    ],
    ['answers it with a 304 about another version', () => ({ status: 304, fields: tagged('9') })],
    [
      'closes the connection',
      () => {
        throw new Fault('RESPONSE_INCOMPLETE', 'closed the connection')
      },
    ],
  ] as [string, () => Reply][])
    test(`is asked for by GET where the origin server ${what}`, async () => {
      const origin = { tag: '1', size: SIZE, head }
      const node = published(origin, '2')
      await stale(node)
      assert.equal((await node.get()).how, 'validated')
      assert.deepEqual(askedOf(node), ['HEAD', 'GET'])
      node.clock.advance(61_000)
      origin.tag = '2'
      assert.deepEqual(said(await node.get()), ['internet', '2', SIZE])
    })

  test('is asked for by GET where the origin server does not answer HEAD at all', async () => {
    const node = published({ tag: '1', size: SIZE, head: () => new Promise<Reply>(() => {}) }, '2')
    await stale(node)
    const application = node.ask()
    await node.pass(PATIENCE_MS - 10)
    assert.deepEqual(askedOf(node), ['HEAD'])
    assert.equal((await node.read(application)).how, 'validated')
    assert.deepEqual(askedOf(node), ['HEAD', 'GET'])
  })

  for (const [what, size, fields, more] of [
    ['it is small', SIZE - 1, [], {}],
    ['nobody else is there', SIZE, [], { isAlone: true }],
    ['its rule does not share it', SIZE, [], { rule: { share: false } }],
    [
      'its rule calls it immutable, and the application wants it anew',
      SIZE,
      [['Cache-Control', 'no-cache']],
      { rule: { immutable: true } },
    ],
    ['the application says how old it may be', SIZE, [['Cache-Control', 'max-age=0']], {}],
    ['the application wants it anew', SIZE, [['Cache-Control', 'no-cache']], {}],
  ] as [string, number, Fields, Partial<Scene>][])
    test(`is asked for by GET where ${what}`, async () => {
      const node = published({ tag: '1', size }, '1', more)
      await stale(node)
      assert.equal((await node.get(fields)).how, 'validated')
      assert.deepEqual(askedOf(node), ['GET'])
    })

  test('is not fetched again where HEAD tells of another version than GET has', async () => {
    const node = published({ tag: '1', size: SIZE, head: () => ({ status: 200, fields: tagged('9') }) }, '1')
    await stale(node)
    assert.deepEqual(said(await node.get()), ['validated', '1', SIZE])
    assert.deepEqual(askedOf(node), ['HEAD', 'GET'])
  })

  test('stays where it is stale while revalidate, and has not changed', async () => {
    const digest = `sha-256=:${createHash('sha256').update('1'.repeat(SIZE)).digest('base64')}:`
    const fields: Fields = [
      ['ETag', '"1"'],
      ['Cache-Control', 'max-age=60, stale-while-revalidate=600'],
      ['Repr-Digest', digest],
    ]
    const node = published({ tag: '1', size: SIZE }, '1', {
      // It looks at no conditions.
      origin: ({ method }) => ({ status: 200, fields, ...(method === 'GET' && { body: '1'.repeat(SIZE) }) }),
    })
    await stale(node)
    assert.equal((await node.get()).how, 'hit')
    await node.settle()
    assert.deepEqual(askedOf(node), ['HEAD'])
    assert.equal((await node.get()).how, 'hit')
    assert.deepEqual(askedOf(node), ['HEAD'])
  })

  test('is had as a whole where the application wants a part, which is cut from it', async () => {
    const origin = { tag: '1', size: SIZE }
    const node = published(origin, '2')
    await stale(node)
    origin.tag = '2'
    const given = await node.get([['Range', 'bytes=5-9']])
    assert.deepEqual([given.status, ...said(given)], [206, 'peer', '2', 5])
    assert.deepEqual(askedOf(node), ['HEAD'])
  })

  test('is asked about once for all who want it at the same moment', async () => {
    const origin = { tag: '1', size: SIZE }
    const node = published(origin, '2')
    await stale(node)
    origin.tag = '2'
    const all = await Promise.all(Array.from({ length: 10 }, () => node.read(node.ask())))
    assert.deepEqual(new Set(all.map(({ text }) => text[0])), new Set(['2']))
    assert.deepEqual([askedOf(node), node.peers.requests.length], [['HEAD'], 1])
  })

  test('stands in where the origin server cannot be asked, which is tried once', async () => {
    let isAway = false
    const node = published({ tag: '1', size: SIZE, head: () => unreachable() }, '2')
    const unreachable = (): Reply => {
      isAway = true
      throw new Fault('CONNECT_TIMEOUT', 'took no connection in time')
    }
    await stale(node)
    assert.deepEqual(said(await node.get()), ['hit', '1', SIZE])
    assert.deepEqual([isAway, askedOf(node)], [true, ['HEAD']])
  })

  test('goes on waiting for the answer where the one that asked has gone', async () => {
    const node = published({ tag: '1', size: SIZE }, '2')
    await stale(node)
    const first = node.ask()
    const second = node.ask()
    first.leave()
    assert.equal((await node.read(second)).how, 'validated')
    assert.deepEqual(askedOf(node), ['HEAD'])
  })
})

describe('a stale copy that came from a peer', () => {
  test('is wanted from peers again, which may have a fresh one, before the whole is fetched', async () => {
    const node = published({ tag: '1', size: 5 }, '1')
    await staleFromPeer(node)
    await node.get()
    assert.deepEqual([node.inquiries.length, node.origin.requests.map(({ method }) => method)], [2, ['GET']])
  })

  test('is not fetched again where the origin server says that its own has the same digest', async () => {
    const published256 = createHash('sha256').update('1'.repeat(SIZE)).digest('base64')
    const fields: Fields = [['Repr-Digest', `sha-256=:${published256}:`], ...tagged('1')]
    const node = published({ tag: '1', size: SIZE, head: () => ({ status: 200, fields }) }, '1')
    await staleFromPeer(node)
    assert.deepEqual(said(await node.get()), ['validated', '1', SIZE])
    assert.deepEqual(
      node.origin.requests.map(({ method, fields: asked }) => [method, fieldValue(asked, 'if-none-match')]),
      [['HEAD', undefined]],
    )
    assert.equal((await node.get([], ANOTHER)).how, 'hit')
  })

  test('is fresh for as long as the origin server says then, whatever the peer had said', async () => {
    const digest = `sha-256=:${createHash('sha256').update('1'.repeat(SIZE)).digest('base64')}:`
    const node = published(
      { tag: '1', size: SIZE, head: () => ({ status: 200, fields: [['Repr-Digest', digest]] }) },
      '1',
      {
        peers: () => ({
          status: 200,
          fields: [
            ['Content-Length', `${SIZE}`],
            ['Age', '2000000000'],
            ['Cache-Control', 'max-age=2147483647'],
          ],
          body: '1'.repeat(SIZE),
        }),
      },
    )
    await node.get([], { client: '127.0.0.3' })
    node.clock.advance(86_500_000)
    assert.equal((await node.get()).how, 'validated')
    assert.equal((await node.get([], ANOTHER)).how, 'validated')
    assert.deepEqual(
      node.origin.requests.map(({ method }) => method),
      ['HEAD', 'HEAD'],
    )
  })

  for (const [what, head] of [
    ['a 304 that nobody asked for', { status: 304, fields: tagged('1') }],
    ['the same entity tag', { status: 200, fields: [['Content-Length', `${SIZE}`], ...tagged('1')] }],
  ] as [string, Reply][])
    test(`is not taken for the newest by ${what}: a peer could have named it so`, async () => {
      const node = published({ tag: '1', size: SIZE, head: () => head }, '1')
      await staleFromPeer(node)
      assert.deepEqual(said(await node.get()), ['internet', '1', SIZE])
    })
})
