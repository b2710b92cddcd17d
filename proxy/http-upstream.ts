/**
 * The `Upstream` seam over undici: to origin servers through the target guard, to peers straight.
 * None of undici's interceptors is used: caching, collapsing and retrying are this product's own business (V§10).
 */
import type { buildConnector } from 'undici'
import { Fault } from '../core/fault.ts'
import type { Upstream } from '../core/upstream.ts'
import { connectionFault } from './connection-fault.ts'
import { guardedLookup, mayConnect, type GuardSettings } from './target-guard.ts'
import { undiciConnector } from './undici.ts'
import { UpstreamConnections } from './upstream-connections.ts'

export interface HttpUpstream extends Upstream {
  /** Closes idle connections and breaks off the others. */
  stop(): Promise<void>
}

/** Waiting for origin servers, in ms: apt gives up after 30 s, npm after 300. */
const ORIGIN_TIMEOUTS = { connectMs: 10_000, headersMs: 120_000, bodyMs: 30_000 }
/** Peers are near; retrieval gives them less still (retrieval/pace.ts). */
const PEER_TIMEOUTS = { connectMs: 500, headersMs: 5_000, bodyMs: 30_000 }

/** Side by side to one server: what package managers open themselves; the rest waits. */
const MAX_CONNECTIONS = 16

/** Idle connections are kept for this long, in ms; apt comes back within seconds. */
const KEEP_ALIVE_MS = 10_000

/** To origin servers. @throws Fault FORBIDDEN_TARGET, LOOP_DETECTED for targets that the guard refuses. */
export function originUpstream(guard: GuardSettings): HttpUpstream {
  return connectedUpstream(guardedConnector(guard), ORIGIN_TIMEOUTS, (target) =>
    mayConnect(target.hostname, Number(target.port || 80), guard),
  )
}

/** The guard judges an address together with its port, so each port has a connector of its own. */
function guardedConnector(guard: GuardSettings): buildConnector.connector {
  const connectors = new Map<number, buildConnector.connector>()
  return (options, callback) => {
    const port = Number(options.port || 80)
    const settings = { lookup: guardedLookup(guard, port), timeout: ORIGIN_TIMEOUTS.connectMs }
    const connector = connectors.get(port) ?? undiciConnector(settings)
    connectors.set(port, connector)
    return connector(options, callback)
  }
}

/**
 * To peers' ports for files: on this LAN, at addresses that their packets came from.
 * @param localAddress this node's own address, so that peers know it again; absent: the system's choice.
 * @param timeouts for those who do more than send what they have.
 */
export function peerUpstream(
  localAddress: string | undefined,
  timeouts: Timeouts = PEER_TIMEOUTS,
): HttpUpstream {
  const own = localAddress === undefined ? {} : { localAddress }
  const connect = undiciConnector({ timeout: PEER_TIMEOUTS.connectMs, ...own })
  return connectedUpstream((options, callback) => connect({ ...options, ...own }, callback), timeouts)
}

type Timeouts = Pick<typeof ORIGIN_TIMEOUTS, 'headersMs' | 'bodyMs'>

function connectedUpstream(
  connect: buildConnector.connector,
  timeouts: Timeouts,
  refusal: (target: URL) => Fault | undefined = () => undefined,
): HttpUpstream {
  const servers = new Map<string, UpstreamConnections>()
  const connectionsTo = (target: URL): UpstreamConnections => {
    const { origin, host } = target
    const known = servers.get(origin)
    if (known !== undefined) return known
    const connections = new UpstreamConnections(new URL(origin), {
      ...timeouts,
      connect,
      maxConnections: MAX_CONNECTIONS,
      keepAliveMs: KEEP_ALIVE_MS,
      faultOf: (error) => faultOf(error, host),
      onEmpty: () => servers.delete(origin),
    })
    servers.set(origin, connections)
    return connections
  }
  return {
    async request(request) {
      const target = new URL(request.uri)
      const fault = refusal(target)
      if (fault) throw fault
      return connectionsTo(target).request(request).response
    },
    async stop() {
      await Promise.all([...servers.values()].map((each) => each.stop()))
    },
  }
}

function faultOf(error: unknown, host: string): Fault {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  switch (code) {
    case 'UND_ERR_CONNECT_TIMEOUT':
      return new Fault('CONNECT_TIMEOUT', `${host}: no connection in time`, { cause: error })
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return new Fault('RESPONSE_TIMEOUT', `${host}: no response in time`, { cause: error })
    default:
      return connectionFault(error, host)
  }
}
