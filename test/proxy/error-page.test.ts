import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Fault, FAULTS, type FaultCode } from '../../core/fault.ts'
import { fieldValue } from '../../core/fields.ts'
import { connectionFault, peerConnectionFault } from '../../proxy/connection-fault.ts'
import { errorAnswer } from '../../proxy/error-page.ts'

const TARGET = new URL('http://origin.test/file?token=secret')

for (const code of Object.keys(FAULTS) as FaultCode[]) {
  test(`${code} is told in plain words, with its status, type and code`, () => {
    const { status, fields, body } = errorAnswer(new Fault(code, 'what happened'), TARGET, 'text/html')
    const { status: expected, proxyStatus } = FAULTS[code]
    assert.equal(status, expected)
    assert.equal(
      fieldValue(fields, 'proxy-status'),
      `ihave; error=${proxyStatus}; details="${code}: what happened"`,
    )
    assert.equal(fieldValue(fields, 'cache-control'), 'no-store')
    assert.equal(fieldValue(fields, 'content-length'), String(body.length))
    assert.match(
      body.toString(),
      /<h1>[A-Z][^<]{10,}<\/h1>[^]*http:\/\/origin\.test\/file<[^]*[.] [A-Z][^<]*[.]<\/p>[^]*what happened/,
    )
    assert.ok(!body.toString().includes('secret'))
  })
}

const ACCEPTS: readonly (readonly [accept: string | undefined, type: 'text/html' | 'text/plain'])[] = [
  ['text/html,application/xhtml+xml;q=0.9,*/*;q=0.8', 'text/html'],
  ['TEXT/HTML; q=0.1', 'text/html'],
  ['application/xhtml+xml', 'text/html'],
  ['text/html;q=0, */*', 'text/plain'],
  ['text/html;q=0.0', 'text/plain'],
  ['text/htmlx', 'text/plain'],
  ['*/*', 'text/plain'],
  ['text/plain', 'text/plain'],
  [undefined, 'text/plain'],
]
for (const [accept, type] of ACCEPTS) {
  test(`Accept "${accept ?? ''}" gets ${type}`, () => {
    const { fields, body } = errorAnswer(new Fault('NOT_FOUND', 'no'), '/x', accept)
    assert.equal(fieldValue(fields, 'content-type'), `${type}; charset=utf-8`)
    assert.equal(body.toString().includes('<'), type === 'text/html')
  })
}

test('no message and no target can add markup, a field or a parameter', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('<script>', '"; x=y', '\r\nSet-Cookie: a', '\\"'),
  )
  const tags = errorAnswer(new Fault('BAD_REQUEST', 'x'), 'y', 'text/html')
    .body.toString()
    .match(/<[^>]*>/g)
  fc.assert(
    fc.property(
      fc.array(nasty).map((parts) => parts.join('')),
      nasty,
      (message, target) => {
        const { fields, body } = errorAnswer(new Fault('BAD_REQUEST', message), target, 'text/html')
        assert.match(
          fieldValue(fields, 'proxy-status') ?? '',
          /^ihave; error=http_request_error; details="(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/,
        )
        assert.deepEqual(body.toString().match(/<[^>]*>/g), tags)
        for (const [, value] of fields) assert.doesNotMatch(value, /[\r\n]/)
      },
    ),
  )
})

test('credentials and queries of a target are not repeated, parsed or not', () => {
  for (const target of ['http://user:secret@h/a?secret', new URL('http://user:secret@h/a?secret')]) {
    assert.match(errorAnswer(new Fault('BAD_REQUEST', 'x'), target).body.toString(), /\nhttp:\/\/h\/a\n/)
  }
})

test('a long message and a long target are cut', () => {
  const { fields, body } = errorAnswer(
    new Fault('BAD_REQUEST', 'x'.repeat(10_000)),
    `http://h/${'y'.repeat(10_000)}`,
  )
  assert.ok(body.length < 1_500)
  assert.ok((fieldValue(fields, 'proxy-status') ?? '').length < 500)
})

const ERRORS: readonly (readonly [code: string, fault: FaultCode])[] = [
  ['ENOTFOUND', 'DNS_FAILED'],
  ['EAI_AGAIN', 'DNS_TIMEOUT'],
  ['ECONNREFUSED', 'CONNECT_REFUSED'],
  ['ETIMEDOUT', 'CONNECT_TIMEOUT'],
  ['EHOSTUNREACH', 'UNREACHABLE'],
  ['HPE_INVALID_HEADER_TOKEN', 'RESPONSE_INVALID'],
  ['ECONNRESET', 'RESPONSE_INCOMPLETE'],
]
for (const [code, fault] of ERRORS) {
  test(`${code}, alone or with others, is ${fault}`, () => {
    const error = Object.assign(new Error('text'), { code })
    assert.equal(connectionFault(error, 'h:1').code, fault)
    assert.equal(connectionFault(new AggregateError([error, new Error('other')]), 'h:1').code, fault)
    assert.match(connectionFault(error, 'h:1').message, /^h:1: text$/)
  })
}

const OWN_LACKS = ['EADDRNOTAVAIL', 'ENETDOWN', 'ENETUNREACH', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']
for (const code of [...OWN_LACKS, 'EACCES', 'EPERM']) {
  test(`${code} is a lost way where a peer was to be reached: nobody is to blame for what this machine lacks`, () => {
    const error = Object.assign(new Error('text'), { code })
    assert.equal(peerConnectionFault(error, 'h:1').code, 'PEER_LOST')
    assert.match(peerConnectionFault(error, 'h:1').message, /^h:1: text$/)
  })
}

test('what a peer does not do, or does wrong, is no lack of this machine', () => {
  for (const [code, fault] of ERRORS) {
    const error = Object.assign(new Error('text'), { code })
    assert.equal(peerConnectionFault(error, 'h:1').code, fault)
  }
  const fault = new Fault('RESPONSE_TIMEOUT', 'x')
  assert.equal(peerConnectionFault(fault, 'h:1'), fault)
})

test('a fault stays what it is, and anything else can be thrown', () => {
  const fault = new Fault('LOOP_DETECTED', 'x')
  assert.equal(connectionFault(fault, 'h:1'), fault)
  assert.equal(connectionFault('text', 'h:1').code, 'RESPONSE_INCOMPLETE')
  assert.equal(connectionFault(new AggregateError([]), 'h:1').code, 'RESPONSE_INCOMPLETE')
})
