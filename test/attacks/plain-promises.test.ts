/**
 * V§4 "exhaustion": who speaks only the packets of the patents and says again and again that it has received more of a file needs no
 * file for it. With chance and in hundreds, among others: test/sim/ and `npm run simulate -- --hostile`.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { startFakePeer } from '../clients/fake-peer.ts'
import { freePacketPort, Scene, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody } from '../clients/origin.ts'
import { fetched } from './fetched.ts'

const EVERY_MS = 100
/** A second, and what a node waits more that has to wait for its turn at the processor; it was ten. */
const MOST_MS = 2500

const scene = new Scene()
let packetPort: number
let origin: Origin
let node: Node

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort } })
})

after(() => scene.close())

describe('a machine that says plainly, and for ever, that it downloads the file', () => {
  for (const [at, [what, bytes]] of (
    [
      ['slowly', 100],
      ['at a good rate', 300_000],
      ['faster than any line', 50_000_000],
    ] as const
  ).entries())
    test(`${what} costs each request a second at most`, async () => {
      const address = `127.0.0.${90 + at}`
      const says = { kind: 'plainly promises', everyMs: EVERY_MS, bytes } as const
      const peer = await startFakePeer(scene, { address, packetPort, says })
      await until('the peer', () => node.status().peering?.peers.some((each) => each.address === address))
      for (const _ of [1, 2]) {
        const body = uniqueBody(200_000)
        const began = performance.now()
        const got = await fetched(node, origin.putByHash(body))
        const ms = performance.now() - began
        assert.deepEqual([sha256(got.body), got.source], [sha256(body), 'internet'])
        assert.ok(ms < MOST_MS, `${Math.round(ms)} ms`)
      }
      assert.equal(new Set(peer.asked).size, 2)
      assert.deepEqual(node.status().shunned, [])
      await peer.stop()
    })
})
