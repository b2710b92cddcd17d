/** A site: an origin server behind a limited line, and hosts on one LAN. Nothing leaves its network namespaces. */
import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { namespaceLan, type Host } from '../../test/lan/namespaces.ts'
import type { OriginCount } from './origin-process.ts'

/** The line from the origin server to the site, in Mbit/s, where a workload has no other. */
export const LINE_MEGABITS = 20

export interface Site {
  readonly origin: string
  readonly hosts: readonly Host[]
  readonly count: () => Promise<OriginCount>
  readonly remove: () => Promise<void>
}

/**
 * @param lineMegabits of the line from the origin server to the site.
 * @param lanMegabits of each host's port, both ways; absent: as fast as the machine.
 */
export async function startSite(
  hostCount: number,
  files: string,
  lineMegabits: number,
  lanMegabits: number | undefined,
): Promise<Site> {
  const lan = namespaceLan(hostCount + 1)
  try {
    const [origin, ...hosts] = lan.hosts
    if (origin === undefined) throw new Error('a LAN without hosts')
    origin.limitSending(lineMegabits)
    // What the server counts has left it but for this.
    await origin.run('sysctl', '-qw', 'net.ipv4.tcp_wmem=4096 16384 65536')
    if (lanMegabits !== undefined)
      for (const host of hosts) {
        host.limitSending(lanMegabits)
        host.limitReceiving(lanMegabits)
      }
    const server = await startOrigin(origin, files)
    return { origin: origin.address, hosts, count: () => counted(server), remove: () => lan.remove() }
  } catch (error) {
    await lan.remove()
    throw error
  }
}

async function startOrigin(host: Host, files: string): Promise<ChildProcess> {
  const program = join(import.meta.dirname, 'origin-process.ts')
  const server = host.start(process.execPath, [program, host.address, files], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await once(server, 'message')
  return server
}

async function counted(server: ChildProcess): Promise<OriginCount> {
  const answer = once(server, 'message')
  server.send('count')
  const [count] = (await answer) as [OriginCount]
  return count
}
