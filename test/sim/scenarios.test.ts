import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { failuresOf } from '../../sim/checks.ts'
import { commandOf, figuresOf, measure } from '../../sim/figures.ts'
import { SITE_BYTES_PER_SECOND, type Play } from '../../sim/play.ts'
import { PLAYS } from '../../sim/scenarios/all.ts'
import { boot } from '../../sim/scenarios/boot.ts'
import { simulate, type Watch } from '../../sim/simulate.ts'
import { seedsOf } from './seeds.ts'

const NODES = 10

/** A gigabyte is for those who have time. */
function parametersOf({ leastBytes }: Play, seed: number) {
  return { seed, nodes: NODES, subnets: 1, ...(leastBytes === undefined ? {} : { bytes: leastBytes }) }
}

describe('simulated scenarios: every check holds', () => {
  for (const play of PLAYS) {
    for (const seed of seedsOf([1, 2])) {
      test(`${play.about} (${play.name}, seed ${seed})`, async () => {
        const { failures } = await simulate(play, parametersOf(play, seed))
        assert.deepEqual(failures, [], commandOf(play.name, parametersOf(play, seed)))
      })
    }
  }
})

describe('a subnet of a hundred', () => {
  test('that loses 5 % of all datagrams and wants one file gets one copy of it, for four datagrams per node', async () => {
    // Small files, to be quick: their time says nothing.
    const { completion: _, ...limits } = boot.limits
    const { failures, figures } = await simulate(
      { ...boot, limits },
      {
        seed: 1,
        nodes: 100,
        subnets: 1,
        loss: 0.05,
        bytes: 60_000,
      },
    )
    assert.deepEqual(failures, [])
    assert.equal(figures?.copies, 1)
  })
})

describe('the simulation', () => {
  test('goes the same way for the same seed, and another way for another one', async () => {
    const once = async (seed: number) =>
      (await simulate(boot, { seed, nodes: 6, subnets: 2, loss: 0.1 })).fingerprint
    const first = await once(7)
    assert.equal(await once(7), first)
    assert.notEqual(await once(8), first)
  })

  test('says what does not hold, and a run that comes to no end', async () => {
    const impatient: Play = { ...boot, limits: { copies: 0.5, packets: -1, busiest: 0.1 } }
    const { failures } = await simulate(impatient, { seed: 1, nodes: 4, subnets: 1 })
    assert.equal(failures.length, 3, failures.join('\n'))
    const endless: Play = { ...boot, act: () => new Promise(() => {}), world: { patienceMs: 1000 } }
    const stuck = await simulate(endless, { seed: 1, nodes: 2, subnets: 1 })
    assert.match(stuck.failures.join('\n'), /nothing is left to happen|not done after/)
  })

  test('finds a request that ended wrong, or not at all', async () => {
    const watch: Watch = {}
    await simulate(boot, { seed: 1, nodes: 3, subnets: 1 }, watch)
    const { stage } = watch
    assert.ok(stage)
    const [first, second] = stage.asked
    assert.ok(first?.got && second)
    first.got = { ...first.got, sha256: '0'.repeat(64) }
    delete second.got
    const failures = failuresOf(boot, stage, figuresOf([measure(stage, SITE_BYTES_PER_SECOND)]))
    assert.match(failures.join('\n'), /wrong bytes[\s\S]*no answer/)
  })

  test('subnets are played one after the other, and judged and counted together', async () => {
    const watch: Watch = {}
    const { figures, failures, fingerprint } = await simulate(boot, { seed: 1, nodes: 7, subnets: 3 }, watch)
    assert.deepEqual(failures, [])
    assert.equal(watch.subnet, 3)
    assert.equal(watch.stage?.nodes.length, 3)
    assert.equal(figures?.requests, 7 * 6)
    assert.equal(figures?.copies.toFixed(3), '1.000')
    assert.equal(new Set(fingerprint.split(' ')).size, 3)
    const impatient: Play = { ...boot, limits: { copies: 0.5, packets: 100, busiest: 10 } }
    const failed = await simulate(impatient, { seed: 1, nodes: 4, subnets: 2 })
    assert.deepEqual(
      failed.failures.map((each) => each.slice(0, 9)),
      ['subnet 1:', 'subnet 2:'],
    )
  })

  test('says the command that replays a run', () => {
    assert.equal(
      commandOf('boot', { seed: 7, nodes: 40, subnets: 2, loss: 0.05 }),
      'npm run simulate -- --scenario boot --nodes 40 --subnets 2 --seed 7 --loss 0.05',
    )
  })
})
