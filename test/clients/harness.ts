/**
 * What end-to-end tests stand on: real nodes on addresses of 127.0.0.0/8, in this process or as one of their own, real
 * programs that use them, and conditions that are waited for. Everything that a scene started ends with it.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseConfig } from '../../service/config.ts'
import { openLog } from '../../service/logging.ts'
import { Node } from '../../service/node.ts'

export const BROADCAST = '127.255.255.255'

/** Sections of `proxy.config.yaml`, over those of the harness. */
export type Sections = Readonly<Record<string, unknown>>

/** Collects what a test file started; `close` ends all of it, the last first. */
export class Scene {
  readonly #endings: (() => unknown)[] = []

  ending(end: () => unknown): void {
    this.#endings.push(end)
  }

  async close(): Promise<void> {
    for (const end of this.#endings.splice(0).toReversed()) await end()
  }

  directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'ihave-client-'))
    this.ending(() => rmSync(path, { recursive: true, force: true }))
    return path
  }

  /** A node in this process, ready. */
  async node(sections: Sections): Promise<Node> {
    const text = configText(this.directory(), sections)
    const parsed = parseConfig(text, 'test.yaml', tmpdir())
    if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors))
    const node = new Node(parsed.config, openLog(parsed.config.log))
    this.ending(() => node.stop())
    await node.start()
    return node
  }

  /** The file of a configuration, for nodes that are processes of their own. */
  configFile(sections: Sections, directory: string = this.directory()): string {
    const file = join(directory, 'proxy.config.yaml')
    writeFileSync(file, configText(directory, sections))
    return file
  }

  /** `ihave start` as a process. @param before a command that it runs under, such as `unshare`. */
  ihave(configFile: string, before: readonly string[] = []): NodeProcess {
    const [program, ...args] = [...before, process.execPath, CLI, 'start', '--config', configFile]
    const child = new NodeProcess(spawn(program, args, { env: plainEnvironment() }))
    this.ending(() => child.kill('SIGKILL'))
    return child
  }
}

/** The file that `ihave` runs. */
export const CLI = new URL('../../cli/main.ts', import.meta.url).pathname

function configText(directory: string, sections: Sections): string {
  const { proxy, peering, cache, ...rest } = sections as Record<string, object>
  return JSON.stringify({
    proxy: { listen: '127.0.0.1:0', stopGraceMs: 200, ...proxy },
    peering: { broadcast: BROADCAST, filePort: 0, ...peering },
    cache: { directory: join(directory, 'cache'), reserve: '0 B', ...cache },
    verification: { aptConfig: 'off' },
    log: { level: 'silent' },
    ...rest,
  })
}

/** A running `ihave start`. */
export class NodeProcess {
  readonly #child: ChildProcess
  /** The exit code, or the signal's name. */
  readonly exit: Promise<number | string>
  stdout = ''
  stderr = ''

  constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.exit = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal ?? '')))
  }

  get id(): number {
    return this.#child.pid ?? 0
  }

  /** Resolves with the proxy's `host:port` once the node says that it is ready. */
  async ready(): Promise<string> {
    const isSaid = () => this.stdout.includes('\n') || this.#child.exitCode !== null
    await until('the ready line', isSaid, 10_000)
    const proxy = /proxy http:\/\/(\S+:\d+)/.exec(this.stdout)?.[1]
    if (proxy === undefined) throw new Error(`not ready: ${this.stdout}${this.stderr}`)
    return proxy
  }

  async kill(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    if (signal === 'SIGKILL') await this.exit
  }
}

/** A UDP port that nobody on this machine uses now: a LAN of its own for each test file. */
export function freePacketPort(): Promise<number> {
  const socket = createSocket('udp4')
  return new Promise((resolve) => {
    socket.bind(0, BROADCAST, () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}

/** Waits until each of the nodes has heard of all the others. */
export async function acquainted(...nodes: readonly Node[]): Promise<void> {
  const knows = (node: Node) => (node.status().peering?.peers.length ?? 0) >= nodes.length - 1
  await until('nodes that know each other', () => nodes.every(knows))
}

/** Waits until what a node has delivered is stored. */
export async function settled(node: Node): Promise<void> {
  await until('a node that retrieves nothing', () => node.status().transfers.length === 0)
}

/** Waits for a condition that no event tells. @throws when it does not come true in time. */
export async function until(what: string, isTrue: () => unknown, deadlineMs = 5000): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`)
    await pause(10)
  }
}

/** Why a test cannot run here; `false` when it can. */
export function missing(...programs: readonly string[]): string | false {
  const absent = programs.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0)
  return absent.length === 0 ? false : `not installed here: ${absent.join(', ')}`
}

/** Private namespaces need root on Linux. */
export function withoutNamespaces(): string | false {
  const isPossible = spawnSync('unshare', ['--net', '--mount', 'ip', 'link', 'show', 'lo']).status === 0
  return isPossible ? false : 'needs unshare and ip, as root: network and mount namespaces'
}

/** What programs are started with: no proxy settings and nobody's configuration, and what was compiled before (../main.ts). */
export function plainEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  return { PATH, HOME: tmpdir(), LC_ALL: 'C', NODE_COMPILE_CACHE, ...more }
}
