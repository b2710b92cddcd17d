import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EpochMs } from '../../core/clock.ts'
import type { Fields } from '../../core/fields.ts'
import * as fc from 'fast-check'
import { admit, admitOrdinary } from '../../retrieval/admission.ts'
import { DEFAULT_POLICY } from '../../retrieval/rules.ts'

const NOW = 0 as EpochMs

interface Case {
  readonly asked?: Fields
  readonly came?: Fields
  readonly status?: number
  readonly share?: boolean
  readonly store?: boolean
  readonly isNameable?: boolean
}

function judged({
  asked = [],
  came = [],
  status = 200,
  share = true,
  store = true,
  isNameable = true,
}: Case) {
  const policy = { ...DEFAULT_POLICY, share, store }
  return admit(
    { target: 'http://updates.test/a', fields: asked, policy, isNameable },
    { status, fields: [['Cache-Control', 'max-age=60'], ...came], requestTime: NOW, responseTime: NOW },
  )
}

describe('a response', () => {
  const refused: [string, Case][] = [
    ['of another status', { status: 206 }],
    ['that says no-store', { came: [['Cache-Control', 'no-store']] }],
    ['that is private', { came: [['Cache-Control', 'private']] }],
    ['whose rule does not store', { store: false }],
    ['to a request with no-store', { asked: [['Cache-Control', 'no-store']] }],
    ['to a request with Authorization', { asked: [['Authorization', 'Basic eA==']] }],
    ['that varies by everything', { came: [['Vary', '*']] }],
  ]
  for (const [name, given] of refused)
    test(`is not kept: ${name}`, () => {
      const admission = judged(given)
      assert.equal(admission.kind, 'refused')
      assert.ok(admission.kind === 'refused' && admission.reason.length > 0)
    })

  const admitted: [string, boolean, Case][] = [
    ['and shared', true, {}],
    ['for this node alone: its rule does not share', false, { share: false }],
    ['for this node alone: its request was not to be named', false, { isNameable: false }],
    ['for this node alone: it varies by who asks', false, { came: [['Vary', 'User-Agent']] }],
  ]
  for (const [name, isShareable, given] of admitted)
    test(`is kept ${name}`, () => {
      const admission = judged(given)
      assert.equal(admission.kind === 'admitted' && admission.isShareable, isShareable)
      assert.equal(admission.kind, 'admitted')
    })

  test('is kept with the fields of the request that Vary names, its date, and without those of the connection', () => {
    const admission = judged({
      asked: [
        ['Accept-Language', 'de'],
        ['Accept', '*/*'],
      ],
      came: [
        ['Vary', 'Accept-Language'],
        ['Connection', 'X-Hop'],
        ['X-Hop', '1'],
      ],
    })
    assert.ok(admission.kind === 'admitted')
    assert.deepEqual(admission.selecting, [['accept-language', 'de']])
    assert.deepEqual(
      admission.fields.map(([name]) => name),
      ['Cache-Control', 'Vary', 'Date'],
    )
  })
})

test('a directive with the name of a field is not taken for that field', () => {
  const request = {
    target: 'http://a.test/a',
    fields: [] as Fields,
    policy: DEFAULT_POLICY,
    isNameable: false,
  }
  const lastModified: Fields[number] = ['Last-Modified', 'Thu, 01 Jan 1970 00:00:00 GMT']
  const response = (...fields: Fields) => ({ status: 200, fields, requestTime: NOW, responseTime: NOW })
  admitOrdinary(request, response(['Cache-Control', 'set-cookie'], lastModified))
  const withCookie = response(['Set-Cookie', 'a=b'], lastModified)
  assert.deepEqual(admitOrdinary(request, withCookie), admit(request, withCookie))
  assert.equal(admitOrdinary(request, withCookie).kind, 'refused')
})

test('what is decided once for a server’s responses is what would be decided for each', () => {
  const lines = fc.constantFrom<Fields[number]>(
    ['Cache-Control', 'max-age=60'],
    ['cache-control', 'public, max-age=60'],
    ['Cache-Control', 'no-store'],
    ['Cache-Control', 'private'],
    ['Cache-Control', 'private="ETag"'],
    ['Cache-Control', 'no-store, must-understand'],
    ['Cache-Control', 'max-age="'],
    ['Cache-Control', 'set-cookie'],
    ['Cache-Control', 'expires'],
    ['Set-Cookie', 'a=b'],
    ['Expires', 'Sat, 28 Nov 2026 01:00:00 GMT'],
    ['Vary', 'Accept'],
    ['Vary', '*'],
    ['Pragma', 'no-cache'],
    ['Connection', 'ETag'],
    ['ETag', '"1"'],
    ['Content-Length', '2'],
  )
  const all = fc.tuple(fc.array(lines, { maxLength: 5 }), fc.boolean(), fc.constantFrom(200, 200, 404, 206))
  fc.assert(
    fc.property(all, ([fields, store, status]) => {
      const request = {
        target: 'http://a.test/a',
        fields: [['Accept', 'x']] as Fields,
        policy: { ...DEFAULT_POLICY, store },
        isNameable: false,
      }
      const response = { status, fields, requestTime: NOW, responseTime: NOW }
      for (let time = 0; time < 2; time += 1)
        assert.deepEqual(admitOrdinary(request, response), admit(request, response))
    }),
    { numRuns: 3000 },
  )
})
