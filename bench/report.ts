/** Results for people (Markdown tables) and for programs (JSON), with the machine that they come from. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Benchmark, BoundResult, CaseResult, GroupResult, Measured } from './measure.ts'

/** What a reader must know of the machine to read the figures. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  /** Processes that were waiting for a core when the run began, a minute's average. */
  readonly loadBefore: number
  readonly commit: string
  readonly date: string
}

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${process.platform} ${release()}`,
    node: process.version,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
  }
}

/** Writes `<name>.md` and `<name>.json` into `directory`. */
export function writeResults(
  directory: string,
  { name, about, overview }: Benchmark,
  machine: Machine,
  groups: readonly GroupResult[],
): void {
  mkdirSync(directory, { recursive: true })
  const parts = [
    `# ${name}`,
    about,
    machineText(machine),
    ...(overview === undefined ? [] : [overviewText(overview, groups)]),
    ...groups.map(groupText),
  ]
  const text = parts.join('\n\n')
  writeFileSync(join(directory, `${name}.md`), `${text}\n`)
  writeFileSync(join(directory, `${name}.json`), json({ name, machine, groups }))
}

/** The ratios of one figure in all groups as one table: the cases are its rows. */
export function overviewText(figure: string, groups: readonly GroupResult[]): string {
  const names = [...new Set(groups.flatMap(({ cases }) => cases.map(({ name }) => name)))]
  const ratioOf = ({ cases }: GroupResult, name: string) =>
    cases.find((each) => each.name === name)?.figures[figure]?.ratio
  const rows = names.map((name) =>
    row([name, ...groups.map((group) => ratioOf(group, name)?.toPrecision(3) ?? '')]),
  )
  return [
    `## ${figure}, as ratios to "${groups[0]?.baseline ?? ''}"`,
    '',
    row(['', ...groups.map(({ name }) => name)]),
    row(['---', ...groups.map(() => '---:')]),
    ...rows,
  ].join('\n')
}

/** One group as a Markdown table: medians, in brackets the ratio to the baseline. */
export function groupText({ name, baseline, units, rounds, cases, bounds, leftOut }: GroupResult): string {
  const columns = Object.keys(units)
  const rows = cases.map((each) => row([each.name, ...columns.map((column) => cell(each, column, baseline))]))
  return [
    `## ${name}`,
    '',
    `${rounds === 1 ? 'One round' : `Medians of ${rounds} rounds (least–most)`}${cases.length > 1 ? `; × is the ratio to "${baseline}"` : ''}.`,
    '',
    row(['case', ...columns.map((column) => `${column}, ${units[column] ?? ''}`)]),
    row(['---', ...columns.map(() => '---:')]),
    ...rows,
    ...(leftOut.length > 0 ? ['', `Left out, not installed: ${leftOut.join(', ')}.`] : []),
    ...(bounds.length > 0 ? ['', ...bounds.map(boundText)] : []),
  ].join('\n')
}

function cell({ name, figures }: CaseResult, column: string, baseline: string): string {
  const figure = figures[column]
  if (figure === undefined) return ''
  const { ratio } = figure
  const compared =
    ratio === undefined || !Number.isFinite(ratio) || name === baseline ? '' : ` ×${ratio.toFixed(2)}`
  return `${number(figure.median)}${spread(figure)}${compared}`
}

function spread({ least, most, samples }: Measured): string {
  return samples.length > 1 && number(least) !== number(most) ? ` (${number(least)}–${number(most)})` : ''
}

function boundText(bound: BoundResult): string {
  const { promise, case: name, figure, of, value, holds } = bound
  const what = of === 'ratio' ? `ratio of ${figure}` : figure
  const limit = 'atMost' in bound ? `at most ${bound.atMost}` : `at least ${bound.atLeast}`
  return `- ${holds ? 'holds' : 'DOES NOT HOLD'}: ${promise}: "${name}", ${what}: ${number(value)} (${limit})`
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

/** Three significant digits are all that such measurements have. */
function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return Number(value.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 6 })
}

function machineText({
  processor,
  cores,
  memoryGiB,
  system,
  node,
  loadBefore,
  commit: at,
  date,
}: Machine): string {
  return `${date}, commit ${at}, ${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}, load before ${loadBefore}.`
}

/** Laid out as the formatter would: arrays of numbers on one line. */
function json(value: unknown): string {
  const text = JSON.stringify(value, (_key, each: unknown) => rounded(each), 2)
  return `${text.replace(/\[\s+-?\d[^[\]]*\]/g, onOneLine)}\n`
}

function onOneLine(array: string): string {
  return array.replace(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']')
}

function rounded(value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
}

function commit(): string {
  try {
    const args = ['describe', '--always', '--dirty']
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
