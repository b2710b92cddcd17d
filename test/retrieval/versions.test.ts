/** Two versions of a file are never joined, also where only the application will know whether the whole is right (V5). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import type { Address } from '../../core/transport.ts'
import { checkVersion } from '../../retrieval/peer-source.ts'
import { Flow, type Answering, type Reply } from './upstreams.ts'
import { A, BY_UPDATER, offer, PEER, shunned, world, type Scene, type World } from './world.ts'

const OTHER = '127.0.0.7' as Address
const SIZE = 6

const tagged = (tag: string): Fields => [['ETag', `"${tag}"`]]

/** A peer has sent the first half, and broken off. */
function half(fields: Fields): Reply {
  return { status: 200, fields: [...fields, ['Content-Length', `${SIZE}`]], body: Flow.of('abc').breakOff() }
}

function rest(fields: Fields, body: string): Reply {
  return { status: 206, fields: [...fields, ['Content-Range', `bytes 3-5/${SIZE}`]], body }
}

function sharing(peers: Answering, origin: Answering, more: Partial<Scene> = {}): World {
  return world({
    rule: { share: true, verify: 'updater' },
    expectation: BY_UPDATER,
    offers: [offer(SIZE)],
    peers,
    origin,
    ...more,
  })
}

describe('a copy that a peer has begun, and nothing proves', () => {
  test('is gone on with by the origin server where it has the same version still', async () => {
    const node = sharing(
      () => half(tagged('1')),
      () => rest(tagged('1'), 'def'),
    )
    const given = await node.get()
    assert.deepEqual([given.text, given.error], ['abcdef', undefined])
    assert.equal(fieldValue(node.origin.requests[0]?.fields ?? [], 'if-range'), '"1"')
  })

  for (const [what, other] of [
    ['answers with a part of another version all the same', rest(tagged('2'), 'XYZ')],
    ['answers with the other version', { status: 200, fields: tagged('2'), body: 'UVWXYZ' }],
  ] as [string, Reply][])
    test(`breaks off where the origin server ${what}`, async () => {
      const node = sharing(
        () => half(tagged('1')),
        () => other,
      )
      const given = await node.get()
      assert.equal(given.text, 'abc')
      assert.ok(given.error instanceof Fault)
      assert.deepEqual(node.store.lookup(A), [])
    })

  test('is not gone on with by a peer that has another version, which has done no wrong', async () => {
    const asked: string[] = []
    const node = sharing(
      ({ uri }) => {
        asked.push(uri)
        return asked.length === 1 ? half(tagged('1')) : rest(tagged('2'), 'XYZ')
      },
      () => rest(tagged('1'), 'def'),
      { offers: [offer(SIZE), offer(SIZE, OTHER)] },
    )
    const given = await node.get()
    assert.deepEqual([given.text, given.error, asked.length], ['abcdef', undefined, 2])
    assert.deepEqual(shunned(node), [[PEER, 'broke-off']])
  })

  test('is gone on with by a peer that has the same', async () => {
    const asked: string[] = []
    const node = sharing(
      ({ uri }) => {
        asked.push(uri)
        return asked.length === 1 ? half(tagged('1')) : rest(tagged('1'), 'def')
      },
      () => rest(tagged('2'), 'XYZ'),
      { offers: [offer(SIZE), offer(SIZE, OTHER)] },
    )
    const given = await node.get()
    assert.deepEqual([given.text, given.error, node.origin.requests.length], ['abcdef', undefined, 0])
  })
})

describe('the version that a peer has', () => {
  const check = (has: Fields, before: Fields) => () => checkVersion({ fields: has }, before)
  const dated = (day: number): Fields => [['Last-Modified', `Mon, 0${day} Jun 2026 00:00:00 GMT`]]

  test('is another one by its entity tag, or by its date where there is none', () => {
    assert.throws(check(tagged('2'), tagged('1')), { code: 'PEER_LOST' })
    assert.throws(check(dated(2), dated(1)), { code: 'PEER_LOST' })
  })

  test('is the same where the tags are, whatever the dates say, and where nothing is said', () => {
    check([...tagged('1'), ...dated(2)], [...tagged('1'), ...dated(1)])()
    check([], [...tagged('1'), ...dated(1)])()
    check(tagged('1'), [])()
  })
})
