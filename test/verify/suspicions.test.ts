import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Sha256 } from '../../core/digest.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Address } from '../../core/transport.ts'
import type { Culprit } from '../../verify/shunned-peers.ts'
import { MAX_NAMES, MAX_PER_NAME, Suspicions } from '../../verify/suspicions.ts'

const URI = 'http://u.example/list' as TargetUri
const PEER = culprit(2)
const GIVEN = bodyOf(1)
const SENT = bodyOf(2)
const MINUTE = 60_000

describe('a peer that is left aside for what it sent', () => {
  test('is cleared where the origin server sends the same, once', () => {
    const suspicions = suspected({})
    assert.deepEqual(suspicions.clearedBy(URI, GIVEN), [PEER])
    assert.deepEqual(suspicions.clearedBy(URI, GIVEN), [])
  })

  test('is not cleared by what comes under another name', () => {
    const suspicions = suspected({})
    assert.deepEqual(suspicions.clearedBy('http://u.example/other' as TargetUri, GIVEN), [])
    assert.deepEqual(suspicions.clearedBy(URI, GIVEN), [PEER])
  })

  test('is not cleared by other bytes, nor by a change that comes after them, but by the same', () => {
    const suspicions = suspected({ givenAgoMs: MINUTE })
    assert.deepEqual(suspicions.clearedBy(URI, SENT), [])
    assert.deepEqual(suspicions.clearedBy(URI, bodyOf(3), 0), [])
    assert.deepEqual(suspicions.clearedBy(URI, GIVEN), [PEER])
  })

  for (const [modifiedAgoMs, what, cleared] of [
    [MINUTE - 1000, 'since it was given to the application', [PEER]],
    [MINUTE + 1000, 'in the second in which it was given', [PEER]],
    [MINUTE + 1001, 'before it was given', []],
    [undefined, 'nobody knows when', []],
  ] as const)
    test(`where the file has changed ${what} it is ${cleared.length > 0 ? '' : 'not '}cleared`, () => {
      const suspicions = suspected({ givenAgoMs: MINUTE })
      assert.deepEqual(suspicions.clearedBy(URI, SENT, modifiedAgoMs), cleared)
    })

  test('is not cleared by a change where its bytes have proved wrong', () => {
    assert.deepEqual(suspected({}).clearedBy(URI, SENT, 0), [])
  })

  test('is cleared with all that sent the same, each as often as it was suspected', () => {
    const suspicions = suspected({})
    suspicions.note(culprit(3), { uri: URI, body: GIVEN })
    suspicions.note(culprit(4), { uri: URI, body: bodyOf(9) })
    suspicions.note(PEER, { uri: URI, body: GIVEN })
    assert.deepEqual(suspicions.clearedBy(URI, GIVEN), [PEER, culprit(3), PEER])
  })

  test('without bytes of its own is none that could be cleared', () => {
    const suspicions = new Suspicions()
    suspicions.note(PEER, { uri: URI, givenAgoMs: MINUTE })
    assert.deepEqual(suspicions.clearedBy(URI, SENT, 0), [])
  })
})

test('more names, and more peers of one, than the bounds allow: the oldest are forgotten', () => {
  const suspicions = new Suspicions()
  const uriOf = (number: number) => `http://u.example/${number}` as TargetUri
  for (let number = 0; number <= MAX_NAMES; number++)
    suspicions.note(PEER, { uri: uriOf(number), body: GIVEN })
  assert.deepEqual(suspicions.clearedBy(uriOf(0), GIVEN), [])
  assert.deepEqual(suspicions.clearedBy(uriOf(MAX_NAMES), GIVEN), [PEER])
  for (let number = 0; number <= MAX_PER_NAME; number++)
    suspicions.note(culprit(number), { uri: URI, body: GIVEN })
  const left = suspicions.clearedBy(URI, GIVEN)
  assert.deepEqual([left.length, left[0]], [MAX_PER_NAME, culprit(1)])
})

function suspected({ givenAgoMs }: { readonly givenAgoMs?: number }): Suspicions {
  const suspicions = new Suspicions()
  suspicions.note(PEER, { uri: URI, body: GIVEN, ...(givenAgoMs === undefined ? {} : { givenAgoMs }) })
  return suspicions
}

function culprit(number: number): Culprit {
  return { peer: `127.0.0.${number}` as Address, origin: 'http://u.example', episode: 1 }
}

function bodyOf(number: number): Sha256 {
  return String(number).padStart(2, '0').repeat(32) as Sha256
}
