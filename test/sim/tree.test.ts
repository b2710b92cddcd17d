import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { KB, MB, type Scenario } from '../../sim/scenario.ts'
import type { Got } from '../../sim/virtual-application.ts'
import type { VirtualNode } from '../../sim/virtual-node.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { testSeeds } from './seeds.ts'
import type { TargetUri } from '../../core/target-uri.ts'

const WAN_BYTES_PER_SECOND = 2_500_000
const SLOW_WAN = { wanBytesPerSecond: WAN_BYTES_PER_SECOND }
/** Twenty nodes and megabytes take a second of processor time for each seed. */
const FEW = { seeds: [1, 2] }

/** Copies of `uri` that the busiest node sent. */
function mostCopies(nodes: readonly VirtualNode[], bytes: number): number {
  return Math.max(...nodes.map((node) => node.uploadedBytes)) / bytes
}

/** Every node asks, one after `everyMs` after the other. */
function allGet(
  scenario: Scenario,
  nodes: readonly VirtualNode[],
  uri: TargetUri,
  everyMs = 0,
): Promise<Got[]> {
  return Promise.all(
    nodes.map(async (node, at) => {
      await scenario.clock.sleep(at * everyMs + scenario.random.fraction() * 20)
      const got = await node.get(uri)
      assertRight(scenario, uri, got)
      return got
    }),
  )
}

/** The reference workload; `inAll` is its size in bytes. */
function sixFiles(scenario: Scenario): { readonly uris: readonly TargetUri[]; readonly inAll: number } {
  const sizes = [910, 16, 370, 360, 240, 340].map((size) => size * 1000)
  const uris = sizes.map((size, at) => scenario.file(`/${at}`, size))
  return { uris, inAll: sizes.reduce((sum, size) => sum + size, 0) }
}

describe('many nodes that want the same', () => {
  testSeeds(
    'at once: one copy from the Internet, and no node sends more than three',
    SLOW_WAN,
    async (scenario) => {
      const nodes = await scenario.nodes(20)
      const uri = scenario.file('/large', 8 * MB)
      const all = await allGet(scenario, nodes, uri)
      assertAtMost(scenario.origin.sentBytes, 8 * MB, 'bytes from the origin server')
      assertAtMost(mostCopies(nodes, 8 * MB), 3.01, 'copies that one node sent')
      const idealMs = ((8 * MB) / WAN_BYTES_PER_SECOND) * 1000
      assertAtMost(
        Math.max(...all.map(({ doneMs }) => doneMs)),
        idealMs + 300,
        'time until the last end, in ms',
      )
    },
    FEW,
  )

  testSeeds(
    'six files at once: the load is spread',
    SLOW_WAN,
    async (scenario) => {
      const nodes = await scenario.nodes(20)
      const { uris, inAll } = sixFiles(scenario)
      const all = (await Promise.all(uris.map((uri) => allGet(scenario, nodes, uri)))).flat()
      assertAtMost(scenario.origin.sentBytes, inAll, 'bytes from the origin server')
      assertAtMost(mostCopies(nodes, inAll), 4, 'copies that one node sent')
      const idealMs = (inAll / WAN_BYTES_PER_SECOND) * 1000
      assertAtMost(
        Math.max(...all.map(({ doneMs }) => doneMs)),
        idealMs + 250,
        'time until the last end, in ms',
      )
    },
    FEW,
  )

  testSeeds(
    'six files, one node after the other: the holders that have sent least answer first',
    SLOW_WAN,
    async (scenario) => {
      const nodes = await scenario.nodes(20)
      const { uris, inAll } = sixFiles(scenario)
      for (const node of nodes) {
        await Promise.all(uris.map(async (uri) => assertRight(scenario, uri, await node.get(uri))))
        await scenario.clock.sleep(500)
      }
      assertAtMost(scenario.origin.sentBytes, inAll, 'bytes from the origin server')
      assertAtMost(mostCopies(nodes, inAll), 3, 'copies that one node sent')
    },
    FEW,
  )

  testSeeds(
    'one after the other while it runs: a tree',
    SLOW_WAN,
    async (scenario) => {
      const nodes = await scenario.nodes(20)
      const uri = scenario.file('/large', 10 * MB)
      await allGet(scenario, nodes, uri, 200)
      assertAtMost(scenario.origin.sentBytes, 10 * MB, 'bytes from the origin server')
      assertAtMost(mostCopies(nodes, 10 * MB), 3.01, 'copies that one node sent')
    },
    FEW,
  )

  for (const how of ['process', 'machine'] as const) {
    testSeeds(
      `the fetcher crashes (${how}): one other goes on`,
      SLOW_WAN,
      async (scenario) => {
        const nodes = await scenario.nodes(20)
        const uri = scenario.file('/large', 8 * MB)
        const all = nodes.map((node) => node.get(uri))
        await scenario.clock.sleep(1500)
        const fetcher = nodes.find((node) => node.assembly.retrievals.all()[0]?.isFetcher)
        assert.ok(fetcher)
        fetcher.crash(how)
        const others = nodes.filter((node) => node !== fetcher)
        for (const [at, node] of nodes.entries()) {
          const got = await all[at]
          assert.ok(got)
          if (node === fetcher) assert.equal(got.outcome, 'crashed')
          else {
            assertRight(scenario, uri, got)
            assertAtMost(got.longestStallMs, 1000, 'longest stall, in ms')
          }
        }
        assertAtMost(scenario.origin.sentBytes, 8.5 * MB, 'bytes from the origin server')
        const shunned = others
          .flatMap((node) => node.shunned.list())
          .filter(({ peer }) => peer !== fetcher.address)
        assert.deepEqual(shunned, [], 'an honest node was shunned')
      },
      FEW,
    )
  }

  testSeeds(
    'two that fetch the same, because they did not hear each other’s questions, find out: one gives up, and keeps what it has',
    SLOW_WAN,
    async (scenario) => {
      const [one, other] = await scenario.nodes(2)
      assert.ok(one && other)
      const uri = scenario.file('/large', 8 * MB)
      scenario.lan.partition([one.address, scenario.origin.host.address], [other.address])
      const first = one.get(uri)
      await scenario.clock.sleep(100)
      scenario.lan.partition([one.address], [other.address, scenario.origin.host.address])
      await scenario.clock.sleep(100)
      const second = other.get(uri)
      await scenario.clock.sleep(20)
      scenario.lan.heal()
      for (const got of await Promise.all([first, second])) assertRight(scenario, uri, got)
      assertAtMost(scenario.origin.sentBytes, 9 * MB, 'bytes from the origin server')
    },
    FEW,
  )

  testSeeds(
    'two that did not hear of each other at all find out within five seconds',
    SLOW_WAN,
    async (scenario) => {
      const [one, other] = await scenario.nodes(2)
      assert.ok(one && other)
      const uri = scenario.file('/large', 20 * MB)
      scenario.lan.setLink(one.address, other.address, { loss: 1 })
      const both = [one.get(uri), other.get(uri)]
      await scenario.clock.sleep(1000)
      scenario.lan.setLink(one.address, other.address, { loss: 0 })
      for (const got of await Promise.all(both)) assertRight(scenario, uri, got)
      assertAtMost(scenario.origin.sentBytes, 28 * MB, 'bytes from the origin server')
    },
    FEW,
  )

  testSeeds(
    'relays crash: those below them find another place',
    SLOW_WAN,
    async (scenario) => {
      const nodes = await scenario.nodes(20)
      const uri = scenario.file('/large', 8 * MB)
      const all = nodes.map((node) => node.get(uri))
      await scenario.clock.sleep(1000)
      const relays = nodes.filter(
        (node) => node.uploadedBytes > 100 * KB && !node.assembly.retrievals.all()[0]?.isFetcher,
      )
      assert.ok(relays.length >= 3)
      for (const relay of relays.slice(0, 3)) relay.crash('process')
      for (const got of await Promise.all(all)) {
        if (got.outcome !== 'crashed') {
          assertRight(scenario, uri, got)
          assertAtMost(got.longestStallMs, 1000, 'longest stall, in ms')
        }
      }
      assertAtMost(scenario.origin.sentBytes, 8 * MB, 'bytes from the origin server')
    },
    FEW,
  )
})
