/** V§6: every form that two readers could understand differently, as raw bytes over a real connection. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering, exchange, OK, rawClient, startEdge, startOrigin, statusOf } from './edge-server.ts'
import { REFUSED } from './smuggling-forms.ts'

for (const [name, template, status] of REFUSED) {
  test(`${name}: refused with ${status}, nothing goes upstream`, async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const edge = await startEdge(t)
    const authority = `127.0.0.1:${origin.port}`
    const response = await exchange(t, edge.port, template.replaceAll('<O>', authority))
    // Where the head is good and only the content is not, the request may have begun; it must not have been completed.
    const isContent = name.includes('chunk size') || name.includes('longer than its size')
    if (isContent) assert.doesNotMatch(origin.received.join(''), /\r\n0\r\n\r\n|abc/)
    else assert.deepEqual(origin.received, [])
    if (!isContent || response !== '') assert.equal(statusOf(response), status)
    assert.doesNotMatch(origin.received.join(''), /secret|smuggled/)
  })
}

/** Each is one request to the origin server, whatever stands in its content. */
const FORWARDED: readonly (readonly [name: string, bytes: string, upstream: RegExp])[] = [
  [
    'a Host that differs from the URI: the URI decides',
    'POST http://<O>/a HTTP/1.1\r\nHost: other.example\r\nContent-Length: 2\r\n\r\nhi',
    /^POST \/a HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n(?![^]*other\.example)[^]*\r\n\r\nhi$/i,
  ],
  ...['DELETE', 'OPTIONS', 'GET', 'POST', 'PUT', 'PATCH', 'PROPFIND'].map(
    (method) =>
      [
        `chunked ${method} with a request in its content`,
        `${method} http://<O>/ HTTP/1.1\r\nHost: <O>\r\nTransfer-Encoding: chunked\r\n\r\n21\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n0\r\n\r\n`,
        /\r\ntransfer-encoding: chunked\r\n[^]*\r\n\r\n21\r\nGET \/smuggled HTTP\/1\.1\r\nHost: x\r\n\r\n0\r\n\r\n$/i,
      ] as const,
  ),
  ...['DELETE', 'OPTIONS', 'GET', 'POST'].map(
    (method) =>
      [
        `${method} of known length with a request in its content`,
        `${method} http://<O>/ HTTP/1.1\r\nHost: <O>\r\nContent-Length: 26\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n`,
        /\r\ncontent-length: 26\r\n[^]*\r\n\r\nGET \/smuggled HTTP\/1\.1\r\n\r\n$/i,
      ] as const,
  ),
  ...['DELETE', 'OPTIONS', 'POST', 'PUT'].map(
    (method) =>
      [
        `${method} without content says so`,
        `${method} http://<O>/ HTTP/1.1\r\nHost: <O>\r\n\r\n`,
        /\r\ncontent-length: 0\r\n[^]*\r\n\r\n$/i,
      ] as const,
  ),
  [
    'a chunk extension is dropped',
    'POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n',
    /\r\n\r\n2\r\nhi\r\n0\r\n\r\n$/,
  ],
  [
    'framing that Connection names stays',
    'POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nConnection: Content-Length, Host, close\r\nContent-Length: 2\r\n\r\nhi',
    /^POST \/ HTTP\/1\.1\r\nhost: 127[^]*\r\ncontent-length: 2\r\n[^]*\r\n\r\nhi$/i,
  ],
  [
    'the path stays as it was written',
    'POST http://<O>/a/../b%2e/%7Ec//d?x=|y HTTP/1.1\r\nHost: <O>\r\n\r\n',
    /^POST \/a\/\.\.\/b%2e\/%7Ec\/\/d\?x=\|y HTTP\/1\.1\r\n/,
  ],
  ['an empty path is /', 'POST http://<O> HTTP/1.1\r\nHost: <O>\r\n\r\n', /^POST \/ HTTP/],
  ['a query without a path', 'POST http://<O>?a HTTP/1.1\r\nHost: <O>\r\n\r\n', /^POST \/\?a HTTP/],
  ['a path of two slashes', 'POST http://<O>//a HTTP/1.1\r\nHost: <O>\r\n\r\n', /^POST \/\/a HTTP/],
  ['OPTIONS of the whole server', 'OPTIONS http://<O> HTTP/1.1\r\nHost: <O>\r\n\r\n', /^OPTIONS \* HTTP/],
  ['HTTP/1.0 leaves as HTTP/1.1', 'POST http://<O>/ HTTP/1.0\r\n\r\n', /^POST \/ HTTP\/1\.1\r\nhost: 127/i],
]

for (const [name, template, upstream] of FORWARDED) {
  test(`${name}: exactly one upstream request`, async (t) => {
    const origin = await startOrigin(t, (socket, text) => text.match(upstream) && socket.end(OK))
    const edge = await startEdge(t)
    const bytes = template.replaceAll('<O>', `127.0.0.1:${origin.port}`)
    assert.equal(statusOf(await exchange(t, edge.port, bytes)), 200)
    assert.equal(origin.received.length, 1)
    assert.match(origin.received[0] ?? '', upstream)
    assert.match(origin.received[0] ?? '', /\r\nvia: 1\.[01] edge-under-test \(ihave\)\r\n/i)
  })
}

test('requests on one connection, one behind the other, each go upstream on their own', async (t) => {
  const origin = await startOrigin(t, (socket, text) => text.includes('\r\n\r\n') && socket.end(OK))
  const edge = await startEdge(t)
  const one = `DELETE http://127.0.0.1:${origin.port}/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
  const client = await rawClient(t, edge.port, one.repeat(5))
  await client.until(/(?:200 OK[^]*){5}/)
  assert.equal(origin.received.length, 5)
  for (const text of origin.received) assert.equal(text.match(/HTTP\/1\.1/g)?.length, 1)
})
