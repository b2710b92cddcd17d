/** Child processes of a benchmark: started, waited for, stopped. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'

/** How long a process may take to be ready, in ms. */
const READY_MS = 15_000
const POLL_MS = 5
/** What a server says is only shown when it does not start; so many characters of it. */
const MOST_SAID = 10_000

export interface Running {
  /** Its first processes; what they start belongs to it (process-tree.ts). */
  readonly pids: readonly number[]
  /** When its first process was started, by `performance.now()`. */
  readonly startedAt: number
  /** Ends it, and waits for its end. */
  readonly stop: () => Promise<void>
}

/** Runs a program to its end. @throws Error with what it wrote when it fails. */
export async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  const text = Buffer.concat(chunks).toString()
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${text}`)
  return text
}

/** Starts a program and waits for a line of its output. @returns the line that matches, with the process. */
export async function startUntil(
  program: string,
  args: readonly string[],
  ready: RegExp,
): Promise<Running & { readonly match: RegExpExecArray }> {
  const startedAt = performance.now()
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const match = await heard(child, ready)
  return { match, ...running(child, startedAt) }
}

/** Starts a server that does not say when it is ready: waits until its port takes connections. */
export async function startOnPort(program: string, args: readonly string[], port: number): Promise<Running> {
  const startedAt = performance.now()
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-MOST_SAID)))
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null || performance.now() - startedAt > READY_MS)
      throw new Error(`${program} does not listen on port ${port}; it said: ${said}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return running(child, startedAt)
}

/** Starts a program that serves nothing by itself, beside one that does. */
export function startBeside(program: string, args: readonly string[]): Running {
  const startedAt = performance.now()
  return running(spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] }), startedAt)
}

/** Servers that run. They end with the benchmark, even where a failure ends it before it has stopped them. */
const living = new Set<ChildProcess>()
process.on('exit', () => living.forEach((child) => child.kill('SIGTERM')))

/** Has `child` end with this process. */
export function keptWithUs(child: ChildProcess): ChildProcess {
  living.add(child)
  return child.once('exit', () => living.delete(child))
}

function running(child: ChildProcess, startedAt: number): Running {
  keptWithUs(child)
  return { pids: child.pid === undefined ? [] : [child.pid], startedAt, stop: () => stopped(child) }
}

/** A TCP port of 127.0.0.1 that was free a moment ago, for servers that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  return (await portIfFree(0)) ?? freePort()
}

/** The same below 32768, for servers that read it as a signed number of 16 bits. */
export async function freeLowPort(): Promise<number> {
  return (await portIfFree(randomInt(20_000, 32_768))) ?? freeLowPort()
}

/** @param wanted 0: any. */
async function portIfFree(wanted: number): Promise<number | undefined> {
  const server = createServer()
  try {
    await once(server.listen(wanted, '127.0.0.1'), 'listening')
  } catch {
    return undefined
  }
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function heard(child: ChildProcess, ready: RegExp): Promise<RegExpExecArray> {
  let text = ''
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`${child.spawnargs.join(' ')} is not ready; it said: ${text}`))
    const timer = setTimeout(fail, READY_MS)
    child.once('exit', fail).once('error', reject)
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const match = ready.exec(text)
      if (match === null) return
      clearTimeout(timer)
      resolve(match)
    })
  })
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const killing = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(killing)
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy())
  })
}
