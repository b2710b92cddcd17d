/** A result in plain words, for a terminal. */
import { formatBytes, formatDuration } from '../core/units.ts'
import { failedChecks, internetBytes, type Check, type DemoResult, type Step } from './result.ts'

const HEADINGS = ['', '', 'Internet', 'peers', 'running download', 'own cache', 'time'] as const
/** Columns from here on hold numbers. */
const FIRST_NUMBER = 2

/** The table, the checks and the bottom line. */
export function reportText(result: DemoResult): string {
  return [
    `Where the bytes came from (${result.task}):`,
    '',
    ...table([
      HEADINGS,
      ...result.machines.flatMap(({ name, steps }) =>
        steps.map((step, at) => row(at === 0 ? name : '', step)),
      ),
    ]),
    '',
    ...checkLines(result.checks),
    '',
    bottomLine(result),
    '',
  ].join('\n')
}

/** `Internet: 12.3 MB with ihave, 36.9 MB without`. */
function bottomLine(result: Pick<DemoResult, 'machines'>): string {
  const bytes = internetBytes(result)
  return `Internet: ${formatBytes(bytes.with)} with ihave, ${formatBytes(bytes.without)} without`
}

/** The result for programs. */
export function reportJson(result: DemoResult): string {
  const isRight = failedChecks(result).length === 0
  return `${JSON.stringify({ ...result, internetBytes: internetBytes(result), passed: isRight }, undefined, 2)}\n`
}

function row(name: string, { what, received, cachedBytes, elapsedMs }: Step): readonly string[] {
  const amounts = [received.internet, received.peer, received['in-progress'], cachedBytes]
  return [
    name,
    what,
    ...amounts.map((bytes) => (bytes === 0 ? '–' : formatBytes(bytes))),
    formatDuration(elapsedMs),
  ]
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  return rows.map((cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return column < FIRST_NUMBER ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** The checks that hold, and then those that do not, where nobody overlooks them. */
function checkLines(checks: readonly Check[]): string[] {
  const failed = failedChecks({ checks })
  const held = checks.filter((each) => !failed.includes(each))
  return [
    ...held.map(({ name }) => `ok      ${name}`),
    ...failed.map(({ name, failure = '' }) => `FAILED  ${name}\n        ${failure}`),
  ]
}
