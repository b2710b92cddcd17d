/** Varnish before one origin server, its cache in memory, its access log written by its own `varnishncsa`. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, startBeside, startOnPort } from './processes.ts'
import { installed, type Proxy } from './proxy.ts'

export async function varnish(
  directory: string,
  origin: string,
  memoryMegabytes: number,
): Promise<Proxy | undefined> {
  const program = installed('/usr/sbin/varnishd')
  const logger = installed('/usr/bin/varnishncsa')
  if (program === undefined || logger === undefined) return undefined
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  const work = join(directory, 'work')
  const places = ['-n', work, '-a', `127.0.0.1:${port}`, '-b', new URL(origin).host]
  const server = await startOnPort(
    program,
    // Idle connections stay as long as they do elsewhere, so that they can be counted.
    ['-F', '-j', 'none', ...places, '-s', `malloc,${memoryMegabytes}m`, '-p', 'timeout_idle=60'],
    port,
  )
  const log = startBeside(logger, ['-n', work, '-w', join(directory, 'access.log')])
  return {
    port,
    form: 'origin',
    pids: [...server.pids, ...log.pids],
    startedAt: server.startedAt,
    stop: async () => {
      await log.stop()
      await server.stop()
    },
  }
}
