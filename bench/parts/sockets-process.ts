/**
 * What Node's sockets cost by themselves: `node sockets-process.ts BYTES` answers whatever comes in one piece, which wrk sends for
 * each request, with the same response of so many bytes. It reads no request, knows no cache and writes no log.
 */
import { createServer, type AddressInfo } from 'node:net'

const BODY_BYTES = Number(process.argv[2])
const HEAD = [
  'HTTP/1.1 200 OK',
  'Content-Type: application/octet-stream',
  'Cache-Control: max-age=86400',
  'Date: Thu, 01 Jan 2026 00:00:00 GMT',
  'Age: 1',
  `Content-Length: ${BODY_BYTES}`,
  'Cache-Status: a; hit; ttl=86399',
  'Via: 1.1 a',
]
const head = `${HEAD.join('\r\n')}\r\n\r\n`
/** One string of Latin-1 is the cheapest for what is small, two writes for what is not. */
const IN_ONE_BYTES = 16_384
const body = Buffer.alloc(BODY_BYTES, 'x')
const whole = BODY_BYTES <= IN_ONE_BYTES ? head + body.toString('latin1') : head

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {})
  socket.on('data', () => {
    socket.cork()
    socket.write(whole, 'latin1')
    if (BODY_BYTES > IN_ONE_BYTES) socket.write(body)
    socket.uncork()
  })
})
server.listen(0, '127.0.0.1', () => console.log(`port ${(server.address() as AddressInfo).port}`))
