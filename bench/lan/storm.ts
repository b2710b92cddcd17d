/** One storm: a site is built, all hosts ask, the figures are read, the site is removed. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuSeconds, residentBytes } from '../parts/process-tree.ts'
import type { Figures } from '../measure.ts'
import type { Host } from '../../test/lan/namespaces.ts'
import { application, mostSeconds, type Application } from './applications.ts'
import { OWN_PROXY, PROXY_PORT, type Arrangement, type Server } from './arrangements.ts'
import { startSite, type Site } from './site.ts'
import type { UpdateFile } from './update-files.ts'

export interface Storm {
  readonly hosts: number
  readonly files: readonly UpdateFile[]
  /** What is asked for before. */
  readonly warmUpFiles: readonly UpdateFile[]
  /** Where the origin server's files lie. */
  readonly content: string
  /** Between one host's asking and the next one's, in ms. */
  readonly everyMs: number
  /** From the origin server to the site. */
  readonly lineMegabits: number
  readonly lanMegabits?: number
  /** The node that fetches is killed when the origin server has sent this much of one copy. */
  readonly killAt?: number
  /** All are switched on when they ask: their programs start then, each is asked as soon as it listens, and nothing is asked before. */
  readonly isBoot?: boolean
}

/** What the applications ask. */
interface Served {
  readonly proxies: readonly (string | undefined)[]
  /** All there is, or is to come. */
  readonly servers: () => Promise<readonly (Server | undefined)[]>
}

const MEGABYTE = 1e6

export async function storm(settings: Storm, arrangement: Arrangement, directory: string): Promise<Figures> {
  const { hosts, content, lineMegabits, lanMegabits } = settings
  const site = await startSite(hosts, content, lineMegabits, lanMegabits)
  try {
    const served =
      settings.isBoot === true
        ? booting(site, arrangement, directory)
        : await running(settings, site, arrangement, directory)
    const figures = await measured(settings, site, served, directory)
    // Logs and caches, to be looked at.
    const keep = process.env['LAN_KEEP']
    if (keep !== undefined) cpSync(directory, keep, { recursive: true })
    return figures
  } finally {
    await site.remove()
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

async function running(
  settings: Storm,
  site: Site,
  arrangement: Arrangement,
  directory: string,
): Promise<Served> {
  const servers = await arrangement.start(site, directory)
  await warmUp(settings, site, servers, directory)
  return { proxies: servers.map((server) => server?.proxy), servers: async () => servers }
}

function booting(site: Site, { name, boot }: Arrangement, directory: string): Served {
  if (boot === undefined) throw new Error(`${name} cannot be switched on`)
  return {
    proxies: site.hosts.map(() => OWN_PROXY),
    servers: () => Promise.all(site.hosts.map((host) => boot(host, join(directory, host.name)))),
  }
}

/**
 * Every host asks for other small files, one after the other: on two cores the storm would else measure how 20 processes
 * compile their code at the same moment, which 20 machines do on cores of their own.
 */
async function warmUp(
  { warmUpFiles, lineMegabits }: Storm,
  site: Site,
  servers: readonly (Server | undefined)[],
  directory: string,
): Promise<void> {
  const seconds = mostSeconds(site.hosts.length, warmUpFiles, lineMegabits)
  for (const [at, host] of site.hosts.entries()) {
    const folder = join(directory, 'warm-up')
    const each = application(host, folder, site.origin, warmUpFiles, servers[at]?.proxy, seconds)
    await each.ready
    await each.ask()
  }
}

async function measured(settings: Storm, site: Site, served: Served, directory: string): Promise<Figures> {
  const { files, lineMegabits, isBoot = false } = settings
  const copy = files.reduce((sum, { bytes }) => sum + bytes, 0)
  const seconds = mostSeconds(site.hosts.length, files, lineMegabits)
  const applications = site.hosts.map((host, at) =>
    application(
      host,
      join(directory, 'applications'),
      site.origin,
      files,
      served.proxies[at],
      seconds,
      isBoot ? PROXY_PORT : undefined,
    ),
  )
  await Promise.all(applications.map(({ ready }) => ready))
  const counters = await countersOf(site.hosts)
  const before = await site.count()
  const starting = served.servers()
  const atRest = isBoot ? undefined : resting(await starting)
  const { killAt } = settings
  const victim =
    killAt === undefined ? undefined : killing(site, await starting, killAt * copy + before.bytes)
  const asking = Promise.allSettled(applications.map((each, at) => askingLater(each, at * settings.everyMs)))
  // Of a node that does not start the application would wait for good.
  const [servers, asked] = await Promise.all([starting, asking])
  const dead = await victim
  const origin = await site.count()
  const after = await countersOf(site.hosts)
  const living = pidsOf(servers).filter((pid) => pid !== dead?.process.pid)
  const times = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const failed = asked.flatMap((each, at) =>
    each.status === 'rejected' && site.hosts[at] !== dead?.host ? [String(each.reason)] : [],
  )
  for (const why of failed) console.error(why)
  await checkAll(applications.filter((_, at) => asked[at]?.status === 'fulfilled'))
  const differences = (field: keyof Counters) =>
    after.map((each, at) => each[field] - (counters[at]?.[field] ?? 0))
  const waits = times.map(({ asked: from, done }) => done - from).toSorted((one, other) => one - other)
  return {
    WAN: (origin.bytes - before.bytes) / copy,
    done: Math.max(...times.map(({ done }) => done)) - Math.min(...times.map((each) => each.asked)),
    p50: waits[Math.floor((waits.length - 1) * 0.5)] ?? NaN,
    p95: waits[Math.floor((waits.length - 1) * 0.95)] ?? NaN,
    max: waits.at(-1) ?? NaN,
    busiest: Math.max(...differences('payload')) / copy,
    datagrams: mean(differences('datagrams')),
    failed: failed.length,
    ...(living.length === 0
      ? {}
      : {
          ...(atRest && { 'at rest': Math.max(...atRest.map(({ bytes }) => bytes)) / MEGABYTE }),
          peak: Math.max(...living.map(peakBytes)) / MEGABYTE,
          processor: mean(
            living.map((pid) => cpuSeconds([pid]) - (atRest?.find((each) => each.pid === pid)?.seconds ?? 0)),
          ),
        }),
  }
}

function pidsOf(servers: readonly (Server | undefined)[]): readonly number[] {
  return [...new Set(servers.flatMap((server) => server?.process.pid ?? []))]
}

/** What they take before the storm; their peaks begin anew. */
function resting(servers: readonly (Server | undefined)[]) {
  return pidsOf(servers).map((pid) => {
    const figures = { pid, bytes: residentBytes([pid]), seconds: cpuSeconds([pid]) }
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
    return figures
  })
}

async function askingLater(each: Application, afterMs: number) {
  await pause(afterMs)
  return each.ask()
}

async function checkAll(applications: readonly Application[]): Promise<void> {
  for (const each of applications) await each.check()
}

/** Kills the node that fetches. @returns it. */
async function killing(
  site: Site,
  servers: readonly (Server | undefined)[],
  atBytes: number,
): Promise<Server | undefined> {
  for (;;) {
    const { bytes, clients } = await site.count()
    const fetcher = servers.find((server) => clients.includes(server?.host.address ?? ''))
    if (bytes >= atBytes && fetcher !== undefined) {
      fetcher.process.kill('SIGKILL')
      return fetcher
    }
    await pause(20)
  }
}

interface Counters {
  /** Bytes sent, without Ethernet's, IP's and TCP's headers. */
  readonly payload: number
  /** UDP datagrams sent. */
  readonly datagrams: number
}

/** Of TCP with timestamps; what the segmentation offload has not cut yet has one for many segments. */
const HEADER_BYTES = 66

async function countersOf(hosts: readonly Host[]): Promise<readonly Counters[]> {
  return Promise.all(
    hosts.map(async (host) => {
      const [device = '', udp = ''] = (await host.run('cat', '/proc/net/dev', '/proc/net/snmp'))
        .split('\n')
        .filter((line) => /^ *eth0:|^Udp: \d/.test(line))
      const sent = device.split(':')[1]?.trim().split(/\s+/).map(Number) ?? []
      return {
        payload: (sent[8] ?? 0) - HEADER_BYTES * (sent[9] ?? 0),
        datagrams: Number(udp.split(' ')[4] ?? 0),
      }
    }),
  )
}

function peakBytes(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? NaN) * 1024
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length
}
