/**
 * V§4 "open proxy": guessing what the port for files serves, and climbing out of it, against a running node that holds a file. The
 * abuses of 2012 (absolute-form, CONNECT, POST): test/clients/file-port-abuse.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decode, encode, padded } from '../../peering/codec.ts'
import { MAX_PIPELINED } from '../../peering/file-server.ts'
import type { NodeId, RequestId } from '../../peering/packets.ts'
import type { Node } from '../../service/node.ts'
import { bind } from '../clients/fake-peer.ts'
import { freePacketPort, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody } from '../clients/origin.ts'
import { fetched } from './fetched.ts'
import { exchange, statuses, type Place } from './raw.ts'

const scene = new Scene()
const body = uniqueBody(50_000)
let node: Node
let files: Place
let url: string
let alias: string

before(async () => {
  const packetPort = await freePacketPort()
  const origin = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort } })
  files = { address: '127.0.0.8', port: node.status().peering?.filePort ?? 0 }
  url = origin.putByHash(body)
  await fetched(node, url)
  await settled(node)
  alias = await aliasOf(url, packetPort)
})

after(() => scene.close())

/** As whoever asks the LAN for it is told. */
async function aliasOf(href: string, packetPort: number): Promise<string> {
  const socket = await bind(packetPort, '127.0.0.66')
  scene.ending(() => socket.close())
  let location = ''
  socket.on('message', (bytes: Buffer) => {
    const decoded = decode(bytes)
    if (decoded.kind === 'packet' && decoded.packet.type === 'response') ({ location } = decoded.packet)
  })
  const common = { id: 1 as RequestId, node: '6'.repeat(32) as NodeId, nonce: '7'.repeat(32), extras: [] }
  const asked = { method: 'get', acceptProtocol: 'http', cachedOnly: true, maxDelayMs: 4 } as const
  const question = encode(padded({ type: 'request', more: [], href, ...common, ...asked })) ?? ''
  socket.send(question, packetPort, '127.0.0.8')
  await until('the answer', () => location !== '')
  return new URL(location).pathname.slice(1)
}

async function get(target: string): Promise<string> {
  const host = `${files.address}:${files.port}`
  return exchange(files, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
}

test('whoever was told the alias is served', async () => {
  const text = await get(`/${alias}`)
  assert.deepEqual(statuses(text), [200])
  assert.ok(text.endsWith(body.toString('latin1')))
})

test('no name that can be known is an alias: no digest of the body or of its URL', async () => {
  const names = [body, Buffer.from(url), Buffer.from(`${url}\n`), Buffer.from(new URL(url).pathname)]
  for (const name of names) assert.deepEqual(statuses(await get(`/${sha256(name)}`)), [404])
  for (const path of ['/', '/index.html', '/..', `/bodies/${sha256(body).slice(0, 2)}/${sha256(body)}`])
    assert.deepEqual(statuses(await get(path)), [404], path)
})

test('an alias counts in one spelling only, and gives away nothing about others', async () => {
  const next = (Number.parseInt(alias[63] ?? '0', 16) ^ 1).toString(16)
  for (const target of [
    `/${alias.slice(0, 63)}`,
    `/${alias.slice(0, 63)}${next}`,
    `/${alias}0`,
    `/${alias}/`,
    `/${alias}?x`,
    `//${alias}`,
    `/./${alias}`,
    `/x/../${alias}`,
    `/%${(alias.codePointAt(0) ?? 0).toString(16)}${alias.slice(1)}`,
    `/${alias.toUpperCase() === alias ? 'F'.repeat(64) : alias.toUpperCase()}`,
    `/${alias}%00`,
  ])
    assert.deepEqual(statuses(await get(target)), [404], target)
})

test('no path leads out of what is served', async () => {
  for (const target of [
    '/../../../../etc/passwd',
    '/..%2f..%2f..%2fetc%2fpasswd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/....//....//etc/passwd',
    '/..\\..\\etc\\passwd',
    '/site/../../../../etc/passwd',
    '/site/attestations/../../../member.json',
    '/file:///etc/passwd',
    `/${'a/'.repeat(500)}`,
  ]) {
    const text = await get(target)
    assert.deepEqual(statuses(text), [404], target)
    assert.doesNotMatch(text, /root:/)
  }
})

test('10,000 guesses hit nothing, however many at a time', async () => {
  const host = `${files.address}:${files.port}`
  const one = () => `HEAD /${sha256(uniqueBody(16))} HTTP/1.1\r\nHost: ${host}\r\n`
  const some = async () => {
    const guesses = Array.from({ length: MAX_PIPELINED }, one).join('\r\n')
    return statuses(await exchange(files, `${guesses}Connection: close\r\n\r\n`))
  }
  for (let round = 0; round < 10_000 / (MAX_PIPELINED * 50); round++) {
    const codes = (await Promise.all(Array.from({ length: 50 }, some))).flat()
    assert.deepEqual([codes.length, codes.every((code) => code === 404)], [MAX_PIPELINED * 50, true])
  }
  // Who does not wait for the answers gets fewer, and none of another kind.
  const rest = statuses(await exchange(files, `${Array.from({ length: 500 }, one).join('\r\n')}\r\n`))
  assert.ok(rest.length <= MAX_PIPELINED && rest.every((code) => code === 404), String(rest))
})
