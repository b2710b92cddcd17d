/** The work that a second of processor time does: hits and misses, through ihave and through other caches. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Benchmark, Bound, Case, Figures, Group } from './measure.ts'
import {
  caches,
  fileNameOf,
  IHAVE,
  IHAVE_FROM_FILES,
  SQUID_ON_DISK,
  startAll,
  type Started,
} from './parts/caches.ts'
import { contentPath } from './parts/content.ts'
import { startContentOrigin, type ContentOrigin } from './parts/content-origin.ts'
import { download } from './parts/download.ts'
import { socketsAlone } from './parts/plain-proxies.ts'
import { cpuSeconds, softInterruptSeconds } from './parts/process-tree.ts'
import type { Proxy } from './parts/proxy.ts'
import { wrk } from './parts/wrk.ts'

const KIB = 1024
const MIB = 1024 * KIB
const ROOM = { memoryMegabytes: 1500, diskMegabytes: 6000 }
const SECONDS = 3
/** Before anything is counted, for each cache: what compiles as it runs is measured as it runs for days. */
const WARMING_SECONDS = 2
/** What the caches may still do for the last load when it has ended, in ms. */
const SETTLING_MS = 300
/** Longer than any cache takes to keep what it has fetched. */
const MOST_PRIMINGS = 20

const WORK = 'work per CPU second'
const SOCKETS_ALONE = 'Node’s sockets alone'

interface Workload {
  readonly name: string
  readonly bytes: number
  readonly connections: number
  /** How many objects are asked for in turn; a miss is always a new one. */
  readonly objects: number
  readonly unit: 'requests' | 'MiB'
  /** What is promised, as ratios to Squid's disk cache. */
  readonly atLeast: number
  readonly atLeastFromFiles: number
}

const HITS: readonly Workload[] = [
  hits('hit-1k', KIB, { connections: 32, objects: 100, unit: 'requests' }, 3, 3),
  hits('hit-100k', 100 * KIB, { connections: 16, objects: 100, unit: 'requests' }, 8, 8),
  hits('hit-10m', 10 * MIB, { connections: 4, objects: 4, unit: 'MiB' }, 14, 8),
  hits('hit-256m', 256 * MIB, { connections: 4, objects: 1, unit: 'MiB' }, 14, 8),
]
const MISS = hits('miss', 10 * KIB, { connections: 32, objects: 1e9, unit: 'requests' }, 2, 2)

export const speed: Benchmark = {
  name: 'speed',
  about:
    'Work per second of processor time that a cache and all its processes take: user and system time, and the machine’s soft interrupts while the load runs. The client is wrk; neither its own time nor the origin server’s counts. Every cache writes its access log, Varnish by varnishncsa. Squid’s disk cache keeps what is below 512 KB in memory too and reads the rest from its files, which are in the page cache. “Node’s sockets alone” is no cache: a server that answers whatever comes with the same bytes. Before a kind of load is counted each cache has two seconds of it. A miss is a URL that nobody has asked for, 10 KiB, stored; ihave hashes it. Compare the ratios: they are stable to about 20 %, requests per second are not.',
  needs: ['wrk'],
  overview: WORK,
  async *groups(workspace) {
    const origin = await startContentOrigin()
    workspace.atEnd(() => origin.stop())
    const { started, leftOut } = await startAll(caches(ROOM), workspace, origin.uri)
    const bench: Bench = { directory: workspace.directory, origin, started, leftOut }
    for (const workload of HITS) {
      const prepare = async () => {
        await prime(bench, workload)
        for (const { proxy } of started) await loaded(bench, workload, proxy, 'hit', '-%d', WARMING_SECONDS)
      }
      const group = groupOf(bench, workload, (_, { proxy }) => loaded(bench, workload, proxy, 'hit'))
      const floor = await floorOf(bench, workload)
      workspace.atEnd(() => floor.stop())
      yield { ...group, cases: [...group.cases, floor.case], prepare }
      await floor.stop()
    }
    yield misses(bench)
  },
}

/** What can be had of Node at all: a proxy with a cache comes the closer to it the better it is. */
async function floorOf(
  bench: Bench,
  workload: Workload,
): Promise<{ readonly case: Case; readonly stop: () => Promise<void> }> {
  const proxy = await socketsAlone(workload.bytes)
  const run = () => loaded(bench, workload, proxy, 'hit')
  return { case: { name: SOCKETS_ALONE, run }, stop: () => proxy.stop() }
}

/** Names that no rule shares; ihave with names that it may ask the LAN about, too. */
function misses(bench: Bench): Group {
  const group = groupOf(bench, MISS, (round, { name, proxy }) =>
    loaded(bench, MISS, proxy, `${fileNameOf(name)}-${round}`),
  )
  const shared = bench.started
    .filter(({ name }) => name === IHAVE)
    .map(({ name, proxy }): Case => ({
      name: `${name}, shared names`,
      run: (round) => loaded(bench, MISS, proxy, `pool/main/b/bench/round-${round}`, '_%d_amd64.deb'),
    }))
  const prepare = async () => {
    for (const { name, proxy } of bench.started)
      await loaded(bench, MISS, proxy, `${fileNameOf(name)}-warming`, '-%d', WARMING_SECONDS)
  }
  return { ...group, cases: [...group.cases, ...shared], prepare }
}

interface Bench {
  readonly directory: string
  readonly origin: ContentOrigin
  readonly started: readonly Started[]
  readonly leftOut: readonly string[]
}

function hits(
  name: string,
  bytes: number,
  load: Pick<Workload, 'connections' | 'objects' | 'unit'>,
  atLeast: number,
  atLeastFromFiles: number,
): Workload {
  return { name, bytes, ...load, atLeast, atLeastFromFiles }
}

function groupOf(
  { started, leftOut }: Bench,
  { name, unit, atLeast, atLeastFromFiles }: Workload,
  run: (round: number, cache: Started) => Promise<Figures>,
): Group {
  return {
    name,
    baseline: SQUID_ON_DISK,
    units: { [WORK]: unit, 'per second': unit, processors: 'busy', 'soft interrupts': '% of them' },
    cases: started.map((cache): Case => ({ name: cache.name, run: (round) => run(round, cache) })),
    bounds: [
      boundOf(name, IHAVE, atLeast),
      ...(hasCase(started, IHAVE_FROM_FILES) ? [boundOf(name, IHAVE_FROM_FILES, atLeastFromFiles)] : []),
    ],
    leftOut,
  }
}

function boundOf(promise: string, name: string, atLeast: number): Bound {
  return { promise, case: name, figure: WORK, of: 'ratio', atLeast }
}

function hasCase(started: readonly Started[], name: string): boolean {
  return started.some((each) => each.name === name)
}

/** Asks every cache for every object until none asks the origin server any more. */
async function prime({ origin, started }: Bench, { bytes, objects }: Workload): Promise<void> {
  for (const { name, proxy } of started) {
    let primings = 0
    do {
      if (primings === MOST_PRIMINGS) throw new Error(`${name} does not keep ${bytes} bytes`)
      if (primings > 0) await pause(100)
      primings += 1
      await origin.counts()
      for (let number = 0; number < objects; number += 1)
        await download(`${origin.uri}${contentPath('whole', bytes, `hit-${number}`)}`, proxy.port)
    } while ((await origin.counts()).requests > 0)
  }
}

/** @param name What the objects' names begin with; `ending` has their number in it. */
async function loaded(
  { directory, origin }: Bench,
  { bytes, connections, objects, unit }: Workload,
  proxy: Proxy,
  name: string,
  ending = '-%d',
  secondsOfLoad = SECONDS,
): Promise<Figures> {
  await pause(SETTLING_MS)
  await origin.counts()
  const path = contentPath('whole', bytes, `${name}${ending}`)
  const before = [cpuSeconds(proxy.pids), softInterruptSeconds()] as const
  const load = { path, objects, connections, seconds: secondsOfLoad }
  const { requests, bytes: received, seconds } = await wrk(directory, proxy, origin.uri, load)
  const own = cpuSeconds(proxy.pids) - before[0]
  const soft = softInterruptSeconds() - before[1]
  const processor = own + soft
  const fetched = (await origin.counts()).requests
  const isMiss = fetched > requests / 100
  if (isMiss !== (name !== 'hit'))
    throw new Error(`${fetched} of ${requests} requests for ${path} were misses`)
  const work = unit === 'MiB' ? received / MIB : requests
  return {
    [WORK]: work / processor,
    'per second': work / seconds,
    processors: processor / seconds,
    'soft interrupts': (soft / processor) * 100,
  }
}
