import { test } from 'node:test'
import { play, type Scenario, type ScenarioSettings } from '../../sim/scenario.ts'

/** Replays one seed only: `IHAVE_SEED=7 node --test test/sim/…`. */
const ONLY = process.env['IHAVE_SEED']

const SEEDS = [1, 2, 3, 4, 5]

export interface SeedOptions {
  readonly seeds?: readonly number[]
  /** The defect of the product that lets it fail still. */
  readonly todo?: string
}

/** One test of a scenario for each of several seeds. */
export function testSeeds(
  behaviour: string,
  settings: ScenarioSettings,
  scene: (scenario: Scenario) => Promise<void>,
  { seeds = SEEDS, todo }: SeedOptions = {},
): void {
  for (const seed of seedsOf(seeds))
    test(`${behaviour} (seed ${seed})`, todo === undefined ? {} : { todo }, () => play(seed, settings, scene))
}

/** The seeds to play, one by one where somebody replays a failure. */
export function seedsOf(seeds: readonly number[] = SEEDS): readonly number[] {
  return ONLY === undefined ? seeds : [Number(ONLY)]
}
