import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { after, before, test } from 'node:test'
import { ProxyAgent, WebSocket } from 'undici'
import type { Node } from '../../service/node.ts'
import { missing, Scene } from './harness.ts'
import { Origin } from './origin.ts'
import { curl, run } from './programs.ts'

const scene = new Scene()
let origin: Origin
let node: Node

before(async () => {
  origin = await Origin.start(scene)
  origin.server.on('upgrade', (incoming, socket: Duplex) => echo(socket, incoming.headers))
  node = await scene.node({ peering: { enabled: false } })
})

after(() => scene.close())

test('curl talks TLS end to end through CONNECT', { skip: missing('curl', 'openssl') }, async () => {
  const { certificate, port } = await startTls()
  const url = `https://127.0.0.1:${port}/secret`
  const reply = await curl(node.proxyAddress, '--cacert', certificate, url)
  assert.deepEqual([reply.code, reply.status, reply.body.toString()], [0, 200, 'GET /secret'])
  assert.equal(reply.fields.get('via'), null)
  const distrusting = await curl(node.proxyAddress, url)
  assert.equal(distrusting.code, 60)
})

test('CONNECT to a closed port is refused with 502 and the reason', { skip: missing('curl') }, async () => {
  const reply = await run('curl', ['-q', '-sSv', '-x', `http://${node.proxyAddress}`, 'https://127.0.0.1:1/'])
  assert.equal(reply.code, 56)
  assert.match(reply.stderr, /< HTTP\/1\.1 502 /)
  assert.match(reply.stderr, /< Proxy-Status: ihave; error=connection_refused/i)
})

test('a WebSocket through CONNECT, as browsers do it, echoes', async () => {
  const dispatcher = new ProxyAgent(`http://${node.proxyAddress}`)
  const socket = new WebSocket(`ws://${origin.authority}/echo`, { dispatcher })
  assert.equal(await echoed(socket, 'through the tunnel'), 'through the tunnel')
  await dispatcher.close()
})

test('a WebSocket by Upgrade of an absolute-form request echoes', async () => {
  const socket = await upgraded(node.proxyAddress)
  socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]))
  const [reply] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  assert.deepEqual([...reply], [0x81, 2, 0x68, 0x69])
})

test('a node with an open WebSocket stops when its grace is over', { timeout: 5000 }, async () => {
  const other = await scene.node({ peering: { enabled: false }, proxy: { stopGraceMs: 100 } })
  const socket = await upgraded(other.proxyAddress)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await other.stop()
  await closed
})

/** A TLS server of the test's own, with a certificate for 127.0.0.1 that nobody else trusts. */
async function startTls(): Promise<{ readonly certificate: string; readonly port: number }> {
  const directory = scene.directory()
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const asked = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ]
  const named = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = await run('openssl', [...asked, ...named, '-keyout', key, '-out', certificate])
  assert.equal(made.code, 0, made.stderr)
  const files = { key: readFileSync(key), cert: readFileSync(certificate) }
  const server = createServer(files, (incoming, response) =>
    response.end(`${incoming.method} ${incoming.url}`),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scene.ending(() => server.close())
  return { certificate, port: (server.address() as AddressInfo).port }
}

/** A connection on which the proxy has passed on the origin server's 101. */
function upgraded(proxy: string): Promise<Duplex> {
  const [host, port] = proxy.split(':')
  const key = Buffer.from('sixteen bytes on').toString('base64')
  const headers = { Host: origin.authority, Connection: 'Upgrade', Upgrade: 'websocket' }
  const asking = request({
    host,
    port,
    path: `http://${origin.authority}/echo`,
    headers: { ...headers, 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Version': '13' },
  })
  return new Promise((resolve, reject) => {
    asking.on('upgrade', (response, socket: Duplex) => {
      assert.equal(response.headers['sec-websocket-accept'], acceptOf(key))
      resolve(socket.on('error', () => socket.destroy()))
    })
    asking.on('error', reject).on('response', ({ statusCode }) => reject(new Error(`status ${statusCode}`)))
    asking.end()
  })
}

/** Sends one message and resolves with the one that comes back. */
function echoed(socket: WebSocket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => socket.send(text))
    socket.addEventListener('error', () => reject(new Error('the WebSocket failed')))
    socket.addEventListener('message', ({ data }) => {
      socket.close()
      resolve(String(data))
    })
  })
}

/** A WebSocket server that sends short messages back (RFC 6455 4.2.2, 5.2): enough for these tests. */
function echo(socket: Duplex, headers: Readonly<Record<string, string | string[] | undefined>>): void {
  const accept = acceptOf(String(headers['sec-websocket-key']))
  const head = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
  socket.write([...head, `Sec-WebSocket-Accept: ${accept}`, '', ''].join('\r\n'))
  socket.on('error', () => socket.destroy())
  socket.on('data', (frame: Buffer) => {
    const length = (frame[1] ?? 0) & 0x7f
    const mask = frame.subarray(2, 6)
    const content = frame.subarray(6, 6 + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0))
    socket.write(Buffer.concat([Buffer.from([frame[0] ?? 0, length]), content]))
    if ((frame[0] ?? 0) === 0x88) socket.end()
  })
}

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}
