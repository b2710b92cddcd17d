/** Plays one scenario once. */
import { describe } from '../core/fault.ts'
import { seededRandom } from '../core/random.ts'
import { failuresOf } from './checks.ts'
import { figuresOf, type Figures } from './figures.ts'
import { SITE_BYTES_PER_SECOND, type Play } from './play.ts'
import { Scenario, type ScenarioSettings } from './scenario.ts'
import { Stage, type Parameters } from './stage.ts'

export interface Run {
  readonly play: string
  readonly parameters: Parameters
  /** Absent when it came to no end. */
  readonly figures?: Figures
  /** What does not hold; empty: all is well. */
  readonly failures: readonly string[]
  /** The same in two runs that went the same way. */
  readonly fingerprint: string
  /** Of this machine, in ms. */
  readonly cpuMs: number
}

/** How far a run is, for people who wait. */
export interface Watch {
  stage?: Stage
}

/** The virtual time that a scene may take, in ms. */
const PATIENCE_MS = 600_000

export async function simulate(play: Play, parameters: Parameters, watch: Watch = {}): Promise<Run> {
  const before = process.cpuUsage()
  const world = new Scenario(parameters.seed, worldOf(play, parameters))
  const stage = new Stage(world, parameters, play)
  watch.stage = stage
  const site = play.world?.siteBytesPerSecond ?? SITE_BYTES_PER_SECOND
  let ended: Pick<Run, 'figures' | 'failures'>
  try {
    const scene = play.act(stage, parameters.bytes ?? play.bytes)
    await world.clock.run(scene, play.world?.patienceMs ?? PATIENCE_MS)
    const figures = figuresOf(stage, site)
    ended = { figures, failures: failuresOf(play, stage, figures) }
  } catch (error) {
    ended = { failures: [describe(error)] }
  }
  const { user, system } = process.cpuUsage(before)
  const fingerprint = `${world.clock.happened}-${world.lan.fingerprint.toString(16)}`
  return { play: play.name, parameters, ...ended, fingerprint, cpuMs: (user + system) / 1000 }
}

function worldOf(play: Play, { seed, loss }: Parameters): ScenarioSettings {
  // Not the sequence that the world itself draws from, so that a given loss changes nothing else.
  const drawn = play.lan?.(seededRandom(seed ^ NETWORK)) ?? {}
  const lan = loss === undefined ? drawn : { ...drawn, loss }
  return {
    siteBytesPerSecond: SITE_BYTES_PER_SECOND,
    wanBytesPerSecond: Infinity,
    ...play.world,
    lan,
  }
}

const NETWORK = 0x6e657477
