/**
 * The `Upstream` seam over undici: to origin servers through the target guard, to peers straight.
 * None of undici's interceptors is used: caching, collapsing and retrying are this product's own business (V§10).
 */
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { Fault } from '../core/fault.ts'
import { fieldsFromRaw, fieldsToRaw, withoutFields } from '../core/fields.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../core/upstream.ts'
import { connectionFault } from './connection-fault.ts'
import { plainReason } from './relay.ts'
import { guardedLookup, mayConnect, type GuardSettings } from './target-guard.ts'

export interface HttpUpstream extends Upstream {
  /** Closes idle connections and breaks off the others. */
  stop(): Promise<void>
}

/** Waiting for origin servers, in ms: apt gives up after 30 s, npm after 300. */
const ORIGIN_TIMEOUTS = { connectMs: 10_000, headersMs: 120_000, bodyMs: 30_000 }
/** Peers are near; retrieval gives them less still (retrieval/pace.ts). */
const PEER_TIMEOUTS = { connectMs: 500, headersMs: 5_000, bodyMs: 30_000 }

/** Side by side to one origin server: what package managers open themselves; the rest waits. */
const CONNECTIONS_PER_ORIGIN = 16

/** To origin servers. @throws Fault FORBIDDEN_TARGET, LOOP_DETECTED for targets that the guard refuses. */
export function originUpstream(guard: GuardSettings): HttpUpstream {
  const agent = new Agent({
    connect: guardedConnector(guard),
    headersTimeout: ORIGIN_TIMEOUTS.headersMs,
    bodyTimeout: ORIGIN_TIMEOUTS.bodyMs,
    connections: CONNECTIONS_PER_ORIGIN,
  })
  return {
    async request(request) {
      const url = new URL(request.uri)
      const fault = mayConnect(url.hostname, Number(url.port || 80), guard)
      if (fault) throw fault
      return roundTrip(agent, request)
    },
    stop: () => agent.destroy(),
  }
}

/** The guard judges an address together with its port, so each port has a connector of its own. */
function guardedConnector(guard: GuardSettings): buildConnector.connector {
  const connectors = new Map<number, buildConnector.connector>()
  return (options, callback) => {
    const port = Number(options.port || 80)
    const settings = { lookup: guardedLookup(guard, port), timeout: ORIGIN_TIMEOUTS.connectMs }
    const connector = connectors.get(port) ?? buildConnector(settings)
    connectors.set(port, connector)
    return connector(options, callback)
  }
}

/**
 * To peers' ports for files: on this LAN, at addresses that their packets came from.
 * @param localAddress this node's own address, so that peers know it again; absent: the system's choice.
 */
export function peerUpstream(localAddress: string | undefined): HttpUpstream {
  const agent = new Agent({
    connect: { timeout: PEER_TIMEOUTS.connectMs },
    ...(localAddress === undefined ? {} : { localAddress }),
    headersTimeout: PEER_TIMEOUTS.headersMs,
    bodyTimeout: PEER_TIMEOUTS.bodyMs,
    connections: CONNECTIONS_PER_ORIGIN,
  })
  return { request: (request) => roundTrip(agent, request), stop: () => agent.destroy() }
}

async function roundTrip(agent: Agent, request: UpstreamRequest): Promise<UpstreamResponse> {
  const { method, uri, fields, signal, onInformation } = request
  const { host, origin } = new URL(uri)
  try {
    const response = await agent.request({
      origin,
      path: pathOf(uri),
      method,
      headers: fieldsToRaw(withoutFields(fields, ['host', 'content-length', 'transfer-encoding'])),
      signal,
      responseHeaders: 'raw',
      onInfo: ({ statusCode, headers }) => onInformation?.(statusCode, fieldsFromRaw(rawHeaders(headers))),
    })
    return {
      status: response.statusCode,
      reason: plainReason(response.statusText),
      fields: fieldsFromRaw(rawHeaders(response.headers)),
      body: faithful(response.body, host),
    }
  } catch (error) {
    throw faultOf(error, host)
  }
}

/** The request target as it was written: what is not touched cannot be misread (RFC 9110 7.7). */
function pathOf(uri: string): string {
  const path = uri.replace(/^https?:\/\/[^/?]*/i, '')
  return path.startsWith('/') ? path : `/${path}`
}

/** With `responseHeaders: 'raw'` undici gives Node's flat form, which its types do not say. */
function rawHeaders(headers: Dispatcher.ResponseData['headers']): string[] {
  return (headers as unknown as (string | Buffer)[]).map((each) =>
    typeof each === 'string' ? each : each.toString('latin1'),
  )
}

async function* faithful(body: AsyncIterable<Uint8Array>, host: string): AsyncIterable<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    throw faultOf(error, host)
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
