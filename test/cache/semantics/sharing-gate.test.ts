import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Fields } from '../../../core/fields.ts'
import type { RequestView, SharingProof } from '../../../cache/semantics/sharing-gate.ts'
import { mayNameToLan, maySharePeerwise } from '../../../cache/semantics/sharing-gate.ts'
import { cacheControl } from './fixtures.ts'

const PLAIN: RequestView = {
  method: 'GET',
  uri: 'http://a.example/pool/x_1.deb',
  fields: [['Host', 'a.example']],
}

function gate(request: Partial<RequestView>, response: Fields, status = 200, proof: SharingProof = 'none') {
  return maySharePeerwise({ ...PLAIN, ...request }, { status, fields: response }, { share: true }, proof).kind
}

const REQUESTS: readonly (readonly [sentence: string, request: Partial<RequestView>])[] = [
  ['HEAD', { method: 'HEAD' }],
  ['POST', { method: 'POST' }],
  ['get, which is not GET', { method: 'get' }],
  ['Authorization', { fields: [['AUTHORIZATION', 'Basic eDp5']] }],
  ['an empty Authorization', { fields: [['Authorization', '']] }],
  ['Cookie', { fields: [['cookie', 'a=b']] }],
  ['Proxy-Authorization', { fields: [['Proxy-Authorization', 'Basic eDp5']] }],
  ['a token of its own', { fields: [['X-Amz-Security-Token', 'x']] }],
  ['an API key', { fields: [['X-API-Key', 'x']] }],
  ['a client certificate', { hasClientCertificate: true }],
  ['a forwarded client certificate', { fields: [['Client-Cert', ':AA:']] }],
  ['no-store', { fields: cacheControl('no-store') }],
  ['directives that cannot be read', { fields: cacheControl('"') }],
  ['userinfo', { uri: 'http://user:word@a.example/x' }],
  ['a user without a password', { uri: 'http://user@a.example/x' }],
  ['no http', { uri: 'ftp://a.example/x' }],
  ['no URI', { uri: '/x' }],
]

for (const [sentence, request] of REQUESTS) {
  test(`V§3: a request with ${sentence} is not named to the LAN, digest known or not, nor its answer shared`, () => {
    for (const knownDigest of [true, false]) {
      const view = { ...PLAIN, ...request }
      assert.equal(mayNameToLan(view, { share: true }, knownDigest).kind, 'withhold')
      assert.equal(gate(request, [], 200, knownDigest ? 'known-digest' : 'none'), 'withhold')
    }
  })
}

for (const query of [
  'sig=1',
  'Signature=1',
  'token=1',
  'key=1',
  'expires=1',
  'X-Amz-Date=1',
  'x-goog-a=1',
  'se=1',
  'sp=1',
  'sv=1',
  'pw=1',
  'license=1',
  'email=a',
  '__gda__=1',
  'verify=1',
]) {
  test(`V§3: a query with ${query} is named only when a digest vouches for the bytes`, () => {
    const request = { ...PLAIN, uri: `${PLAIN.uri}?v=1&${query}` }
    assert.equal(mayNameToLan(request, { share: true }, false).kind, 'withhold')
    assert.equal(mayNameToLan(request, { share: true }, true).kind, 'share')
    assert.equal(gate(request, [], 200, 'none'), 'withhold')
    assert.equal(gate(request, [], 200, 'known-digest'), 'share')
  })
}

test('V§3: a path with ;jsessionid= is named only when a digest vouches for the bytes', () => {
  const request = { ...PLAIN, uri: `${PLAIN.uri};jsessionid=0A1B` }
  assert.equal(mayNameToLan(request, { share: true }, false).kind, 'withhold')
  assert.equal(mayNameToLan(request, { share: true }, true).kind, 'share')
})

test('V§3: nothing is named that no rule shares', () => {
  assert.equal(mayNameToLan(PLAIN, { share: false }, true).kind, 'withhold')
  const response = { status: 200, fields: [] }
  assert.equal(maySharePeerwise(PLAIN, response, { share: false }, 'known-digest').kind, 'withhold')
})

test('V§3: what apt, npm and curl ask for plainly is named', () => {
  const fields: Fields = [
    ['User-Agent', 'Debian APT-HTTP/1.3'],
    ['Cache-Control', 'max-age=0'],
    ['Accept-Encoding', 'gzip'],
    ['If-Modified-Since', 'Sun, 06 Nov 1994 08:49:37 GMT'],
    ['Range', 'bytes=5-'],
    ['npm-session', 'abc'],
    ['npm-auth-type', 'web'],
  ]
  assert.deepEqual(mayNameToLan({ ...PLAIN, fields }, { share: true }, false), { kind: 'share' })
})

const SHARED: readonly (readonly [sentence: string, response: Fields])[] = [
  ['no field', []],
  ['a lifetime', cacheControl('public, max-age=60, s-maxage="60", immutable, x="y, z"')],
  ['agreeing duplicates', cacheControl('max-age=60, max-age=60')],
  ['max-age=0', cacheControl('max-age=0, must-revalidate')],
  [
    'Vary: Accept-Encoding',
    [
      ['Vary', 'accept-encoding'],
      ['vary', 'Accept-Encoding ,'],
    ],
  ],
  ['Pragma: public', [['Pragma', 'public']]],
]

for (const [sentence, response] of SHARED) {
  test(`V§3: a response with ${sentence} is shared`, () => assert.equal(gate({}, response), 'share'))
}

const WITHHELD: readonly (readonly [sentence: string, response: Fields])[] = [
  ['Set-Cookie', [['set-cookie', 'a=b']]],
  ['WWW-Authenticate', [['WWW-Authenticate', 'Basic']]],
  ['Content-Range', [['Content-Range', 'bytes 0-1/2']]],
  ['Authentication-Info', [['Authentication-Info', 'x=y']]],
  ['Vary: *', [['Vary', '*']]],
  ['Vary: User-Agent', [['Vary', 'Accept-Encoding, User-Agent']]],
  [
    'Vary: Cookie on a second line',
    [
      ['Vary', 'Accept-Encoding'],
      ['Vary', 'Cookie'],
    ],
  ],
  ['an unreadable Vary', [['Vary', 'Accept-Encoding"']]],
  ['PRIVATE', cacheControl('PRIVATE')],
  ['private=""', cacheControl('private=""')],
  ['private with field names', cacheControl('max-age=60, private="x"')],
  ['private-ish', cacheControl('private-to-me')],
  ['no-cache with field names', cacheControl('no-cache="x"')],
  ['No-Store', cacheControl('max-age=60,No-Store')],
  ['a no-store on its own line', [...cacheControl('max-age=60'), ...cacheControl('no-store')]],
  ['a no-store in a quoted argument', cacheControl('x="no\\-store"')],
  ['a semicolon', cacheControl('max-age=60; public')],
  ['an open quote', cacheControl('max-age="60')],
  ['white space around =', cacheControl('max-age = 60')],
  ['contradicting duplicates', cacheControl('max-age=60, max-age=61')],
  ['contradicting lines', [...cacheControl('max-age=60'), ...cacheControl('max-age=61')]],
  ['Pragma: no-cache', [['Pragma', 'no-cache']]],
]

for (const [sentence, response] of WITHHELD) {
  test(`V§3: a response with ${sentence} is withheld, whatever is known of it`, () => {
    assert.equal(gate({}, response, 200, 'none'), 'withhold')
    assert.equal(gate({}, response, 200, 'known-digest'), 'withhold')
  })
}

for (const status of [100, 203, 204, 206, 301, 304, 404, 500]) {
  test(`V§3: status ${status} is withheld`, () => assert.equal(gate({}, [], status), 'withhold'))
}

test('a reason tells the name of a credential and never its value', () => {
  const secret = 'hunter2hunter2hunter2hunter2hunter2hunter2'
  const requests: readonly Partial<RequestView>[] = [
    { fields: [['Authorization', secret]] },
    { fields: [['Cache-Control', `"${secret}`]] },
    { uri: `http://user:${secret}@a.example/` },
    { uri: `http://a.example/?token=${secret}` },
    { uri: `http://a.example/?${secret}` },
    { uri: `http://a.example/?${secret}=1` },
  ]
  for (const request of requests) {
    const sharing = mayNameToLan({ ...PLAIN, ...request }, { share: true }, false)
    assert.ok(sharing.kind === 'withhold' && !sharing.reason.includes(secret))
  }
})

const harmless = fc.constantFrom(
  'public',
  'max-age=60',
  'immutable',
  'x="a, b"',
  'y=z',
  '',
  ' ',
  's-maxage="5"',
)
const separator = fc.constantFrom(',', ', ', ' ,\t', ',,')

/** `private`, `no-store` and `no-cache` in every spelling that a sloppy parser might read over. */
const forbidden = fc
  .tuple(
    fc.mixedCase(fc.constantFrom('private', 'no-store', 'no-cache')),
    fc.constantFrom(
      '',
      '=',
      '=""',
      '="x"',
      '=x',
      '="',
      ' ',
      ';',
      ' =1',
      '= 1',
      '\u00a0',
      '-x',
      '"',
      "='x'",
      '="\\"',
    ),
    fc.constantFrom(
      '',
      ' ',
      '\t',
      '"',
      "'",
      'x="',
      '=',
      'x=',
      ';',
      'max-age=60;',
      '\u00a0',
      '\v',
      '("',
      '\\',
    ),
  )
  .map(([name, after, before]) => before + name + after)

test('V§3: no value that has private, no-store or no-cache in any spelling or quoting passes', () => {
  fc.assert(
    fc.property(
      fc.array(harmless),
      forbidden,
      fc.array(harmless),
      separator,
      fc.boolean(),
      (before, word, after, comma, isOneLine) => {
        const pieces = [...before, word, ...after]
        const fields = isOneLine ? cacheControl(pieces.join(comma)) : pieces.flatMap(cacheControl)
        assert.equal(gate({}, fields, 200, 'known-digest'), 'withhold')
      },
    ),
    { numRuns: 2000 },
  )
})

test('V§3: nor does one with such a word anywhere inside of any characters', () => {
  const anything = fc.string({ unit: 'binary' })
  const word = fc.mixedCase(fc.constantFrom('private', 'no-store', 'no-cache'))
  fc.assert(
    fc.property(anything, word, anything, (before, each, after) => {
      assert.equal(gate({}, cacheControl(before + each + after)), 'withhold')
    }),
    { numRuns: 1000 },
  )
})

test('V§3: whatever passes is a list by the grammar of RFC 9111 5.2', () => {
  const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
  const quoted = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"'
  const element = `[ \\t]*(?:${token}(?:=(?:${token}|${quoted}))?)?[ \\t]*`
  const grammar = new RegExp(`^${element}(?:,${element})*$`)
  const piece = fc.constantFrom('a', '=', '"', ',', ' ', '\\', '\t', ';', 'max-age', '60', '\u0001', 'é', '€')
  const outcomes = { share: 0, withhold: 0 }
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const value = pieces.join('')
      const kind = gate({}, cacheControl(value))
      outcomes[kind]++
      if (kind === 'share') assert.match(value, grammar)
    }),
    { numRuns: 3000 },
  )
  assert.ok(outcomes.share > 50 && outcomes.withhold > 50, JSON.stringify(outcomes))
})

/** Anything of an exchange that is not for the LAN, and what is harmless beside it. */
interface Exchange {
  readonly method?: string
  readonly query?: string
  readonly userinfo?: string
  readonly asked?: Fields
  readonly status?: number
  readonly told?: Fields
}

const mixed = (...names: readonly string[]) => fc.mixedCase(fc.constantFrom(...names))
const value = fc.string({ unit: 'grapheme-ascii' })
const named = (...names: readonly string[]) => fc.tuple(mixed(...names), value)

const SIN: fc.Arbitrary<Exchange> = fc.oneof(
  fc.constantFrom('HEAD', 'POST', 'PUT', 'get', 'QUERY').map((method) => ({ method })),
  fc
    .constantFrom('sig=1', 'X-Amz-Signature=1', 'x=1&token=2', 'se=1;sp=r', 'eyJhbGciOi', 'x=%zz')
    .map((query) => ({ query })),
  fc.constantFrom('user@', 'user:word@', ':word@').map((userinfo) => ({ userinfo })),
  named(
    'authorization',
    'cookie',
    'proxy-authorization',
    'x-amz-security-token',
    'x-api-key',
    'client-cert',
  ).map((line) => ({ asked: [line] })),
  fc
    .integer({ min: 100, max: 599 })
    .filter((status) => status !== 200)
    .map((status) => ({ status })),
  named('set-cookie', 'set-cookie2', 'www-authenticate', 'proxy-authenticate', 'content-range').map(
    (line) => ({
      told: [line],
    }),
  ),
  mixed('*', 'cookie', 'user-agent', 'accept-encoding, accept', 'origin').map((names) => ({
    told: [['Vary', names] as const],
  })),
  forbidden.map((word) => ({ told: cacheControl(word) })),
)

const HARMLESS: fc.Arbitrary<Exchange> = fc.oneof(
  fc.constantFrom('arch=amd64', 'v=1.2.3', '').map((query) => ({ query })),
  named('user-agent', 'accept', 'accept-encoding', 'x-forwarded-for').map((line) => ({ asked: [line] })),
  mixed('accept-encoding', 'accept-encoding,', '').map((names) => ({ told: [['Vary', names] as const] })),
  named('etag', 'content-type', 'server', 'x-cache').map((line) => ({ told: [line] })),
  harmless.filter((each) => each !== 's-maxage="5"').map((directive) => ({ told: cacheControl(directive) })),
)

function judge(parts: readonly Exchange[]): 'share' | 'withhold' {
  const { method = 'GET', query = '', userinfo = '', status = 200 } = Object.assign({}, ...parts) as Exchange
  const uri = `http://${userinfo}a.example/pool/x_1.deb${query === '' ? '' : `?${query}`}`
  const asked = parts.flatMap((part) => part.asked ?? [])
  const told = parts.flatMap((part) => part.told ?? [])
  return gate({ method, uri, fields: asked }, told, status)
}

test('V§3: one thing that is not for the LAN is enough, whatever harmless things stand around it', () => {
  fc.assert(
    fc.property(fc.array(HARMLESS), SIN, fc.array(HARMLESS), (before, sin, after) => {
      const isQuery = sin.query !== undefined
      const rest = isQuery ? after.filter(({ query }) => query === undefined) : after
      assert.equal(judge([...before, sin, ...rest]), 'withhold')
    }),
    { numRuns: 3000 },
  )
})

test('V§3: harmless things together are shared, so that the test above says something', () => {
  fc.assert(
    fc.property(fc.array(HARMLESS, { maxLength: 3 }), (parts) => {
      const directives = parts.flatMap(({ told = [] }) =>
        told.filter(([name]) => /^cache-control$/i.test(name)),
      )
      fc.pre(new Set(directives.map(([, each]) => each)).size === directives.length)
      assert.equal(judge(parts), 'share')
    }),
  )
})
