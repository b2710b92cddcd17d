/** What Node's parser cannot read, by its own errors: a server is asked over a real connection. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { TOO_LATE, unreadableFault } from '../../proxy/unreadable.ts'

const HEAD = 'Host: a.test\r\n\r\n'
const SOUND = `GET http://a.test/ HTTP/1.1\r\n${HEAD}`

/** The code of the fault for these bytes, sent in one piece. */
async function codeFor(t: TestContext, bytes: string): Promise<string> {
  const server = createServer({ maxHeaderSize: 1000 }, (_, response) => response.end())
  const unreadable = once(server, 'clientError')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  t.after(() => {
    socket.destroy()
    server.close()
  })
  socket.write(bytes, 'latin1')
  const [error] = await unreadable
  return unreadableFault(error).code
}

for (const [name, bytes, code] of [
  ['a method that nobody knows', `BREW http://a.test/ HTTP/1.1\r\n${HEAD}`, 'METHOD_UNKNOWN'],
  ['a method in small letters', `get http://a.test/ HTTP/1.1\r\n${HEAD}`, 'METHOD_UNKNOWN'],
  ['the same behind a request', `${SOUND}BREW http://a.test/ HTTP/1.1\r\n${HEAD}`, 'METHOD_UNKNOWN'],
  ['a handshake of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'BAD_REQUEST'],
  ['garbage behind a request', `${SOUND}\x00\x01 http://a.test/`, 'BAD_REQUEST'],
  ['no version', `GET http://a.test/ HTTP/9\r\n${HEAD}`, 'BAD_REQUEST'],
  [
    'a head that is too long',
    `GET http://a.test/ HTTP/1.1\r\nX: ${'x'.repeat(2000)}\r\n${HEAD}`,
    'HEAD_TOO_LARGE',
  ],
] as const)
  test(`${name}: ${code}`, async (t) => assert.equal(await codeFor(t, bytes), code))

test('what does not come in time: REQUEST_TIMEOUT', () => {
  assert.equal(unreadableFault(TOO_LATE).code, 'REQUEST_TIMEOUT')
})
