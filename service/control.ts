/** The control API: HTTP with JSON on a Unix socket, for the command line. The socket's permissions guard it (V§4). */
import { createHash } from 'node:crypto'
import { chmod, lstat, rm } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, Fault } from '../core/fault.ts'
import type { Config } from './config.ts'
import type { Status } from './status.ts'

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

export interface Control {
  stop(): Promise<void>
}

/**
 * Listens for commands. A socket that a killed node left behind is removed; anything else at that path stays.
 * @throws Fault ADDRESS_IN_USE naming the path.
 */
export async function startControl(path: string, status: () => Status): Promise<Control> {
  await removeLeftover(path)
  const server = createServer((incoming, response) => {
    const isKnown = incoming.method === 'GET' && incoming.url === '/status'
    const body = JSON.stringify(isKnown ? status() : { error: 'expected GET /status' })
    response.writeHead(isKnown ? 200 : 404, { 'Content-Type': 'application/json' }).end(body)
  })
  await listen(server, path)
  if (process.platform !== 'win32') await chmod(path, 0o600)
  return { stop: () => close(server) }
}

async function removeLeftover(path: string): Promise<void> {
  const isSocket = await lstat(path).then(
    (stats) => stats.isSocket(),
    () => false,
  )
  if (isSocket && (await isDeserted(path))) await rm(path, { force: true })
}

/** Nobody listens there any more; whoever does, whatever it answers, is left alone. */
function isDeserted(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket
      .once('connect', () => resolve(false))
      .once('error', (error: NodeJS.ErrnoException) => {
        resolve(error.code === 'ECONNREFUSED')
      })
    socket.once('connect', () => socket.destroy())
  })
}

/** A node that takes longer to say how it is, in ms, is not well. */
const ANSWER_MS = 5000

/** Asks a running node. @throws Fault UNREACHABLE when none listens there. */
export function askStatus(path: string): Promise<Status> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: path, path: '/status' }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const status = response.statusCode === 200 ? parsed(Buffer.concat(chunks).toString()) : undefined
        if (status) resolve(status)
        else reject(new Fault('UNREACHABLE', `what answers at ${path} is no node`))
      })
      response.on('error', (cause) =>
        reject(new Fault('UNREACHABLE', `${path}: the answer broke off`, { cause })),
      )
    })
    asking.setTimeout(ANSWER_MS, () => asking.destroy(new Error(`no answer within ${ANSWER_MS} ms`)))
    asking.on('error', (cause) =>
      reject(new Fault('UNREACHABLE', `no node answers at ${path}: ${describe(cause)}`, { cause })),
    )
    asking.end()
  })
}

function parsed(text: string): Status | undefined {
  try {
    return JSON.parse(text) as Status
  } catch {
    return undefined
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new Fault('ADDRESS_IN_USE', `control.socket: cannot listen on ${path}: ${cause.message}`, { cause }),
      ),
    )
    server.listen(path, resolve)
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
