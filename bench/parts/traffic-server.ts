/** Apache Traffic Server as a forward proxy: its cache in one file, hot objects of any size in its memory. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, startOnPort } from './processes.ts'
import { installed, type CacheRoom, type Proxy } from './proxy.ts'

const SYSTEM = '/etc/trafficserver'

/** @param lines More settings for `records.config`. */
export async function trafficServer(
  directory: string,
  { memoryMegabytes, diskMegabytes }: CacheRoom,
  lines: readonly string[] = [],
): Promise<Proxy | undefined> {
  const program = installed('/usr/bin/traffic_server')
  if (program === undefined) return undefined
  const port = await freePort()
  const place = (name: string) => join(directory, name)
  for (const each of ['etc', 'run', 'log', 'cache']) mkdirSync(place(each), { recursive: true })
  writeFileSync(place('runroot.yaml'), layout(place))
  writeFileSync(place('etc/records.config'), records(port, memoryMegabytes, lines))
  writeFileSync(place('etc/storage.config'), `${place('cache')} ${diskMegabytes}M\n`)
  for (const each of ['logging.yaml', 'ip_allow.yaml'])
    if (existsSync(join(SYSTEM, each))) copyFileSync(join(SYSTEM, each), place(`etc/${each}`))
  const args = [`--run-root=${place('runroot.yaml')}`]
  return { port, form: 'absolute', ...(await startOnPort(program, args, port)) }
}

/** Where its files are, so that it touches none of the system's. */
function layout(place: (name: string) => string): string {
  const places = {
    prefix: place(''),
    exec_prefix: place(''),
    bindir: '/usr/bin',
    sbindir: '/usr/bin',
    sysconfdir: place('etc'),
    datadir: place(''),
    includedir: place(''),
    libdir: '/usr/lib/trafficserver',
    libexecdir: '/usr/lib/trafficserver/modules',
    localstatedir: place('run'),
    runtimedir: place('run'),
    logdir: place('log'),
    cachedir: place('cache'),
  }
  const lines = Object.entries(places).map(([name, path]) => `${name}: ${path}`)
  return `${lines.join('\n')}\n`
}

/** Debian's own settings but for a forward proxy, and without changing the user. A cutoff of 0 is none. */
function records(port: number, memoryMegabytes: number, lines: readonly string[]): string {
  return [
    `CONFIG proxy.config.http.server_ports STRING ${port}:ip-in=127.0.0.1`,
    'CONFIG proxy.config.url_remap.remap_required INT 0',
    'CONFIG proxy.config.reverse_proxy.enabled INT 0',
    'CONFIG proxy.config.admin.user_id STRING #-1',
    `CONFIG proxy.config.cache.ram_cache.size INT ${memoryMegabytes * 1_000_000}`,
    'CONFIG proxy.config.cache.ram_cache_cutoff INT 0',
    'CONFIG proxy.config.log.logging_enabled INT 3',
    'CONFIG proxy.config.crash_log_helper STRING NULL',
    ...lines,
    '',
  ].join('\n')
}
