import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { SPREAD_MS } from '../../retrieval/summary-exchange.ts'
import { ADVERTISE_MS } from '../../peering/advertising.ts'
import { KB } from '../../sim/scenario.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { testSeeds } from './seeds.ts'

/** What a request costs whose origin server is four trips of 10 ms away. */
const DIRECT_MS = 41

describe('what nodes tell of what they hold', () => {
  testSeeds('what nobody holds is hardly waited for', {}, async (scenario) => {
    const [one] = await scenario.nodes(20)
    assert.ok(one)
    const got = await one.get(scenario.file('/a', 10 * KB))
    assert.equal(got.source, 'internet')
    assertAtMost(got.firstByteMs, DIRECT_MS + 10, 'first byte, in ms')
  })

  testSeeds('a new copy becomes known: it is asked for, and waited for', {}, async (scenario) => {
    const [one, other, third] = await scenario.nodes(3)
    assert.ok(one && other && third)
    const uri = scenario.file('/a', 10 * KB)
    await one.get(uri)
    await scenario.clock.sleep(2 * ADVERTISE_MS)
    const known = other.assembly.peering.timing()
    assert.ok(known)
    assert.equal((await other.get(uri)).source, 'peer')
    const elsewhere = await third.get(scenario.file('/b', 10 * KB))
    assertAtMost(elsewhere.firstByteMs, DIRECT_MS + 10, 'first byte of what nobody holds, in ms')
    assert.equal(scenario.origin.sentBytes, 20 * KB)
  })

  testSeeds('a node that comes later learns what is there', {}, async (scenario) => {
    const [one] = await scenario.nodes(2)
    assert.ok(one)
    const held = Array.from({ length: 30 }, (_, at) => scenario.file(`/${at}`, 10 * KB))
    for (const uri of held) await one.get(uri)
    const late = await scenario.node()
    await scenario.clock.sleep(SPREAD_MS + 1000)
    const absent = await late.get(scenario.file('/absent', 10 * KB))
    assertAtMost(absent.firstByteMs, DIRECT_MS + 10, 'first byte of what nobody holds, in ms')
    for (const uri of held) assert.equal((await late.get(uri)).source, 'peer')
  })

  testSeeds(
    'a LAN that loses packets makes nobody fetch what a peer holds',
    { lan: { loss: 0.2 }, patienceMs: 300_000 },
    async (scenario) => {
      const nodes = await scenario.nodes(4)
      const [one, ...others] = nodes
      assert.ok(one)
      const held = Array.from({ length: 10 }, (_, at) => scenario.file(`/${at}`, 10 * KB))
      for (const uri of held) await one.get(uri)
      await scenario.clock.sleep(90_000)
      let fromPeers = 0
      for (const node of others) {
        for (const uri of held) {
          const got = await node.get(uri)
          assertRight(scenario, uri, got)
          if (got.source === 'peer') fromPeers++
        }
      }
      assert.ok(fromPeers >= 20, `${fromPeers} of 30 from peers`)
    },
    { seeds: [1, 2, 3] },
  )

  testSeeds(
    'idle, fifty nodes send less than 1 kB a second each',
    {},
    async (scenario) => {
      const nodes = await scenario.nodes(50)
      const before = bytesSent(scenario.lan.counts)
      await scenario.clock.sleep(30_000)
      const perNode = (bytesSent(scenario.lan.counts) - before) / 30 / nodes.length
      assertAtMost(perNode, 1000, 'bytes per second and node')
    },
    { seeds: [1] },
  )
})

function bytesSent(counts: ReadonlyMap<string, { readonly bytes: number }>): number {
  return [...counts.values()].reduce((sum, { bytes }) => sum + bytes, 0)
}
