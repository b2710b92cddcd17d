/** One large file from several real nodes at once, whose uploads are limited (R4.4, R3.5). */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { fetched } from '../attacks/fetched.ts'
import { acquainted, freePacketPort, Scene } from './harness.ts'
import { Origin, sha256, uniqueBody } from './origin.ts'

const MB = 1024 * 1024
const RATE = 8 * MB
const SIZE = 40 * MB

describe('several holders with slow lines', () => {
  const scene = new Scene()
  let origin: Origin
  let packetPort: number
  const holders: Node[] = []
  const body = uniqueBody(SIZE)
  let url: string

  before(async () => {
    packetPort = await freePacketPort()
    origin = await Origin.start(scene)
    url = origin.putByHash(body)
    for (const at of [1, 2, 3]) {
      const address = `127.0.0.${20 + at}`
      const node = await scene.node({
        peering: { address, packetPort, ask: false, maxUploadRate: `${RATE / MB} MiB` },
      })
      await fetched(node, url)
      holders.push(node)
    }
  })

  after(() => scene.close())

  test('feed one download together, at about the sum of their rates', async () => {
    const sent = origin.sentBytes(url)
    const node = await scene.node({ peering: { address: '127.0.0.8', packetPort } })
    await acquainted(node, ...holders)
    const got = await fetched(node, url)
    assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'peer', sha256(body)])
    assert.equal(origin.sentBytes(url), sent)
    assert.ok(got.ms < 0.6 * (SIZE / RATE) * 1000, `${got.ms} ms`)
  })
})
