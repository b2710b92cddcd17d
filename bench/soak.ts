/** Many requests of every kind, a part of them left by their clients: every one ends well, and nothing stays behind. */
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { MAX_OPEN } from '../cache/open-files.ts'
import { seededRandom } from '../core/random.ts'
import type { Benchmark, Bound, Figures, Workspace } from './measure.ts'
import { startContentOrigin, type ContentOrigin } from './parts/content-origin.ts'
import { eachOf } from './parts/in-turn.ts'
import { freePacketPort, startNode, type Node } from './parts/nodes.ts'
import { openHandles, residentBytes } from './parts/process-tree.ts'
import { soakMix } from './parts/soak-mix.ts'
import { exchange, fault } from './parts/soak-request.ts'

const CLIENTS = 16
/** Left behind is what was not there after so many requests. */
const WARM_UP = 2000
/** Connections to the origin server may be kept for a while. */
const MOST_SETTLING_MS = 40_000
/** So small that stored responses have to go. */
const CACHE = { maxSize: '200 MB' }
/** Those that are read, and the segment that is written. */
const MOST_BODIES = MAX_OPEN + 1
const NODE = 'ihave'
/** What is wrong is printed, but not a thousand times. */
const MOST_PRINTED = 20

export const soak: Benchmark = {
  name: 'soak',
  about: `${CLIENTS} clients mix hits, misses, downloads that are joined, ranges, HEAD, POST, 404s and an origin server that breaks off, on kept connections and on their own; every seventh goes away at a random place. "wrong" counts requests that did not end with the right bytes or a clear error; "handles" and "sockets" count what the process has more of than after the first ${WARM_UP} requests, "bodies" the stored bodies that it keeps open for reading, "growing" the files of copies that are not complete and that nothing will go on with. A bound that does not hold is an exit code of 1.`,
  needs: [],
  isStrict: true,
  async *groups(workspace) {
    const { requests, seconds, seed } = workspace.soak
    yield {
      name: `up to ${requests} requests in ${seconds} s, seed ${seed}`,
      baseline: NODE,
      units: {
        requests: 'ended',
        aborted: 'of them',
        wrong: 'of them',
        handles: 'more',
        sockets: 'of them',
        bodies: 'open',
        growing: 'files',
        warnings: 'lines',
        'memory, start': 'MB',
        'memory, half': 'MB',
        'memory, end': 'MB',
        'memory, end / half': '×',
      },
      mostRounds: 1,
      cases: [{ name: NODE, run: () => soaked(workspace) }],
      bounds: [
        ...['wrong', 'handles', 'sockets', 'growing', 'warnings'].map((figure) => atMost(figure, 0)),
        atMost('bodies', MOST_BODIES),
        atMost('memory, end / half', 1.25),
      ],
    }
  },
}

function atMost(figure: string, limit: number): Bound {
  return { promise: 'nothing is left behind', case: NODE, figure, of: 'median', atMost: limit }
}

interface Soak {
  readonly directory: string
  readonly node: Node
  readonly origin: ContentOrigin
}

async function soaked({ directory, atEnd, soak: { requests, seconds, seed } }: Workspace): Promise<Figures> {
  const origin = await startContentOrigin()
  atEnd(() => origin.stop())
  const node = await startNode({
    directory,
    address: '127.0.0.2',
    packetPort: await freePacketPort(),
    cache: CACHE,
    nodeArgs: [`--redirect-warnings=${join(directory, 'warnings')}`],
  })
  atEnd(() => node.stop())
  const all: Soak = { directory, node, origin }
  const deadline = performance.now() + seconds * 1000
  const tally = { aborted: 0, wrong: 0, ended: 0 }
  const run = async (from: number, to: number) => {
    const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
    const nextOf = soakMix(seededRandom(seed + from), agent)
    await eachOf(to - from, CLIENTS, async (number) => {
      if (performance.now() < deadline) await one(all, nextOf(from + number), tally)
    })
    agent.destroy()
  }
  await run(0, WARM_UP)
  const start = await settled(all, undefined)
  const half = Math.max(WARM_UP, Math.floor(requests / 2))
  await run(WARM_UP, half)
  const middle = residentBytes(node.pids)
  await run(half, requests)
  const end = await settled(all, start)
  reportLeft(start, end)
  return {
    requests: tally.ended,
    aborted: tally.aborted,
    wrong: tally.wrong,
    handles: Math.max(0, end.handles.length - start.handles.length),
    sockets: Math.max(0, socketsOf(end) - socketsOf(start)),
    bodies: end.bodies,
    growing: end.growing,
    warnings: warningsOf(directory),
    'memory, start': start.resident / 1e6,
    'memory, half': middle / 1e6,
    'memory, end': end.resident / 1e6,
    'memory, end / half': end.resident / middle,
  }
}

async function one(
  { node, origin }: Soak,
  asked: Parameters<typeof fault>[0],
  tally: { aborted: number; wrong: number; ended: number },
): Promise<void> {
  const outcome = await exchange(origin.uri, node.proxyPort, asked)
  const wrong = fault(asked, outcome)
  tally.ended += 1
  if (outcome.kind === 'aborted') tally.aborted += 1
  if (wrong === undefined) return
  tally.wrong += 1
  if (tally.wrong <= MOST_PRINTED) console.error(`${asked.method} ${asked.path}: ${wrong}`)
}

interface Held {
  /** But for stored bodies. */
  readonly handles: readonly string[]
  /** Stored bodies that are open for reading, a bounded number of those that were read last (cache/open-files.ts). */
  readonly bodies: number
  /** Files of copies that are not complete, but for those that later requests go on with (cache/partial-index.ts). */
  readonly growing: number
  readonly resident: number
}

/** @returns what the process holds when that is no more than at the `start`, or when waiting has no more sense. */
async function settled({ directory, node }: Soak, start: Held | undefined): Promise<Held> {
  const began = performance.now()
  const least = start === undefined ? 10_000 : 2000
  for (;;) {
    const now = heldBy(directory, node)
    const elapsed = performance.now() - began
    const isBack = now.growing === 0 && now.handles.length <= (start?.handles.length ?? Infinity)
    if ((isBack && elapsed > least) || elapsed > MOST_SETTLING_MS) return now
    await pause(500)
  }
}

/** A file of stored bodies. */
function isBody(handle: string): boolean {
  return /\/cache\/(bodies|segments)\//.test(handle)
}

function heldBy(directory: string, { pids }: Node): Held {
  const handles = pids.flatMap(openHandles)
  const partial = partialNames(directory)
  return {
    handles: handles.filter((handle) => !isBody(handle)),
    bodies: handles.filter(isBody).length,
    growing: readdirSync(join(directory, 'cache/growing')).filter((name) => !partial.has(name)).length,
    resident: residentBytes(pids),
  }
}

/** Files of partial copies that the index knows. It is the node's alone while that runs, so a copy of it is looked at. */
function partialNames(directory: string): ReadonlySet<string> {
  const copy = join(directory, 'index-copy.sqlite')
  for (const ending of ['', '-wal'])
    copyFileSync(join(directory, `cache/index.sqlite${ending}`), copy + ending)
  const index = new DatabaseSync(copy)
  try {
    const rows = index.prepare('SELECT content FROM partials').all()
    return new Set(rows.map(({ content }) => String((JSON.parse(String(content)) as { name: unknown }).name)))
  } finally {
    index.close()
  }
}

function socketsOf({ handles }: Held): number {
  return handles.filter((each) => each.startsWith('socket:')).length
}

function reportLeft(start: Held, end: Held): void {
  if (end.handles.length <= start.handles.length) return
  const counts = new Map<string, number>()
  const count = (by: number) => (handle: string) => {
    const kind = handle.replace(/:\[\d+\]$/, '')
    counts.set(kind, (counts.get(kind) ?? 0) + by)
  }
  start.handles.forEach(count(-1))
  end.handles.forEach(count(1))
  for (const [kind, more] of counts) if (more > 0) console.error(`left open: ${more} × ${kind}`)
}

/** Node's own warnings that speak of leaks. */
function warningsOf(directory: string): number {
  const file = join(directory, 'warnings')
  if (!existsSync(file)) return 0
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /leak/i.test(line))
  for (const line of lines) console.error(line)
  return lines.length
}
