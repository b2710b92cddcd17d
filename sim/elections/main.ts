/** `npm run simulate:elections -- [--seeds A..B] [--nodes N] [--loss SHARE] [--json]`: elections in virtual time, checked. */
import { parseArgs } from 'node:util'
import { EXIT } from '../../cli/exit.ts'
import { progress } from '../../cli/progress.ts'
import { electionRun, type ElectionRun } from './election-run.ts'
import { summaryOf, summaryText } from './summary.ts'

const HELP = `npm run simulate:elections -- [options]

  --seeds A..B   every seed from A to B, each the life of a LAN; 1..1000 unless given, which are more than 10,000 elections
  --nodes N      in each LAN; 2 to 1000, mostly few, unless given
  --loss SHARE   of all datagrams; 0 to 0.3 unless given
  --json         the summary as JSON, for programs

exit codes: 0 every check holds; 1 one does not; 2 wrong command line`

const OPTIONS = {
  seeds: { type: 'string', default: '1..1000' },
  nodes: { type: 'string' },
  loss: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

function main(args: readonly string[]): number {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const [, first, last = first] = /^(\d{1,9})(?:\.\.(\d{1,9}))?$/.exec(values.seeds) ?? []
  if (values.help || first === undefined) {
    process.stdout.write(`${HELP}\n`)
    return values.help ? EXIT.done : EXIT.usage
  }
  const given = {
    ...(values.nodes === undefined ? {} : { nodes: Number(values.nodes) }),
    ...(values.loss === undefined ? {} : { loss: Number(values.loss) }),
  }
  const line = progress()
  const runs: ElectionRun[] = []
  for (let seed = Number(first); seed <= Number(last); seed++) {
    line.show(`seed ${seed} of ${last}`)
    runs.push(electionRun(seed, given))
  }
  line.clear()
  const summary = summaryOf(runs)
  process.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : `${summaryText(summary)}\n`)
  return summary.failures.length === 0 ? EXIT.done : EXIT.failed
}

process.exitCode = main(process.argv.slice(2))
