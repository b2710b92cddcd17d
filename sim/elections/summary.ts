/** What many electorates' lives came to, as a table. */
import { BOUNDS_MS, type ElectionRun } from './election-run.ts'

export interface ElectionSummary {
  readonly runs: number
  readonly elections: number
  readonly packets: number
  readonly failures: readonly string[]
  /** By what happened: how long it took until all agreed. */
  readonly rows: readonly SummaryRow[]
}

export interface SummaryRow {
  readonly what: string
  readonly times: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly boundMs: number
}

export function summaryOf(runs: readonly ElectionRun[]): ElectionSummary {
  const agreed = Map.groupBy(
    runs.flatMap(({ agreedMs }) => agreedMs),
    ({ after }) => after,
  )
  const rows = [...agreed].map(([after, each]) =>
    rowOf(
      `all agree after: ${after}`,
      each.map(({ ms }) => ms),
      BOUNDS_MS[after],
    ),
  )
  const replaced = runs.flatMap(({ replacedMs }) => replacedMs)
  const rivals = runs.flatMap(({ rivalsMs }) => rivalsMs)
  return {
    runs: runs.length,
    elections: sum(runs.map(({ elections }) => elections)),
    packets: sum(runs.map(({ packets }) => packets)),
    failures: runs.flatMap(({ seed, nodes, loss, failures }) =>
      failures.map((each) => `seed ${seed} (${nodes} nodes, loss ${loss.toFixed(2)}): ${each}`),
    ),
    rows: [
      ...rows,
      rowOf('noticed to replaced', replaced, BOUNDS_MS.replaced),
      rowOf('two winners of one term', rivals, BOUNDS_MS.rivals),
    ],
  }
}

/** For a terminal, and for docs/providers.md. */
export function summaryText({ runs, elections, packets, failures, rows }: ElectionSummary): string {
  const lines = rows.map(({ what, times, medianMs, p99Ms, maxMs, boundMs }) => {
    const cells = [what, times, seconds(medianMs), seconds(p99Ms), seconds(maxMs), seconds(boundMs)]
    return `| ${cells.join(' | ')} |`
  })
  return [
    `${runs} lives of a LAN, ${elections} elections, ${packets} packets, ${failures.length} failures`,
    '',
    '| what | times | median | 99 of 100 | longest | bound |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
    ...failures.map((each) => `FAILED ${each}`),
  ].join('\n')
}

function rowOf(what: string, ms: readonly number[], boundMs: number): SummaryRow {
  const sorted = ms.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { what, times: ms.length, medianMs: at(0.5), p99Ms: at(0.99), maxMs: at(1), boundMs }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
