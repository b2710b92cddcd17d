import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import * as fc from 'fast-check'
import { fieldsFromRaw, type Fields } from '../../../core/fields.ts'
import {
  MAX_PLAIN_HEAD,
  MAX_PLAIN_LINES,
  requestReader,
  type PlainHead,
  type Reading,
} from '../../../proxy/front/request-reader.ts'
import { serverOptions } from '../../../proxy/server-options.ts'

const read = (text: string, from = 0): Reading => requestReader().read(text, from)

const GET = 'GET http://a.test/b HTTP/1.1\r\nHost: a.test\r\n\r\n'

function withLines(...lines: string[]): string {
  return `GET http://a.test/b HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
}

describe('a plain request', () => {
  test('is read with its fields as they were written, and with its end', () => {
    const text = withLines('Host: a.test', 'X-Empty:', 'x-odd:\t \xe9"\\ ,;\t')
    assert.deepEqual(read(`${text}GET`), {
      kind: 'plain',
      end: text.length,
      head: {
        method: 'GET',
        target: 'http://a.test/b',
        section: {
          lines: 'Host: a.test\r\nX-Empty:\r\nx-odd:\t \xe9"\\ ,;\t\r\n',
          fields: [
            ['Host', 'a.test'],
            ['X-Empty', ''],
            ['x-odd', '\xe9"\\ ,;'],
          ],
          keepsAlive: true,
        },
      },
    })
  })

  test('may be one behind another', () => {
    const head = GET.replace('GET', 'HEAD')
    const reading = read(`${GET}${head}${GET}`, GET.length)
    assert.equal(reading.kind, 'plain')
    assert.deepEqual([reading.head.method, reading.end], ['HEAD', GET.length + head.length])
  })

  for (const [line, keepsAlive] of [
    ['Connection: keep-alive', true],
    ['Connection: Close', false],
    ['Proxy-Connection: Keep-Alive', true],
    ['Proxy-Connection: close', false],
    ['Connection: keep-alive\r\nProxy-Connection: close', false],
  ] as const)
    test(`with ${JSON.stringify(line)} ${keepsAlive ? 'keeps' : 'ends'} its connection`, () => {
      const reading = read(withLines('Host: a', line))
      assert.ok(reading.kind === 'plain' && reading.head.section.keepsAlive === keepsAlive)
    })

  test('of a program that repeats its fields is the same object again', () => {
    const reader = requestReader()
    const sections = [reader.read(GET, 0), reader.read(GET.replace('/b', '/c'), 0)].map((each) =>
      each.kind === 'plain' ? each.head.section : each.kind,
    )
    assert.ok(typeof sections[0] === 'object')
    assert.equal(sections[0], sections[1])
  })
})

/** Whatever is unusual about them, node:http judges it. */
const OTHERS: readonly (readonly [name: string, text: string])[] = [
  ['another method', GET.replace('GET', 'POST')],
  ['a method in small letters', GET.replace('GET', 'get')],
  ['CONNECT', 'CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['origin-form', GET.replace('http://a.test', '')],
  ['another scheme', GET.replace('http:', 'https:')],
  ['a scheme in capitals', GET.replace('http:', 'HTTP:')],
  ['HTTP/1.0', GET.replace('1.1', '1.0')],
  ['HTTP/2.0', GET.replace('1.1', '2.0')],
  ['a space in the target', GET.replace('/b', '/b c')],
  ['two spaces before the version', GET.replace(' HTTP', '  HTTP')],
  ['userinfo', GET.replace('http://', 'http://u:p@')],
  ['no host', GET.replace('http://a.test', 'http://')],
  ['a fragment', GET.replace('/b', '/b#c')],
  ['a backslash', GET.replace('/b', '/b\\c')],
  ['an octet beyond ASCII in the target', GET.replace('/b', '/\xe9')],
  ['an empty line before it', `\r\n${GET}`],
  ['bare line feeds', GET.replaceAll('\r\n', '\n')],
  ['one bare line feed', withLines('Host: a', 'X: b\nY: c')],
  ['a bare carriage return', withLines('Host: a', 'X: b\rY: c')],
  ['no field at all', 'GET http://a.test/ HTTP/1.1\r\n\r\n'],
  ['no Host', withLines('X: a')],
  ['two Host lines', withLines('Host: a', 'host: a')],
  ['a space before the colon', withLines('Host: a', 'X : b')],
  ['no colon', withLines('Host: a', 'X')],
  ['no name', withLines('Host: a', ': b')],
  ['a folded line', withLines('Host: a', 'X: b', ' c')],
  ['a zero byte', withLines('Host: a', 'X: \0')],
  ['DEL', withLines('Host: a', 'X: \x7f')],
  ['a vertical tab', withLines('Host: a', 'X:\x0bb')],
  ['a name beyond ASCII', withLines('Host: a', 'X\xe9: b')],
  ['a length, even of nothing', withLines('Host: a', 'Content-Length: 0')],
  ['a coding', withLines('Host: a', 'Transfer-Encoding: chunked')],
  ['Upgrade, even without Connection', withLines('Host: a', 'Upgrade: websocket')],
  ['Expect', withLines('Host: a', 'Expect: 100-continue')],
  ['another connection option', withLines('Host: a', 'Connection: keep-alive, TE')],
  ['Connection twice', withLines('Host: a', 'Connection: close', 'Connection: close')],
  ['Proxy-Connection with a list', withLines('Host: a', 'Proxy-Connection: close, x')],
  ['a head beyond the limit', withLines('Host: a', `X: ${'x'.repeat(MAX_PLAIN_HEAD)}`)],
  ['more lines than the limit', withLines('Host: a', ...Array<string>(MAX_PLAIN_LINES).fill('X: y'))],
  ['TLS', '\x16\x03\x01\x02\x00'],
  ['an endless beginning', `GET http://a.test/${'x'.repeat(MAX_PLAIN_HEAD)}`],
  ['a beginning with a line of HTTP/0.9', 'GET http://a.test/\n'],
  ['the beginning of something else', 'PO'],
]
for (const [name, text] of OTHERS)
  test(`a request that is not plain: ${name}`, () => assert.deepEqual(read(text), { kind: 'other' }))

test('the limits themselves are still plain', () => {
  const lines = Array<string>(MAX_PLAIN_LINES - 1).fill('X: y')
  assert.equal(read(withLines('Host: a', ...lines)).kind, 'plain')
  const rest = withLines('Host: a', 'X: ').length - '\r\n\r\n'.length
  assert.equal(read(withLines('Host: a', `X: ${'x'.repeat(MAX_PLAIN_HEAD - rest)}`)).kind, 'plain')
})

test('every beginning of a plain request is incomplete', () => {
  const text = withLines('Host: a.test', 'Accept: */*', 'Connection: keep-alive')
  for (let end = 0; end < text.length; end++) assert.deepEqual(read(text.slice(0, end)).kind, 'incomplete')
})

describe('node’s parser', () => {
  test('reads every request that is called plain in the same way', async () => {
    let plain = 0
    await fc.assert(
      fc.asyncProperty(requests, async (text) => {
        const reading = read(text)
        if (reading.kind !== 'plain') return
        plain += 1
        await assertSame(reading.head, text.slice(0, reading.end))
      }),
      { numRuns: 5000 },
    )
    assert.ok(plain > 400, `only ${plain} were plain: the test does not test`)
  })

  async function assertSame(head: PlainHead, text: string): Promise<void> {
    const [first, second, ...more] = await nodeReads(`${text}${GET}`)
    assert.deepEqual(first, {
      method: head.method,
      target: head.target,
      version: '1.1',
      fields: head.section.fields,
      hasContent: false,
      keepsAlive: head.section.keepsAlive,
    })
    assert.deepEqual(more, [])
    // Behind a request that ends its connection, Node reads nothing at all.
    assert.equal(second?.target, head.section.keepsAlive ? 'http://a.test/b' : undefined)
  }
})

const OCTETS = Array.from({ length: 256 }, (_, octet) => String.fromCharCode(octet))
const oneOf = (characters: string) => fc.constantFrom(...characters.split(''))
const octet = fc.oneof(fc.constantFrom(...OCTETS), oneOf(' \t\r\n\0:,;"()/\\@#%\x7f\xe9'))
const odd = fc.string({ unit: octet, maxLength: 6 })
const names = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('Accept', 'Keep-Alive', 'User-Agent', 'Via', "X!#$%&'*+-.^_`|~", 'TE'),
  },
  { weight: 2, arbitrary: fc.constantFrom('Connection', 'proxy-connection', 'Trailer', 'HTTP2-Settings') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('Content-Length', 'Transfer-Encoding', 'Upgrade', 'Expect', 'HOST'),
  },
  { weight: 1, arbitrary: odd },
)
const values = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('close', 'keep-alive', 'Keep-Alive', 'Close', '', ' a\t') },
  { weight: 4, arbitrary: fc.string({ unit: oneOf('ab \t,;="\\\xe9\xff\x80'), maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom('close, x', '0', 'chunked', 'h2c', 'upgrade') },
  { weight: 1, arbitrary: odd },
)
const uriCharacters = oneOf('ab/?&=%2e[]{}|^`"<>:@;')
const targets = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('http://a.test', 'http://[::1]:80/x?y', 'http://a:/', 'http://_?'),
  },
  {
    weight: 6,
    arbitrary: fc.string({ unit: uriCharacters, maxLength: 20 }).map((rest) => `http://a/${rest}`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('http://u:p@a/', 'http:///', 'http://?', 'http://a:b:c', 'http://a/#b#c'),
  },
  { weight: 1, arbitrary: fc.string({ unit: uriCharacters, maxLength: 9 }).map((rest) => `http://${rest}`) },
  { weight: 1, arbitrary: odd.map((rest) => `http://a${rest}`) },
)
const methods = fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'HEAD', 'POST')
const versions = fc.constantFrom(...Array<string>(8).fill('HTTP/1.1'), 'HTTP/1.0', 'HTTP/1.2')
const colons = fc.constantFrom(...Array<string>(8).fill(': '), ':', ':\t ', ' :')
const wellFormed = fc
  .tuple(methods, targets, versions, fc.array(fc.tuple(names, colons, values), { maxLength: 4 }))
  .map(([method, target, version, lines]) => {
    const rest = lines.map((line) => `${line.join('')}\r\n`).join('')
    return `${method} ${target} ${version}\r\nHost: a.test\r\n${rest}\r\n`
  })
const place = fc.double({ min: 0, max: 1, noNaN: true })
const change = fc.tuple(place, fc.constantFrom(0, 1), fc.string({ unit: octet, maxLength: 2 }))
/** Made by the rules, and half of them broken in one place or two. */
const requests = fc
  .tuple(wellFormed, fc.oneof(fc.constant([]), fc.array(change, { minLength: 1, maxLength: 2 })))
  .map(([text, changes]) =>
    changes.reduce((changed, [where, drops, added]) => {
      const at = Math.floor(where * changed.length)
      return changed.slice(0, at) + added + changed.slice(at + drops)
    }, text),
  )

test('a request is read the same whatever section it was likely to repeat', () => {
  let repeated = 0
  const beginnings = fc.tuple(requests, requests, fc.boolean(), place)
  const check = ([text, other, isItsOwn, part]: readonly [string, string, boolean, number]) => {
    const likely = read(isItsOwn ? text : other)
    if (likely.kind !== 'plain') return
    const { section } = likely.head
    repeated += isItsOwn ? 1 : 0
    for (const each of [text, `${text}${other}`, text.slice(0, part * text.length), `${other}\r\n`])
      assert.deepEqual(requestReader().read(each, 0, section), read(each))
  }
  fc.assert(fc.property(beginnings, check), { numRuns: 3000 })
  assert.ok(repeated > 100, `only ${repeated} were repeated: the test does not test`)
})

interface Seen {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly fields: Fields
  readonly hasContent: boolean
  readonly keepsAlive: boolean
}

/** What the proxy's own server makes of these bytes. */
async function nodeReads(text: string): Promise<readonly Seen[]> {
  const seen: Seen[] = []
  const server = createServer(serverOptions())
  server.maxHeadersCount = 0
  server.on('request', (request, response) => {
    seen.push({
      method: request.method ?? '',
      target: request.url ?? '',
      version: request.httpVersion,
      fields: fieldsFromRaw(request.rawHeaders),
      hasContent: !request.complete && (request.headers['content-length'] ?? 'none') !== 'none',
      keepsAlive: response.shouldKeepAlive,
    })
    response.end()
  })
  server.on('clientError', (_, socket) => socket.destroy())
  const connection = new Duplex({ read() {}, write: (_, __, done) => done() })
  server.emit('connection', connection)
  connection.push(Buffer.from(text, 'latin1'))
  for (let turn = 0; turn < 3; turn++) await setImmediate()
  connection.destroy()
  return seen
}
