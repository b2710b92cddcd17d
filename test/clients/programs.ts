/** Running real programs, and reading what curl says. */
import { spawn } from 'node:child_process'
import { plainEnvironment } from './harness.ts'

export interface Ran {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
  readonly ms: number
}

export interface RunOptions {
  readonly directory?: string
  readonly environment?: NodeJS.ProcessEnv
  /** Kills the program. */
  readonly signal?: AbortSignal
}

/** No program of these tests runs longer, in ms. */
const DEADLINE_MS = 30_000

/** Runs a program to its end; a program that was killed has the code `null`. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const began = performance.now()
  const child = spawn(program, args, {
    cwd: options.directory,
    env: plainEnvironment(options.environment),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  })
  const stop = () => child.kill('SIGKILL')
  options.signal?.addEventListener('abort', stop, { once: true })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      options.signal?.removeEventListener('abort', stop)
      const ms = performance.now() - began
      resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString(), ms })
    })
  })
}

/** A response as curl printed it. */
export interface Reply {
  /** curl's exit code: 0 is a complete response. */
  readonly code: number | null
  readonly status: number
  readonly version: string
  readonly fields: Headers
  readonly body: Buffer
  readonly stderr: string
  readonly ms: number
}

/** curl through a proxy (`host:port`). */
export async function curl(proxy: string, ...args: readonly string[]): Promise<Reply> {
  const ran = await run('curl', [
    '-q',
    '-sSi',
    '--suppress-connect-headers',
    '-x',
    `http://${proxy}`,
    ...args,
  ])
  return replyOf(ran)
}

/** Who gave the bytes, by `Cache-Status`: `hit`, or the detail of what was forwarded. */
export function sourceOf({ fields }: Reply): string {
  const told = fields.get('cache-status') ?? ''
  return /; hit/.test(told) ? 'hit' : (/detail=([\w-]+)/.exec(told)?.[1] ?? told)
}

function replyOf({ code, stdout, stderr, ms }: Ran): Reply {
  const end = stdout.indexOf('\r\n\r\n')
  const [first = '', ...lines] = stdout.subarray(0, Math.max(0, end)).toString('latin1').split('\r\n')
  const [version = '', status = '0'] = first.split(' ')
  const fields = new Headers()
  for (const line of lines) fields.append(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1))
  return { code, status: Number(status), version, fields, body: stdout.subarray(end + 4), stderr, ms }
}
