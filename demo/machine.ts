/** A machine of the demo's LAN: a node as a process of its own on a loopback address. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleep, systemClock } from '../core/clock.ts'
import { askStatus } from '../service/control.ts'
import type { Status } from '../service/status.ts'
import { plainEnvironment } from './programs.ts'
import { loggedRequests, type LoggedRequest } from './request-log.ts'
import type { Workspace } from './workspace.ts'

export interface Machine {
  /** `machine 1`. */
  readonly name: string
  readonly address: string
  /** What only this machine uses. */
  readonly directory: string
  /** For applications: `http://127.0.0.2:41234`. */
  readonly proxy: string
  status(): Promise<Status>
  /** All requests that the node has answered so far. */
  requests(): Promise<LoggedRequest[]>
}

export interface MachineSettings {
  /** 1, 2, 3…; the address follows from it. */
  readonly number: number
  /** UDP port of the demo's LAN. */
  readonly packetPort: number
  /** More sections of `proxy.config.yaml`. */
  readonly sections: Readonly<Record<string, unknown>>
}

const BROADCAST = '127.255.255.255'
const CLI = fileURLToPath(new URL('../cli/main.ts', import.meta.url))

/** A UDP port that nobody on this machine uses now: a LAN that only the demo is on. */
export async function freePacketPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, BROADCAST)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

/** What only machine `number` uses; made when it is not there. */
export async function machineDirectory({ directory }: Workspace, number: number): Promise<string> {
  const own = join(directory, `machine-${number}`)
  await mkdir(own, { recursive: true })
  return own
}

/** Starts a node; it is ready when this resolves, and stopped at the workspace's end. */
export async function startMachine(workspace: Workspace, settings: MachineSettings): Promise<Machine> {
  const directory = await machineDirectory(workspace, settings.number)
  const address = `127.0.0.${settings.number + 1}`
  const configFile = join(directory, 'proxy.config.yaml')
  await writeFile(configFile, configText(address, settings))
  const child = spawn(process.execPath, [CLI, 'start', '--config', configFile], {
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  workspace.atEnd(() => ended(child))
  const proxy = await readyProxy(child, workspace.signal)
  const status = () => askStatus(join(directory, 'control.sock'))
  const logged = async () => loggedRequests(await readFile(join(directory, 'log.json'), 'utf8'))
  return {
    name: `machine ${settings.number}`,
    address,
    directory,
    proxy,
    status,
    async requests() {
      // The log's lines come in batches; the totals know how many there will be.
      const { totals } = await status()
      const count = Object.values(totals.requests).reduce((sum, each) => sum + each, 0)
      await until('the log', async () => (await logged()).length >= count, workspace.signal)
      return logged()
    },
  }
}

/**
 * A peer's answer may take this long. Three nodes and their applications share the processors of one machine here: on a
 * busy one answers take longer than the 50 ms that `auto` waits at most, and a machine that gave up too early would show
 * the machine's load instead of the protocol. It costs the first machine time, and nobody else.
 */
const PATIENCE = { maxDelayMs: 20, transmissionMs: 400 } as const

/** JSON is YAML. Paths are relative to the file. */
function configText(address: string, { packetPort, sections }: MachineSettings): string {
  return JSON.stringify({
    proxy: { listen: `${address}:0`, stopGraceMs: 500 },
    peering: { address, broadcast: BROADCAST, packetPort, filePort: 0, ...PATIENCE },
    cache: { directory: 'cache', maxSize: '2 GB', reserve: '0 B' },
    log: { file: 'log.json', pretty: false },
    control: { socket: 'control.sock' },
    ...sections,
  })
}

/** Waits for the ready line. @throws Error with what the node said when it ends instead, or says nothing in time. */
async function readyProxy(child: ChildProcess, signal: AbortSignal): Promise<string> {
  let said = ''
  const hear = (chunk: Buffer) => (said += chunk.toString())
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  const isReady = () => said.includes('is ready: proxy ')
  await until('a node to start', () => isReady() || isOver(child), signal)
  const proxy = /proxy (http:\/\/[^ ,]+)/.exec(said)?.[1]
  if (proxy === undefined) throw new Error(`a node did not start: ${said.trim()}`)
  return proxy
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Longer than a node's grace at its stop. */
const STOP_WITHIN_MS = 3_000

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || isOver(child)) return
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  const cancel = systemClock.after(STOP_WITHIN_MS, () => child.kill('SIGKILL'))
  await closed
  cancel()
}

const POLL_MS = 25

/** Waits for a condition that no event tells. @throws Error when it does not come true in time, or `signal` aborts. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  signal: AbortSignal,
  deadlineMs = 15_000,
): Promise<void> {
  const deadline = systemClock.monotonic() + deadlineMs
  while (!(await isTrue())) {
    signal.throwIfAborted()
    if (systemClock.monotonic() > deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`)
    await sleep(systemClock, POLL_MS, signal)
  }
}

/** Waits until each machine's node has heard of all the others. */
export async function acquainted(machines: readonly Machine[], signal: AbortSignal): Promise<void> {
  const knowsAll = async (machine: Machine) => {
    const { peering } = await machine.status()
    return (peering?.peers.length ?? 0) >= machines.length - 1
  }
  const all = async () => (await Promise.all(machines.map(knowsAll))).every(Boolean)
  await until('the nodes to know each other', all, signal)
}
