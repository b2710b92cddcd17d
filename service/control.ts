/**
 * The control API as its clients see it, the command line and the library: HTTP on a Unix socket or on loopback, one JSON
 * value on each line of an answer (docs/control-api.yaml). How the node answers: control-server.ts.
 */
import { createHash } from 'node:crypto'
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isMissing } from '../core/error-code.ts'
import { describe, Fault, FAULTS, type Blame, type FaultCode } from '../core/fault.ts'
import { request } from '../core/node-http.ts'
import type { Config } from './config.ts'
import type { Status } from './status.ts'

/** What a node can be asked, method and path; the answer is lines. A path keeps its meaning as long as its version. */
export const OPERATIONS = {
  status: 'GET /v1/status',
  listCache: 'POST /v1/cache/list',
  purgeCache: 'POST /v1/cache/purge',
  verifyCache: 'POST /v1/cache/verify',
  site: 'POST /v1/site',
  checkUpdates: 'POST /v1/updates/check',
  retrieve: 'POST /v1/retrievals',
  find: 'POST /v1/find',
  announce: 'POST /v1/copies/announce',
  withdraw: 'POST /v1/copies/withdraw',
  say: 'POST /v1/packets',
  events: 'POST /v1/events',
  functions: 'GET /v1/functions',
  elect: 'POST /v1/functions/elect',
  offer: 'POST /v1/functions/offer',
  provider: 'POST /v1/functions/provider',
  report: 'POST /v1/functions/report',
} as const

/** Where the bytes of a retrieval are, by the name that its first line gives it. */
export const RETRIEVALS_PATH = '/v1/retrievals/'

/** Where the bytes of an announced copy go, likewise. */
export const COPIES_PATH = '/v1/copies/'

export type OperationName = (typeof OPERATIONS)[keyof typeof OPERATIONS]

/** The last line of an answer that could not be completed. */
export interface FaultLine {
  readonly fault: {
    readonly code: FaultCode
    readonly message: string
    /** Whose fault it is; a node of before did not say. */
    readonly blame?: Blame
  }
}

/** Where a node listens for commands: the path of its socket, or a port on loopback with the word that opens it. */
export type ControlPlace = string | LoopbackPlace

export interface LoopbackPlace {
  readonly host: string
  readonly port: number
  readonly token: string
}

/** Longest path of a Unix socket that every system takes, in bytes. */
const MAX_SOCKET_PATH = 100

/** Where the node with this configuration listens for commands; a named pipe on Windows. */
export function controlPath(config: {
  readonly control: Pick<Config['control'], 'socket'>
  readonly cache: Config['cache']
}): string {
  if (config.control.socket !== 'auto') return config.control.socket
  const name = createHash('sha256').update(config.cache.directory).digest('hex').slice(0, 16)
  if (process.platform === 'win32') return `\\\\.\\pipe\\ihave-${name}`
  const beside = join(config.cache.directory, 'control.sock')
  return Buffer.byteLength(beside) <= MAX_SOCKET_PATH ? beside : join(tmpdir(), `ihave-${name}.sock`)
}

/** Where the word for the port on loopback is written. */
export function tokenPath(config: Pick<Config, 'control' | 'cache'>): string {
  const { token } = config.control
  return token === 'auto' ? join(config.cache.directory, 'control.token') : token
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
      const isNobody = error.code === 'ECONNREFUSED' || isMissing(error)
      resolve(isNobody ? 'nobody' : { error: error.code ?? error.message })
    })
  })
}

/** A node that says nothing for so long, in ms, is not well. */
const SILENCE_MS = { status: 5000, work: 60_000 }

/** Asks a running node how it is. @throws Fault NODE_UNREACHABLE when none listens there. */
export async function askStatus(place: ControlPlace): Promise<Status> {
  for await (const status of ask(place, OPERATIONS.status)) return status as Status
  throw noNode(place)
}

/**
 * Asks a running node, and gives the lines of its answer as they come. Whoever stops reading, or aborts, ends the node's work.
 * @throws Fault NODE_UNREACHABLE when none listens there or the answer breaks off, ABORTED, and what the node itself throws.
 */
export async function* ask(
  place: ControlPlace,
  operation: OperationName,
  question?: unknown,
  signal?: AbortSignal,
): AsyncGenerator {
  const silenceMs = operation === OPERATIONS.status ? SILENCE_MS.status : SILENCE_MS.work
  const asking = requestTo(place, operation, { silenceMs, signal })
  asking.request.end(question === undefined ? undefined : JSON.stringify(question))
  const response = await asking.response
  try {
    if (response.statusCode !== 200) throw await refusal(place, response)
    for await (const line of linesOf(response, place, signal)) {
      if (isFaultLine(line)) throw faultOf(line)
      yield line
    }
  } finally {
    response.destroy()
  }
}

/**
 * The bytes of a retrieval, at the pace of whoever reads them.
 * @throws Fault NODE_UNREACHABLE, ABORTED, RESPONSE_INCOMPLETE when they break off: why, the lines of the retrieval say.
 */
export async function* readRetrieval(
  place: ControlPlace,
  id: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const asking = requestTo(place, `GET ${RETRIEVALS_PATH}${id}`, { signal })
  asking.request.end()
  const answer = await asking.response
  try {
    if (answer.statusCode !== 200) throw await refusal(place, answer)
    yield* answer as AsyncIterable<Uint8Array>
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw gone(signal) ?? new Fault('RESPONSE_INCOMPLETE', 'the bytes broke off', { cause })
  } finally {
    answer.destroy()
  }
}

/**
 * Sends the bytes of an announced copy, at the pace of the node.
 * @throws Fault NODE_UNREACHABLE, ABORTED, and what the node says against them; whatever `bytes` throws.
 */
export async function sendCopy(
  place: ControlPlace,
  id: string,
  bytes: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const asking = requestTo(place, `PUT ${COPIES_PATH}${id}`, { signal })
  // The node may refuse them before it has them all: its answer says why.
  const sent = pipeline(bytes, asking.request).catch((error: unknown) => error)
  const answer = await Promise.race([asking.response, sent.then(() => asking.response)])
  try {
    if (answer.statusCode !== 204) throw await refusal(place, answer)
  } finally {
    answer.destroy()
  }
}

interface Asking {
  readonly request: ClientRequest
  readonly response: Promise<IncomingMessage>
}

/** A request without its content, which the caller writes. */
function requestTo(
  place: ControlPlace,
  operation: string,
  { silenceMs, signal }: { readonly silenceMs?: number; readonly signal?: AbortSignal | undefined },
): Asking {
  const [method, path] = operation.split(' ')
  const asking = request({ ...reaching(place), method, path, agent: false, ...(signal ? { signal } : {}) })
  if (silenceMs !== undefined)
    asking.setTimeout(silenceMs, () => asking.destroy(new Error(`no answer within ${silenceMs} ms`)))
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    asking.once('response', resolve)
    asking.on('error', (cause) => reject(gone(signal) ?? unreached(place, cause)))
  })
  return { request: asking, response }
}

function reaching(place: ControlPlace): RequestOptions {
  if (typeof place === 'string') return { socketPath: place }
  return { host: place.host, port: place.port, headers: { Authorization: `Bearer ${place.token}` } }
}

function unreached(place: ControlPlace, cause: unknown): Fault {
  return new Fault('NODE_UNREACHABLE', `no node answers at ${nameOf(place)}: ${describe(cause)}`, { cause })
}

/** What whoever aborts is told in place of what broke off thereby. */
function gone(signal: AbortSignal | undefined): Fault | undefined {
  return signal?.aborted === true ? new Fault('ABORTED', 'given up by its caller') : undefined
}

function nameOf(place: ControlPlace): string {
  return typeof place === 'string' ? place : `${place.host}:${place.port}`
}

async function* linesOf(
  response: IncomingMessage,
  place: ControlPlace,
  signal: AbortSignal | undefined,
): AsyncGenerator {
  let rest = ''
  try {
    for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) yield parsed(line, place)
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw gone(signal) ?? new Fault('NODE_UNREACHABLE', `${nameOf(place)}: the answer broke off`, { cause })
  }
  if (rest !== '') yield parsed(rest, place)
}

async function refusal(place: ControlPlace, response: IncomingMessage): Promise<Fault> {
  for await (const line of linesOf(response, place, undefined)) if (isFaultLine(line)) return faultOf(line)
  return noNode(place)
}

function parsed(line: string, place: ControlPlace): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw noNode(place)
  }
}

function isFaultLine(line: unknown): line is FaultLine {
  const { fault } = (line ?? {}) as Partial<FaultLine>
  return typeof fault?.message === 'string' && fault.code in FAULTS
}

function faultOf({ fault: { code, message, blame } }: FaultLine): Fault {
  return new Fault(code, message, { blame })
}

function noNode(place: ControlPlace): Fault {
  return new Fault(
    'NODE_UNREACHABLE',
    `what answers at ${nameOf(place)} is no node, or one of another version`,
  )
}
