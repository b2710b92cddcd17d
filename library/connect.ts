/** Sessions with the daemon of this machine. */
import { existsSync } from 'node:fs'
import { loadConfig } from '../service/config.ts'
import { askStatus, controlPath, type ControlPlace } from '../service/control.ts'
import { remoteChannel } from './remote-channel.ts'
import { Session } from './session.ts'

/** Where the daemon is; nothing of it: as `ihave status` finds it, by ./proxy.config.yaml and the environment. */
export interface ConnectOptions {
  /** The path of its control socket (`control.socket`). */
  readonly socket?: string
  /** Its configuration file, which says where the socket is. */
  readonly config?: string
}

const USUAL_FILE = 'proxy.config.yaml'

/** @throws Fault UNREACHABLE when no node answers; CONFIG_INVALID. */
export async function connect(options: ConnectOptions = {}): Promise<Session> {
  const place = placeOf(options)
  await askStatus(place)
  return new Session(remoteChannel(place))
}

function placeOf({ socket, config }: ConnectOptions): ControlPlace {
  if (socket !== undefined) return socket
  const usual = existsSync(USUAL_FILE) ? USUAL_FILE : undefined
  return controlPath(loadConfig(config ?? usual, process.env))
}
