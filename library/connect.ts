/** Sessions with the daemon of this machine. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { describe, Fault } from '../core/fault.ts'
import { loadConfig } from '../service/config.ts'
import { askStatus, controlPath, type ControlPlace } from '../service/control.ts'
import { mustBeOptions } from './arguments.ts'
import { remoteChannel } from './remote-channel.ts'
import { Session } from './session.ts'

/** Where the daemon is; nothing of it: as `ihave status` finds it, by ./proxy.config.yaml and the environment. */
export interface ConnectOptions {
  /** The path of its control socket (`control.socket`). */
  readonly socket?: string
  /** Its configuration file, which says where the socket is. */
  readonly config?: string
  /** Its port on loopback (`control.listen`), such as `http://127.0.0.1:6516`; with `token` or `tokenFile`. */
  readonly url?: string
  readonly token?: string
  /** Where the node has written the token (`control.token`). */
  readonly tokenFile?: string
}

const OPTION_KINDS = {
  socket: 'a string',
  config: 'a string',
  url: 'a string',
  token: 'a string',
  tokenFile: 'a string',
} as const

const USUAL_FILE = 'proxy.config.yaml'

/** @throws Fault NODE_UNREACHABLE when no node answers; NOT_ALLOWED for a wrong token; CONFIG_INVALID, BAD_REQUEST. */
export async function connect(options: ConnectOptions = {}): Promise<Session> {
  mustBeOptions('options', options, OPTION_KINDS)
  const place = await placeOf(options)
  await askStatus(place)
  return new Session(remoteChannel(place))
}

async function placeOf(options: ConnectOptions): Promise<ControlPlace> {
  const { socket, config, url } = options
  if (url !== undefined) return loopbackPlace(url, options)
  if (socket !== undefined) return socket
  const usual = existsSync(USUAL_FILE) ? USUAL_FILE : undefined
  return controlPath(loadConfig(config ?? usual, process.env))
}

async function loopbackPlace(url: string, { token, tokenFile }: ConnectOptions): Promise<ControlPlace> {
  const { protocol, hostname, port } = URL.canParse(url) ? new URL(url) : NOWHERE
  if (protocol !== 'http:' || port === '')
    throw new Fault('BAD_REQUEST', 'url: expected http://address:port of the node')
  const word = token ?? (tokenFile === undefined ? undefined : await readToken(tokenFile))
  if (word === undefined)
    throw new Fault('BAD_REQUEST', 'expected a token, or the file that has it', { blame: 'configuration' })
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), token: word }
}

const NOWHERE = { protocol: '', hostname: '', port: '' }

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new Fault('NODE_UNREACHABLE', `no node has left its token at ${file}: ${describe(cause)}`, {
      cause,
    })
  }
}
