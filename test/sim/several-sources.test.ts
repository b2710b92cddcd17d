import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { TargetUri } from '../../core/target-uri.ts'
import { MB, type Scenario } from '../../sim/scenario.ts'
import type { VirtualNode } from '../../sim/virtual-node.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { testSeeds } from './seeds.ts'

const SIZE = 72 * MB
const RATE = 8 * MB
const ALONE_MS = (SIZE / RATE) * 1000

/** Each takes some seconds of processor time. */
const SEEDS = { seeds: [1, 2] }

const settings = { node: { maxUploadRate: RATE }, wanBytesPerSecond: 100 * MB, patienceMs: 600_000 }

/** So many nodes hold it, and the others do not yet. */
async function held(scenario: Scenario, holders: number, others: number) {
  const nodes = await scenario.nodes(holders + others)
  const uri = scenario.file('/image', SIZE)
  for (const node of nodes.slice(0, holders)) await node.get(uri)
  return { uri, holders: nodes.slice(0, holders), others: nodes.slice(holders) }
}

/** Each of them asks within 200 ms. */
function all(scenario: Scenario, uri: TargetUri, nodes: readonly VirtualNode[]) {
  return Promise.all(
    nodes.map(async (node) => {
      await scenario.clock.sleep(200 * scenario.random.fraction())
      return node.get(uri)
    }),
  )
}

describe('a large file that several nodes have', () => {
  testSeeds(
    'comes from all of them, in less than half of the time',
    settings,
    async (scenario) => {
      const { uri, others } = await held(scenario, 4, 2)
      for (const node of others) {
        const got = await node.get(uri)
        assertRight(scenario, uri, got)
        assertAtMost(got.doneMs, 0.45 * ALONE_MS, 'ms')
        assertAtMost(got.longestStallMs, 1000, 'ms of a stall')
      }
      assert.equal(scenario.origin.sentBytes, SIZE)
    },
    SEEDS,
  )

  testSeeds(
    'is passed on when a crowd wants it, and nobody goes to the Internet',
    settings,
    async (scenario) => {
      const { uri, holders, others } = await held(scenario, 4, 9)
      const before = new Map([...holders, ...others].map((node) => [node, node.uploadedBytes]))
      for (const got of await all(scenario, uri, others)) {
        assertRight(scenario, uri, got)
        assertAtMost(got.longestStallMs, 1000, 'ms of a stall')
      }
      assert.equal(scenario.origin.sentBytes, SIZE)
      for (const [node, sent] of before) assertAtMost((node.uploadedBytes - sent) / SIZE, 3.1, 'copies')
    },
    SEEDS,
  )

  testSeeds(
    'is passed on by one that is being helped, when others come',
    settings,
    async (scenario) => {
      const { uri, others } = await held(scenario, 3, 6)
      const [first, ...late] = others
      const early = first?.get(uri)
      await scenario.clock.sleep(1500)
      const got = await all(scenario, uri, late)
      for (const each of [...got, ...(early === undefined ? [] : [await early])])
        assertRight(scenario, uri, each)
      assert.equal(scenario.origin.sentBytes, SIZE)
    },
    SEEDS,
  )
})
