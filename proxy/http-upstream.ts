/**
 * The `Upstream` seam over `node:net`: to origin servers through the target guard, to peers straight. Caching, collapsing
 * and retrying are this product's own business (V§10), and the strictness of the reader is (proxy/upstream/).
 */
import type { LookupFunction } from 'node:net'
import { systemClock, type Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { CallingUpstream } from '../core/upstream.ts'
import { connectionFault, isAddressGone, peerConnectionFault } from './connection-fault.ts'
import { guardedLookup, mayConnect, type GuardSettings } from './target-guard.ts'
import { TurnEnd } from './turn-end.ts'
import { AwaitedResponse } from './upstream/awaited-response.ts'
import { requestText } from './upstream/request-text.ts'
import type { ServerTarget, ServerTimeouts } from './upstream/server-connection.ts'
import { ServerConnections } from './upstream/server-connections.ts'

export interface HttpUpstream extends CallingUpstream {
  /** The machine has this address no longer: whatever would come by connections from there breaks off. */
  endFrom(address: string): void
  /** Closes idle connections and breaks off the others. */
  stop(): Promise<void>
}

/** To peers, from this node's own address. */
export interface PeerUpstream extends HttpUpstream {
  /** The node has another one: all connections break off, for no fault of the peers, and the next ones begin from there. */
  renew(): void
}

/** Idle connections are kept for this long, in ms; apt comes back within seconds. */
const KEEP_ALIVE_MS = 10_000

/** Waiting for origin servers, in ms: apt gives up after 30 s, npm after 300. */
const ORIGIN_TIMEOUTS: ServerTimeouts = {
  connectMs: 10_000,
  headersMs: 120_000,
  bodyMs: 30_000,
  keepAliveMs: KEEP_ALIVE_MS,
}
/** Peers are near; retrieval gives them less still (retrieval/pace.ts). */
const PEER_TIMEOUTS: ServerTimeouts = {
  connectMs: 500,
  headersMs: 5_000,
  bodyMs: 30_000,
  keepAliveMs: KEEP_ALIVE_MS,
}

/** Side by side to one server: what package managers open themselves. */
const USUAL_CONNECTIONS = 16
/** Where all of those are taken up for long. A peer gives no more than 64 (peering/file-server.ts). */
const MOST_CONNECTIONS = 256
const MOST_PEER_CONNECTIONS = 32
/** Beyond the usual ones, to all servers together. */
const FURTHER_CONNECTIONS = 1_024

/** How often all connections are looked at, in ms: a limit may be exceeded by so much, or by a tenth of the shortest. */
const LOOK_EVERY_MS = 1_000

/** To origin servers. @throws Fault FORBIDDEN_TARGET, LOOP_DETECTED for targets that the guard refuses. */
export function originUpstream(guard: GuardSettings, clock: Clock = systemClock): HttpUpstream {
  return connectedUpstream({
    clock,
    timeouts: ORIGIN_TIMEOUTS,
    mostConnections: MOST_CONNECTIONS,
    isReadAtOnce: true,
    faultOf: connectionFault,
    lookupFor: (port) => guardedLookup(guard, port),
    refusal: (host, port) => mayConnect(host, port, guard),
  })
}

/**
 * To peers' ports for files: on this LAN, at addresses that their packets came from.
 * @param localAddress this node's own address now, so that peers know it again; `undefined`: the system's choice.
 * @param onAddressGone told when no connection can be made from there, because the machine does not have it.
 * @param timeouts for those who do more than send what they have.
 */
export function peerUpstream(
  localAddress: () => string | undefined,
  onAddressGone: () => void = () => {},
  timeouts: Partial<ServerTimeouts> = {},
  clock: Clock = systemClock,
): PeerUpstream {
  return connectedUpstream({
    clock,
    timeouts: { ...PEER_TIMEOUTS, ...timeouts },
    mostConnections: MOST_PEER_CONNECTIONS,
    isReadAtOnce: false,
    localAddress,
    faultOf: (error, authority) => {
      if (isAddressGone(error)) onAddressGone()
      return peerConnectionFault(error, authority)
    },
    lookupFor: () => undefined,
    refusal: () => undefined,
  })
}

interface Connecting {
  readonly clock: Clock
  readonly timeouts: ServerTimeouts
  /** To one server. */
  readonly mostConnections: number
  /** See `ServerTarget`. */
  readonly isReadAtOnce: boolean
  readonly localAddress?: () => string | undefined
  readonly faultOf: (error: unknown, authority: string) => Fault
  /** The guard judges an address together with its port. */
  readonly lookupFor: (port: number) => LookupFunction | undefined
  readonly refusal: (host: string, port: number) => Fault | undefined
}

/** A server, as its requests need it. */
interface Server {
  readonly host: string
  readonly hostname: string
  readonly port: number
  readonly isSecure: boolean
  connections: ServerConnections | undefined
}

function connectedUpstream(connecting: Connecting): PeerUpstream {
  const { clock, timeouts, refusal } = connecting
  const servers = new Map<string, Server>()
  const turnEnd = new TurnEnd()
  const limits = {
    usual: USUAL_CONNECTIONS,
    most: connecting.mostConnections,
    further: { max: FURTHER_CONNECTIONS, open: 0 },
  }
  const lookEveryMs = Math.min(LOOK_EVERY_MS, timeouts.connectMs / 10)
  let isLooking = false
  let isStopped = false
  const look = () => {
    const now = clock.monotonic()
    for (const { connections } of servers.values()) connections?.look(now)
    isLooking = false
    lookLater()
  }
  const lookLater = () => {
    if (isLooking || servers.size === 0) return
    isLooking = true
    clock.after(lookEveryMs, look)
  }
  const connectionsTo = (authority: string, server: Server): ServerConnections => {
    server.connections ??= new ServerConnections(
      {
        ...timeouts,
        name: server.host,
        target: targetOf(server, connecting),
        limits,
        turnEnd,
        faultOf: (error) => connecting.faultOf(error, server.host),
        onEmpty: () => {
          server.connections = undefined
          if (servers.get(authority) === server) servers.delete(authority)
        },
      },
      clock,
    )
    servers.set(authority, server)
    lookLater()
    return server.connections
  }
  const breakOff = (fault: Fault) => {
    const broken = [...servers.values()]
    servers.clear()
    for (const { connections } of broken) connections?.stop(fault)
  }
  const call: HttpUpstream['call'] = ({ method, uri, fields }, taker) => {
    const authority = AUTHORITY.exec(uri)?.[0] ?? uri
    const server = servers.get(authority) ?? serverOf(uri)
    const fault = refusal(server.hostname, server.port)
    if (fault) throw fault
    if (isStopped) throw new Fault('STOPPING', 'the node is stopping')
    const text = requestText(method, uri, server.host, fields)
    return connectionsTo(authority, server).call(text, method, taker)
  }
  const prepare = (uri: string) => {
    const authority = AUTHORITY.exec(uri)?.[0] ?? uri
    const server = servers.get(authority) ?? serverOf(uri)
    if (refusal(server.hostname, server.port) === undefined) connectionsTo(authority, server).prepare()
  }
  return {
    call,
    prepare,
    async request(request) {
      const awaited = new AwaitedResponse(request)
      awaited.begin((taker) => call(request, taker))
      return awaited.response
    },
    endFrom(address) {
      for (const { connections } of servers.values()) connections?.endFrom(address)
    },
    renew: () => breakOff(new Fault('PEER_LOST', 'this node has another address now')),
    async stop() {
      isStopped = true
      breakOff(new Fault('STOPPING', 'the node is stopping'))
    },
  }
}

/** As it was written: other spellings of the same are other servers, with connections of their own. */
const AUTHORITY = /^https?:\/\/[^/?#]*/i

function serverOf(uri: string): Server {
  const { protocol, host, hostname, port } = new URL(uri)
  const standard = STANDARD_PORTS.get(protocol)
  if (standard === undefined)
    throw new Fault('BAD_REQUEST', `expected an http: or https: URI, got one with ${protocol}`)
  return {
    host,
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || standard),
    isSecure: protocol === 'https:',
    connections: undefined,
  }
}

const STANDARD_PORTS: ReadonlyMap<string, number> = new Map([
  ['http:', 80],
  ['https:', 443],
])

function targetOf(
  { hostname, port, isSecure }: Server,
  { isReadAtOnce, localAddress, lookupFor }: Connecting,
): ServerTarget {
  const lookup = lookupFor(port)
  const from = localAddress?.()
  return {
    host: hostname,
    port,
    isSecure,
    isReadAtOnce,
    ...(lookup === undefined ? {} : { lookup }),
    ...(from === undefined ? {} : { localAddress: from }),
  }
}
