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
export const SQUID_IN_MEMORY = 'Squid, memory'
export const IHAVE = 'ihave'
export const IHAVE_FROM_FILES = 'ihave, from files'

/** All of them as they come, with room for everything that is asked of them. */
export function caches(room: CacheRoom): readonly Cache[] {
  const { memoryMegabytes, diskMegabytes } = room
  return [
    {
      name: SQUID_ON_DISK,
      start: (directory) => squid(directory, { memoryMegabytes: 256, diskMegabytes, isCaching: true }),
    },
    {
      name: SQUID_IN_MEMORY,
      start: (directory) => squid(directory, { memoryMegabytes, diskMegabytes: 0, isCaching: true }),
    },
    { name: 'Varnish', start: (directory, origin) => varnish(directory, origin, memoryMegabytes) },
    { name: 'Traffic Server', start: (directory) => trafficServer(directory, room) },
    { name: 'nginx', start: (directory, origin) => nginx(directory, origin, diskMegabytes) },
    ...nodes(memoryMegabytes),
  ]
}

/** All that can fetch once for many who ask at the same time, told to do so. */
export function collapsingCaches(room: CacheRoom): readonly Cache[] {
  const { memoryMegabytes, diskMegabytes } = room
  const lines = ['collapsed_forwarding on']
  return [
    {
      name: SQUID_ON_DISK,
      start: (directory) => squid(directory, { memoryMegabytes: 256, diskMegabytes, isCaching: true, lines }),
    },
    { name: 'Varnish', start: (directory, origin) => varnish(directory, origin, memoryMegabytes) },
    { name: 'Traffic Server', start: (directory) => trafficServer(directory, room, READ_WHILE_WRITTEN) },
    {
      name: 'nginx',
      start: (directory, origin) =>
        nginx(directory, origin, diskMegabytes, ['proxy_cache_key $uri;', 'proxy_cache_lock on;']),
    },
    ...nodes(memoryMegabytes).slice(0, 1),
  ]
}

/** As its manual advises against crowds. */
const READ_WHILE_WRITTEN = [
  'CONFIG proxy.config.cache.enable_read_while_writer INT 1',
  'CONFIG proxy.config.http.cache.max_open_read_retries INT 50',
  'CONFIG proxy.config.http.cache.open_read_retry_time INT 10',
  'CONFIG proxy.config.http.background_fill_active_timeout INT 0',
  'CONFIG proxy.config.http.background_fill_completed_threshold FLOAT 0.0',
]

function nodes(memoryMegabytes: number): readonly Cache[] {
  if (!('memory' in SETTINGS.cache)) return [{ name: IHAVE, start: (directory) => ihave(directory) }]
  return [
    { name: IHAVE, start: (directory) => ihave(directory, { memory: `${memoryMegabytes} MB` }) },
    { name: IHAVE_FROM_FILES, start: (directory) => ihave(directory, { memory: '0 B' }) },
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
    const proxy = await start(join(directory, fileNameOf(name)), origin)
    if (proxy === undefined) continue
    atEnd(() => proxy.stop())
    started.push({ name, proxy })
  }
  const leftOut = all.map(({ name }) => name).filter((name) => !started.some((each) => each.name === name))
  return { started, leftOut }
}

/** A case's name as part of a path. */
export function fileNameOf(name: string): string {
  return name.replace(/\W+/g, '-')
}
