/** Nodes of `ihave` as processes on loopback addresses, as `ihave start` runs them. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { askStatus } from '../../service/control.ts'
import type { Status } from '../../service/status.ts'
import { startUntil, type Running } from './processes.ts'

export interface NodeSettings {
  /** The cache, the log and the configuration lie here. */
  readonly directory: string
  /** By which peers reach it: one of 127.0.0.0/8. */
  readonly address: string
  /** Nodes with the same are peers. */
  readonly packetPort: number
  readonly aptConfig?: string
  readonly rules?: readonly object[]
  /** Settings of `cache` beside its directory. */
  readonly cache?: Readonly<Record<string, string | number>>
  /** For Node itself. */
  readonly nodeArgs?: readonly string[]
}

export interface Node extends Running {
  readonly proxyPort: number
  readonly status: () => Promise<Status>
}

/** The sources, or what the environment names: `dist/cli/main.js` is what is installed. */
const MAIN = process.env['IHAVE_MAIN'] ?? join(import.meta.dirname, '../../cli/main.ts')

/** Starts one with the defaults of `proxy.config.yaml` but for its places; `NODE_ARGS` goes to Node (`--cpu-prof`). */
export async function startNode(settings: NodeSettings): Promise<Node> {
  mkdirSync(settings.directory, { recursive: true })
  const file = join(settings.directory, 'proxy.config.yaml')
  const socket = join(settings.directory, 'control.sock')
  writeFileSync(file, JSON.stringify(configuration(settings, socket))) // JSON is YAML
  const nodeArgs = (process.env['NODE_ARGS'] ?? '').split(' ').filter((each) => each !== '')
  const args = [...nodeArgs, ...(settings.nodeArgs ?? []), MAIN, 'start', '--config', file]
  const node = await startUntil(process.execPath, args, /proxy http:\/\/127\.0\.0\.1:(\d+)/)
  return { ...node, proxyPort: Number(node.match[1]), status: () => askStatus(socket) }
}

/** Waits until `node` knows `count` peers and has measured the way to them. */
export async function untilPeers(node: Node, count: number): Promise<void> {
  for (;;) {
    const peers = (await node.status()).peering?.peers ?? []
    if (peers.filter(({ roundTripMs }) => roundTripMs !== undefined).length >= count) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** While a node has just started it waits for peers that it does not know yet (peering/presence.ts), in ms. */
export const SETTLED_MS = 600

/** A UDP port that was free a moment ago: one LAN of its own. */
export async function freePacketPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

function configuration(settings: NodeSettings, socket: string) {
  const { directory, address, packetPort, aptConfig = 'off', rules = [], cache } = settings
  return {
    proxy: { listen: '127.0.0.1:0' },
    peering: { address, broadcast: '127.255.255.255', packetPort, filePort: 0 },
    cache: { directory: join(directory, 'cache'), ...cache },
    verification: { aptConfig },
    log: { file: join(directory, 'log') },
    control: { socket },
    rules,
  }
}
