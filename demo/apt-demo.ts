/** The main job: the machine's real apt updates and downloads the same packages on three machines. */
import { aptChecks, type AptEvidence } from './apt-checks.ts'
import { aptMachine, type AptMachine } from './apt-machine.ts'
import { CANDIDATES, choosePackages, type Package } from './apt-packages.ts'
import { systemSources, type AptSources } from './apt-sources.ts'
import { acquainted, freePacketPort, machineDirectory, startMachine, type Machine } from './machine.ts'
import { measured } from './measure.ts'
import { isInstalled } from './programs.ts'
import type { DemoResult, MachineResult } from './result.ts'
import type { Stage } from './stage.ts'
import type { Workspace } from './workspace.ts'

/** Why this machine cannot show it; `undefined` when it can. Asks each archive for one header section. */
export async function whyNoApt(sources: AptSources): Promise<string | undefined> {
  if (!isInstalled('apt-get')) return 'apt is not installed here'
  if (sources.baseUris.length === 0) return 'none of the sources of this machine’s apt is reached by http:'
  const answers = await Promise.all(sources.baseUris.map((uri) => answersAtAll(uri)))
  const silent = sources.baseUris.filter((_, at) => answers[at] !== true)
  return silent.length === 0 ? undefined : `no answer from ${silent.join(', ')}`
}

const ANSWER_WITHIN_MS = 5_000

/** Any status will do: what counts is that somebody is there. */
async function answersAtAll(uri: string): Promise<boolean> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
  const response = await fetch(uri, { method: 'HEAD', redirect: 'manual', signal }).catch(() => undefined)
  return response !== undefined
}

const MACHINES = [1, 2, 3] as const

/** @throws Error when apt or a node fails; what they fetched wrongly is a failed check, not an error. */
export async function aptDemo(workspace: Workspace, stage: Stage): Promise<DemoResult> {
  const sources = await systemSources()
  const packetPort = await freePacketPort()
  const pairs: Pair[] = []
  for (const number of MACHINES) pairs.push(await startPair(workspace, number, packetPort, sources))
  const machines = pairs.map(({ machine }) => machine)
  for (const { name, proxy } of machines) stage.say(`${name} is ready: proxy ${proxy}`)
  await acquainted(machines, workspace.signal)
  const turns: Turn[] = []
  for (const pair of pairs)
    turns.push(await takeTurn(pair, turns[0]?.evidence.packages, workspace.signal, stage))
  return {
    kind: 'apt',
    task: `apt-get update and ${turns[0]?.evidence.packages.length ?? 0} packages`,
    machines: turns.map(({ result }) => result),
    checks: aptChecks(turns.map(({ evidence }) => evidence)),
  }
}

/** A machine is a node and an apt that do not know each other. */
interface Pair {
  readonly machine: Machine
  readonly apt: AptMachine
}

async function startPair(
  workspace: Workspace,
  number: number,
  packetPort: number,
  sources: AptSources,
): Promise<Pair> {
  const apt = await aptMachine(await machineDirectory(workspace, number), sources)
  const sections = { verification: { aptConfig: apt.configFile } }
  return { apt, machine: await startMachine(workspace, { number, packetPort, sections }) }
}

interface Turn {
  readonly result: MachineResult
  readonly evidence: AptEvidence
}

/** @param chosen what the first machine downloaded; absent for the first, which chooses. */
async function takeTurn(
  { machine, apt }: Pair,
  chosen: readonly Package[] | undefined,
  signal: AbortSignal,
  stage: Stage,
): Promise<Turn> {
  const { name, address, proxy } = machine
  const step = (what: string, work: () => Promise<void>) =>
    stage.during(`${name}: ${what}`, [machine], measured(machine, what, work, signal))
  const update = await step('apt-get update', () => apt.update(proxy, signal))
  const names = chosen?.map((each) => each.name)
  const packages = names ? await apt.show(names, signal) : choosePackages(await apt.show(CANDIDATES, signal))
  const wanted = packages.map((each) => each.name)
  const download = await step('apt-get download', () => apt.download(wanted, proxy, signal))
  return {
    result: { name, address, steps: [update, download] },
    evidence: { machine: name, packages, files: await apt.files(), requests: await machine.requests() },
  }
}
