import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { array, assert as holds, constantFrom, oneof, property, string, tuple } from 'fast-check'
import type { EpochMs } from '../../core/clock.ts'
import { decode, encode } from '../../peering/codec.ts'
import { MAX_PACKET_BYTES, type NodeId, type RequestId } from '../../peering/packets.ts'
import type { FunctionName } from '../../providers/functions.ts'
import type { Result } from '../../providers/result.ts'
import { readWord, writeWord, type FunctionWord } from '../../providers/words.ts'
import { TestSite } from '../site/fixtures.ts'
import { manualClock } from '../manual-clock.ts'

const NODE = 'a'.repeat(32) as NodeId
const PRINT = 'print' as FunctionName
const RESULT: Result = {
  function: PRINT,
  node: NODE,
  member: 'b'.repeat(32),
  location: 'http://127.0.0.1:8080/',
  value: 7,
  term: 3,
  since: 1_700_000_000_000 as EpochMs,
  expires: 1_700_000_300_000 as EpochMs,
  signature: 's'.repeat(86),
}
const NONCE = 'c'.repeat(16)

const WORDS: readonly FunctionWord[] = [
  { kind: 'election', function: PRINT, term: 3, delayMs: 100, value: 7, without: undefined },
  { kind: 'election', function: PRINT, term: 3, delayMs: 100, value: 7, without: NODE },
  { kind: 'election', function: PRINT, term: 3, delayMs: 0, value: undefined, without: undefined },
  { kind: 'result', result: RESULT },
  { kind: 'result', result: { ...RESULT, member: undefined, signature: '' } },
  { kind: 'resigned', function: PRINT, term: 3 },
  { kind: 'request', function: PRINT, nonce: NONCE, delayMs: 100, term: undefined, heardMs: undefined },
  { kind: 'request', function: PRINT, nonce: NONCE, delayMs: 100, term: 3, heardMs: 22_000 },
  { kind: 'response', nonce: NONCE, result: RESULT, ageMs: 5, pass: 'x.y' },
  { kind: 'response', nonce: NONCE, result: RESULT, ageMs: 5, pass: undefined },
  { kind: 'found', nonce: NONCE },
]

const OPTIONAL = ['value', 'heard', 'pass', 'filling', 'member', 'signature', 'term', 'without']

/** As it comes out of a datagram. */
function heard(word: FunctionWord): FunctionWord | 'malformed' | undefined {
  const [name, extras] = writeWord(word)
  const bytes = encode({
    type: 'application',
    name,
    id: 1 as RequestId,
    node: NODE,
    nonce: undefined,
    extras,
  })
  assert.ok(bytes && bytes.length <= MAX_PACKET_BYTES, JSON.stringify(word))
  const decoded = decode(bytes)
  assert.ok(decoded.kind === 'packet' && decoded.packet.type === 'application')
  return readWord(decoded.packet.name, decoded.packet.extras, NODE)
}

describe('a word about functions', () => {
  test('is heard as it was said', () => {
    for (const word of WORDS) assert.deepEqual(heard(word), word)
  })

  test('of the longest kind fits into a datagram', () => {
    const pass = new TestSite(manualClock()).member('n'.repeat(24)).pass.text
    const longest: Result = {
      ...RESULT,
      function: 'f'.repeat(64) as FunctionName,
      location: `http://255.255.255.255:65535/${'x'.repeat(150)}`,
      value: 1_000_000,
      term: 1_700_000_000,
    }
    assert.ok(heard({ kind: 'response', nonce: NONCE, result: longest, ageMs: 999_999, pass }))
  })

  test('an answer is not longer than its question', () => {
    const clock = manualClock()
    const { pass } = new TestSite(clock).member('n'.repeat(24))
    const length = (word: FunctionWord) => JSON.stringify(writeWord(word)).length
    const question = { kind: 'request', function: PRINT, nonce: NONCE, delayMs: 100 } as const
    assert.ok(
      length({ kind: 'response', nonce: NONCE, result: RESULT, ageMs: 21_000, pass: pass.text }) <=
        length({ ...question, term: undefined, heardMs: undefined }),
    )
  })

  test('with any attribute missing or wrong is malformed', () => {
    for (const word of WORDS) {
      const [name, extras] = writeWord(word)
      for (const [at, [attribute]] of extras.entries()) {
        if (OPTIONAL.includes(attribute)) continue
        const without = extras.filter((_, each) => each !== at)
        assert.equal(readWord(name, without, NODE), 'malformed', `${name} without ${attribute}`)
      }
    }
    const [name, extras] = writeWord(WORDS[1] as FunctionWord)
    for (const [attribute, value] of [
      ['value', '1000001'],
      ['value', '-1'],
      ['value', '1.5'],
      ['term', '1e3'],
      ['term', '99999999999999999999'],
      ['delay', '2001'],
      ['function', 'a b'],
      ['without', 'nobody'],
    ] as const) {
      const changed = extras.map(([key, each]) => [key, key === attribute ? value : each] as const)
      assert.equal(readWord(name, changed, NODE), 'malformed', `${attribute}=${value}`)
    }
  })

  test('whatever comes, reading it does not fail', () => {
    const names = constantFrom('election', 'election-result', 'function-response', 'function-request', 'x')
    const keys = constantFrom('function', 'term', 'value', 'n', 'location', 'provider', 'delay', 'heard')
    const values = oneof(string(), constantFrom('print', '3', NONCE, NODE))
    holds(
      property(names, array(tuple(keys, values)), (name, extras) => {
        const word = readWord(name, extras, NODE)
        assert.equal(word === undefined, name === 'x')
      }),
    )
  })
})
