/** apt's cold update and install through `ihave`, beside a plain proxy and no proxy at all. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Benchmark, Bound, Case, Figures, Group, Workspace } from './measure.ts'
import { writeAptArchive, type AptArchive } from './parts/apt-archive.ts'
import { aptClient, type AptClient } from './parts/apt-client.ts'
import { freePacketPort, SETTLED_MS, startNode, untilPeers, type Node } from './parts/nodes.ts'
import { startOrigin, type Origin } from './parts/origin.ts'
import { plainRelay, tinyproxy } from './parts/plain-proxies.ts'
import { squid } from './parts/squid.ts'

/** In bytes per second; 0: as fast as it goes, which shows what the proxies themselves cost. */
const SPEEDS = [0, 8_000_000]

export const aptCold: Benchmark = {
  name: 'apt-cold',
  about:
    'The machine’s own apt with an empty state: `update` (an index of 8 MB by its digest) and `install --download-only` of 27 packages of 7.4 MB. The archive has a new address for every measurement, so no cache knows it; the proxies run on, as services do, but for "just started". "origin" is how often the origin server sent the archive. apt’s own work is in all figures.',
  needs: ['apt-get', 'dpkg-deb', 'gpg'],
  async *groups(workspace) {
    const { directory } = workspace
    const archive = await writeAptArchive(join(directory, 'archive'), join(directory, 'archive-home'))
    const ways = await openWays(workspace, archive)
    for (const bytesPerSecond of SPEEDS) {
      const origin = await startOrigin({ root: archive.root, bytesPerSecond })
      workspace.atEnd(() => origin.stop())
      yield groupOf(bytesPerSecond, ways, origin, archive)
    }
  },
}

/** A way from apt to the archive. */
interface Way {
  readonly name: string
  readonly apt: AptClient
  /** @returns the port of a proxy to go through. */
  readonly open: (uri: string) => Promise<number | undefined>
  readonly close?: () => Promise<void>
}

const PLAIN = ['squid without its cache', 'tinyproxy', 'a plain relay in Node']
const COLD = 'ihave, cold, no peers'

function groupOf(bytesPerSecond: number, ways: readonly Way[], origin: Origin, archive: AptArchive): Group {
  const baseline = PLAIN.find((name) => ways.some((way) => way.name === name)) ?? ''
  return {
    name:
      bytesPerSecond === 0 ? 'origin server on the machine' : `origin server at ${bytesPerSecond / 1e6} MB/s`,
    baseline,
    units: { total: 'ms', update: 'ms', install: 'ms', origin: 'times' },
    cases: ways.map((way) => aptCase(way, origin, archive)),
    bounds: ['total', 'update', 'install'].map(coldBound),
  }
}

function coldBound(figure: string): Bound {
  const promise = 'cold at most 5 % slower than through a plain proxy'
  return { promise, case: COLD, figure, of: 'ratio', atMost: 1.05 }
}

function aptCase({ name, apt, open, close }: Way, origin: Origin, archive: AptArchive): Case {
  const run = async (round: number): Promise<Figures> => {
    const uri = `${origin.uri}/${name.replace(/\W+/g, '-')}-${round}`
    const proxyPort = await open(uri)
    apt.prepare(uri, proxyPort)
    await origin.sentBytes()
    const update = await apt.update()
    const install = await apt.fetch()
    await close?.()
    const sent = await origin.sentBytes()
    return { total: update + install, update, install, origin: sent / archive.bytes }
  }
  return { name, run }
}

async function openWays(workspace: Workspace, archive: AptArchive): Promise<readonly Way[]> {
  const { directory } = workspace
  const clientOf = (name: string) => aptClient(join(directory, 'apt', name), archive)
  const direct: Way = { name: 'no proxy', apt: clientOf('direct'), open: async () => undefined }
  const plain = await plainWays(workspace, clientOf('plain'))
  return [direct, ...plain, ...(await ihaveWays(workspace, clientOf))]
}

async function plainWays({ directory, atEnd }: Workspace, apt: AptClient): Promise<readonly Way[]> {
  const starts = [
    () => squid(join(directory, 'squid'), { memoryMegabytes: 64, diskMegabytes: 0, isCaching: false }),
    () => tinyproxy(join(directory, 'tinyproxy')),
    plainRelay,
  ]
  const ways: Way[] = []
  for (const [at, start] of starts.entries()) {
    const proxy = await start()
    if (proxy === undefined) continue
    atEnd(() => proxy.stop())
    ways.push({ name: PLAIN[at] ?? '', apt, open: async () => proxy.port })
  }
  return ways
}

async function ihaveWays(
  workspace: Workspace,
  clientOf: (name: string) => AptClient,
): Promise<readonly Way[]> {
  const { directory, atEnd } = workspace
  const start = async (name: string, address: string, packetPort: number, apt: AptClient) => {
    const node = await startNode({
      directory: join(directory, name),
      address,
      packetPort,
      aptConfig: apt.config,
    })
    atEnd(() => node.stop())
    return node
  }
  const [alone, pair, started] = [await freePacketPort(), await freePacketPort(), await freePacketPort()]
  const [cold, waiting, neighbour, other] = ['cold', 'waiting', 'neighbour', 'other'].map(clientOf)
  if (!cold || !waiting || !neighbour || !other) throw new Error('a client for each node')
  const lone = await start('alone', '127.0.0.2', alone, cold)
  const asking = await start('asking', '127.0.0.3', pair, waiting)
  const holder = await start('holder', '127.0.0.4', pair, neighbour)
  await Promise.all([untilPeers(asking, 1), untilPeers(holder, 1)])
  await pause(SETTLED_MS)
  return [
    { name: COLD, apt: cold, open: async () => lone.proxyPort },
    justStarted(join(directory, 'started'), started, clientOf('started')),
    { name: 'ihave, cold, one peer that has nothing', apt: waiting, open: async () => asking.proxyPort },
    filledBefore('ihave, a peer has it all', waiting, asking, neighbour, holder),
    filledBefore('ihave, warm', other, lone, cold, lone),
  ]
}

/** A new process and an empty directory each time. */
function justStarted(directory: string, packetPort: number, apt: AptClient): Way {
  let node: Node | undefined
  let count = 0
  const open = async () => {
    count += 1
    const settings = { address: '127.0.0.5', packetPort, aptConfig: apt.config }
    node = await startNode({ directory: join(directory, String(count)), ...settings })
    await pause(SETTLED_MS)
    return node.proxyPort
  }
  return { name: 'ihave, cold, just started', apt, open, close: async () => node?.stop() }
}

/** `filler` fetches the archive through `filled` before `apt` does through `asked`. */
function filledBefore(name: string, apt: AptClient, asked: Node, filler: AptClient, filled: Node): Way {
  const open = async (uri: string) => {
    filler.prepare(uri, filled.proxyPort)
    await filler.update()
    await filler.fetch()
    return asked.proxyPort
  }
  return { name, apt, open }
}
