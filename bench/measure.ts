/**
 * How every benchmark here measures: the cases of a group take turns, round by round, so that whatever else the
 * machine does meets all of them alike; each figure is the median of its rounds; ratios compare with a named baseline
 * round by round. Figures of different runs, or of different machines, are not to be compared: ratios may be.
 */

/** What one run of a case came to, by the figure's name, in the group's units. */
export type Figures = Readonly<Record<string, number>>

export interface Case {
  readonly name: string
  /** One measurement. `round` counts from 0 and never repeats, so that it can make names that no cache has seen. */
  readonly run: (round: number) => Figures | Promise<Figures>
}

/** Cases that are compared with each other. */
export interface Group {
  readonly name: string
  /** The case that ratios compare with. */
  readonly baseline: string
  /** The unit of each figure, in the order of the columns. */
  readonly units: Readonly<Record<string, string>>
  readonly cases: readonly Case[]
  /** For what takes long or hardly varies: never more rounds than this. */
  readonly mostRounds?: number
  /** What the product promises about these figures. */
  readonly bounds?: readonly Bound[]
  /** Cases that this machine does not have the programs for. */
  readonly leftOut?: readonly string[]
  /** Called before the first case runs. */
  readonly prepare?: () => Promise<void>
}

/** A promise: a case's figure, or its ratio to the baseline, is at most or at least this. */
export type Bound = {
  readonly promise: string
  readonly case: string
  readonly figure: string
  readonly of: 'median' | 'ratio'
} & ({ readonly atMost: number } | { readonly atLeast: number })

export interface Benchmark {
  /** Names its results. */
  readonly name: string
  /** What is measured, and why these cases. */
  readonly about: string
  /** Programs without which it cannot run. */
  readonly needs: readonly string[]
  /** The figure whose ratios are shown in one table, with the groups as columns. */
  readonly overview?: string
  /** Whether a bound that does not hold is an error, and not only news. */
  readonly isStrict?: boolean
  readonly groups: (workspace: Workspace) => AsyncIterable<Group>
}

/** Where a benchmark works, and what is undone when it has ended. */
export interface Workspace {
  /** A directory of its own; removed at the end. */
  readonly directory: string
  /** Calls `undo` at the end, the last one first. */
  readonly atEnd: (undo: () => unknown) => void
  /** How much the soak asks for at most, and the seed of its mix. */
  readonly soak: { readonly requests: number; readonly seconds: number; readonly seed: number }
  /** Machines on the LAN of `lan`. */
  readonly nodes: number
}

/** One figure of one case over all rounds. */
export interface Measured {
  readonly median: number
  readonly least: number
  readonly most: number
  /** The median of the rounds' ratios to the baseline; absent where the baseline has no such figure, or 0. */
  readonly ratio?: number
  /** Round by round. */
  readonly samples: readonly number[]
}

export interface CaseResult {
  readonly name: string
  readonly figures: Readonly<Record<string, Measured>>
}

export type BoundResult = Bound & { readonly value: number; readonly holds: boolean }

export interface GroupResult {
  readonly name: string
  readonly baseline: string
  readonly units: Readonly<Record<string, string>>
  readonly rounds: number
  readonly cases: readonly CaseResult[]
  readonly bounds: readonly BoundResult[]
  readonly leftOut: readonly string[]
}

/** Runs a group. The order of the cases moves on by one from round to round, so that nobody always comes first. */
export async function measureGroup(group: Group, wantedRounds: number): Promise<GroupResult> {
  const rounds = Math.min(wantedRounds, group.mostRounds ?? wantedRounds)
  await group.prepare?.()
  const runs = new Map<string, Figures[]>(group.cases.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round += 1)
    for (const each of inTurn(group.cases, round)) runs.get(each.name)?.push(await each.run(round))
  const baseline = runs.get(group.baseline) ?? []
  const cases = [...runs].map(([name, figures]) => ({ name, figures: summary(figures, baseline) }))
  const { name, baseline: baselineName, units, leftOut = [] } = group
  const bounds = (group.bounds ?? [])
    .filter(({ of }) => of === 'median' || baseline.length > 0)
    .map((bound) => judged(bound, cases))
  return { name, baseline: baselineName, units, rounds, cases, bounds, leftOut }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2
}

/** Milliseconds that `work` takes. */
export async function elapsedMs(work: () => unknown): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

function inTurn<Item>(items: readonly Item[], round: number): readonly Item[] {
  const first = round % items.length
  return [...items.slice(first), ...items.slice(0, first)]
}

function summary(runs: readonly Figures[], baseline: readonly Figures[]): Record<string, Measured> {
  const names = Object.keys(runs[0] ?? {})
  return Object.fromEntries(names.map((name) => [name, measured(runs, baseline, name)]))
}

function measured(runs: readonly Figures[], baseline: readonly Figures[], figure: string): Measured {
  const samples = runs.map((run) => run[figure] ?? NaN)
  const ratios = samples.map((sample, round) => sample / (baseline[round]?.[figure] ?? NaN))
  const ratio = median(ratios)
  return {
    median: median(samples),
    least: Math.min(...samples),
    most: Math.max(...samples),
    ...(Number.isFinite(ratio) ? { ratio } : {}),
    samples,
  }
}

function judged(bound: Bound, cases: readonly CaseResult[]): BoundResult {
  const figure = cases.find(({ name }) => name === bound.case)?.figures[bound.figure]
  const value = figure?.[bound.of] ?? NaN
  return { ...bound, value, holds: 'atMost' in bound ? value <= bound.atMost : value >= bound.atLeast }
}
