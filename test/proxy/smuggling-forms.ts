/**
 * V§6: every form of a request that two readers could understand differently, as bytes. For the proxy's edges alone
 * (test/proxy/smuggling.test.ts) and for both ports of a whole node (test/attacks/smuggling.test.ts).
 */

/** `<O>` is the origin server's authority. Every one carries, where it can, a second request that must not get through. */
export const REFUSED: readonly (readonly [name: string, bytes: string, status: number])[] = [
  ['two Host lines', 'POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nHost: other\r\n\r\n', 400],
  ['two equal Host lines', 'POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nHost: <O>\r\n\r\n', 400],
  ['no Host line', 'POST http://<O>/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n', 400],
  ['a Host with a path', 'POST http://<O>/ HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['a Host with userinfo', 'POST http://<O>/ HTTP/1.1\r\nHost: a@b\r\n\r\n', 400],
  ['HTTP/2.0 in the request line', 'POST http://<O>/ HTTP/2.0\r\nHost: <O>\r\n\r\n', 400],
  ['HTTP/0.9 in the request line', 'POST http://<O>/ HTTP/0.9\r\nHost: <O>\r\n\r\n', 400],
  ['HTTP/1.2 in the request line', 'POST http://<O>/ HTTP/1.2\r\nHost: <O>\r\n\r\n', 400],
  ['gzip before chunked', withCoding('Transfer-Encoding: gzip, chunked'), 400],
  ['chunked twice', withCoding('Transfer-Encoding: chunked, chunked'), 400],
  ['chunked on two lines', withCoding('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'), 400],
  ['another spelling of chunked', withCoding('Transfer-Encoding: Chunked'), 400],
  ['identity', withCoding('Transfer-Encoding: identity'), 400],
  [
    'identity and chunked on two lines',
    withCoding('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'),
    400,
  ],
  ['a coding that looks like chunked', withCoding('Transfer-Encoding: xchunked'), 400],
  ['a space before the colon', withCoding('Transfer-Encoding : chunked'), 400],
  ['a vertical tab in the coding', withCoding('Transfer-Encoding: \x0bchunked'), 400],
  ['a folded coding', withCoding('Transfer-Encoding:\r\n chunked'), 400],
  [
    'chunked in HTTP/1.0',
    'POST http://<O>/ HTTP/1.0\r\nHost: <O>\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['chunked and a length', withCoding('Content-Length: 5\r\nTransfer-Encoding: chunked'), 400],
  ['a length and chunked', withCoding('Transfer-Encoding: chunked\r\nContent-Length: 5'), 400],
  ['two lengths', withCoding('Content-Length: 5\r\nContent-Length: 6'), 400],
  ['two equal lengths', withCoding('Content-Length: 5\r\nContent-Length: 5'), 400],
  ['a list of lengths', withCoding('Content-Length: 5, 5'), 400],
  ['a signed length', withCoding('Content-Length: +5'), 400],
  ['a hexadecimal length', withCoding('Content-Length: 0x5'), 400],
  ['a length of many digits', withCoding(`Content-Length: ${'9'.repeat(25)}`), 400],
  ['a bare line feed', 'POST http://<O>/ HTTP/1.1\nHost: <O>\n\n', 400],
  ['a bare carriage return in a value', 'POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nX: a\rY: b\r\n\r\n', 400],
  ['a zero byte in a value', 'POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nX: a\0b\r\n\r\n', 400],
  ['a chunk size with junk', withBody('zz\r\nabc\r\n0\r\n\r\n'), 400],
  ['a chunk that is longer than its size', withBody('2\r\nabcd\r\n0\r\n\r\n'), 400],
  ['a chunk size that overflows', withBody('fffffffffffffffff\r\nabc\r\n0\r\n\r\n'), 400],
  ['CONNECT with a length', 'CONNECT <O> HTTP/1.1\r\nHost: <O>\r\nContent-Length: 3\r\n\r\nabc', 400],
  [
    'CONNECT with chunked',
    'CONNECT <O> HTTP/1.1\r\nHost: <O>\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['CONNECT with an absolute URI', 'CONNECT http://<O>/ HTTP/1.1\r\nHost: <O>\r\n\r\n', 400],
  ['CONNECT without a port', 'CONNECT 127.0.0.1 HTTP/1.1\r\nHost: <O>\r\n\r\n', 400],
  ['CONNECT with userinfo', 'CONNECT a@<O> HTTP/1.1\r\nHost: <O>\r\n\r\n', 400],
  ['TRACE with content', 'TRACE http://<O>/ HTTP/1.1\r\nHost: <O>\r\nContent-Length: 3\r\n\r\nabc', 400],
  ['userinfo in the URI', 'POST http://user:secret@<O>/ HTTP/1.1\r\nHost: <O>\r\n\r\n', 400],
  ['a backslash before userinfo', 'POST http://<O>\\@other/ HTTP/1.1\r\nHost: <O>\r\n\r\n', 400],
  ['a fragment', 'POST http://<O>/#a HTTP/1.1\r\nHost: <O>\r\n\r\n', 400],
  ['an https URI', 'POST https://<O>/ HTTP/1.1\r\nHost: <O>\r\n\r\n', 421],
  ['a ws URI', 'POST ws://<O>/ HTTP/1.1\r\nHost: <O>\r\n\r\n', 421],
  ['origin-form under a foreign name', 'POST / HTTP/1.1\r\nHost: <O>\r\n\r\n', 421],
  ['asterisk-form', 'OPTIONS * HTTP/1.1\r\nHost: <O>\r\n\r\n', 421],
  ['authority-form without CONNECT', 'POST <O> HTTP/1.1\r\nHost: <O>\r\n\r\n', 400],
  ['Upgrade with a length', upgradeWith('Content-Length: 3\r\n\r\nabc'), 400],
  ['Upgrade with chunked', upgradeWith('Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'), 400],
  ['an unknown expectation', 'POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nExpect: wonders\r\n\r\n', 417],
  [
    'a request that was here before',
    'POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nVia: 1.1 edge-under-test\r\n\r\n',
    508,
  ],
  ['a second Host behind 300 lines', manyLines(300), 400],
  ['a second Host behind 3000 lines', manyLines(3_000), 400],
  [
    'a head beyond its limit',
    `POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
    431,
  ],
]

function withCoding(lines: string): string {
  return `POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\n${lines}\r\n\r\n0\r\n\r\nGET http://<O>/smuggled HTTP/1.1\r\nHost: <O>\r\n\r\n`
}

function withBody(content: string): string {
  return `POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nTransfer-Encoding: chunked\r\n\r\n${content}`
}

function upgradeWith(rest: string): string {
  return `GET http://<O>/ HTTP/1.1\r\nHost: <O>\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${rest}`
}

function manyLines(count: number): string {
  return `POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\n${'a:\r\n'.repeat(count)}Host: other\r\n\r\n`
}
