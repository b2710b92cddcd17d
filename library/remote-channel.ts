/** A session with the daemon that runs on this machine, over its control API. */
import { ask, readRetrieval, sendCopy, type ControlPlace } from '../service/control.ts'
import type { Channel } from './channel.ts'

export function remoteChannel(place: ControlPlace): Channel {
  return {
    ask: (operation, question, signal) => ask(place, operation, question, signal),
    read: (id, signal) => readRetrieval(place, id, signal),
    send: (id, bytes, signal) => sendCopy(place, id, bytes, signal),
    // Each question has a connection of its own, which ends with it.
    close: async () => {},
  }
}
