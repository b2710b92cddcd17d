/**
 * The control API on a port of loopback, for programs that cannot use a Unix socket. Everybody on the machine can connect
 * to such a port, pages in a browser too, so each request needs a word that only this user can read (V§4).
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { lstat, readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, Fault } from '../core/fault.ts'
import type { Random } from '../core/random.ts'

export interface LoopbackSettings {
  readonly host: string
  /** 0: the system chooses. */
  readonly port: number
  /** Where the word is written, for this user alone. */
  readonly tokenFile: string
}

export interface Loopback {
  readonly port: number
  /** Why a request is not answered; `undefined`: it may be. */
  refusal(incoming: Pick<IncomingMessage, 'headers'>): Fault | undefined
  /** Takes the word away. */
  stop(): Promise<void>
}

/** Connections at once. */
const MAX_CONNECTIONS = 64

const TOKEN_BYTES = 32

/**
 * Begins to listen; the word is new at each start.
 * @throws Fault ADDRESS_IN_USE naming the address, STORE_FAILED when the word cannot be written.
 */
export async function listenOnLoopback(
  server: Server,
  settings: LoopbackSettings,
  random: Random,
): Promise<Loopback> {
  const { host, port, tokenFile } = settings
  server.maxConnections = MAX_CONNECTIONS
  const token = random.hex(TOKEN_BYTES)
  await listen(server, host, port)
  await writeToken(tokenFile, token)
  const bound = (server.address() as AddressInfo).port
  const authorities = [host, '127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${bound}`)
  return {
    port: bound,
    refusal: ({ headers }) => refusal(headers, authorities, token),
    stop: () => rm(tokenFile, { force: true }),
  }
}

/**
 * A page in a browser shows itself by the fields that it cannot leave out, also under a name that was rebound to this machine
 * (DNS rebinding); nothing is said that it could read. What is wrong is not told apart from what is missing.
 */
function refusal(
  headers: IncomingMessage['headers'],
  authorities: readonly string[],
  token: string,
): Fault | undefined {
  const isPage = Object.keys(headers).some((name) => name === 'origin' || name.startsWith('sec-fetch-'))
  const isNamed = authorities.includes(headers.host?.toLowerCase() ?? '')
  const [scheme, given = ''] = headers.authorization?.split(' ') ?? []
  const isGiven = scheme?.toLowerCase() === 'bearer' && isSame(given, token)
  if (!isPage && isNamed && isGiven) return undefined
  return new Fault('NOT_ALLOWED', 'expected this port’s own name, its token, and no page in a browser')
}

/** Takes the same time wherever they differ, and whatever their lengths. */
function isSame(given: string, token: string): boolean {
  return timingSafeEqual(digestOf(given), digestOf(token))
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** What is there is written over, and removed at the end: it must be what a node of before has left, or nothing. */
async function mustBeToken(path: string): Promise<void> {
  const state = await lstat(path).catch(() => undefined)
  // A link is replaced, and what it leads to stays.
  if (state?.isFile() !== true || state.size === 0) return
  const isToken = state.size < 100 && TOKEN.test(await readFile(path, 'utf8').catch(() => ''))
  if (!isToken)
    throw new Fault('STORE_FAILED', `control.token: ${path} is no token, and would be written over`)
}

const TOKEN = new RegExp(`^[0-9a-f]{${2 * TOKEN_BYTES}}\\s*$`)

/** Under another name first: the file is never there without its permissions. */
async function writeToken(path: string, token: string): Promise<void> {
  const part = `${path}.new`
  await mustBeToken(path)
  try {
    await rm(part, { force: true })
    await writeFile(part, `${token}\n`, { mode: 0o600, flag: 'wx' })
    await rename(part, path)
  } catch (cause) {
    throw new Fault('STORE_FAILED', `control.token: cannot write ${path}: ${describe(cause)}`, { cause })
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(
        new Fault('ADDRESS_IN_USE', `control.listen: cannot listen on ${host}:${port}: ${cause.message}`, {
          cause,
        }),
      )
    server.once('error', fail)
    server.listen(port, host, () => {
      server.off('error', fail)
      resolve()
    })
  })
}
