/**
 * `npm run simulate -- --scenario NAME [--nodes N] [--subnets K] [--seed S | --seeds 1..1000] [--loss 0.05] [--bytes N]
 * [--json]`, `--hostile 1..1000 [--line 1MB]`, or `--report FOLDER`: plays in virtual time, checks it, and says how to replay what failed.
 */
import { parseArgs } from 'node:util'
import { EXIT } from '../cli/exit.ts'
import { progress } from '../cli/progress.ts'
import { describe, Fault } from '../core/fault.ts'
import { commandOf } from './figures.ts'
import { failuresAmongHostile, hostileRun, type HostileRun } from './hostile-run.ts'
import type { Play } from './play.ts'
import { writeReport } from './report.ts'
import { PLAYS } from './scenarios/all.ts'
import { simulate, type Run, type Watch } from './simulate.ts'
import { MAX_NODES_PER_SUBNET, type Parameters } from './stage.ts'
import { tableOf } from './table.ts'

const HELP = `npm run simulate -- [--scenario NAME] [options]

${PLAYS.map(({ name, about, nodes }) => `  ${name.padEnd(11)} ${about} (${nodes} nodes)`).join('\n')}

  --scenario NAME   one of these; all of them unless given
  --nodes N         of all subnets together; at most ${MAX_NODES_PER_SUBNET} in one
  --subnets K       each with its own connection to the Internet; 1 unless given
  --seed S          where chance begins; the same seed replays the same run; 1 unless given
  --seeds A..B      every seed from A to B
  --loss SHARE      of all datagrams, 0 to 1
  --bytes N         of all files of the scenario together
  --hostile A..B    every seed from A to B: a small LAN among one to three hostile peers, and without them
  --line RATE       with --hostile: what the connection to the Internet carries in a second, as 1MB or 500kB; 8MB unless given
  --report FOLDER   plays what docs/simulation.md shows, and writes tables and charts there
  --json            one line of JSON for each run, for programs

exit codes: 0 every check holds; 1 one does not, or a run came to no end; 2 wrong command line`

const OPTIONS = {
  scenario: { type: 'string' },
  nodes: { type: 'string' },
  subnets: { type: 'string' },
  seed: { type: 'string' },
  seeds: { type: 'string' },
  loss: { type: 'string' },
  bytes: { type: 'string' },
  hostile: { type: 'string' },
  line: { type: 'string' },
  report: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** How often the terminal is told how far it has come, in ms. */
const TELL_EVERY_MS = 500

interface Job {
  readonly play: Play
  readonly parameters: Parameters
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  if (values.help) return say(HELP)
  if (values.report !== undefined) return report(values.report)
  if (values.hostile !== undefined) return amongHostile(values.hostile, values.line, values.json === true)
  const jobs = jobsOf(values)
  const runs = await playAll(jobs, values.json ? jsonOf : undefined)
  const failed = runs.filter(({ failures }) => failures.length > 0)
  if (!values.json) {
    say(tableOf(runs))
    for (const run of failed) say(failureText(run))
    say(failed.length === 0 ? 'every check holds' : `${failed.length} of ${runs.length} runs failed`)
  }
  return failed.length === 0 ? EXIT.done : EXIT.failed
}

async function report(folder: string): Promise<number> {
  const line = progress()
  const runs = await writeReport(folder, (what) => line.show(`playing: ${what}`))
  line.clear()
  const failed = runs.filter(({ failures }) => failures.length > 0)
  for (const run of failed) say(failureText(run))
  return failed.length === 0 ? EXIT.done : EXIT.failed
}

async function amongHostile(range: string, rate: string | undefined, isJson: boolean): Promise<number> {
  const [first, last] = seedsOf({ seeds: range })
  const bytesPerSecond = rateOf(rate)
  const line = progress()
  const runs: HostileRun[] = []
  let failed = 0
  for (let seed = first; seed <= last; seed++) {
    line.show(`${runs.length} of ${last - first + 1} runs done, ${failed} failed`)
    const run = await hostileRun(seed, bytesPerSecond)
    runs.push(run)
    const failures = failuresAmongHostile(run)
    if (isJson) say(JSON.stringify({ ...run, failures }))
    if (failures.length === 0) continue
    failed++
    if (!isJson) say([`FAILED seed ${seed}`, ...failures, `  replay: ${replayOf(seed, rate)}`].join('\n  '))
  }
  line.clear()
  if (!isJson) say(hostileText(runs, failed))
  return failed === 0 ? EXIT.done : EXIT.failed
}

function replayOf(seed: number, rate: string | undefined): string {
  return `--hostile ${seed}..${seed}${rate === undefined ? '' : ` --line ${rate}`}`
}

const UNITS = { kB: 1000, MB: 1_000_000 } as const

/** In bytes per second; `undefined`: as the runs have it. */
function rateOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, number, unit] = /^(\d+(?:\.\d+)?)(kB|MB)$/.exec(text) ?? []
  const rate = Number(number) * UNITS[unit as keyof typeof UNITS]
  if (rate > 0) return rate
  throw usage(`--line: expected a rate like 1MB or 500kB, got "${text}"`)
}

function hostileText(runs: readonly HostileRun[], failed: number): string {
  const inAll = (of: (run: HostileRun) => number) => runs.reduce((sum, run) => sum + of(run), 0)
  const added = runs.map(({ addedMs }) => addedMs).toSorted((one, other) => one - other)
  const at = (share: number) => added[Math.min(added.length - 1, Math.floor(share * added.length))]
  return [
    `${runs.length} runs, ${inAll(({ requests }) => requests)} requests, ${failed} runs failed`,
    `in ${runs.filter(({ asked }) => asked > 0).length} runs a hostile peer was asked for a copy`,
    `wrong bytes: ${inAll(({ wrong }) => wrong)}; requests that failed only among them: ${inAll((run) => run.failed)}`,
    `requests that were begun wrong, broke off, and came right when they were resumed: ${inAll((run) => run.resumed)}`,
    `time added to the slowest request of a run, in ms: median ${at(0.5)}, p95 ${at(0.95)}, most ${at(1)}`,
  ].join('\n')
}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

function jobsOf(values: Values): Job[] {
  const plays = values.scenario === undefined ? PLAYS : [playOf(values.scenario)]
  const [first, last] = seedsOf(values)
  return plays.flatMap((play) => {
    const subnets = numberOf('--subnets', values.subnets) ?? play.subnets
    const nodes = numberOf('--nodes', values.nodes) ?? play.nodes * subnets
    if (subnets < 1 || nodes < subnets || nodes > subnets * MAX_NODES_PER_SUBNET)
      throw usage(`expected 1 to ${MAX_NODES_PER_SUBNET} nodes in each of ${subnets} subnets, got ${nodes}`)
    const loss = numberOf('--loss', values.loss)
    if (loss !== undefined && loss > 1) throw usage(`--loss: expected a share from 0 to 1, got ${loss}`)
    const bytes = numberOf('--bytes', values.bytes)
    const given = { ...(loss === undefined ? {} : { loss }), ...(bytes === undefined ? {} : { bytes }) }
    return Array.from({ length: last - first + 1 }, (_, at) => {
      return { play, parameters: { seed: first + at, nodes, subnets, ...given } }
    })
  })
}

function playOf(name: string): Play {
  const play = PLAYS.find((each) => each.name === name)
  if (play !== undefined) return play
  throw usage(`--scenario: expected one of ${PLAYS.map((each) => each.name).join(', ')}, got "${name}"`)
}

function seedsOf({
  seed = '1',
  seeds,
}: Pick<Values, 'seed' | 'seeds'>): readonly [first: number, last: number] {
  const [, first, last] = /^(\d{1,9})\.\.(\d{1,9})$/.exec(seeds ?? `${seed}..${seed}`) ?? []
  if (first === undefined || last === undefined || Number(last) < Number(first))
    throw usage(`--seeds: expected two numbers like 1..1000, got "${seeds ?? seed}"`)
  return [Number(first), Number(last)]
}

function numberOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = text.trim() === '' ? NaN : Number(text)
  if (Number.isFinite(value) && value >= 0) return value
  throw usage(`${option}: expected a number, got "${text}"`)
}

function usage(message: string): Fault {
  return new Fault('BAD_REQUEST', message)
}

async function playAll(jobs: readonly Job[], each?: (run: Run) => void): Promise<Run[]> {
  const line = progress()
  const watch: Watch = {}
  const runs: Run[] = []
  const tell = () => line.show(progressText(jobs, runs, watch))
  const telling = setInterval(tell, TELL_EVERY_MS)
  try {
    for (const { play, parameters } of jobs) {
      const run = await simulate(play, parameters, watch)
      runs.push(run)
      each?.(run)
    }
    return runs
  } finally {
    clearInterval(telling)
    line.clear()
  }
}

function progressText(jobs: readonly Job[], runs: readonly Run[], { stage, subnet }: Watch): string {
  const job = jobs[runs.length]
  if (job === undefined || stage === undefined) return ''
  const answered = stage.asked.filter(({ got }) => got !== undefined).length
  const failed = runs.filter(({ failures }) => failures.length > 0).length
  const at = (stage.clock.monotonic() / 1000).toFixed(1)
  const { subnets } = job.parameters
  const where = subnets > 1 ? `, subnet ${subnet} of ${subnets}` : ''
  const so = `${job.play.name}${where}, seed ${job.parameters.seed}, at ${at} s: ${answered} of ${stage.asked.length} answered`
  return `${runs.length} of ${jobs.length} runs done, ${failed} failed; ${so}`
}

function jsonOf(run: Run): void {
  say(JSON.stringify({ ...run, replay: commandOf(run.play, run.parameters) }))
}

function failureText({ play, parameters, failures }: Run): string {
  const lines = failures.map((failure) => `  ${failure}`)
  return [
    `\nFAILED ${play}, seed ${parameters.seed}`,
    ...lines,
    `  replay: ${commandOf(play, parameters)}`,
  ].join('\n')
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return EXIT.done
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`simulate: ${describe(error)}\n`)
  process.exitCode = EXIT.usage
}
