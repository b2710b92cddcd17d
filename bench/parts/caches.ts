/** The caches that are measured beside each other, each with a configuration that its users would write. */
import { join } from 'node:path'
import { SETTINGS } from '../../service/settings.ts'
import type { Workspace } from '../measure.ts'
import { freePacketPort, startNode } from './nodes.ts'
import { nginx } from './nginx.ts'
import type { CacheRoom, Proxy } from './proxy.ts'
import { squid } from './squid.ts'
import { trafficServer } from './traffic-server.ts'
import { varnish } from './varnish.ts'

/** One of them, or one way to set it up. */
export interface Cache {
  readonly name: string
  /** Starts it in a directory of its own. @returns nothing where the machine does not have it. */
  readonly start: (directory: string, origin: string) => Promise<Proxy | undefined>
}

export interface Started {
  readonly name: string
  readonly proxy: Proxy
}

export const SQUID_ON_DISK = 'Squid, disk'
export const IHAVE = 'ihave'
export const IHAVE_FROM_FILES = 'ihave, from files'

/** All of them, with room for everything that is asked of them. */
export function caches({ memoryMegabytes, diskMegabytes }: CacheRoom): readonly Cache[] {
  const inMemory = { memoryMegabytes, diskMegabytes: 0, isCaching: true }
  const onDisk = { memoryMegabytes: 0, diskMegabytes, isCaching: true }
  const bytes = `${memoryMegabytes} MB`
  return [
    { name: SQUID_ON_DISK, start: (directory) => squid(directory, onDisk) },
    { name: 'Squid, memory', start: (directory) => squid(directory, inMemory) },
    { name: 'Varnish', start: (directory, origin) => varnish(directory, origin, memoryMegabytes) },
    {
      name: 'Traffic Server',
      start: (directory) => trafficServer(directory, { memoryMegabytes, diskMegabytes }),
    },
    { name: 'nginx', start: (directory, origin) => nginx(directory, origin, diskMegabytes) },
    { name: IHAVE, start: (directory) => ihave(directory, hasMemory() ? { memory: bytes } : {}) },
    ...(hasMemory()
      ? [{ name: IHAVE_FROM_FILES, start: (directory: string) => ihave(directory, { memory: '0 B' }) }]
      : []),
  ]
}

/** A node alone on its LAN, with the defaults and its log in a file. */
export async function ihave(directory: string, cache: Readonly<Record<string, string>> = {}): Promise<Proxy> {
  const packetPort = await freePacketPort()
  const node = await startNode({ directory, address: '127.0.0.2', packetPort, cache })
  return { ...node, port: node.proxyPort, form: 'absolute' }
}

/** Starts them all. @returns those that the machine has, and the names of the others. */
export async function startAll(
  all: readonly Cache[],
  { directory, atEnd }: Workspace,
  origin: string,
): Promise<{ readonly started: readonly Started[]; readonly leftOut: readonly string[] }> {
  const started: Started[] = []
  for (const { name, start } of all) {
    const proxy = await start(join(directory, name.replace(/\W+/g, '-')), origin)
    if (proxy === undefined) continue
    atEnd(() => proxy.stop())
    started.push({ name, proxy })
  }
  const leftOut = all.map(({ name }) => name).filter((name) => !started.some((each) => each.name === name))
  return { started, leftOut }
}

/** Whether bodies can be kept in memory. */
function hasMemory(): boolean {
  return 'memory' in SETTINGS.cache
}
