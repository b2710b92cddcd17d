import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fields } from '../../../core/fields.ts'
import { isWorthStoring, mayStore } from '../../../cache/semantics/storable.ts'
import { cacheControl, httpDate, stored } from './fixtures.ts'

interface Case {
  readonly method?: string
  readonly request?: Fields
  readonly status?: number
  readonly response?: Fields
  readonly stores?: boolean
}

function outcome({ method = 'GET', request = [], status = 200, response = [], stores = true }: Case) {
  return mayStore({ method, fields: request }, { status, fields: response }, { store: stores })
}

const AUTHORIZATION = [['Authorization', 'Basic eDp5']] as const
const COOKIE = ['Set-Cookie', 'a=b'] as const
const RANGE = ['Content-Range', 'bytes 0-4/10'] as const

const STORED: readonly (readonly [sentence: string, of: Case])[] = [
  ['3: a plain 200 without any field', {}],
  ['3: a 200 that is stale at once', { response: cacheControl('max-age=0') }],
  ['3: a 404, negative caching', { status: 404 }],
  ['3: a 410, negative caching', { status: 410 }],
  ['3: a 301', { status: 301 }],
  ['3: a 302 with max-age', { status: 302, response: cacheControl('max-age=60') }],
  ['3: a 500 with Expires', { status: 500, response: [['Expires', '0']] }],
  ['3: an unknown status with s-maxage', { status: 299, response: cacheControl('s-maxage=60') }],
  ['3: a 206 with its range', { status: 206, response: [RANGE] }],
  ['5.2.2.4: no-cache', { response: cacheControl('no-cache') }],
  ['5.2.2.7: private with field names', { response: cacheControl('private="X-User"') }],
  ['5.2.2.3: no-store with must-understand', { response: cacheControl('no-store, must-understand') }],
  ['3.5: Authorization and public', { request: AUTHORIZATION, response: cacheControl('public') }],
  ['3.5: Authorization and s-maxage', { request: AUTHORIZATION, response: cacheControl('s-maxage=5') }],
  [
    '3.5: Authorization and must-revalidate',
    { request: AUTHORIZATION, response: cacheControl('must-revalidate') },
  ],
  ['7.3: Set-Cookie and public', { response: [COOKIE, ...cacheControl('public')] }],
  ['7.3: Set-Cookie and max-age', { response: [COOKIE, ...cacheControl('max-age=60')] }],
  ['7.3: Set-Cookie and Expires', { response: [COOKIE, ['Expires', httpDate(60)]] }],
  ['4.1: Vary', { response: [['Vary', 'Accept-Encoding, User-Agent']] }],
  ['5.2.1.4: a request with no-cache', { request: cacheControl('no-cache') }],
  ['a no-store inside of a quoted string', { response: cacheControl('x="no-store, private"') }],
]

for (const [sentence, of] of STORED) {
  test(`RFC 9111 ${sentence} is stored`, () => assert.equal(outcome(of).kind, 'store'))
}

const REFUSED: readonly (readonly [sentence: string, of: Case])[] = [
  ['3: the answer to POST', { method: 'POST', response: cacheControl('max-age=60') }],
  ['3: the answer to HEAD', { method: 'HEAD' }],
  ['3: an interim response', { status: 103 }],
  ['4.3.4: a 304', { status: 304, response: cacheControl('max-age=60') }],
  ['3: a 302 without a lifetime', { status: 302 }],
  ['3: a 500 without a lifetime', { status: 500 }],
  ['3.3: a 206 without its range', { status: 206 }],
  ['3.3: a 206 with a malformed range', { status: 206, response: [['Content-Range', 'bytes 5-1/10']] }],
  ['5.2.2.5: no-store', { response: cacheControl('max-age=60, No-Store') }],
  ['5.2.2.5: no-store in a malformed list', { response: cacheControl('max-age=60; no-store') }],
  ['5.2.2.7: private', { response: cacheControl('PRIVATE') }],
  ['5.2.2.7: private=""', { response: cacheControl('private=""') }],
  [
    '5.2.2.3: must-understand, status unknown',
    { status: 299, response: cacheControl('max-age=9, must-understand') },
  ],
  ['5.2.1.5: a request with no-store', { request: cacheControl('no-store') }],
  ['3.5: Authorization', { request: AUTHORIZATION, response: cacheControl('max-age=60') }],
  [
    '3.5: Authorization and an unreadable public',
    { request: AUTHORIZATION, response: cacheControl('max-age=60; public') },
  ],
  ['7.3: Set-Cookie without a lifetime', { response: [COOKIE, ['Last-Modified', httpDate(-9000)]] }],
  ['7.3: Set-Cookie to be validated each time', { response: [COOKIE, ...cacheControl('max-age=0')] }],
  ['7.3: Set-Cookie and an unreadable lifetime', { response: [COOKIE, ...cacheControl('max-age=60; x')] }],
  ['3: a status that is none', { status: 600, response: cacheControl('max-age=60') }],
  ['RFC 6585 4: a 429', { status: 429, response: cacheControl('max-age=60') }],
  ['RFC 6585 6: a 511', { status: 511, response: cacheControl('max-age=60') }],
  ['a 412, for one request', { status: 412, response: cacheControl('max-age=60') }],
  ['a 416, for one request', { status: 416, response: cacheControl('max-age=60') }],
  ['4.1: Vary: *', { response: [['Vary', 'Accept, *']] }],
  ['R6.3: a rule that does not store', { stores: false }],
]

for (const [sentence, of] of REFUSED) {
  test(`RFC 9111 ${sentence} is not stored`, () => {
    const { kind, ...rest } = outcome(of)
    assert.equal(kind, 'no')
    assert.ok('reason' in rest && rest.reason !== '')
  })
}

const WORTH: readonly (readonly [sentence: string, status: number, Fields, worth: boolean])[] = [
  ['a file, for peers', 200, [], true],
  ['a 404 that is fresh', 404, cacheControl('max-age=60'), true],
  ['a 404 that is fresh by heuristics', 404, [['Last-Modified', httpDate(-9000)]], true],
  ['a 404 that is stale at once', 404, [], false],
  ['a 404 with a validator, which no server heeds', 404, [['ETag', '"a"']], false],
  ['a 203 with a validator', 203, [['ETag', '"a"']], true],
  ['a 203 without', 203, [], false],
]

for (const [sentence, status, fields, isWorth] of WORTH) {
  test(`${sentence} is ${isWorth ? '' : 'not '}worth storing`, () => {
    assert.equal(isWorthStoring(stored(fields, { status }), { immutable: false }), isWorth)
  })
}

test('R6.3: that an immutable file is not there is not immutable', () => {
  assert.equal(isWorthStoring(stored([], { status: 404 }), { immutable: true }), false)
})

test('RFC 9111 3.1, 5.2.2.7: hop-by-hop fields, and those that private names, are not stored', () => {
  const response: Fields = [
    ['Connection', 'X-Hop'],
    ['X-Hop', '1'],
    ['Proxy-Authenticate', 'Basic'],
    ['X-User', 'somebody'],
    ['ETag', '"a"'],
    ...cacheControl('private="x-user", max-age=60'),
  ]
  assert.deepEqual(outcome({ response }), {
    kind: 'store',
    fields: [['ETag', '"a"'], ...cacheControl('private="x-user", max-age=60')],
  })
})
