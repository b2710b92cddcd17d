/** Squid as a forward proxy: one process, as Debian runs it, its access log through its own daemon. */
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, run, startOnPort } from './processes.ts'
import { configured, installed, type CacheRoom, type Proxy } from './proxy.ts'

export interface SquidSettings extends CacheRoom {
  /** Without it a plain proxy. */
  readonly isCaching: boolean
  /** More lines for its configuration. */
  readonly lines?: readonly string[]
}

/**
 * With a disk it is as most are set up: `aufs`, and what is below 512 KB is also kept in memory. Without one it keeps
 * everything in memory.
 */
export async function squid(directory: string, settings: SquidSettings): Promise<Proxy | undefined> {
  const program = installed('/usr/sbin/squid')
  if (program === undefined) return undefined
  const port = await freePort()
  const file = configured(directory, 'squid', configuration(directory, port, settings))
  chmodSync(directory, 0o777) // it refuses to be root, and becomes somebody else
  const args = ['-N', '-n', `bench${port}`, '-f', file]
  if (settings.diskMegabytes > 0) await run(program, ['-z', ...args])
  return { port, form: 'absolute', ...(await startOnPort(program, args, port)) }
}

function configuration(
  directory: string,
  port: number,
  { memoryMegabytes, diskMegabytes, isCaching, lines = [] }: SquidSettings,
): readonly string[] {
  return [
    `http_port 127.0.0.1:${port}`,
    'http_access allow localhost',
    ...(isCaching ? [] : ['cache deny all']),
    'maximum_object_size 1 GB', // before cache_dir, which takes it as it is then
    ...(diskMegabytes > 0
      ? [`cache_dir aufs ${join(directory, 'squid-cache')} ${diskMegabytes} 16 256`]
      : []),
    `cache_mem ${memoryMegabytes} MB`,
    `maximum_object_size_in_memory ${diskMegabytes > 0 ? '512 KB' : '1 GB'}`,
    'pinger_enable off',
    'netdb_filename none',
    'shutdown_lifetime 0 seconds',
    `pid_filename ${join(directory, 'squid.pid')}`,
    `cache_log ${join(directory, 'squid.log')}`,
    `access_log daemon:${join(directory, 'access.log')} squid`,
    'dns_nameservers 127.0.0.1',
    `coredump_dir ${directory}`,
    ...lines,
  ]
}
