/** Load by `wrk`: a client in C whose own processor time is not counted. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './processes.ts'
import type { Proxy } from './proxy.ts'

export interface Load {
  /** A path at the origin server with one `%d`, for the number of the object. */
  readonly path: string
  /** How many objects there are: they are asked for in turn, again and again. */
  readonly objects: number
  readonly connections: number
  readonly seconds: number
}

export interface Loaded {
  readonly requests: number
  /** Heads and bodies, those of responses that the end of the time cut off too. */
  readonly bytes: number
  readonly seconds: number
}

/** @throws Error for a response with an error status, or a connection that failed. */
export async function wrk(directory: string, proxy: Proxy, origin: string, load: Load): Promise<Loaded> {
  const script = join(directory, `wrk-${proxy.port}.lua`)
  writeFileSync(script, scriptOf(proxy, origin, load))
  const { connections, seconds } = load
  const pace = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '60s']
  const text = await run('wrk', [...pace, '-s', script, `http://127.0.0.1:${proxy.port}/`])
  const [, requests, bytes, microseconds, failures] = /^SUM (\d+) (\d+) (\d+) (\d+)$/m.exec(text) ?? []
  if (failures !== '0') throw new Error(`${script}: ${failures ?? 'unknown'} failures\n${text}`)
  return { requests: Number(requests), bytes: Number(bytes), seconds: Number(microseconds) / 1e6 }
}

function scriptOf({ form }: Proxy, origin: string, { path, objects }: Load): string {
  const target = form === 'absolute' ? `${origin}${path}` : path
  const head = String.raw`GET ${target} HTTP/1.1\r\nHost: ${new URL(origin).host}\r\n\r\n`
  return `
local number = 0
function request()
  local text = string.format("${head}", number)
  number = (number + 1) % ${objects}
  return text
end
function done(summary)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("SUM %d %d %d %d\\n", summary.requests, summary.bytes, summary.duration, failures))
end
`
}
