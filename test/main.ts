/**
 * `npm test`: every test, two files at a time. Then those in which whole machines run, one file after the other: what they
 * measure and wait for wants the processors for itself. One report of all.
 *
 *     npm test                              # all
 *     npm test -- "test/cache/*.test.ts"    # some, one file after the other
 */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { pathToFileURL } from 'node:url'

/** Folders whose tests start nodes, applications and networks. */
const MACHINES = ['attacks', 'cli', 'clients', 'demo', 'examples', 'lan', 'library', 'service']

/**
 * Each file is a process of its own, and so is each program that it starts: what one has compiled, types stripped, the next one does not
 * compile again. Without it 61 files of the first part took 40 s (31 to 35), 14 of the second 92 s (47). A node does the same from its
 * second start on.
 */
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../node_modules/.cache/compiled-tests')

const UNTRACKED = ['--import', pathToFileURL(join(import.meta.dirname, 'untracked.js')).href]

interface Part {
  readonly files: string[]
  readonly concurrency: number
}

interface ReportEvent {
  readonly type: string
  readonly data: object
}

function partsOf(asked: string[]): readonly Part[] {
  const files = globSync(asked.length === 0 ? 'test/**/*.test.ts' : asked).toSorted()
  if (files.length === 0) throw new RangeError(`there are no tests in ${asked.join(' ')}`)
  if (asked.length > 0) return [{ files, concurrency: 1 }]
  const isOfMachines = (file: string) => MACHINES.some((folder) => file.startsWith(`test/${folder}/`))
  return [
    { files: files.filter((file) => !isOfMachines(file)), concurrency: 2 },
    { files: files.filter(isOfMachines), concurrency: 1 },
  ]
}

/** The counts that a run ends with, as the reporter gets them. */
const COUNT = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/

/** One after the other; what they end with is told once, of all. */
async function* reported(parts: readonly Part[]): AsyncGenerator<ReportEvent> {
  const counts = new Map<string, number>()
  let summary: ReportEvent | undefined
  for (const part of parts) {
    for await (const event of run({ ...part, execArgv: UNTRACKED }) as AsyncIterable<ReportEvent>) {
      const [, name, count] = COUNT.exec(messageOf(event)) ?? []
      if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + Number(count))
      else if (isSummary(event)) summary = event
      else yield event
    }
  }
  for (const [name, count] of counts)
    yield { type: 'test:diagnostic', data: { nesting: 0, level: 'info', message: `${name} ${count}` } }
  if (summary !== undefined) yield summary
  if (counts.get('tests') !== sum(counts, ['pass', 'skipped', 'todo'])) process.exitCode = 1
}

/** Of the run itself, not of one of its tests. */
function messageOf({ type, data }: ReportEvent): string {
  const isOfRun = type === 'test:diagnostic' && 'nesting' in data && data.nesting === 0 && !('file' in data)
  return isOfRun && 'message' in data ? String(data.message) : ''
}

/** Of the run itself, not of one of its files. */
function isSummary({ type, data }: ReportEvent): boolean {
  return type === 'test:summary' && 'file' in data && data.file === undefined
}

function sum(counts: ReadonlyMap<string, number>, names: readonly string[]): number {
  return names.reduce((all, name) => all + (counts.get(name) ?? 0), 0)
}

const report = new spec()
report.pipe(process.stdout)
for await (const event of reported(partsOf(process.argv.slice(2)))) report.write(event)
report.end()
