import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from 'node:net'
import type { Node } from '../../service/node.ts'
import { acquainted, freePacketPort, Scene, settled } from './harness.ts'
import { Origin, uniqueBody } from './origin.ts'

const FILES = 50

const scene = new Scene()
let origin: Origin
let first: Node
let second: Node

before(async () => {
  const packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  first = await scene.node({ peering: { address: '127.0.0.2', packetPort } })
  second = await scene.node({ peering: { address: '127.0.0.3', packetPort } })
  await acquainted(first, second)
})

after(() => scene.close())

/** All of them in one write, as apt asks. @returns the `Cache-Status` of each. */
async function fetchAll(node: Node, urls: readonly string[]): Promise<string[]> {
  const { hostname, port } = new URL(`http://${node.proxyAddress}`)
  const socket = connect(Number(port), hostname)
  const requests = urls.map((url, at) => {
    const last = at === urls.length - 1 ? 'Connection: close\r\n' : ''
    return `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n${last}\r\n`
  })
  socket.write(requests.join(''))
  const text = Buffer.concat(await socket.toArray()).toString('latin1')
  return Array.from(text.matchAll(/^cache-status: (.*)\r$/gim), ([, status = '']) => status)
}

const sent = (node: Node, type: string) => node.status().packets[`sent: ${type}`] ?? 0

test(`${FILES} requests at once: the peer answers them, all of them, in far fewer packets`, async () => {
  const urls = Array.from({ length: FILES }, () => origin.putByHash(uniqueBody(2000)))
  await fetchAll(first, urls)
  await settled(first)
  const soFar = {
    asked: sent(second, 'request'),
    have: sent(first, 'response'),
    found: sent(second, 'end-request'),
  }
  const sources = await fetchAll(second, urls)
  const fromPeer = sources.filter((source) => source.includes('detail=peer'))
  assert.equal(sources.length, FILES)
  assert.equal(fromPeer.length, FILES, 'a second copy over the WAN')
  const asked = sent(second, 'request') - soFar.asked
  const have = sent(first, 'response') - soFar.have
  const found = sent(second, 'end-request') - soFar.found
  const figures = `${asked} "I need", ${have} "I have", ${found} "I found"`
  for (const each of [asked, have, found]) assert.ok(each < (FILES * 2) / 3, figures)
  assert.ok((second.status().packets['sent: further questions'] ?? 0) >= FILES - asked)
})
