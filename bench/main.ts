/**
 * `npm run bench -- [--rounds 5] [--group name]… [--case name]… [names…]`: runs the benchmarks, prints their tables, writes
 * bench/results/. With `--group` or `--case` only those, and nothing is written.
 */
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemRandom } from '../core/random.ts'
import { aptCold } from './apt-cold.ts'
import { codec } from './codec.ts'
import { join as joining } from './join.ts'
import { digests } from './digests.ts'
import { flood } from './flood.ts'
import { hit } from './hit.ts'
import { lan } from './lan.ts'
import { measureGroup, type Benchmark, type Case, type GroupResult } from './measure.ts'
import { questions } from './questions.ts'
import { groupText, overviewText, thisMachine, writeResults } from './report.ts'
import { speed } from './speed.ts'
import { memory } from './memory.ts'
import { crowd } from './crowd.ts'
import { classics } from './classics.ts'
import { soak } from './soak.ts'
import { store } from './store.ts'

const BENCHMARKS: readonly Benchmark[] = [
  codec,
  flood,
  digests,
  store,
  questions,
  joining,
  hit,
  aptCold,
  speed,
  memory,
  crowd,
  classics,
  soak,
  lan,
]

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    group: { type: 'string', multiple: true, default: [] },
    case: { type: 'string', multiple: true, default: [] },
    requests: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string' },
    nodes: { type: 'string', default: '20' },
    results: { type: 'string', default: join(import.meta.dirname, 'results') },
  },
  allowPositionals: true,
})
const unknown = positionals.filter((name) => !BENCHMARKS.some((each) => each.name === name))
const rounds = Number(values.rounds)
if (unknown.length > 0 || !(rounds >= 1)) {
  console.error(`usage: npm run bench -- [--rounds N] [${BENCHMARKS.map(({ name }) => name).join(' | ')}]…`)
  process.exit(2)
}
// So that 'exit' comes, with which servers end (parts/processes.ts).
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const machine = thisMachine()
for (const each of BENCHMARKS)
  if (positionals.length === 0 || positionals.includes(each.name)) await run(each)

async function run(benchmark: Benchmark): Promise<void> {
  const missing = benchmark.needs.filter((program) => !isInstalled(program))
  if (missing.length > 0) return console.log(`# ${benchmark.name}: left out: no ${missing.join(', no ')}\n`)
  console.log(`# ${benchmark.name}\n`)
  const results: GroupResult[] = []
  await inWorkspace(async (workspace) => {
    for await (const group of benchmark.groups(workspace)) {
      if (values.group.length > 0 && !values.group.includes(group.name)) continue
      const result = await measureGroup({ ...group, cases: group.cases.filter(isWanted) }, rounds)
      console.log(`${groupText(result)}\n`)
      results.push(result)
    }
  })
  if (benchmark.overview !== undefined) console.log(`${overviewText(benchmark.overview, results)}\n`)
  const isBroken = results.some(({ bounds }) => bounds.some(({ holds }) => !holds))
  if (benchmark.isStrict === true && isBroken) process.exitCode = 1
  if (values.group.length === 0 && values.case.length === 0)
    writeResults(values.results, benchmark, machine, results)
}

function isWanted({ name }: Case): boolean {
  return values.case.length === 0 || values.case.includes(name)
}

async function inWorkspace(
  work: (workspace: Parameters<Benchmark['groups']>[0]) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'ihave-bench-'))
  chmodSync(directory, 0o755) // for servers that run as somebody else
  /** Again and again, because servers that are being ended may still write. */
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  process.once('exit', remove)
  const undos: (() => unknown)[] = [remove]
  try {
    const { requests, seconds, seed = String(systemRandom.uint32()) } = values
    const soakLimits = { requests: Number(requests), seconds: Number(seconds), seed: Number(seed) }
    await work({
      directory,
      atEnd: (undo) => void undos.push(undo),
      soak: soakLimits,
      nodes: Number(values.nodes),
    })
  } finally {
    for (const undo of undos.toReversed()) await undo()
  }
}

function isInstalled(program: string): boolean {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
  return directories.some((directory) => existsSync(join(directory, program)))
}
