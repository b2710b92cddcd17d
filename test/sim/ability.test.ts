/** Who fetches for the others is chosen by what each can do (R5.4). */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { AbilityFacts } from '../../peering/ability.ts'
import { KB, type Scenario } from '../../sim/scenario.ts'
import type { VirtualNode } from '../../sim/virtual-node.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { testSeeds } from './seeds.ts'

const FILES = 60
const SIZE = 20 * KB

/** Two machines of each kind, all of which want the same files at the same moment. @returns what each kind has fetched. */
async function fetchedBy(scenario: Scenario, kinds: readonly AbilityFacts[]): Promise<number[]> {
  const nodes: VirtualNode[] = []
  for (const machine of kinds) nodes.push(await scenario.node({ machine }), await scenario.node({ machine }))
  await scenario.settle()
  for (let number = 0; number < FILES; number++) {
    const uri = scenario.file(`/${number}`, SIZE)
    const all = await Promise.all(nodes.map((node) => node.get(uri)))
    for (const got of all) assertRight(scenario, uri, got)
  }
  assertAtMost(scenario.origin.sentBytes, FILES * SIZE, 'bytes from the origin server')
  return kinds.map(
    (_, kind) =>
      nodes
        .slice(2 * kind, 2 * kind + 2)
        .flatMap(({ reports }) => reports)
        .filter(({ source }) => source === 'internet').length,
  )
}

describe('machines that want the same', () => {
  testSeeds('have it fetched by those that reach the Internet', {}, async (scenario) => {
    const [able = 0, isolated = 0] = await fetchedBy(scenario, [{}, { reach: 0 }])
    assert.deepEqual([able, isolated], [FILES, 0])
  })

  testSeeds('have it fetched by those with a cable, mostly', {}, async (scenario) => {
    const [wired = 0, wireless = 0] = await fetchedBy(scenario, [{ isWired: true }, { isWired: false }])
    assert.equal(wired + wireless, FILES)
    assert.ok(wired >= 2 * wireless, `${wired} by cable, ${wireless} by radio`)
  })

  testSeeds('have it fetched by one that can do little when nobody can do more', {}, async (scenario) => {
    const [little = 0] = await fetchedBy(scenario, [{ isWired: false, isOnMains: false, isBusy: true }])
    assert.equal(little, FILES)
  })
})
