/** A peer sends the right bytes under validators of its choice: what that may not do to applications that compare by them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, type FieldLine, type Fields } from '../../core/fields.ts'
import { Flow } from './upstreams.ts'
import { digestOf, offer, world, type World } from './world.ts'

const BEFORE = 'Sat, 31 Oct 2026 00:00:00 GMT'
const MODIFIED = 'Sun, 01 Nov 2026 00:00:00 GMT'
const AFTER = 'Mon, 02 Nov 2026 00:00:00 GMT'
const TEXT = 'version 2'

/** @param status of what the origin server says; absent: it cannot be reached. */
function withPeer(immutable: boolean, status?: number): World {
  const right = Buffer.from(TEXT)
  const node: World = world({
    expectation: digestOf(right),
    offers: [offer(right.length)],
    rule: { immutable },
    peers: () => ({
      status: 200,
      fields: node.dated([
        ['Content-Length', `${right.length}`],
        ['ETag', '"1"'],
        ['Last-Modified', MODIFIED],
      ]),
      body: right,
    }),
    origin: () => {
      if (status === undefined) throw new Fault('UNREACHABLE', 'no way')
      const fields = node.dated([
        ['ETag', '"2"'],
        ['Last-Modified', AFTER],
      ])
      return { status, fields, body: status === 200 ? TEXT : 'not it' }
    },
  })
  return node
}

/** What it says is what the application holds. */
const COMPARING: readonly Fields[] = [
  [['If-None-Match', '"1"']],
  [['If-Modified-Since', MODIFIED]],
  [
    ['Range', 'bytes=4-'],
    ['If-Range', '"1"'],
  ],
]

for (const fields of COMPARING) {
  const what = fields.map((line) => line.join(' ')).join(', ')
  describe(`${what}, where a peer says that it is the same`, () => {
    test('the application is given the whole', async () => {
      const node = withPeer(false)
      const fetched = await node.get(fields)
      assert.deepEqual([fetched.how, fetched.status, fetched.text], ['peer', 200, TEXT])
      await node.settle()
      // In place of the origin server, which cannot be asked.
      const stored = await node.get(fields)
      assert.deepEqual([stored.how, stored.status, stored.text], ['hit', 200, TEXT])
    })

    test('and a name that never means another file: it is the same', async () => {
      const node = withPeer(true)
      for (const how of ['peer', 'hit']) {
        const given = await node.get(fields)
        const isForRest = fieldValue(fields, 'range') !== undefined
        assert.deepEqual(
          [given.how, given.status, given.text],
          isForRest ? [how, 206, 'ion 2'] : [how, 304, ''],
        )
        await node.settle()
      }
    })
  })
}

const EXPECTING: readonly (readonly [FieldLine, number])[] = [
  [['If-Match', '"2"'], 200],
  [['If-Match', '"1"'], 412],
  [['If-Match', '"3"'], 412],
  [['If-Unmodified-Since', BEFORE], 412],
  [['If-Unmodified-Since', MODIFIED], 200],
]

for (const [condition, status] of EXPECTING) {
  test(`${condition.join(' ')}: the origin server alone knows, and says ${status}`, async () => {
    const node = withPeer(false, status)
    const given = await node.get([condition])
    assert.deepEqual([given.status, given.text], [status, status === 200 ? TEXT : 'not it'])
    assert.equal(fieldValue(node.origin.requests[0]?.fields ?? [], condition[0]), condition[1])
    assert.equal(node.peers.requests.length, 0, 'what would be thrown away is not fetched')
  })
}

describe('what is stored of a peer', () => {
  for (const fields of [
    [['If-Match', '"9"']],
    [
      ['If-Match', '"1"'],
      ['Range', 'bytes=4-'],
    ],
    [
      ['If-Unmodified-Since', MODIFIED],
      ['Range', 'bytes=4-'],
    ],
  ] as const) {
    const what = fields.map((line) => line.join(' ')).join(', ')
    test(`is not held against ${what} in place of an origin server that cannot be reached`, async () => {
      const node = withPeer(false)
      await node.get()
      await node.settle()
      await assert.rejects(node.get(fields), /no way/)
    })

    test(`is not held against ${what} where nobody may be asked`, async () => {
      const node = withPeer(false)
      await node.get()
      await node.settle()
      const here = await node.get([...fields, ['Cache-Control', 'only-if-cached, max-stale']])
      assert.equal(here.status, 504)
    })
  }

  test('and not held against what applications ask at the same moment, which cost one question', async () => {
    const node = withPeer(false, 200)
    const asking = Array.from({ length: 4 }, () => node.ask([['If-Match', '"2"']]))
    for (const each of asking) assert.equal((await node.read(each)).text, TEXT)
    assert.equal(node.origin.requests.length, 1)
  })
})

test('what the origin server has said counts, also where a peer goes on with the bytes', async () => {
  const size = 8_000_000
  const right = Buffer.alloc(size, 'o')
  const begun = 100_000
  const going = new Flow().push(right.subarray(begun, 2 * begun))
  const node: World = world({
    expectation: digestOf(right),
    waitMs: 0,
    origin: () => ({
      status: 200,
      fields: node.dated([
        ['ETag', '"2"'],
        ['Last-Modified', AFTER],
        ['Content-Length', String(size)],
        ['Cache-Control', 'max-age=60'],
      ]),
      body: new Flow().push(right.subarray(0, begun)),
    }),
    peers: () => ({
      status: 206,
      fields: [
        ['Content-Range', `bytes ${begun}-${size - 1}/${size}`],
        ['ETag', '"1"'],
      ],
      body: going,
    }),
  })
  const first = node.ask()
  await node.within(first.resource)
  node.inquiries[0]?.heardResponse(offer(size))
  await node.pass(10)
  const second = node.ask([
    ['Range', 'bytes=7999995-'],
    ['If-Range', '"2"'],
  ])
  await node.settle()
  going.push(right.subarray(2 * begun)).end()
  const [whole, part] = await Promise.all([node.read(first), node.read(second)])
  assert.deepEqual([part.status, part.text], [206, 'ooooo'])
  assert.deepEqual([whole.text.length, node.origin.requests.length], [size, 1])
})

describe('of a name that never means another file', () => {
  test('a peer may meet what is expected', async () => {
    const given = await withPeer(true).get([['If-Match', '"1"']])
    assert.deepEqual([given.how, given.status, given.text], ['peer', 200, TEXT])
  })

  test('and what it does not meet the origin server may', async () => {
    const given = await withPeer(true, 200).get([['If-Match', '"2"']])
    assert.deepEqual([given.how, given.status, given.text], ['internet', 200, TEXT])
  })
})
