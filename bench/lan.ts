/** Everyone at once, on a real LAN on one machine: network namespaces on a bridge, and plain curl on every host. */
import { join } from 'node:path'
import { whyNoNamespaces } from '../test/lan/namespaces.ts'
import { CENTRAL_SQUID, IHAVE, NO_PROXY, NODES, squidSiblings, type Arrangement } from './lan/arrangements.ts'
import { LINE_MEGABITS } from './lan/site.ts'
import { storm, type Storm } from './lan/storm.ts'
import { makeFiles } from './lan/update-files.ts'
import type { Benchmark, Bound, Group, Workspace } from './measure.ts'
import { installed } from './parts/proxy.ts'

const UPDATE = [910_000, 16_000, 370_000, 360_000, 240_000, 340_000]
const LARGE = [100_000_000]
const WARM_UP = [1001, 50_001, 200_001]
/** Of a ship or a branch: 20 hosts then wait for the line, and not for the processors that they share here. */
const THIN_MEGABITS = 4
const SIBLINGS = squidSiblings('Squid siblings', [])
const TUNED = squidSiblings('Squid siblings, tuned', [
  'collapsed_forwarding on',
  'icp_query_timeout 100',
  'nonhierarchical_direct off',
  // Else it asks an origin server itself, and no sibling, as soon as it has measured that it is less than 400 ms away.
  'minimum_direct_rtt 0',
  'minimum_direct_hops 0',
])

const ALL = [NO_PROXY, CENTRAL_SQUID, SIBLINGS, TUNED]

interface Workload {
  readonly name: string
  readonly sizes: readonly number[]
  readonly storm: Pick<Storm, 'everyMs' | 'lanMegabits' | 'killAt' | 'isBoot'> &
    Partial<Pick<Storm, 'lineMegabits'>>
  /** Beside `ihave`. */
  readonly others: readonly Arrangement[]
  /** The most that the product promises, by figure. */
  readonly promises: Readonly<Record<string, number>>
}

const MEMORY = { 'at rest': 90, peak: 150 }

const WORKLOADS: readonly Workload[] = [
  {
    name: 'six-at-once',
    sizes: UPDATE,
    storm: { everyMs: 0 },
    others: ALL,
    promises: { WAN: 1.01, done: 1.1, busiest: 4, ...MEMORY },
  },
  {
    name: 'six-over-a-thin-line',
    sizes: UPDATE,
    storm: { everyMs: 0, lineMegabits: THIN_MEGABITS },
    others: [CENTRAL_SQUID],
    promises: { WAN: 1.01, done: (1.1 * LINE_MEGABITS) / THIN_MEGABITS, busiest: 4, ...MEMORY },
  },
  {
    name: 'six-at-boot',
    sizes: UPDATE,
    storm: { everyMs: 0, isBoot: true },
    others: [],
    promises: { WAN: 1.01, busiest: 4, peak: MEMORY.peak },
  },
  {
    name: 'six-in-turn',
    sizes: UPDATE,
    storm: { everyMs: 500 },
    others: ALL,
    promises: { WAN: 1.005, p50: 0.06, busiest: 3, ...MEMORY },
  },
  {
    name: 'large-at-once',
    sizes: LARGE,
    storm: { everyMs: 0 },
    others: [CENTRAL_SQUID],
    promises: { WAN: 1.005, done: 42.2, busiest: 4, ...MEMORY },
  },
  {
    name: 'large-in-turn',
    sizes: LARGE,
    storm: { everyMs: 500, lanMegabits: 100 },
    others: [CENTRAL_SQUID, TUNED],
    promises: { done: 42.2, busiest: 3, ...MEMORY },
  },
  {
    name: 'fetcher-killed',
    sizes: [25_000_000],
    storm: { everyMs: 0, killAt: 0.5 },
    others: [],
    promises: { WAN: 1.05, done: 25 / (LINE_MEGABITS / 8) + 1.2, ...MEMORY },
  },
]

export const lan: Benchmark = {
  name: 'lan',
  about: `A LAN of network namespaces with an origin server behind a line of ${LINE_MEGABITS} Mbit/s; plain curl on every host asks for six update files (2.24 MB together) or for 100 MB, all hosts at once or one every 0.5 s. "WAN" is what the origin server sent, "busiest" what the busiest host sent, in copies; "done" is from the first one's asking to the last one's last byte; "p50" to "max" are from each one's own asking; "datagrams" (UDP, sent) and "processor" are means of all hosts, "at rest" and "peak" the resident memory of the largest. "failed" is how many hosts' curl was not answered with every file; every body that came is checked by its SHA-256. In six-over-a-thin-line the line has ${THIN_MEGABITS} Mbit/s, so that 20 hosts on a few processors have time for what 20 machines do at once: the ideal is 4.5 s. In six-at-boot all hosts are switched on at the moment of asking: their nodes start then, know nobody and have not run yet, and each is asked as soon as it listens. In large-in-turn every port of the LAN has 100 Mbit/s. The ideal for the six files is 0.90 s, for 100 MB 40 s, both without headers.`,
  needs: ['ip', 'tc', 'curl', 'bash', 'ss'],
  async *groups(workspace) {
    const why = whyNoNamespaces()
    if (why !== undefined) return console.log(`left out: ${why}`)
    const missing = ALL.filter((each) => !isThere(each)).map(({ name }) => `"${name}"`)
    if (missing.length > 0) console.log(`not installed, and left out: ${missing.join(', ')}\n`)
    for (const workload of WORKLOADS) yield groupOf(workload, workspace)
  },
}

function groupOf({ name, sizes, storm: how, others, promises }: Workload, workspace: Workspace): Group {
  const content = join(workspace.directory, 'content')
  const files = makeFiles(content, sizes)
  const warmUpFiles = makeFiles(content, WARM_UP)
  const settings = {
    lineMegabits: LINE_MEGABITS,
    ...how,
    content,
    files,
    warmUpFiles,
    hosts: workspace.nodes,
  }
  return {
    name,
    baseline: IHAVE,
    units: {
      WAN: 'copies',
      done: 's',
      p50: 's',
      p95: 's',
      max: 's',
      busiest: 'copies',
      datagrams: 'each',
      failed: 'hosts',
      'at rest': 'MB',
      peak: 'MB',
      processor: 's',
    },
    mostRounds: 3,
    cases: [NODES, ...others.filter(isThere)].map((arrangement, at) => ({
      name: arrangement.name,
      run: (round) => storm(settings, arrangement, join(workspace.directory, `${name}-${at}-${round}`)),
    })),
    bounds: Object.entries({ ...promises, failed: 0 }).map(([figure, atMost]): Bound => ({
      promise: figure,
      case: IHAVE,
      figure,
      of: 'median',
      atMost,
    })),
  }
}

function isThere({ program }: Arrangement): boolean {
  return program === undefined || installed(program) !== undefined
}
