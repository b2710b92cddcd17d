import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ProxyAgent, request } from 'undici'
import type { Node } from '../../service/node.ts'
import { acquainted, freePacketPort, Scene, settled } from './harness.ts'
import { Origin, uniqueBody } from './origin.ts'

const FILES = 600

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

/** Fetches every URL through the node, ten at a time like a package manager. @returns how many came from where. */
async function fetchAll(node: Node, urls: readonly string[]): Promise<Map<string, number>> {
  const dispatcher = new ProxyAgent({ uri: `http://${node.proxyAddress}`, proxyTunnel: false })
  const waiting = [...urls]
  const sources = new Map<string, number>()
  const worker = async () => {
    for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
      const { headers, body } = await request(url, { dispatcher })
      await body.dump()
      const source = /detail=([\w-]+)/.exec(String(headers['cache-status']))?.[1] ?? 'hit'
      sources.set(source, (sources.get(source) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: 10 }, worker))
  await dispatcher.close()
  return sources
}

test(`an installation of ${FILES} files is not taken for a flood: nearly all come from the peer`, async () => {
  const urls = Array.from({ length: FILES }, () => origin.putByHash(uniqueBody(2000)))
  assert.equal((await fetchAll(first, urls)).get('internet'), FILES)
  await settled(first)
  const sources = await fetchAll(second, urls)
  // A busy machine may answer a question too late; dropped packets would cost most of them.
  assert.ok((sources.get('peer') ?? 0) >= FILES * 0.95, JSON.stringify([...sources]))
  assert.equal(first.status().packets['dropped: too many'] ?? 0, 0)
})
