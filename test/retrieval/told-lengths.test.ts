/** What a peer says of a body's length is its word, and no more (V§2, V§4 "exhaustion"). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryStore } from '../../cache/memory-store.ts'
import type { Address } from '../../core/transport.ts'
import { bytesOf, put } from '../cache/store-fixtures.ts'
import { Flow, type Reply } from './upstreams.ts'
import { BY_UPDATER, digestOf, download, offer, PEER, shunned, world, type Scene } from './world.ts'

const SIZE = 300_000
const RIGHT = Buffer.alloc(SIZE, 'A')
const MOST = 50_000_000
const OTHER = '127.0.0.7' as Address

const announcing = (length: number, body: Reply['body'] = new Flow().push(RIGHT)): Reply => ({
  status: 200,
  fields: [['Content-Length', String(length)]],
  body,
})

const origin = (): Reply => ({
  status: 200,
  fields: [
    ['Content-Length', String(SIZE)],
    ['Cache-Control', 'max-age=60'],
  ],
  body: RIGHT,
})

const small = (scene: Partial<Scene>) =>
  world({
    origin,
    expectation: digestOf(RIGHT),
    store: (clock) => memoryStore({ maxBytes: MOST, clock }),
    ...scene,
  })

const untold = { ...offer(SIZE), size: undefined }
const ROLES: readonly (readonly [string, Partial<Scene>])[] = [
  ['that has it', { offers: [untold] }],
  ['that is fetching it', { downloads: [{ ...download(SIZE), totalBytes: undefined }] }],
]

describe('a length that is only a peer’s word', () => {
  for (const [role, scene] of ROLES)
    for (const length of [99_999_999_999_999, MOST + 1])
      test(`and never fits: a peer ${role} and announces ${length} bytes fails, and the next source answers`, async () => {
        const node = small({ ...scene, peers: () => announcing(length) })
        const given = await node.get()
        assert.deepEqual([given.status, given.text.length, given.error], [200, SIZE, undefined])
        assert.deepEqual(shunned(node), [[PEER, 'broke-off']])
      })

  test('and never fits is no reason to ask an honest peer that has said so, nor to blame it', async () => {
    const node = small({ offers: [offer(MOST + 1)], peers: () => announcing(MOST + 1) })
    const given = await node.get()
    assert.deepEqual([given.text.length, shunned(node), node.peers.requests.length], [SIZE, [], 0])
  })

  test('evicts nothing before the bytes come', async () => {
    const node = small({ offers: [untold], peers: () => announcing(40_000_000) })
    for (let at = 0; at < 45; at++) await put(node.store, `${at}`, bytesOf(1_000_000, at))
    const application = node.ask()
    await node.pass(200)
    assert.equal(node.peers.requests.length, 1)
    assert.equal([...node.store.list()].length, 45)
    application.leave()
  })

  test('is held against what the peer said when it offered the copy', async () => {
    const node = small({ offers: [offer(SIZE)], peers: () => announcing(10_000_000) })
    const given = await node.get()
    assert.deepEqual([given.text.length, given.how, shunned(node)], [SIZE, 'internet', [[PEER, 'broke-off']]])
  })

  test('and of a copy that still grows as well', async () => {
    const node = small({ downloads: [download(SIZE)], peers: () => announcing(10_000_000) })
    const given = await node.get()
    assert.deepEqual([given.text.length, given.how, shunned(node)], [SIZE, 'internet', [[PEER, 'broke-off']]])
  })
})

describe('a copy for which the disk has no space, though the quota has', () => {
  const onSmallDisk = (scene: Partial<Scene>, hasSpace = () => false) => {
    const node = small({ expectation: BY_UPDATER, peers: () => announcing(SIZE), ...scene })
    node.store.hasSpaceFor = async () => hasSpace()
    return node
  }

  for (const [role, scene] of [
    ['that has it', { offers: [offer(SIZE)] }],
    ['that is fetching it', { downloads: [download(SIZE)] }],
  ] as const)
    test(`is not begun from a peer ${role} and has told its length, and that one is not blamed`, async () => {
      const node = onSmallDisk(scene)
      const given = await node.get()
      assert.deepEqual([given.text.length, given.error, given.how], [SIZE, undefined, 'internet'])
      assert.deepEqual([node.peers.requests.length, shunned(node)], [0, []])
    })

  for (const [role, scene] of ROLES)
    test(`is left before its first byte where a peer ${role} tells its length only then`, async () => {
      const node = onSmallDisk(scene)
      const given = await node.get()
      assert.deepEqual([given.text.length, given.error, given.how], [SIZE, undefined, 'internet'])
      assert.equal(node.peers.requests.length, 1)
    })

  test('is gone on with once it has begun', async () => {
    let looks = 0
    const replies = [announcing(SIZE, new Flow().push(RIGHT.subarray(0, 200_000)).breakOff())]
    const node = onSmallDisk(
      { offers: [offer(SIZE), offer(SIZE, OTHER)], peers: () => replies.pop() ?? announcing(SIZE) },
      () => looks++ === 0,
    )
    const given = await node.get()
    assert.deepEqual([given.text.length, given.error, given.how], [SIZE, undefined, 'peer'])
    assert.deepEqual([node.peers.requests.length, node.origin.requests.length], [2, 0])
  })
})

test('a proved length that never fits is nobody’s fault: the origin server answers, without a copy', async () => {
  const node = small({
    expectation: digestOf(RIGHT, SIZE),
    offers: [untold],
    peers: () => announcing(SIZE),
    store: (clock) => memoryStore({ maxBytes: SIZE - 1, clock }),
  })
  const given = await node.get()
  assert.deepEqual([given.text.length, given.how, shunned(node)], [SIZE, 'internet', []])
})

describe('a copy that is said to be so large that it would be passed on before it is verified', () => {
  const LARGE = 70_000_000
  const scene = (head: Reply, peers: Reply, from: Partial<Scene> = { offers: [offer(LARGE)] }) =>
    world({
      expectation: digestOf(RIGHT),
      ...from,
      peers: () => peers,
      origin: ({ method }) => (method === 'HEAD' ? head : origin()),
    })
  const head = (length?: number, coding = 'identity'): Reply => ({
    status: 200,
    fields: [
      ['Content-Encoding', coding],
      ...(length === undefined ? [] : [['Content-Length', String(length)] as const]),
    ],
  })
  const junk = (bytes: number) => new Flow().push(Buffer.alloc(bytes, 'Z'), Buffer.alloc(bytes, 'Z'))

  for (const [role, from] of [
    ['that has it', { offers: [offer(LARGE)] }],
    [
      'that says it fetches it, and was not heard to ask for it',
      { downloads: [{ ...download(LARGE), hasAsked: false }] },
    ],
  ] as const)
    test(`by a peer ${role}, is left before a byte of it is passed on where the origin server’s has another length`, async () => {
      const node = scene(head(SIZE), announcing(LARGE, junk(1_000_000)), from)
      const given = await node.get()
      assert.deepEqual(
        [given.text === RIGHT.toString('latin1'), given.error, given.how],
        [true, undefined, 'internet'],
      )
      assert.deepEqual(shunned(node), [[PEER, 'broke-off']])
    })

  test('by one that was heard to ask for it, as whoever fetches does, is streamed unasked', async () => {
    const from = { downloads: [download(LARGE)] }
    const node = scene(head(SIZE), announcing(LARGE, junk(1_000_000)), from)
    const { answer } = await node.within(node.ask().resource)
    const first = await node.within(answer.body?.[Symbol.asyncIterator]().next() ?? Promise.reject())
    assert.deepEqual([first.done, node.origin.requests.length], [false, 0])
  })

  test('is streamed where it has one of that length, or tells none', async () => {
    for (const told of [head(LARGE), head(), head(SIZE, 'gzip'), { ...head(SIZE), status: 403 }]) {
      const node = scene(told, announcing(LARGE, junk(1_000_000)))
      const { answer } = await node.within(node.ask().resource)
      const first = await node.within(answer.body?.[Symbol.asyncIterator]().next() ?? Promise.reject())
      assert.equal(first.done, false)
      assert.equal(node.origin.requests.length, 1)
    }
  })
})
