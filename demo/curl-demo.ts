/** The same without apt and without the Internet: curl, and an origin server of the demo's own on a slow line. */
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { systemClock } from '../core/clock.ts'
import { curlChecks, type CurlEvidence } from './curl-checks.ts'
import { acquainted, freePacketPort, startMachine, until, type Machine } from './machine.ts'
import { measured } from './measure.ts'
import { isInstalled, runProgram, sha256Of } from './programs.ts'
import type { DemoResult } from './result.ts'
import { SlowOrigin } from './slow-origin.ts'
import type { Stage } from './stage.ts'
import type { Workspace } from './workspace.ts'

/** Why this machine cannot show it; `undefined` when it can. */
export function whyNoCurl(): string | undefined {
  return isInstalled('curl') ? undefined : 'curl is not installed here'
}

export interface CurlDemoSettings {
  /** Bytes of the file. */
  readonly fileBytes: number
  /** What the origin server sends per second, in all. */
  readonly bytesPerSecond: number
}

/** Four seconds: long enough to watch one machine join the other's download. */
const FOUR_SECONDS: CurlDemoSettings = { fileBytes: 16_000_000, bytesPerSecond: 4_000_000 }

const PATH = '/pool/main/d/demo/demo_1.0-1_amd64.deb'

/** `verify: updater` stands for a client that checks signatures, as apt does: nothing else proves this file. */
const RULE = { match: '**/pool/**', name: 'demo', share: true, immutable: true, verify: 'updater' }

/** @throws Error when curl or a node fails; what they fetched wrongly is a failed check, not an error. */
export async function curlDemo(
  workspace: Workspace,
  stage: Stage,
  { fileBytes, bytesPerSecond }: CurlDemoSettings = FOUR_SECONDS,
): Promise<DemoResult> {
  const body = randomBytes(fileBytes)
  const origin = await SlowOrigin.start({ bytesPerSecond, files: new Map([[PATH, body]]) }, systemClock)
  workspace.atEnd(() => origin.stop())
  const machines = await startMachines(workspace, stage)
  const url = origin.url(PATH)
  const evidence = await threeDownloads({ machines, url, fileBytes, signal: workspace.signal, stage })
  const expected = { bytes: fileBytes, sha256: createHash('sha256').update(body).digest('hex') }
  return {
    kind: 'curl',
    task: 'one file from an origin server on a slow line',
    machines: evidence.map(({ machine: { name, address }, step }) => ({ name, address, steps: [step] })),
    checks: curlChecks(expected, origin.sentBytes, evidence),
  }
}

type Three = readonly [Machine, Machine, Machine]

async function startMachines(workspace: Workspace, stage: Stage): Promise<Three> {
  const packetPort = await freePacketPort()
  const sections = { rules: [RULE], verification: { aptConfig: 'off' } }
  const start = (number: number) => startMachine(workspace, { number, packetPort, sections })
  const machines = [await start(1), await start(2), await start(3)] as const
  for (const { name, proxy } of machines) stage.say(`${name} is ready: proxy ${proxy}`)
  await acquainted(machines, workspace.signal)
  return machines
}

interface Downloads {
  readonly machines: Three
  readonly url: string
  readonly fileBytes: number
  readonly signal: AbortSignal
  readonly stage: Stage
}

/** The second machine asks while the first one's download runs; the third when both are done. */
async function threeDownloads(downloads: Downloads): Promise<CurlEvidence[]> {
  const { machines, stage } = downloads
  const [first, second, third] = machines
  const both = await stage.during(
    'machine 1 downloads, machine 2 joins',
    [first, second],
    twoAtOnce(downloads),
  )
  const last = await stage.during('machine 3 comes later', [third], download(third, downloads))
  return [...both, last]
}

async function twoAtOnce(downloads: Downloads): Promise<CurlEvidence[]> {
  const [first, second] = downloads.machines
  const running = download(first, downloads)
  const joined = aQuarterIsHere(first, downloads).then(() => download(second, downloads))
  return Promise.all([running, joined])
}

function aQuarterIsHere(machine: Machine, { fileBytes, signal }: Downloads): Promise<void> {
  const isHere = async () => {
    const { transfers } = await machine.status()
    return transfers.some(({ receivedBytes }) => receivedBytes >= fileBytes / 4)
  }
  return until('the first download to get going', isHere, signal)
}

async function download(machine: Machine, { url, signal }: Downloads): Promise<CurlEvidence> {
  const file = join(machine.directory, 'demo.deb')
  const args = ['-q', '-sS', '--fail', '--proxy', machine.proxy, '--output', file, url]
  const options = { directory: machine.directory, signal }
  const step = await measured(
    machine,
    'curl',
    async () => void (await runProgram('curl', args, options)),
    signal,
  )
  return { machine, step, sha256: await sha256Of(file) }
}
