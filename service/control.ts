/**
 * The control API as the command line sees it: HTTP on a Unix socket, one JSON value on each line of an answer.
 * How the node answers: control-server.ts.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, Fault, FAULTS, type FaultCode } from '../core/fault.ts'
import { request } from '../core/node-http.ts'
import type { Config } from './config.ts'
import type { Status } from './status.ts'

/** What a node can be asked: method and name. */
export const OPERATIONS = {
  status: 'GET /status',
  listCache: 'POST /cache/list',
  purgeCache: 'POST /cache/purge',
  verifyCache: 'POST /cache/verify',
  site: 'POST /site',
  checkUpdates: 'POST /updates/check',
  functions: 'GET /functions',
  elect: 'POST /functions/elect',
} as const

export type OperationName = (typeof OPERATIONS)[keyof typeof OPERATIONS]

/** The last line of an answer that could not be completed. */
export interface FaultLine {
  readonly fault: { readonly code: FaultCode; readonly message: string }
}

/** Longest path of a Unix socket that every system takes, in bytes. */
const MAX_SOCKET_PATH = 100

/** Where the node with this configuration listens for commands; a named pipe on Windows. */
export function controlPath(config: Pick<Config, 'control' | 'cache'>): string {
  if (config.control.socket !== 'auto') return config.control.socket
  const name = createHash('sha256').update(config.cache.directory).digest('hex').slice(0, 16)
  if (process.platform === 'win32') return `\\\\.\\pipe\\ihave-${name}`
  const beside = join(config.cache.directory, 'control.sock')
  return Buffer.byteLength(beside) <= MAX_SOCKET_PATH ? beside : join(tmpdir(), `ihave-${name}.sock`)
}

/** Who is behind a socket: somebody, nobody, or only an error (its code) tells. */
export function whoListens(path: string): Promise<'somebody' | 'nobody' | { readonly error: string }> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      resolve('somebody')
      socket.destroy()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const isNobody = error.code === 'ECONNREFUSED' || error.code === 'ENOENT'
      resolve(isNobody ? 'nobody' : { error: error.code ?? error.message })
    })
  })
}

/** A node that says nothing for so long, in ms, is not well. */
const SILENCE_MS = { status: 5000, work: 60_000 }

/** Asks a running node how it is. @throws Fault UNREACHABLE when none listens there. */
export async function askStatus(path: string): Promise<Status> {
  for await (const status of ask(path, OPERATIONS.status)) return status as Status
  throw noNode(path)
}

/**
 * Asks a running node, and gives the lines of its answer as they come. Whoever stops reading ends the node's work.
 * @throws Fault UNREACHABLE when none listens there or the answer breaks off, and what the node itself throws.
 */
export async function* ask(path: string, operation: OperationName, question?: unknown): AsyncGenerator {
  const response = await responseTo(path, operation, question)
  try {
    if (response.statusCode !== 200) throw await refusal(path, response)
    for await (const line of linesOf(response, path)) {
      if (isFaultLine(line)) throw new Fault(line.fault.code, line.fault.message)
      yield line
    }
  } finally {
    response.destroy()
  }
}

function responseTo(path: string, operation: OperationName, question: unknown): Promise<IncomingMessage> {
  const [method, target] = operation.split(' ')
  const silenceMs = operation === OPERATIONS.status ? SILENCE_MS.status : SILENCE_MS.work
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: path, method, path: target, agent: false }, resolve)
    asking.setTimeout(silenceMs, () => asking.destroy(new Error(`no answer within ${silenceMs} ms`)))
    asking.on('error', (cause) =>
      reject(new Fault('UNREACHABLE', `no node answers at ${path}: ${describe(cause)}`, { cause })),
    )
    asking.end(question === undefined ? undefined : JSON.stringify(question))
  })
}

async function* linesOf(response: IncomingMessage, path: string): AsyncGenerator {
  let rest = ''
  try {
    for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) yield parsed(line, path)
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('UNREACHABLE', `${path}: the answer broke off`, { cause })
  }
  if (rest !== '') yield parsed(rest, path)
}

async function refusal(path: string, response: IncomingMessage): Promise<Fault> {
  for await (const line of linesOf(response, path))
    if (isFaultLine(line)) return new Fault(line.fault.code, line.fault.message)
  return noNode(path)
}

function parsed(line: string, path: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw noNode(path)
  }
}

function isFaultLine(line: unknown): line is FaultLine {
  const { fault } = (line ?? {}) as Partial<FaultLine>
  return typeof fault?.message === 'string' && fault.code in FAULTS
}

function noNode(path: string): Fault {
  return new Fault('UNREACHABLE', `what answers at ${path} is no node, or one of another version`)
}
