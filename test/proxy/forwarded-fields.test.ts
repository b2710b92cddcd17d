import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type FieldLine, type Fields, fieldValues } from '../../core/fields.ts'
import {
  connectionFields,
  maxForwards,
  requestFields,
  responseFields,
  trailerFields,
} from '../../proxy/forwarded-fields.ts'

const NAMES = [
  'Connection',
  'Keep-Alive',
  'Proxy-Authorization',
  'TE',
  'Upgrade',
  'X-A',
  'x-b',
  'Host',
  'Content-Length',
  'Via',
  'Cookie',
]
const line = fc.tuple(
  fc.constantFrom(...NAMES),
  fc.constantFrom('x-a', 'X-B, close', 'cookie', '5', 'upgrade', 'host, via'),
)

test('whatever came: one Host, one framing, nothing hop-by-hop, nothing that Connection names, this node last in Via', () => {
  fc.assert(
    fc.property(fc.array(line), (lines: FieldLine[]) => {
      const sent = requestFields(
        { method: 'POST', target: 'http://h/', version: '1.1', fields: lines },
        'h',
        'me',
      )
      assert.deepEqual(fieldValues(sent, 'host'), ['h'])
      assert.ok(fieldValues(sent, 'content-length').length <= 1)
      for (const name of ['connection', 'keep-alive', 'proxy-authorization', 'te', 'upgrade']) {
        assert.deepEqual(fieldValues(sent, name), [])
      }
      const named = fieldValues(lines, 'connection').flatMap((value) => value.split(', '))
      for (const name of named.filter((each) => each.startsWith('x-') || each === 'cookie')) {
        assert.deepEqual(fieldValues(sent, name), [])
      }
      assert.equal(fieldValues(sent, 'via').at(-1), '1.1 me (ihave)')
    }),
  )
})

const RESPONSES: readonly (readonly [name: string, status: number, fields: Fields, expected: Fields])[] = [
  ['a length stays', 200, [['Content-Length', '5']], [['Content-Length', '5']]],
  ['not in a 204', 204, [['Content-Length', '5']], []],
  ['a 304 keeps it', 304, [['Content-Length', '5']], [['Content-Length', '5']]],
  [
    'chunked is written anew, Trailer stays',
    200,
    [
      ['Transfer-Encoding', 'chunked'],
      ['Trailer', 'X'],
    ],
    [['Trailer', 'X']],
  ],
  ['Trailer without chunked means nothing', 200, [['Trailer', 'X']], []],
]
for (const [name, status, fields, expected] of RESPONSES) {
  test(`response: ${name}`, () => {
    assert.deepEqual(responseFields({ status, version: '1.0', fields }, 'me'), [
      ...expected,
      ['Via', '1.0 me (ihave)'],
    ])
  })
}

test('Max-Forwards counts for OPTIONS and TRACE only', () => {
  assert.equal(maxForwards('TRACE', [['Max-Forwards', '3']]), 3)
  assert.equal(maxForwards('OPTIONS', [['max-forwards', '0']]), 0)
  assert.equal(maxForwards('POST', [['Max-Forwards', '0']]), undefined)
  assert.equal(maxForwards('TRACE', [['Max-Forwards', '-1']]), undefined)
  assert.equal(maxForwards('TRACE', []), undefined)
})

test('trailers lose what must not come late', () => {
  const kept = trailerFields([
    ['X-Sum', '1'],
    ['Content-Length', '1'],
    ['Transfer-Encoding', 'x'],
    ['Authorization', 'x'],
    ['Host', 'x'],
  ])
  assert.deepEqual(kept, [['X-Sum', '1']])
})

test('Expect is passed on from HTTP/1.1 only', () => {
  const fields: Fields = [['Expect', '100-continue']]
  const head = { method: 'POST', target: 'http://h/', fields }
  assert.equal(fieldValues(connectionFields({ ...head, version: '1.1' }, []), 'expect').length, 1)
  assert.equal(fieldValues(connectionFields({ ...head, version: '1.0' }, []), 'expect').length, 0)
})
