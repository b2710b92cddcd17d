import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Fields } from '../../core/fields.ts'
import { checkRequest, type CheckSettings, MAX_FIELD_LINES, requestPath } from '../../proxy/request-check.ts'

const SETTINGS: CheckSettings = {
  pseudonym: 'me',
  ownAuthorities: ['127.0.0.1:3128', 'localhost:3128', '[::1]:3128'],
  isOwnPage: (path) => path === '/proxy.pac' || path === '/',
}

/** The decision in one line: what the tables below compare. */
function decide(method: string, target: string, fields: Fields = [['Host', 'a']], version = '1.1'): string {
  const decision = checkRequest({ method, target, version, fields }, SETTINGS)
  switch (decision.kind) {
    case 'proxy':
      return `proxy ${decision.target.href}`
    case 'own-page':
      return `own-page ${decision.path}`
    case 'connect':
      return `connect ${decision.host} ${decision.port}`
    case 'refused':
      return decision.fault.code
  }
}

const TARGETS: readonly (readonly [method: string, target: string, host: string, expected: string])[] = [
  ['GET', 'http://a.test/x?y', 'a.test', 'proxy http://a.test/x?y'],
  ['GET', 'HTTP://A.test:80', 'other', 'proxy http://a.test/'],
  ['GET', 'http://a.test:', 'a.test', 'proxy http://a.test/'],
  ['GET', 'http://a.test:8080/', '', 'proxy http://a.test:8080/'],
  ['GET', 'http://[2001:DB8::1]:81/', 'a', 'proxy http://[2001:db8::1]:81/'],
  ['GET', 'http://0x7f.1/', 'a', 'proxy http://127.0.0.1/'],
  ['GET', 'http://under_score.test/', 'a', 'proxy http://under_score.test/'],
  ['GET', 'http:///path', 'a', 'BAD_REQUEST'],
  ['GET', 'http://a.test:99999/', 'a', 'BAD_REQUEST'],
  ['GET', 'http://a.test:1a/', 'a', 'BAD_REQUEST'],
  ['GET', 'http://1.2.3.4.5/', 'a', 'BAD_REQUEST'],
  ['GET', 'http://a%2etest/', 'a', 'BAD_REQUEST'],
  ['GET', 'http://user@a.test/', 'a', 'BAD_REQUEST'],
  ['GET', 'http://@a.test/', 'a', 'BAD_REQUEST'],
  ['GET', 'http://user:pw@a.test/', 'a', 'BAD_REQUEST'],
  ['GET', 'http://a.test\\@b.test/', 'a', 'BAD_REQUEST'],
  ['GET', 'http://a.test/x#y', 'a', 'BAD_REQUEST'],
  ['GET', 'http://a.test/\xe4', 'a', 'BAD_REQUEST'],
  ['GET', 'http://a.test/ b', 'a', 'BAD_REQUEST'],
  ['GET', 'http://a.test/@x?u:p@y', 'a', 'proxy http://a.test/@x?u:p@y'],
  ['GET', 'https://a.test/', 'a', 'NOT_A_PROXY_REQUEST'],
  ['GET', 'ftp://a.test/', 'a', 'NOT_A_PROXY_REQUEST'],
  ['GET', 'http:a.test', 'a', 'NOT_A_PROXY_REQUEST'],
  ['OPTIONS', '*', 'a', 'NOT_A_PROXY_REQUEST'],
  ['OPTIONS', '*', 'localhost:3128', 'NOT_A_PROXY_REQUEST'],
  ['GET', 'a.test:80', 'a', 'NOT_A_PROXY_REQUEST'],
  ['GET', '/proxy.pac', '127.0.0.1:3128', 'own-page /proxy.pac'],
  ['GET', '/proxy.pac', 'LOCALHOST:3128', 'own-page /proxy.pac'],
  ['GET', '/proxy.pac', '[::1]:3128', 'own-page /proxy.pac'],
  ['GET', '/proxy.pac', 'localhost', 'NOT_A_PROXY_REQUEST'],
  ['GET', '/proxy.pac', 'rebound.test:3128', 'NOT_A_PROXY_REQUEST'],
  ['GET', '/proxy.pac', '', 'NOT_A_PROXY_REQUEST'],
  ['GET', '/other', 'localhost:3128', 'NOT_FOUND'],
  ['GET', '//a.test/', 'localhost:3128', 'NOT_FOUND'],
  ['GET', 'http://localhost:3128/proxy.pac', 'x', 'own-page /proxy.pac'],
  ['GET', 'http://localhost:3128', 'x', 'own-page /'],
  ['POST', 'http://127.1:3128/other', 'x', 'NOT_FOUND'],
  ['CONNECT', 'a.test:443', 'a', 'connect a.test 443'],
  ['CONNECT', '[2001:db8::1]:443', 'a', 'connect 2001:db8::1 443'],
  ['CONNECT', '2130706433:80', 'a', 'connect 127.0.0.1 80'],
  ['CONNECT', 'a.test:80', 'a', 'connect a.test 80'],
  ['CONNECT', 'a.test', 'a', 'BAD_REQUEST'],
  ['CONNECT', 'a.test:', 'a', 'BAD_REQUEST'],
  ['CONNECT', 'a.test:0', 'a', 'BAD_REQUEST'],
  ['CONNECT', 'a.test:65536', 'a', 'BAD_REQUEST'],
  ['CONNECT', 'a.test:44e1', 'a', 'BAD_REQUEST'],
  ['CONNECT', '2001:db8::1:443', 'a', 'BAD_REQUEST'],
  ['CONNECT', 'u@a.test:443', 'a', 'BAD_REQUEST'],
  ['CONNECT', 'http://a.test:443', 'a', 'BAD_REQUEST'],
  ['CONNECT', '/', 'a', 'BAD_REQUEST'],
  ['CONNECT', 'localhost:3128', 'a', 'LOOP_DETECTED'],
  ['CONNECT', '127.1:3128', 'a', 'LOOP_DETECTED'],
]
for (const [method, target, host, expected] of TARGETS) {
  test(`${method} ${target} under Host "${host}": ${expected}`, () => {
    assert.equal(decide(method, target, [['Host', host]]), expected)
  })
}

const OK = 'proxy http://a/'
const HEADS: readonly (readonly [name: string, fields: Fields, expected: string, version?: string])[] = [
  ['a Host', [['Host', 'a']], OK],
  [
    'two Host lines',
    [
      ['Host', 'a'],
      ['host', 'a'],
    ],
    'BAD_REQUEST',
  ],
  ['no Host', [], 'BAD_REQUEST'],
  ['no Host in HTTP/1.0', [], OK, '1.0'],
  ['two Hosts in one line', [['Host', 'a, b']], 'BAD_REQUEST'],
  ['HTTP/2.0', [['Host', 'a']], 'BAD_REQUEST', '2.0'],
  ['HTTP/0.9', [['Host', 'a']], 'BAD_REQUEST', '0.9'],
  [
    'chunked',
    [
      ['Host', 'a'],
      ['Transfer-Encoding', 'chunked'],
    ],
    OK,
  ],
  [
    'chunked in HTTP/1.0',
    [
      ['Host', 'a'],
      ['Transfer-Encoding', 'chunked'],
    ],
    'BAD_REQUEST',
    '1.0',
  ],
  [
    'CHUNKED',
    [
      ['Host', 'a'],
      ['Transfer-Encoding', 'CHUNKED'],
    ],
    'BAD_REQUEST',
  ],
  [
    'an empty coding',
    [
      ['Host', 'a'],
      ['Transfer-Encoding', ''],
    ],
    'BAD_REQUEST',
  ],
  [
    'chunked twice',
    [
      ['Host', 'a'],
      ['Transfer-Encoding', 'chunked'],
      ['transfer-encoding', 'chunked'],
    ],
    'BAD_REQUEST',
  ],
  [
    'chunked and a length',
    [
      ['Host', 'a'],
      ['Transfer-Encoding', 'chunked'],
      ['Content-Length', '0'],
    ],
    'BAD_REQUEST',
  ],
  [
    'a length',
    [
      ['Host', 'a'],
      ['Content-Length', '12'],
    ],
    OK,
  ],
  [
    'two lengths',
    [
      ['Host', 'a'],
      ['Content-Length', '12'],
      ['Content-Length', '12'],
    ],
    'BAD_REQUEST',
  ],
  [
    'an empty length',
    [
      ['Host', 'a'],
      ['Content-Length', ''],
    ],
    'BAD_REQUEST',
  ],
  [
    'a negative length',
    [
      ['Host', 'a'],
      ['Content-Length', '-1'],
    ],
    'BAD_REQUEST',
  ],
  [
    'a length that is not exact as a number',
    [
      ['Host', 'a'],
      ['Content-Length', '9007199254740993'],
    ],
    'BAD_REQUEST',
  ],
  [
    'Expect',
    [
      ['Host', 'a'],
      ['Expect', '100-Continue'],
    ],
    OK,
  ],
  [
    'another Expect',
    [
      ['Host', 'a'],
      ['Expect', '100-continue, x'],
    ],
    'EXPECTATION_FAILED',
  ],
  [
    'its own Via',
    [
      ['Host', 'a'],
      ['Via', '1.1 x, 1.1 me'],
    ],
    'LOOP_DETECTED',
  ],
  [
    'Upgrade',
    [
      ['Host', 'a'],
      ['Connection', 'upgrade'],
      ['Upgrade', 'x'],
    ],
    OK,
  ],
  [
    'Upgrade with a length',
    [
      ['Host', 'a'],
      ['Connection', 'upgrade'],
      ['Upgrade', 'x'],
      ['Content-Length', '1'],
    ],
    'BAD_REQUEST',
  ],
  [
    'Upgrade with length zero',
    [
      ['Host', 'a'],
      ['Connection', 'upgrade'],
      ['Upgrade', 'x'],
      ['Content-Length', '0'],
    ],
    OK,
  ],
  [
    'Upgrade that Connection does not name, with a length',
    [
      ['Host', 'a'],
      ['Upgrade', 'x'],
      ['Content-Length', '1'],
    ],
    OK,
  ],
  [
    'the most field lines',
    Array.from({ length: MAX_FIELD_LINES }, (_, at) => [at ? 'X' : 'Host', 'a'] as const),
    OK,
  ],
  [
    'one field line more',
    Array.from({ length: MAX_FIELD_LINES + 1 }, (_, at) => [at ? 'X' : 'Host', 'a'] as const),
    'BAD_REQUEST',
  ],
]
for (const [name, fields, expected, version] of HEADS) {
  test(`a head with ${name}: ${expected}`, () => {
    assert.equal(decide('POST', 'http://a/', fields, version), expected)
  })
}

for (const method of ['CONNECT', 'TRACE']) {
  test(`${method} brings no content`, () => {
    const target = method === 'CONNECT' ? 'a:443' : 'http://a/'
    assert.equal(
      decide(method, target, [
        ['Host', 'a'],
        ['Content-Length', '3'],
      ]),
      'BAD_REQUEST',
    )
    assert.equal(
      decide(method, target, [
        ['Host', 'a'],
        ['Transfer-Encoding', 'chunked'],
      ]),
      'BAD_REQUEST',
    )
    assert.notEqual(
      decide(method, target, [
        ['Host', 'a'],
        ['Content-Length', '0'],
      ]),
      'BAD_REQUEST',
    )
  })
}

test('whatever comes is decided, never thrown, and never forwarded with userinfo or to another scheme', () => {
  const text = fc.oneof(
    fc.string(),
    fc.webUrl(),
    fc.constantFrom('http://a@b/', 'http://a\\b/', '*', 'a:1', 'http://[::1'),
  )
  const name = fc.constantFrom(
    'Host',
    'Via',
    'Connection',
    'Upgrade',
    'Content-Length',
    'Transfer-Encoding',
    'Expect',
  )
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'CONNECT', 'OPTIONS'),
      text,
      fc.array(fc.tuple(name, text)),
      (method, target, fields) => {
        const decision = checkRequest(
          { method, target, version: '1.1', fields: [['Host', 'a'], ...fields] },
          SETTINGS,
        )
        if (decision.kind !== 'proxy') return
        assert.equal(decision.target.protocol, 'http:')
        assert.equal(decision.target.username + decision.target.password, '')
        assert.equal(
          fields.some(([each]) => each === 'Host'),
          false,
        )
      },
    ),
  )
})

test('no message repeats credentials or a query', () => {
  for (const target of ['http://u:secret@a/', 'https://u:secret@a/?secret', 'ftp://a/?secret', '/x?secret']) {
    const decision = checkRequest(
      { method: 'GET', target, version: '1.1', fields: [['Host', 'localhost:3128']] },
      SETTINGS,
    )
    assert.equal(decision.kind, 'refused')
    assert.ok(decision.kind === 'refused' && !decision.fault.message.includes('secret'))
  }
})

test('the path and query of a target stay as they were written', () => {
  assert.equal(requestPath('http://a/b/../c?d=http://e/'), '/b/../c?d=http://e/')
  assert.equal(requestPath('HTTP://a?b'), '/?b')
  assert.equal(requestPath('http://a'), '/')
  assert.equal(requestPath('/b//c'), '/b//c')
})
