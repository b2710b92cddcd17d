#!/usr/bin/env node
/**
 * `npm run demo`: three nodes, real clients, and where each byte came from.
 * Exit code 0: all checks hold. 1: one does not, or the demo could not run. 2: wrong command line. 130: interrupted.
 */
import { parseArgs } from 'node:util'
import { describe } from '../core/fault.ts'
import { aptDemo, whyNoApt } from './apt-demo.ts'
import { systemSources } from './apt-sources.ts'
import { curlDemo, whyNoCurl } from './curl-demo.ts'
import { reportJson, reportText } from './report.ts'
import { failedChecks, type DemoResult } from './result.ts'
import { noStage, plainStage, terminalStage, type Stage } from './stage.ts'
import { inWorkspace } from './workspace.ts'

const USAGE = `npm run demo [-- --curl] [-- --json]

Starts three nodes on 127.0.0.2 to 127.0.0.4. This machine's own apt, in directories of its own, updates and downloads a
dozen packages through the first, then the second, then the third. Nothing of the system is changed.
The three share this machine's processors, so their nodes wait longer for a peer's answer than a node does by default.

--curl  curl and an origin server of the demo's own instead: no Internet is needed
--json  the result for programs`

interface Wishes {
  readonly curl: boolean
  readonly json: boolean
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      curl: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return say(USAGE)
  const stopped = interruption()
  const result = await demonstrate(values, stageFor(values), stopped)
  process.stdout.write(values.json ? reportJson(result) : `\n${reportText(result)}`)
  return failedChecks(result).length === 0 ? 0 : 1
}

async function demonstrate({ curl }: Wishes, stage: Stage, signal: AbortSignal): Promise<DemoResult> {
  const whyNot = curl ? '--curl' : await whyNoApt(await systemSources())
  if (whyNot === undefined) {
    stage.say('Three machines of one LAN update with apt, one after the other.')
    return inWorkspace(signal, (workspace) => aptDemo(workspace, stage))
  }
  const missing = whyNoCurl()
  if (missing !== undefined) throw new Error(curl ? missing : `${whyNot}, and ${missing}`)
  stage.say(`Three machines of one LAN download one file with curl (${whyNot}).`)
  return inWorkspace(signal, (workspace) => curlDemo(workspace, stage))
}

function stageFor({ json }: Wishes): Stage {
  const { stdout } = process
  if (json) return noStage
  return stdout.isTTY ? terminalStage(stdout, () => stdout.columns) : plainStage(stdout)
}

class Interrupted extends Error {}

/** Aborts when the user has had enough, by whatever way: everything is taken down before the process ends. */
function interruption(): AbortSignal {
  const enough = new AbortController()
  const stop = (why: string) => () => enough.abort(new Interrupted(why))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop(signal))
  process.stdout.on('error', stop('nobody reads the output'))
  return enough.signal
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130
  return error instanceof TypeError && 'code' in error ? 2 : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`demo: ${describe(error)}\n`)
  process.exitCode = exitCodeOf(error)
}
