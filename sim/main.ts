/**
 * `npm run simulate -- --scenario NAME [--nodes N] [--subnets K] [--seed S | --seeds 1..1000] [--loss 0.05] [--bytes N]
 * [--json]`, `--hostile 1..1000 [--line 1MB]`, or `--report FOLDER`: plays in virtual time, checks it, and says how to replay what failed.
 */
import { EXIT } from '../cli/exit.ts'
import { progress } from '../cli/progress.ts'
import { describe } from '../core/fault.ts'
import { LEAST_BYTES, readCommandLine, type HostileJob, type Job } from './command-line.ts'
import { commandOf } from './figures.ts'
import { failuresAmongHostile, hostileRun, type HostileRun } from './hostile-run.ts'
import { writeReport } from './report.ts'
import { PLAYS } from './scenarios/all.ts'
import { simulate, type Run, type Watch } from './simulate.ts'
import { MAX_NODES_PER_SUBNET } from './stage.ts'
import { tableOf } from './table.ts'

const MORE_BYTES = PLAYS.map(({ name, leastBytes }) => leastBytes && `, ${leastBytes} for ${name}`)
  .filter(Boolean)
  .join('')

const HELP = `npm run simulate -- [--scenario NAME] [options]

${PLAYS.map(({ name, about, nodes }) => `  ${name.padEnd(11)} ${about} (${nodes} nodes)`).join('\n')}

  --scenario NAME   one of these; all of them unless given
  --nodes N         of all subnets together; at most ${MAX_NODES_PER_SUBNET} in one
  --subnets K       each with its own connection to the Internet; 1 unless given
  --seed S          where chance begins; the same seed replays the same run; 1 unless given
  --seeds A..B      every seed from A to B
  --loss SHARE      of all datagrams, 0 to 1
  --bytes N         of all files of the scenario together; at least ${LEAST_BYTES}${MORE_BYTES}
  --hostile A..B    every seed from A to B: a small LAN among one to three hostile peers, and without them
  --line RATE       with --hostile: what the connection to the Internet carries in a second, as 1MB or 500kB; 8MB unless given
  --report FOLDER   plays what docs/simulation.md shows, and writes tables and charts there; nothing goes beside it
  --json            one line of JSON for each run, for programs

beside --hostile go --line and --json; --line goes with --hostile only

exit codes: 0 every check holds; 1 one does not, or a run came to no end; 2 wrong command line`

/** How often the terminal is told how far it has come, in ms. */
const TELL_EVERY_MS = 500

async function main(args: readonly string[]): Promise<number> {
  const command = readCommandLine(args)
  switch (command.kind) {
    case 'help':
      return say(HELP)
    case 'report':
      return report(command.folder)
    case 'hostile':
      return amongHostile(command)
    case 'plays':
      return plays(command.jobs, command.isJson)
  }
}

async function plays(jobs: readonly Job[], isJson: boolean): Promise<number> {
  const runs = await playAll(jobs, isJson ? jsonOf : undefined)
  const failed = runs.filter(({ failures }) => failures.length > 0)
  if (!isJson) {
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

async function amongHostile({ first, last, line: rate, isJson }: HostileJob): Promise<number> {
  const line = progress()
  const runs: HostileRun[] = []
  let failed = 0
  for (let seed = first; seed <= last; seed++) {
    line.show(`${runs.length} of ${last - first + 1} runs done, ${failed} failed`)
    const run = await hostileRun(seed, rate?.bytesPerSecond)
    runs.push(run)
    const failures = failuresAmongHostile(run)
    if (isJson) say(JSON.stringify({ ...run, failures }))
    if (failures.length === 0) continue
    failed++
    if (!isJson)
      say([`FAILED seed ${seed}`, ...failures, `  replay: ${replayOf(seed, rate?.text)}`].join('\n  '))
  }
  line.clear()
  if (!isJson) say(hostileText(runs, failed))
  return failed === 0 ? EXIT.done : EXIT.failed
}

function replayOf(seed: number, rate: string | undefined): string {
  return `--hostile ${seed}..${seed}${rate === undefined ? '' : ` --line ${rate}`}`
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
