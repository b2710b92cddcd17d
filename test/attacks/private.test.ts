/**
 * V§4 "private data shared": what a running node says to everybody, and gives to whoever asks, of responses that are one
 * person's. The gate itself, with its property: test/cache/semantics/sharing-gate.test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { bind } from '../clients/fake-peer.ts'
import { acquainted, BROADCAST, freePacketPort, Scene, settled } from '../clients/harness.ts'
import { Origin, uniqueBody } from '../clients/origin.ts'
import { fetched } from './fetched.ts'

const scene = new Scene()
let origin: Origin
let node: Node
let other: Node
/** All that was said to everybody. */
let said = ''

before(async () => {
  const packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  const ear = await bind(packetPort, BROADCAST)
  scene.ending(() => ear.close())
  ear.on('message', (bytes: Buffer) => (said += bytes.toString('latin1')))
  const rules = [{ match: '**/shared/**', share: true, immutable: true, verify: 'updater' }]
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort }, rules })
  other = await scene.node({ peering: { address: '127.0.0.9', packetPort }, rules })
  await acquainted(node, other)
})

after(() => scene.close())

let number = 0

function page(fields: Readonly<Record<string, string>> = {}, query = ''): string {
  return origin.put(`/shared/${number++}.bin${query}`, { body: uniqueBody(3000), fields })
}

test('what is nobody’s in particular is named and shared', async () => {
  const url = page({ 'Cache-Control': 'max-age=600' })
  await fetched(node, url)
  await settled(node)
  assert.equal((await fetched(other, url)).source, 'peer')
  assert.ok(said.includes(url))
})

describe('a request that is somebody’s', () => {
  const REQUESTS: readonly (readonly [name: string, headers: Record<string, string>, query: string])[] = [
    ['with Authorization', { Authorization: 'Basic c2VjcmV0' }, ''],
    ['with a cookie', { Cookie: 'session=secret' }, ''],
    ['with proxy credentials', { 'Proxy-Authorization': 'Basic c2VjcmV0' }, ''],
    ['with a signed URL', {}, '?X-Amz-Signature=secret'],
    ['with a token in the query', {}, '?token=secret'],
    ['with a key in the query', {}, '?sv=2020&sig=secret'],
  ]
  for (const [name, headers, query] of REQUESTS)
    test(`${name} is not named to the LAN, and what comes of it not offered`, async () => {
      const url = page({ 'Cache-Control': 'public, max-age=600' }, query)
      assert.equal((await fetched(node, url, headers)).source, 'internet')
      await settled(node)
      assert.ok(!said.includes(new URL(url).pathname), 'it was named')
      assert.ok(!said.includes('secret'))
      const theirs = await fetched(other, url, headers)
      assert.equal(theirs.source, 'internet')
      assert.equal(origin.count(url, 'GET'), 2)
    })
})

describe('a response that is somebody’s', () => {
  const RESPONSES: readonly (readonly [name: string, fields: Record<string, string>])[] = [
    ['with Set-Cookie', { 'Cache-Control': 'max-age=600', 'Set-Cookie': 'session=secret' }],
    ['private', { 'Cache-Control': 'private, max-age=600' }],
    ['PRIVATE', { 'Cache-Control': 'PRIVATE' }],
    ['private with nothing in it', { 'Cache-Control': 'private="", max-age=600' }],
    ['private hidden behind a quote', { 'Cache-Control': 'x="a\\", private, y="b", private' }],
    ['no-store', { 'Cache-Control': 'No-Store' }],
    ['no-cache for a field', { 'Cache-Control': 'max-age=600, no-cache="X-Who"' }],
    ['a syntax error', { 'Cache-Control': 'max-age=600, ="' }],
    ['varying by cookie', { 'Cache-Control': 'max-age=600', Vary: 'Cookie' }],
    ['varying by everything', { 'Cache-Control': 'max-age=600', Vary: '*' }],
    ['that asks who it is', { 'Cache-Control': 'max-age=600', 'WWW-Authenticate': 'Basic' }],
  ]
  for (const [name, fields] of RESPONSES)
    test(`${name} is not offered`, async () => {
      const url = page(fields)
      await fetched(node, url)
      await settled(node)
      assert.equal((await fetched(other, url)).source, 'internet')
      assert.equal(origin.count(url, 'GET'), 2)
    })
})
