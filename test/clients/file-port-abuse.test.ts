import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { freePacketPort, Scene } from './harness.ts'
import { Origin } from './origin.ts'

const scene = new Scene()
let node: Node
/** What the abusers want to reach through the node, as in 2012. */
let target: Origin

before(async () => {
  target = await Origin.start(scene)
  target.put('/prize', { body: Buffer.from('root:') })
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort: await freePacketPort() } })
})

after(() => scene.close())

const ABUSES = [
  {
    name: 'an absolute-form GET',
    line: (of: string) => `GET http://${of}/prize HTTP/1.1`,
    host: 'target',
  },
  {
    name: 'an absolute-form GET with our own Host',
    line: (of: string) => `GET http://${of}/prize HTTP/1.1`,
    host: 'own',
  },
  { name: 'CONNECT', line: (of: string) => `CONNECT ${of} HTTP/1.1`, host: 'target' },
  { name: 'POST', line: (of: string) => `POST http://${of}/prize HTTP/1.1`, host: 'own' },
  { name: 'a path upwards', line: () => 'GET /../../../../etc/passwd HTTP/1.1', host: 'own' },
  { name: 'an alias that nobody was given', line: () => `GET /${'0'.repeat(64)} HTTP/1.1`, host: 'own' },
] as const

test('the port for files answers a question about its health', async () => {
  const filePort = node.status().peering?.filePort ?? 0
  const reply = await rawly(
    filePort,
    `GET /health HTTP/1.1\r\nHost: 127.0.0.8:${filePort}\r\nConnection: close\r\n\r\n`,
  )
  assert.match(reply, /^HTTP\/1\.1 200 /)
})

for (const { name, line, host } of ABUSES) {
  test(`${name} on the port for files is refused and fetches nothing`, async () => {
    const filePort = node.status().peering?.filePort ?? 0
    const soFar = target.requests.length
    const asked = host === 'own' ? `127.0.0.8:${filePort}` : target.authority
    const reply = await rawly(
      filePort,
      `${line(target.authority)}\r\nHost: ${asked}\r\nConnection: close\r\n\r\n`,
    )
    assert.match(reply, /^$|^HTTP\/1\.1 (400|403|404|405) /)
    assert.doesNotMatch(reply, /root:/)
    assert.equal(target.requests.length, soFar)
  })
}

/** Everything that comes back for these bytes. */
function rawly(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.8', () => socket.write(bytes))
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('error', () => socket.destroy())
    socket.once('close', () => resolve(text))
  })
}
