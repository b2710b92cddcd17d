/**
 * `npm run simulate -- --report DIR`: plays what docs/simulation.md shows, and writes the charts and tables there.
 * The same seeds give the same figures on every machine, apart from the processor time.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { svgOf, type Chart, type Series } from './chart.ts'
import type { Figures } from './figures.ts'
import type { Play } from './play.ts'
import { boot, staggered } from './scenarios/boot.ts'
import { PLAYS } from './scenarios/all.ts'
import { simulate, type Run, type Watch } from './simulate.ts'
import type { Stage } from './stage.ts'
import { tableOf } from './table.ts'

const SEEDS = 5
const LOSSES = [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
const LOSS_SEEDS = 3
const SIZES = [2, 5, 10, 20, 50, 100, 250]
/** A crowd that shows a spread, and is quick to play. */
const CROWD = 100

/** @returns every run that was played. */
export async function writeReport(folder: string, tell: (what: string) => void): Promise<Run[]> {
  mkdirSync(folder, { recursive: true })
  const write = (name: string, content: string) => writeFileSync(join(folder, name), content)
  tell('every scenario')
  const all = await playEach(
    PLAYS.filter(({ name }) => name !== 'crowd'),
    SEEDS,
  )
  tell('loss')
  const lossy = await overLosses()
  write('copies-by-loss.svg', svgOf(copiesChart(lossy)))
  write('completion-by-loss.svg', svgOf(completionChart(lossy)))
  tell('size')
  const sizes = await overSizes()
  write('packets-by-size.svg', svgOf(packetsChart(sizes)))
  write('completion-by-size.svg', svgOf(completionBySize(sizes)))
  tell('spread')
  write('spread.svg', svgOf(await spreadChart()))
  const tables = [
    ['Every scenario', all],
    ['Boot, by the share of datagrams that is lost', lossy],
    ['Boot, by the number of nodes, 5 % lost', sizes],
  ] as const
  const sections = tables.map(([title, runs]) => `## ${title}\n\n${tableOf(runs)}`)
  write('results.md', `${[HEAD, ...sections, ...largeRuns(folder)].join('\n\n')}\n`)
  return [...all, ...lossy, ...sizes]
}

const HEAD = `# Results of the simulation

Written by \`npm run simulate -- --report docs/simulation\`; what the figures mean is in [simulation.md](../simulation.md).`

/** Runs that take too long to be played each time are kept as lines of JSON (\`--json\`). */
function largeRuns(folder: string): string[] {
  const path = join(folder, 'large.jsonl')
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  const runs = lines.map((line) => JSON.parse(line) as Run)
  return [`## Large runs\n\nKept in [large.jsonl](large.jsonl).\n\n${tableOf(runs)}`]
}

async function playEach(plays: readonly Play[], seeds: number): Promise<Run[]> {
  const runs: Run[] = []
  for (const play of plays)
    for (let seed = 1; seed <= seeds; seed++)
      runs.push(await simulate(play, { seed, nodes: play.nodes, subnets: play.subnets }))
  return runs
}

async function overLosses(): Promise<Run[]> {
  const runs: Run[] = []
  for (const play of [boot, staggered])
    for (const loss of LOSSES)
      for (let seed = 1; seed <= LOSS_SEEDS; seed++)
        runs.push(await simulate(play, { seed, nodes: 20, subnets: 1, loss }))
  return runs
}

async function overSizes(): Promise<Run[]> {
  const runs: Run[] = []
  for (const nodes of SIZES) runs.push(await simulate(boot, { seed: 1, nodes, subnets: 1, loss: 0.05 }))
  return runs
}

function copiesChart(runs: readonly Run[]): Chart {
  return {
    title: 'Copies from the origin server, 20 nodes',
    x: { label: 'datagrams lost, in %' },
    y: { label: 'copies of everything' },
    series: byLoss(runs, ({ copies }) => copies),
    draw: 'lines',
    mark: { y: 1, name: 'one copy' },
  }
}

function completionChart(runs: readonly Run[]): Chart {
  return {
    title: 'Until the last byte is there, 20 nodes at once',
    x: { label: 'datagrams lost, in %' },
    y: { label: 'multiple of one copy’s time' },
    series: byLoss(
      runs.filter(({ play }) => play === 'boot'),
      ({ completionMs, idealMs }) => completionMs / idealMs,
    ),
    draw: 'lines',
    mark: { y: 1, name: 'one copy’s time on the connection to the Internet' },
  }
}

/** The average of the seeds, one line for each scenario. */
function byLoss(runs: readonly Run[], of: (figures: Figures) => number): Series[] {
  return Array.from(
    Map.groupBy(runs, ({ play }) => play),
    ([name, own]) => {
      const points = LOSSES.map((loss) => {
        const values = own.flatMap(({ parameters, figures }) =>
          parameters.loss === loss && figures !== undefined ? [of(figures)] : [],
        )
        return [loss * 100, values.reduce((sum, value) => sum + value, 0) / values.length] as const
      })
      return { name, points }
    },
  )
}

function bySize(runs: readonly Run[], name: string, of: (figures: Figures) => number): Series {
  const points = runs.flatMap(({ parameters: { nodes }, figures }) =>
    figures === undefined ? [] : [[nodes, of(figures)] as const],
  )
  return { name, points }
}

function packetsChart(runs: readonly Run[]): Chart {
  return {
    title: 'Datagrams that a node sends, boot, 5 % lost',
    x: { label: 'nodes in one subnet', isLog: true },
    y: { label: 'datagrams per node and file' },
    series: [bySize(runs, 'for the file; presence apart', ({ packets }) => packets)],
    draw: 'lines',
    mark: { y: 4, name: 'limit' },
  }
}

function completionBySize(runs: readonly Run[]): Chart {
  return {
    title: 'Time from a request to its last byte, boot, 5 % lost',
    x: { label: 'nodes in one subnet', isLog: true },
    y: { label: 'time, in ms' },
    series: [
      bySize(runs, 'half of the requests', ({ doneMs }) => doneMs.p50),
      bySize(runs, '95 %', ({ doneMs }) => doneMs.p95),
      bySize(runs, 'the last', ({ doneMs }) => doneMs.max),
      bySize(runs, 'one copy on the connection', ({ idealMs }) => idealMs),
    ],
    draw: 'lines',
  }
}

/** What each node sent, the busiest first. */
async function spreadChart(): Promise<Chart> {
  const series: Series[] = []
  for (const play of [boot, staggered]) {
    const watch: Watch = {}
    await simulate(play, { seed: 1, nodes: CROWD, subnets: 1 }, watch)
    if (watch.stage !== undefined) series.push({ name: play.name, points: sentByNode(watch.stage) })
  }
  return {
    title: `What each of ${CROWD} nodes sends to others`,
    x: { label: 'nodes, the busiest first' },
    y: { label: 'copies of everything' },
    series,
    draw: 'lines',
  }
}

function sentByNode({ nodes, files }: Stage): (readonly [number, number])[] {
  const bytes = [...files.values()].reduce((sum, size) => sum + size, 0)
  const sent = nodes.map(({ uploadedBytes }) => uploadedBytes / bytes)
  return sent.toSorted((one, other) => other - one).map((copies, at) => [at + 1, copies] as const)
}
