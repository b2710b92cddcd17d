import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EpochMs } from '../../core/clock.ts'
import type { Fields } from '../../core/fields.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { compileRules } from '../../retrieval/rules.ts'
import { MAX_UNSHARED, Unshared, UNSHARED_MS } from '../../retrieval/unshared.ts'
import { manualClock } from '../manual-clock.ts'
import { Flow, type Reply } from './upstreams.ts'
import { A, world } from './world.ts'

const policy = compileRules([], [], true).policyFor(A)

function response(fields: Fields, status = 200) {
  const now = 1_700_000_000_000 as EpochMs
  return { status, fields, requestTime: now, responseTime: now }
}

const NO_STORE = response([['Cache-Control', 'no-store']])
const LASTING = response([['Cache-Control', 'max-age=60']])

function asked(uri = A, fields: Fields = []) {
  return { uri, target: uri, fields, policy, isNameable: false }
}

describe('that responses are for one application each', () => {
  test('is known from the first one, for a while', () => {
    const clock = manualClock()
    const unshared = new Unshared(clock)
    assert.equal(unshared.has(A), false)
    unshared.heed(asked(), NO_STORE)
    assert.equal(unshared.has(A), true)
    clock.advance(UNSHARED_MS - 1)
    assert.equal(unshared.has(A), true)
    clock.advance(1)
    assert.equal(unshared.has(A), false)
  })

  test('ends with the first one that may be stored', () => {
    const unshared = new Unshared(manualClock())
    unshared.heed(asked(), NO_STORE)
    unshared.heed(asked(), LASTING)
    assert.equal(unshared.has(A), false)
  })

  for (const [name, fields, told] of [
    ['a request that wants nothing stored', [['Cache-Control', 'no-store']], LASTING],
    ['a request in somebody’s name', [['Authorization', 'Basic eDp5']], LASTING],
    ['a failure', [], response([['Cache-Control', 'no-store']], 503)],
    ['a confirmation', [], response([['Cache-Control', 'no-store']], 304)],
    ['a part that does not fit', [], response([['Cache-Control', 'no-store']], 206)],
  ] as const)
    test(`is not said by ${name}`, () => {
      const unshared = new Unshared(manualClock())
      unshared.heed(asked(A, fields), told)
      assert.equal(unshared.has(A), false)
    })

  test('is said by one that is to be validated for each request; that one may be stored', () => {
    const clock = manualClock()
    const unshared = new Unshared(clock)
    unshared.heed(asked(), response([['Cache-Control', 'no-cache']]))
    assert.deepEqual([unshared.has(A), unshared.isForEach(A)], [false, true])
    clock.advance(UNSHARED_MS)
    assert.equal(unshared.isForEach(A), false)
  })

  test('is said where there was no room, whatever its response says', () => {
    const clock = manualClock()
    const unshared = new Unshared(clock)
    unshared.noRoom(A)
    unshared.heed(asked(), LASTING)
    assert.deepEqual([unshared.has(A), unshared.isForEach(A), unshared.lacksRoom(A)], [true, true, true])
    clock.advance(UNSHARED_MS)
    assert.equal(unshared.lacksRoom(A), false)
  })

  test('is remembered of so many names, and no more', () => {
    const unshared = new Unshared(manualClock())
    const name = (at: number) => `http://origin.example/${at}` as TargetUri
    for (let at = 0; at <= MAX_UNSHARED; at += 1) unshared.heed(asked(name(at)), NO_STORE)
    assert.deepEqual(
      [0, 1, MAX_UNSHARED].map((at) => unshared.has(name(at))),
      [false, true, true],
    )
  })
})

describe('requests for what is not to be stored', () => {
  const uncacheable = (body: Flow): Reply => ({
    status: 200,
    fields: [
      ['Content-Length', '5'],
      ['Cache-Control', 'no-store'],
    ],
    body,
  })

  test('wait for nobody once that is known, however long the server thinks', async () => {
    const answers = Array.from({ length: 4 }, () => Promise.withResolvers<Reply>())
    const node = world({
      rule: { share: false },
      origin: (_, n) => answers[n - 1]?.promise ?? assert.fail(),
    })
    const first = node.ask()
    answers[0]?.resolve(uncacheable(new Flow().push('first').end()))
    assert.equal((await node.read(first)).text, 'first')
    for (const _ of [1, 2, 3]) node.ask()
    await node.settle()
    assert.equal(node.origin.requests.length, 4)
  })

  test('wait once at the most', async () => {
    const answers = Array.from({ length: 5 }, () => Promise.withResolvers<Reply>())
    const node = world({
      rule: { share: false },
      origin: (_, n) => answers[n - 1]?.promise ?? assert.fail(),
    })
    for (const _ of [1, 2, 3, 4]) node.ask()
    await node.settle()
    assert.equal(node.origin.requests.length, 1)
    answers[0]?.resolve(uncacheable(new Flow().push('first').end()))
    await node.settle()
    node.ask()
    await node.settle()
    assert.equal(node.origin.requests.length, 5)
  })

  test('are one again when it may be stored', async () => {
    const lasting: Reply = {
      status: 200,
      fields: [
        ['Content-Length', '5'],
        ['Cache-Control', 'max-age=60'],
      ],
      body: new Flow(),
    }
    const node = world({
      rule: { share: false },
      origin: (_, n) => (n === 1 ? uncacheable(new Flow().push('first').end()) : lasting),
    })
    await node.read(node.ask())
    await node.within(node.ask().resource)
    await node.within(node.ask().resource)
    await node.within(node.ask().resource)
    assert.equal(node.origin.requests.length, 3)
  })
})

describe('requests for what each is to be validated for', () => {
  test('wait for nobody once that is known, and what is stored is validated by all of them at once', async () => {
    const answers = Array.from({ length: 9 }, () => Promise.withResolvers<Reply>())
    const node = world({
      rule: { share: false },
      origin: (_, n) => answers[n - 1]?.promise ?? assert.fail(),
    })
    const reply = (fields: Fields = []): Reply => ({
      status: 200,
      fields: [['Content-Length', '5'], ['Cache-Control', 'no-cache'], ...fields],
      body: new Flow().push('whole').end(),
    })
    for (const _ of [1, 2, 3]) node.ask()
    await node.settle()
    assert.equal(node.origin.requests.length, 1)
    answers[0]?.resolve(reply())
    await node.settle()
    assert.equal(node.origin.requests.length, 3, 'the others ask side by side')
    for (const _ of [4, 5, 6]) node.ask()
    await node.settle()
    assert.equal(node.origin.requests.length, 6, 'nobody waits any more')
  })
})
