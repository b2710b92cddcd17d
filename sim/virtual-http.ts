/**
 * HTTP between virtual machines: the `Upstream` seam of every node, and the servers behind it (peers' ports for files,
 * origin servers, hostile peers). A server is a function from a request to an answer; the network does the rest.
 */
import type { Answer } from '../core/answer.ts'
import { Fault } from '../core/fault.ts'
import { withField } from '../core/fields.ts'
import type { Address } from '../core/transport.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../core/upstream.ts'
import type { FileRequest } from '../peering/file-server.ts'
import { BodyFlow } from './body-flow.ts'
import type { VirtualHost } from './virtual-host.ts'
import type { VirtualLan } from './virtual-lan.ts'

/** An answer may take its time, for ever if need be. */
export type VirtualServer = (request: FileRequest) => Answer | Promise<Answer>

/** A server that listens. */
export interface Listening {
  /** Requests that are being answered now. */
  readonly running: number
  /** Bytes of bodies that have left, whether or not they arrived. */
  readonly sentBytes: number
  readonly close: () => void
}

/** How long a client waits, as proxy/http-upstream.ts sets it for peers and for origin servers, in ms. */
export interface Patience {
  readonly connectMs: number
  readonly headersMs: number
  readonly bodyMs: number
}

export const PEER_PATIENCE: Patience = { connectMs: 500, headersMs: 5_000, bodyMs: 30_000 }
export const ORIGIN_PATIENCE: Patience = { connectMs: 10_000, headersMs: 120_000, bodyMs: 30_000 }

/** Link latencies that pass before a server reads a request: two to connect, one for the request. */
const CONNECT_TRIPS = 2
const REQUEST_TRIPS = 3

interface Entry {
  readonly host: VirtualHost
  readonly server: VirtualServer
  running: number
  sentBytes: number
}

/** The first packet of a connection that is not answered is sent again after this, in ms, then after twice as long each time (RFC 6298). */
const FIRST_AGAIN_MS = 1000

export class VirtualHttp {
  readonly #lan: VirtualLan
  readonly #servers = new Map<string, Entry>()

  constructor(lan: VirtualLan) {
    this.#lan = lan
  }

  /** `authority` as URLs name it: `10.0.0.7:6515`, `origin.example`. It ends with the present life of the machine. */
  listen(host: VirtualHost, authority: string, server: VirtualServer): Listening {
    const entry: Entry = { host, server, running: 0, sentBytes: 0 }
    this.#servers.set(authority, entry)
    const close = () => {
      if (this.#servers.get(authority) === entry) this.#servers.delete(authority)
    }
    host.life.signal.addEventListener('abort', close, { once: true })
    return {
      get running() {
        return entry.running
      },
      get sentBytes() {
        return entry.sentBytes
      },
      close,
    }
  }

  /**
   * Requests of this machine, as long as it lives. Of a machine that has crashed, none ever comes back, nor goes out when it has
   * restarted.
   */
  upstream(client: VirtualHost, patience: Patience): Upstream {
    const { signal } = client.life
    return {
      request: (request) => (signal.aborted ? NEVER : this.#request(client, patience, request)),
    }
  }

  async #request(
    client: VirtualHost,
    patience: Patience,
    request: UpstreamRequest,
  ): Promise<UpstreamResponse> {
    const authority = new URL(request.uri).host
    const host = this.#servers.get(authority)?.host ?? this.#hostOf(authority)
    if (host === undefined) throw new Fault('DNS_FAILED', `${authority}: there is no such machine`)
    if (!(await this.#isReached(client, host, patience.connectMs)))
      throw new Fault('CONNECT_TIMEOUT', `${authority}: no connection in time`)
    const { latencyMs } = this.#lan.link(client.address, host.address)
    await pause(client, CONNECT_TRIPS * latencyMs)
    const entry = this.#servers.get(authority)
    if (entry === undefined) throw new Fault('CONNECT_REFUSED', `${authority}: nobody listens`)
    return this.#exchange(client, entry, patience, request)
  }

  /** Resolves as soon as the first packet of a connection is answered. @returns false after `connectMs` */
  async #isReached(client: VirtualHost, host: VirtualHost, connectMs: number): Promise<boolean> {
    let sentAtMs = 0
    while (host.state === 'machine' || this.#lan.isCut(client.address, host.address)) {
      const againMs = Math.min(FIRST_AGAIN_MS + 2 * sentAtMs, connectMs)
      await pause(client, againMs - sentAtMs)
      if (againMs >= connectMs) return false
      sentAtMs = againMs
    }
    return true
  }

  async #exchange(
    client: VirtualHost,
    entry: Entry,
    patience: Patience,
    request: UpstreamRequest,
  ): Promise<UpstreamResponse> {
    const flow = this.#open(client, entry, patience)
    const { latencyMs } = this.#lan.link(client.address, entry.host.address)
    const tooLate = () => flow.close('RESPONSE_TIMEOUT', 'no response in time')
    const cancel = client.life.clock.after(patience.headersMs, tooLate)
    const abort = () => flow.close('RESPONSE_INCOMPLETE', 'the request was aborted')
    if (request.signal.aborted) abort()
    request.signal.addEventListener('abort', abort, { once: true })
    entry.host.life.clock.after((REQUEST_TRIPS - CONNECT_TRIPS) * latencyMs, () => {
      void serve(entry.server, flow, request, client.address)
    })
    try {
      return await flow.response
    } finally {
      cancel()
    }
  }

  #open(client: VirtualHost, entry: Entry, patience: Patience): BodyFlow {
    entry.running++
    return new BodyFlow({
      lan: this.#lan,
      client,
      server: entry.host,
      silenceMs: patience.bodyMs,
      departed: (bytes) => {
        entry.sentBytes += bytes
      },
      over: () => {
        entry.running--
      },
    })
  }

  #hostOf(authority: string): VirtualHost | undefined {
    return this.#lan.find(authority.replace(/:\d+$/, ''))
  }
}

async function serve(
  server: VirtualServer,
  flow: BodyFlow,
  request: UpstreamRequest,
  peer: Address,
): Promise<void> {
  const { host, pathname, search } = new URL(request.uri)
  const fields = withField(request.fields, 'Host', host)
  const view: FileRequest = {
    peer,
    method: request.method,
    target: pathname + search,
    fields,
    signal: flow.gone,
  }
  await flow.send(await server(view))
}

/** On the machine's own clock: for one that crashes meanwhile it never ends. */
function pause(host: VirtualHost, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    host.life.clock.after(delayMs, resolve)
  })
}

const NEVER = new Promise<never>(() => {})
