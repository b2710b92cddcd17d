/** How the hosts of a site get their updates: by nothing, by one Squid, by a Squid on each, by `ihave` on each. */
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ChildProcess } from 'node:child_process'
import type { Host } from '../../test/lan/namespaces.ts'
import type { Site } from './site.ts'

export interface Arrangement {
  readonly name: string
  /** Without it the machine cannot have it. */
  readonly program?: string
  /** @returns the proxy of each host; `undefined` for none. */
  readonly start: (site: Site, directory: string) => Promise<readonly (Server | undefined)[]>
  /** The same for one host, as when it is switched on; absent: not to be measured. */
  readonly boot?: (host: Host, directory: string) => Promise<Server>
}

/** What a host's applications ask. */
export interface Server {
  readonly proxy: string
  readonly host: Host
  readonly process: ChildProcess
}

export const IHAVE = 'ihave'
/** Of every proxy. */
export const PROXY_PORT = 3128
/** Of a host that has one of its own. */
export const OWN_PROXY = `http://127.0.0.1:${PROXY_PORT}`
const ICP_PORT = 3130
const SQUID = '/usr/sbin/squid'
// Nodes run in directories of their own.
const MAIN = resolve(process.env['IHAVE_MAIN'] ?? join(import.meta.dirname, '../../dist/cli/main.js'))
/** For presence and round trips (docs/protocol.md "Presence"), in ms. */
const SETTLING_MS = 3000
/** Nodes that start at the same time: more would keep the processor from each other. */
const AT_ONCE = 4

export const NO_PROXY: Arrangement = {
  name: 'no proxy',
  start: async ({ hosts }) => hosts.map(() => undefined),
}

/** Nodes of the built package with the default configuration but for their places on disk and without apt's lists. */
export const NODES: Arrangement = {
  name: IHAVE,
  async start({ hosts }, directory) {
    const servers: Server[] = []
    for (let at = 0; at < hosts.length; at += AT_ONCE) {
      const some = hosts.slice(at, at + AT_ONCE)
      servers.push(...(await Promise.all(some.map((host) => startNode(host, join(directory, host.name))))))
    }
    await pause(SETTLING_MS)
    return servers
  },
  boot: startNode,
}

/** The first host runs it, and its own applications use it too. */
export const CENTRAL_SQUID: Arrangement = {
  name: 'one central Squid',
  program: SQUID,
  async start({ hosts }, directory) {
    const [first] = hosts
    if (first === undefined) return []
    const server = await startSquid(first, join(directory, 'squid'), ['collapsed_forwarding on'])
    return hosts.map(() => server)
  },
}

/** As Debian's manual shows siblings; `tuned` collapses requests and does not wait long for silent siblings. */
export function squidSiblings(name: string, lines: readonly string[]): Arrangement {
  return {
    name,
    program: SQUID,
    async start({ hosts }, directory) {
      const servers: Server[] = []
      for (const host of hosts) {
        const siblings = hosts
          .filter((each) => each !== host)
          .map(({ address }) => `cache_peer ${address} sibling ${PROXY_PORT} ${ICP_PORT} proxy-only`)
        const icp = [`icp_port ${ICP_PORT}`, 'icp_access allow all', ...siblings, ...lines]
        servers.push(await startSquid(host, join(directory, host.name), icp))
      }
      await pause(SETTLING_MS)
      return servers
    },
  }
}

async function startNode(host: Host, directory: string): Promise<Server> {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'proxy.config.yaml')
  const cache = { directory: join(directory, 'cache'), reserve: '1 MB' }
  // The machine's own apt lists, read 20 times by two cores at the start, have no part in what is measured.
  const verification = { aptConfig: 'off' }
  writeFileSync(file, JSON.stringify({ cache, verification, log: { file: join(directory, 'log') } })) // JSON is YAML
  const nodeArgs = (process.env['NODE_ARGS'] ?? '').split(' ').filter((each) => each !== '')
  // One profile tells enough, and 20 would cost more than what they show.
  const profile = host.address.endsWith('.7') ? nodeArgs : []
  const args = [...profile, MAIN, 'start', '--config', file]
  const child = host.start(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
  await said(child, 'proxy http://')
  return { proxy: OWN_PROXY, host, process: child }
}

async function startSquid(host: Host, directory: string, lines: readonly string[]): Promise<Server> {
  mkdirSync(directory, { recursive: true })
  chmodSync(directory, 0o777) // it refuses to be root, and becomes somebody else
  const file = join(directory, 'squid.conf')
  const settings = [
    `http_port ${PROXY_PORT}`,
    `visible_hostname ${host.name}`,
    'http_access allow all',
    'cache_mem 256 MB',
    'maximum_object_size_in_memory 200 MB',
    'pinger_enable off',
    'netdb_filename none',
    'shutdown_lifetime 0 seconds',
    `pid_filename ${join(directory, 'squid.pid')}`,
    `cache_log ${join(directory, 'squid.log')}`,
    'access_log none',
    'dns_nameservers 127.0.0.1',
    `coredump_dir ${directory}`,
    ...lines,
  ]
  writeFileSync(file, `${settings.join('\n')}\n`)
  const child = host.start(SQUID, ['-N', '-n', host.name, '-f', file], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  while (!(await listens(host))) {
    if (child.exitCode !== null) throw new Error(`Squid on ${host.name} ended with ${child.exitCode}`)
    await pause(50)
  }
  return { proxy: `http://${host.address}:${PROXY_PORT}`, host, process: child }
}

async function listens(host: Host): Promise<boolean> {
  return (await host.run('ss', '-Hltn', `sport = ${PROXY_PORT}`)) !== ''
}

async function said(child: ChildProcess, wanted: string): Promise<void> {
  for (let text = ''; !text.includes(wanted);) {
    const [chunk] = (await Promise.race([
      once(child.stdout ?? child, 'data'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`a node ended with ${code}: ${text}`))),
    ])) as [Buffer]
    text += chunk.toString()
  }
}
