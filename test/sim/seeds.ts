import { test } from 'node:test'
import { play, type Scenario, type ScenarioSettings } from '../../sim/scenario.ts'

/** Replays one seed only: `IHAVE_SEED=7 node --test test/sim/…`. */
const ONLY = process.env['IHAVE_SEED']

const SEEDS = [1, 2, 3, 4, 5]

/** One test of a scenario for each of several seeds. */
export function testSeeds(
  behaviour: string,
  settings: ScenarioSettings,
  scene: (scenario: Scenario) => Promise<void>,
  seeds: readonly number[] = SEEDS,
): void {
  for (const seed of ONLY === undefined ? seeds : [Number(ONLY)])
    test(`${behaviour} (seed ${seed})`, () => play(seed, settings, scene))
}
