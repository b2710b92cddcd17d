import assert from 'node:assert/strict'
import { request } from 'node:http'
import { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import * as fc from 'fast-check'
import { fieldsFromRaw, type Fields } from '../../../core/fields.ts'
import { MAX_HEAD_BYTES, MAX_LINE_BYTES, ResponseReader } from '../../../proxy/upstream/response-reader.ts'

/** What one response came to. */
interface Seen {
  readonly heads: readonly (readonly [status: number, reason: string, fields: Fields])[]
  readonly body: string
  /** `false`: it ended, and its connection with it. */
  readonly end: 'open' | 'reusable' | 'closed' | 'flaw'
  readonly flaw?: string
}

/** @param pieces what comes, each at once; then the server closes, if so. */
function read(pieces: readonly string[], { method = 'GET', closes = false } = {}): Seen {
  const heads: [number, string, Fields][] = []
  let body = ''
  let end: Seen['end'] = 'open'
  let flaw: string | undefined
  const reader = new ResponseReader({
    onHead: ({ status, reason, fields }) => heads.push([status, reason, fields]),
    onData: (bytes) => (body += bytes.toString('latin1')),
    onEnd: (mayReuse) => (end = mayReuse ? 'reusable' : 'closed'),
    onFlaw: (found) => {
      end = 'flaw'
      flaw = found.flaw
    },
  })
  reader.expect(method)
  for (const piece of pieces) reader.push(Buffer.from(piece, 'latin1'))
  if (closes) reader.close()
  return { heads, body, end, ...(flaw === undefined ? {} : { flaw }) }
}

const HEAD = 'HTTP/1.1 200 OK\r\n'
const OK = `${HEAD}Content-Length: 2\r\n\r\nok`
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`

/** A response with these lines, and two bytes of content. */
function withLines(...lines: string[]): string {
  return `${HEAD}${lines.map((line) => `${line}\r\n`).join('')}\r\nok`
}

describe('a response', () => {
  test('is read with its fields as they were written', () => {
    const text = 'HTTP/1.1 404 Not \xe9\r\nX-Empty:\r\nx-odd:\t \xe9"\\ ,;\t\r\nContent-Length: 2\r\n\r\nno'
    const fields = [
      ['X-Empty', ''],
      ['x-odd', '\xe9"\\ ,;'],
      ['Content-Length', '2'],
    ]
    assert.deepEqual(read([text]), { heads: [[404, 'Not \xe9', fields]], body: 'no', end: 'reusable' })
  })

  for (const [name, text, method, body] of [
    ['without a reason', 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok', 'GET', 'ok'],
    ['with an empty reason', 'HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok', 'GET', 'ok'],
    ['of nothing', `${HEAD}Content-Length: 0\r\n\r\n`, 'GET', ''],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', 'GET', ''],
    ['304 that tells a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', 'GET', ''],
    ['behind interim ones', `HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 100 C\r\n\r\n${OK}`, 'GET', 'ok'],
    ['in chunks', `${CHUNKED}2\r\nok\r\n00A\r\n0123456789\r\n0\r\n\r\n`, 'GET', 'ok0123456789'],
    ['in chunks with extensions', `${CHUNKED}2;a;b=c;d="e;\t\xe9"\r\nok\r\n0;x\r\n\r\n`, 'GET', 'ok'],
    ['in chunks with trailers', `${CHUNKED}2\r\nok\r\n0\r\nX: y\r\nZ:\r\n\r\n`, 'GET', 'ok'],
    ['in chunks, in capitals', `${HEAD}TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n`, 'GET', ''],
    [
      'of HTTP/1.0 that keeps alive',
      OK.replace('1.1', '1.0').replace('\r\n', '\r\nConnection: Keep-Alive\r\n'),
      'GET',
      'ok',
    ],
  ] as const)
    test(`${name} leaves its connection to the next, in whatever pieces it comes`, () => {
      const whole = read([text], { method })
      assert.deepEqual([whole.body, whole.end], [body, 'reusable'])
      assert.deepEqual(read(text.split(''), { method }), whole)
    })

  for (const [name, text, method, body] of [
    ['with Connection: close', withLines('Content-Length: 2', 'Connection: x , Close'), 'GET', 'ok'],
    ['of HTTP/1.0', OK.replace('1.1', '1.0'), 'GET', 'ok'],
    ['to HEAD', withLines('Content-Length: 2').slice(0, -2), 'HEAD', ''],
    ['to HEAD in chunks', CHUNKED, 'HEAD', ''],
    ['with a byte behind its end', `${OK}H`, 'GET', 'ok'],
    ['with another response behind it', OK + OK, 'GET', 'ok'],
    ['with a byte behind its last chunk', `${CHUNKED}0\r\n\r\nH`, 'GET', ''],
    ['with content behind 304', 'HTTP/1.1 304 N\r\nContent-Length: 2\r\n\r\nok', 'GET', ''],
    ['with content behind 204', 'HTTP/1.1 204 N\r\n\r\nok', 'GET', ''],
    ['with content for HEAD', OK, 'HEAD', ''],
  ] as const)
    test(`${name} ends its connection`, () => {
      const { body: seen, end } = read([text], { method })
      assert.deepEqual([seen, end], [body, 'closed'])
    })

  test('that says nothing of its length ends with its connection', () => {
    for (const version of ['1.0', '1.1']) {
      const text = `HTTP/${version} 200 OK\r\nConnection: keep-alive\r\n\r\nto the end`
      assert.deepEqual(read([text]).end, 'open')
      const { body, end } = read([text], { closes: true })
      assert.deepEqual([body, end], ['to the end', 'closed'])
    }
  })

  for (const coding of ['x', 'identity'])
    test(`in the coding ${coding}, which changes nothing, ends with its connection`, () => {
      const { body, end } = read([withLines(`Transfer-Encoding: ${coding}`)], { closes: true })
      assert.deepEqual([body, end], ['ok', 'closed'])
    })

  test('is not whole where its connection ends early', () => {
    for (const text of [
      '',
      'HTTP/1.1 2',
      HEAD,
      OK.slice(0, -1),
      CHUNKED,
      `${CHUNKED}1\r\nx\r\n`,
      `${CHUNKED}0\r\n`,
    ])
      assert.equal(read([text], { closes: true }).end, 'open', JSON.stringify(text))
  })

  test('may have a head as large as the limit', () => {
    const rest = withLines('Content-Length: 2', 'X: ').length - '\r\nok'.length
    assert.equal(
      read([withLines('Content-Length: 2', `X: ${'x'.repeat(MAX_HEAD_BYTES - rest)}`)]).end,
      'reusable',
    )
  })
})

/** Whoever reads them otherwise would see another end of the message. */
const FLAWS: readonly (readonly [name: string, text: string])[] = [
  ['another protocol', 'SSH-2.0-x\r\n'],
  ['TLS', '\x15\x03\x01\x00\x02'],
  ['HTTP/0.9', 'hello'],
  ['HTTP/2.0', OK.replace('1.1', '2.0')],
  ['HTTP/1.2', OK.replace('1.1', '1.2')],
  ['http in small letters', OK.replace('HTTP', 'http')],
  ['an empty line before it', `\r\n${OK}`],
  ['two spaces before the status', OK.replace(' 200', '  200')],
  ['no space before the reason', OK.replace('200 OK', '200OK')],
  ['a status of two digits', OK.replace('200', '20')],
  ['a status of four digits', OK.replace('200', '2000')],
  ['status 099', OK.replace('200', '099')],
  ['a zero byte in the reason', OK.replace('OK', '\0')],
  ['101', OK.replace('200', '101')],
  ['bare line feeds', OK.replaceAll('\r\n', '\n') + '\r\n\r\n'],
  ['one bare line feed', withLines('X: a\nContent-Length: 2')],
  ['a bare carriage return', withLines('X: a\rContent-Length: 2')],
  ['a space before the colon', withLines('Content-Length : 2')],
  ['no colon', withLines('X', 'Content-Length: 2')],
  ['no name', withLines(': x', 'Content-Length: 2')],
  ['a folded line', withLines('X: a', ' Content-Length: 2')],
  ['a folded line at the start', withLines(' X: a', 'Content-Length: 2')],
  ['a zero byte', withLines('X: \0', 'Content-Length: 2')],
  ['two lengths', withLines('Content-Length: 2', 'Content-Length: 3')],
  ['the same length twice', withLines('Content-Length: 2', 'content-length: 2')],
  ['a list of lengths', withLines('Content-Length: 2, 2')],
  ['a signed length', withLines('Content-Length: +2')],
  ['a hexadecimal length', withLines('Content-Length: 0x2')],
  ['an empty length', withLines('Content-Length:')],
  ['an endless length', withLines(`Content-Length: ${'9'.repeat(16)}`)],
  ['a length and chunks', withLines('Content-Length: 2', 'Transfer-Encoding: chunked')],
  ['chunks and a length', withLines('Transfer-Encoding: chunked', 'Content-Length: 2')],
  ['chunked twice', withLines('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')],
  ['another coding than chunked', withLines('Transfer-Encoding: gzip')],
  ['another coding with a parameter', withLines('Transfer-Encoding: X-GZip;level=9')],
  ['a coding of content in its place', withLines('Transfer-Encoding: br')],
  ['an empty coding', withLines('Transfer-Encoding:')],
  ['another coding and a length', withLines('Transfer-Encoding: gzip', 'Content-Length: 2')],
  ['two codings', withLines('Transfer-Encoding: gzip', 'Transfer-Encoding: gzip')],
  ['another coding before chunked', withLines('Transfer-Encoding: gzip, chunked')],
  ['a coding that is nearly chunked', withLines('Transfer-Encoding: xchunked')],
  ['chunks in HTTP/1.0', CHUNKED.replace('1.1', '1.0')],
  ['a head beyond the limit', withLines(`X: ${'x'.repeat(MAX_HEAD_BYTES)}`)],
  ['a head without an end', HEAD + 'X: y\r\n'.repeat(MAX_HEAD_BYTES / 6)],
  ['a chunk without a size', `${CHUNKED}\r\nok`],
  ['a signed chunk size', `${CHUNKED}+2\r\nok`],
  ['a chunk size with a prefix', `${CHUNKED}0x2\r\nok`],
  ['a space before a chunk size', `${CHUNKED} 2\r\nok`],
  ['a space behind a chunk size', `${CHUNKED}2 \r\nok`],
  ['a chunk size beyond numbers', `${CHUNKED}${'f'.repeat(14)}\r\n`],
  ['a bare line feed behind a chunk size', `${CHUNKED}2\nok\r\n`],
  ['a carriage return in an extension', `${CHUNKED}2;a\rb\r\nok\r\n`],
  ['an unfinished quoted string in an extension', `${CHUNKED}2;a="b\r\nok\r\n`],
  ['a chunk longer than its size', `${CHUNKED}2\r\nokay\r\n0\r\n\r\n`],
  ['a chunk that ends in a line feed', `${CHUNKED}2\r\nok\n0\r\n\r\n`],
  ['endless extensions', `${CHUNKED}1;${'x'.repeat(MAX_LINE_BYTES)}`],
  ['many extensions', CHUNKED + `1;${'x'.repeat(4000)}\r\no\r\n`.repeat(5)],
  ['a malformed trailer', `${CHUNKED}0\r\nX\r\n\r\n`],
  ['a folded trailer', `${CHUNKED}0\r\nX: y\r\n z\r\n\r\n`],
  ['an endless trailer section', `${CHUNKED}0\r\n${'X: y\r\n'.repeat(MAX_LINE_BYTES)}`],
]
for (const [name, text] of FLAWS)
  test(`is refused: ${name}`, () => {
    assert.equal(read([text]).end, 'flaw')
    assert.equal(read(text.split('')).end, 'flaw')
  })

for (const [name, text] of [
  ['each line ends so', OK.replaceAll('\r\n', '\n')],
  ['the status line does', OK.replace('\r\n', '\n')],
  ['one of the others does', withLines('X: a\nContent-Length: 2')],
  ['what looks like an end follows', `${OK.replaceAll('\r\n', '\n')}\r\n\r\n`],
] as const)
  test(`a bare line feed is called so, and not waited for what is behind it: ${name}`, () => {
    for (const pieces of [[text], text.split('')]) assert.equal(read(pieces).flaw, 'a bare line feed')
  })

test('bytes that come before a request are refused', () => {
  let flaw = ''
  const nothing = () => {}
  const onFlaw = (found: { readonly flaw: string }) => (flaw = found.flaw)
  const reader = new ResponseReader({ onHead: nothing, onData: nothing, onEnd: nothing, onFlaw })
  reader.push(Buffer.from(OK))
  assert.equal(flaw, 'bytes that nobody asked for')
})

test('nothing is told of what comes once it was stopped', () => {
  const seen: string[] = []
  const reader = new ResponseReader({
    onHead: () => seen.push('head'),
    onData: () => {
      seen.push('data')
      reader.stop()
    },
    onEnd: () => seen.push('end'),
    onFlaw: () => seen.push('flaw'),
  })
  reader.expect('GET')
  reader.push(Buffer.from(`${CHUNKED}2\r\nok\r\n2\r\nno\r\n`))
  reader.push(Buffer.from('2\r\nno\r\n0\r\n\r\n'))
  assert.deepEqual(seen, ['head', 'data'])
})

describe('node’s parser', () => {
  test('reads every response that is not refused in the same way', async () => {
    let same = 0
    await fc.assert(
      fc.asyncProperty(responses, fc.constantFrom('GET', 'GET', 'GET', 'HEAD'), async (all, method) => {
        const ours = read([all], { method, closes: true })
        if (ours.end !== 'reusable' && ours.end !== 'closed') return
        same += 1
        const last = ours.heads.at(-1)
        const text = all.slice(0, lengthOf(all, method))
        assert.deepEqual(await nodeReads(text, method), { head: last, body: ours.body }, JSON.stringify(text))
      }),
      { numRuns: 6000 },
    )
    assert.ok(same > 1000, `only ${same} were read: the test does not test`)
  })

  test('is not needed to tell that pieces make no difference', () => {
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
    fc.assert(
      fc.property(responses, cuts, (text, places) => {
        const at = places
          .map((place) => Math.floor(place * text.length))
          .toSorted((one, other) => one - other)
        const pieces = [0, ...at].map((from, index) => text.slice(from, at[index] ?? text.length))
        const whole = read([text], { closes: true })
        const cut = read(pieces, { closes: true })
        // What comes behind the end may come later: then it ends the connection when it is used again.
        const ends = [whole.end, cut.end].map((end) => (end === 'reusable' ? 'closed' : end))
        if (whole.end === 'flaw' || cut.end === 'flaw')
          return assert.ok(whole.end === cut.end || ends.includes('closed'))
        assert.deepEqual({ ...cut, end: ends[1] }, { ...whole, end: ends[0] })
      }),
      { numRuns: 5000 },
    )
  })
})

/** Bytes of the response that `text` begins with. */
function lengthOf(text: string, method: string): number {
  let length = 0
  while (read([text.slice(0, length)], { method }).end === 'open' && length < text.length) length += 1
  return length
}

const OCTETS = Array.from({ length: 256 }, (_, octet) => String.fromCharCode(octet))
const octet = fc.oneof(fc.constantFrom(...OCTETS), fc.constantFrom(...' \t\r\n\0:,;"()/\\\x7f\xe9'.split('')))
const odd = fc.string({ unit: octet, maxLength: 6 })
const lines = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('ETag: "x"', 'X:', 'Age:\t1 ', 'Date: x', 'Trailer: X') },
  { weight: 2, arbitrary: fc.constantFrom('Content-Length: 2', 'Content-Length: 10', 'Content-Length: 0') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'Transfer-Encoding: chunked',
      'transfer-encoding:CHUNKED',
      'Transfer-Encoding: x',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('Connection: close', 'Connection: keep-alive', 'Connection: a, b'),
  },
  { weight: 1, arbitrary: odd.map((text) => `X: ${text}`) },
  { weight: 1, arbitrary: odd },
)
const statuses = fc.constantFrom('200 OK', '200', '404 ', '204 No', '304 N', '500 \xe9', '299 x', '999 y')
const versions = fc.constantFrom(...Array<string>(8).fill('HTTP/1.1'), 'HTTP/1.0')
const chunks = fc.constantFrom('2\r\nok\r\n', 'a\r\n0123456789\r\n', '02;a=b\r\nno\r\n', '1;a="b c"\r\nx\r\n')
const contents = fc.oneof(
  fc.constantFrom('', 'ok', '0123456789'),
  fc
    .tuple(
      fc.array(chunks, { maxLength: 3 }),
      fc.constantFrom('0\r\n\r\n', '0;x\r\nX: y\r\n\r\n', '0\r\n', ''),
    )
    .map(([all, end]) => all.join('') + end),
)
const interim = fc.constantFrom('', '', '', 'HTTP/1.1 103 E\r\nLink: x\r\n\r\n')
const wellFormed = fc
  .tuple(interim, versions, statuses, fc.array(lines, { maxLength: 3 }), contents)
  .map(([before, version, status, all, content]) => {
    return `${before}${version} ${status}\r\n${all.map((line) => `${line}\r\n`).join('')}\r\n${content}`
  })
const place = fc.double({ min: 0, max: 1, noNaN: true })
const change = fc.tuple(place, fc.constantFrom(0, 1), fc.string({ unit: octet, maxLength: 2 }))
/** Made by the rules, and half of them broken in one place or two. */
const responses = fc
  .tuple(wellFormed, fc.oneof(fc.constant([]), fc.array(change, { minLength: 1, maxLength: 2 })))
  .map(([text, changes]) =>
    changes.reduce((changed, [where, drops, added]) => {
      const at = Math.floor(where * changed.length)
      return changed.slice(0, at) + added + changed.slice(at + drops)
    }, text),
  )

/** What node:http makes of these bytes as the response to a request: the first one, whatever comes behind it. */
async function nodeReads(
  text: string,
  method: string,
): Promise<Pick<Seen, 'body'> & { readonly head: unknown }> {
  const connection = new Duplex({ read() {}, write: (_, __, done) => done() })
  const { promise, resolve, reject } = Promise.withResolvers<
    Pick<Seen, 'body'> & { readonly head: unknown }
  >()
  const asked = request({ method, createConnection: () => connection, maxHeaderSize: 2 * MAX_HEAD_BYTES })
  asked.on('error', reject)
  asked.on('response', (response) => {
    let body = ''
    response.on('data', (bytes: Buffer) => (body += bytes.toString('latin1')))
    response.on('error', reject)
    response.on('end', () => {
      const { statusCode, statusMessage, rawHeaders } = response
      resolve({ head: [statusCode, statusMessage, fieldsFromRaw(rawHeaders)], body })
    })
  })
  asked.end()
  connection.push(Buffer.from(text, 'latin1'))
  connection.push(null)
  for (let turn = 0; turn < 5; turn += 1) await setImmediate()
  connection.destroy()
  reject(new Error(`node reads no whole response in ${JSON.stringify(text)}`))
  return promise
}
