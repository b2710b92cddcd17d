/** The pass-through's connections to origin servers: checked when they are made, used for one request each. */
import type { ClientRequestArgs } from 'node:http'
import { connect, type LookupFunction, type Socket } from 'node:net'
import { Agent } from '../core/node-http.ts'
import { type GuardSettings, guardedLookup } from './target-guard.ts'

/** Connections at once; further requests wait for one. */
const MAX_CONNECTIONS = 256

/**
 * No connection is used twice: nothing that one user agent does to it can reach another's request, and a request
 * never meets a connection that the origin server is just closing.
 */
export class GuardedAgent extends Agent {
  readonly #settings: GuardSettings
  readonly #resolve: LookupFunction | undefined

  /** @param resolve stands in for the system's resolver in tests */
  constructor(settings: GuardSettings, resolve?: LookupFunction) {
    super({ keepAlive: false, maxTotalSockets: MAX_CONNECTIONS })
    this.#settings = settings
    this.#resolve = resolve
  }

  override createConnection(options: ClientRequestArgs): Socket {
    const port = Number(options.port)
    const host = options.host ?? ''
    const lookup = guardedLookup(this.#settings, port, this.#resolve)
    return connect({ host, port, lookup, noDelay: true, allowHalfOpen: true })
  }
}
