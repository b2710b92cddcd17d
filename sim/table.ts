/** The figures of runs as a table in Markdown: one line for each run, or for all seeds of one scenario. */
import type { Figures } from './figures.ts'
import type { Run } from './simulate.ts'

interface Column {
  readonly title: string
  readonly of: (figures: Figures) => number
  readonly digits: number
  /** How several seeds are told as one: the worst, unless it is an average. */
  readonly together?: 'average'
}

const COLUMNS: readonly Column[] = [
  { title: 'copies', of: ({ copies }) => copies, digits: 3, together: 'average' },
  { title: 'worst', of: ({ worstCopies }) => worstCopies, digits: 3 },
  { title: 'packets per node and file', of: ({ packets }) => packets, digits: 2, together: 'average' },
  { title: 'presence per node', of: ({ presence }) => presence, digits: 1, together: 'average' },
  { title: 'busiest sent', of: ({ busiest }) => busiest, digits: 2 },
  { title: 'done p50, ms', of: ({ doneMs }) => doneMs.p50, digits: 0, together: 'average' },
  { title: 'p95', of: ({ doneMs }) => doneMs.p95, digits: 0, together: 'average' },
  { title: 'max', of: ({ doneMs }) => doneMs.max, digits: 0 },
  { title: 'longest stall, ms', of: ({ longestStallMs }) => longestStallMs, digits: 0 },
  { title: 'all done ÷ ideal', of: ({ completionMs, idealMs }) => completionMs / idealMs, digits: 2 },
]

export function tableOf(runs: readonly Run[]): string {
  const heads = ['scenario', 'nodes', 'seeds', 'failed', ...COLUMNS.map(({ title }) => title), 'CPU, s']
  const lines = [...Map.groupBy(runs, keyOf).values()].map(lineOf)
  const widths = heads.map((head, at) => Math.max(head.length, ...lines.map((line) => line[at]?.length ?? 0)))
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [row(heads), rule, ...lines.map(row)].join('\n')
}

function keyOf({ play, parameters: { nodes, subnets, loss, bytes } }: Run): string {
  return [play, nodes, subnets, loss, bytes].join(' ')
}

function lineOf(runs: readonly Run[]): string[] {
  const [first] = runs
  if (first === undefined) return []
  const { play, parameters } = first
  const figures = runs.flatMap((run) => run.figures ?? [])
  const failed = runs.filter(({ failures }) => failures.length > 0).length
  const cpuMs = runs.reduce((sum, run) => sum + run.cpuMs, 0)
  const loss = parameters.loss === undefined ? '' : `, ${parameters.loss * 100} % lost`
  const nodes =
    parameters.subnets === 1
      ? `${parameters.nodes}`
      : `${parameters.subnets} × ${parameters.nodes / parameters.subnets}`
  const cells = COLUMNS.map((column) => cellOf(column, figures))
  return [`${play}${loss}`, nodes, `${runs.length}`, `${failed}`, ...cells, (cpuMs / 1000).toFixed(1)]
}

function cellOf({ of, digits, together }: Column, figures: readonly Figures[]): string {
  if (figures.length === 0) return '–'
  const values = figures.map(of)
  const value =
    together === 'average' ? values.reduce((sum, each) => sum + each, 0) / values.length : Math.max(...values)
  return value.toFixed(digits)
}
