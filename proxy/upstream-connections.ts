/**
 * The connections to one server. A request is not bound to a connection before one is free: it takes whichever comes
 * first, one that has just answered another request or one that has just been opened. Ten requests beside one open
 * connection so neither wait for ten handshakes nor for each other.
 */
import type { Socket } from 'node:net'
import type { buildConnector, Client } from 'undici'
import { Fault } from '../core/fault.ts'
import { fieldsToRaw, withoutFields } from '../core/fields.ts'
import type { UpstreamRequest } from '../core/upstream.ts'
import { requestPath } from './request-check.ts'
import { UndiciClient } from './undici.ts'
import { UpstreamExchange } from './upstream-exchange.ts'

export interface ConnectionSettings {
  readonly connect: buildConnector.connector
  /** Side by side to this server; the rest waits. */
  readonly maxConnections: number
  /** From the request to the response's head, and between two chunks of its body, in ms. */
  readonly headersMs: number
  readonly bodyMs: number
  /** Idle connections are kept for this long unless the server says less, in ms. */
  readonly keepAliveMs: number
  readonly faultOf: (error: unknown) => Fault
  /** Nothing is left: no connection, and nobody waits for one. */
  readonly onEmpty: () => void
}

interface Connection {
  readonly client: Client
  readonly socket: Socket
  isOpen: boolean
  isUsed: boolean
}

interface Ask {
  readonly request: UpstreamRequest
  readonly exchange: UpstreamExchange
  connection: Connection | undefined
  /** The connection is not a new one: its server may close it just when it is used again (RFC 9112 9.3.1). */
  mayTryAgain: boolean
}

/** Of the request's fields this node writes the routing and the framing itself. */
const WRITTEN_ANEW = ['host', 'content-length', 'transfer-encoding']

export class UpstreamConnections {
  readonly #origin: URL
  readonly #settings: ConnectionSettings
  readonly #open = new Set<Connection>()
  /** The one used last comes last, and is taken first. */
  readonly #idle: Connection[] = []
  readonly #waiting: Ask[] = []
  readonly #asks = new Map<UpstreamExchange, Ask>()
  #opening = 0
  /** Connections that take another request in the next turn. */
  #freeing = 0
  #isStopped = false

  constructor(origin: URL, settings: ConnectionSettings) {
    this.#origin = origin
    this.#settings = settings
  }

  /** Makes the request as soon as a connection is free. */
  request(request: UpstreamRequest): UpstreamExchange {
    const exchange: UpstreamExchange = new UpstreamExchange(request, {
      onDone: () => this.#onDone(exchange),
      mayTryAgain: () => this.#triesAgain(exchange),
      faultOf: this.#settings.faultOf,
    })
    const ask = { request, exchange, connection: undefined, mayTryAgain: false }
    this.#asks.set(exchange, ask)
    if (request.signal.aborted) exchange.fail(new Fault('ABORTED', 'the request was given up'))
    else this.#serve(ask)
    return exchange
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const { exchange } of this.#waiting.splice(0)) exchange.fail(stopping())
    await Promise.all([...this.#open].map(({ client }) => client.destroy(stopping())))
  }

  #serve(ask: Ask): void {
    const connection = this.#idle.pop()
    if (connection === undefined) {
      this.#waiting.push(ask)
      return this.#openMore()
    }
    connection.isUsed = true
    this.#dispatch(connection, ask)
  }

  #dispatch(connection: Connection, ask: Ask): void {
    const { method, uri, fields } = ask.request
    ask.connection = connection
    ask.mayTryAgain = connection.isUsed
    connection.isUsed = true
    try {
      const headers = fieldsToRaw(withoutFields(fields, WRITTEN_ANEW))
      connection.client.dispatch({ path: requestPath(uri), method, headers }, ask.exchange)
    } catch (error) {
      ask.exchange.fail(error)
    }
  }

  #openMore(): void {
    const { maxConnections } = this.#settings
    const wanted = () => this.#waiting.length - this.#freeing
    while (this.#opening < wanted() && this.#opening + this.#open.size < maxConnections) {
      this.#opening += 1
      this.#openOne()
    }
  }

  #openOne(): void {
    const { host, hostname, port, protocol } = this.#origin
    const target = { host, hostname: hostname.replace(/^\[|\]$/g, ''), port, protocol }
    this.#settings.connect(target, (error, socket) => {
      this.#opening -= 1
      if (error !== null) return this.#onRefused(error)
      if (this.#isStopped) return void socket.destroy()
      this.#next(this.#connectionOn(socket))
    })
  }

  /** An attempt was made for a request; when it fails, so does one request, unless another connection takes it. */
  #onRefused(error: Error): void {
    if (this.#waiting.length > this.#opening) this.#waiting.shift()?.exchange.fail(error)
    this.#openMore()
    this.#noteEmpty()
  }

  #connectionOn(socket: Socket): Connection {
    const { headersMs, bodyMs, keepAliveMs } = this.#settings
    const client = new UndiciClient(this.#origin, {
      connect: onlyOnce(socket),
      headersTimeout: headersMs,
      bodyTimeout: bodyMs,
      keepAliveTimeout: keepAliveMs,
      allowH2: false,
    })
    const connection = { client, socket, isOpen: true, isUsed: false }
    this.#open.add(connection)
    const onClosed = () => this.#onClosed(connection)
    client.once('disconnect', onClosed)
    // Until its first request it is not the client's to watch.
    socket.once('close', onClosed)
    socket.setTimeout(keepAliveMs, () => socket.destroy())
    return connection
  }

  #next(connection: Connection): void {
    if (!connection.isOpen || connection.socket.destroyed) return
    const ask = this.#waiting.shift()
    if (ask === undefined) this.#idle.push(connection)
    else this.#dispatch(connection, ask)
  }

  #onDone(exchange: UpstreamExchange): void {
    const ask = this.#asks.get(exchange)
    this.#asks.delete(exchange)
    const place = ask === undefined ? -1 : this.#waiting.indexOf(ask)
    if (place >= 0) this.#waiting.splice(place, 1)
    const connection = ask?.connection
    if (connection === undefined) return this.#noteEmpty()
    // A server that closes the connection behind its response is heard of before the next turn.
    this.#freeing += 1
    setImmediate(() => {
      this.#freeing -= 1
      this.#next(connection)
      this.#openMore()
    })
  }

  #triesAgain(exchange: UpstreamExchange): boolean {
    const ask = this.#asks.get(exchange)
    if (ask === undefined || !ask.mayTryAgain || this.#isStopped) return false
    ask.connection = undefined
    this.#waiting.unshift(ask)
    this.#openMore()
    return true
  }

  #onClosed(connection: Connection): void {
    if (!connection.isOpen) return
    connection.isOpen = false
    this.#open.delete(connection)
    const place = this.#idle.indexOf(connection)
    if (place >= 0) this.#idle.splice(place, 1)
    void connection.client.destroy()
    this.#openMore()
    this.#noteEmpty()
  }

  #noteEmpty(): void {
    if (this.#open.size + this.#opening + this.#waiting.length === 0) this.#settings.onEmpty()
  }
}

/** A client has this one connection; when it is gone, so is the client. */
function onlyOnce(socket: Socket): buildConnector.connector {
  let isTaken = false
  return (_options, callback) => {
    if (isTaken || socket.destroyed) return callback(new Error('the connection has been closed'), null)
    isTaken = true
    socket.setTimeout(0)
    // A client that asks for a connection does not expect to have it before it has finished asking.
    queueMicrotask(() => callback(null, socket))
  }
}

function stopping(): Fault {
  return new Fault('STOPPING', 'the node is stopping')
}
