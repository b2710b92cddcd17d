/** Plays one scenario once. */
import { describe } from '../core/fault.ts'
import { seededRandom } from '../core/random.ts'
import { failuresOf } from './checks.ts'
import { figuresOf, measure, type Figures, type Measured } from './figures.ts'
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
  /** Which of them is being played, from 1 on. */
  subnet?: number
}

/** The virtual time that a scene may take, in ms. */
const PATIENCE_MS = 600_000

/**
 * Subnets have nothing in common but the origin server, which has a line for each: they are played one after the other, so that ten
 * thousand nodes take the memory of one subnet.
 */
export async function simulate(play: Play, parameters: Parameters, watch: Watch = {}): Promise<Run> {
  const before = process.cpuUsage()
  const scenes: Scene[] = []
  for (const [at, subnet] of subnetsOf(parameters).entries()) {
    watch.subnet = at + 1
    scenes.push(await playSubnet(play, subnet, watch))
  }
  const { user, system } = process.cpuUsage(before)
  const measured = scenes.flatMap((scene) => scene.measured ?? [])
  return {
    play: play.name,
    parameters,
    ...(measured.length < scenes.length ? {} : { figures: figuresOf(measured) }),
    failures: scenes.flatMap(({ failures }, at) =>
      scenes.length === 1 ? failures : failures.map((each) => `subnet ${at + 1}: ${each}`),
    ),
    fingerprint: scenes.map(({ fingerprint }) => fingerprint).join(' '),
    cpuMs: (user + system) / 1000,
  }
}

/** One subnet is played with the seed as it is, each further one with another. */
function subnetsOf(parameters: Parameters): Parameters[] {
  const { nodes, subnets, seed } = parameters
  return Array.from({ length: subnets }, (_, at) => {
    const count = Math.floor(((at + 1) * nodes) / subnets) - Math.floor((at * nodes) / subnets)
    return { ...parameters, subnets: 1, nodes: count, seed: (seed + at * NEXT_SUBNET) % 2 ** 32 }
  })
}

interface Scene {
  /** Absent when it came to no end. */
  readonly measured?: Measured
  readonly failures: readonly string[]
  readonly fingerprint: string
}

async function playSubnet(play: Play, parameters: Parameters, watch: Watch): Promise<Scene> {
  const world = new Scenario(parameters.seed, worldOf(play, parameters))
  const stage = new Stage(world, parameters, play)
  watch.stage = stage
  const fingerprint = () => `${world.clock.happened}-${world.lan.fingerprint.toString(16)}`
  try {
    const scene = play.act(stage, parameters.bytes ?? play.bytes)
    await world.clock.run(scene, play.world?.patienceMs ?? PATIENCE_MS)
    const measured = measure(stage, play.world?.siteBytesPerSecond ?? SITE_BYTES_PER_SECOND)
    const failures = failuresOf(play, stage, figuresOf([measured]))
    return { measured, failures, fingerprint: fingerprint() }
  } catch (error) {
    return { failures: [describe(error)], fingerprint: fingerprint() }
  }
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

/** Between the seeds of two subnets: far from the seeds that people try. */
const NEXT_SUBNET = 0x9e3779b1
