/** apt-cacher-ng as a forward proxy for packages. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freeLowPort, startOnPort } from './processes.ts'
import { configured, installed, type Proxy } from './proxy.ts'

/** Its templates, which it looks for where it is installed. */
const SUPPORT = '/usr/lib/apt-cacher-ng'

export async function aptCacherNg(directory: string): Promise<Proxy | undefined> {
  const program = installed('/usr/sbin/apt-cacher-ng')
  if (program === undefined) return undefined
  const port = await freeLowPort()
  const place = (name: string) => join(directory, name)
  for (const each of ['cache', 'log', 'etc']) mkdirSync(place(each), { recursive: true })
  configured(place('etc'), 'acng', [
    `Port: ${port}`,
    'BindAddress: 127.0.0.1',
    `CacheDir: ${place('cache')}`,
    `LogDir: ${place('log')}`,
    `SocketPath: ${place('socket')}`,
    `PidFile: ${place('pid')}`,
    'ForeGround: 1',
    'AllowUserPorts: 0', // any
    ...(existsSync(SUPPORT) ? [`SupportDir: ${SUPPORT}`] : []),
  ])
  return { port, form: 'absolute', ...(await startOnPort(program, ['-c', place('etc')], port)) }
}
