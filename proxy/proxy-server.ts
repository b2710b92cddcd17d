/**
 * The forward proxy on its port (R6): decides by a request's head which way it goes. Plain GET and HEAD take the path of
 * a resource (retrieval/), CONNECT is a tunnel, everything else passes through; a few pages are the node's own.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { writeAnswer, type Answer } from '../core/answer.ts'
import type { Clock } from '../core/clock.ts'
import { asFault, Fault, FAULTS } from '../core/fault.ts'
import { endToEndFields, fieldsFromRaw, hasField, type Fields } from '../core/fields.ts'
import { createServer } from '../core/node-http.ts'
import { OwedAnswers } from '../core/owed-answers.ts'
import { withoutSecrets } from '../core/redaction.ts'
import { requestedUri, type TargetUri } from '../core/target-uri.ts'
import { cacheStatus } from '../cache/semantics/cache-status.ts'
import type { Resource } from '../retrieval/resource.ts'
import type { Resources } from '../retrieval/resources.ts'
import { answerFault, answerFaultRaw } from './answer-fault.ts'
import { cacheEffects, type CacheEffectsComponents } from './cache-effects.ts'
import { errorAnswer } from './error-page.ts'
import { ExchangeLog, type RequestLine } from './exchange-log.ts'
import { FrontEnd, withoutConnections } from './front/front-end.ts'
import type { PassThrough } from './pass-through.ts'
import { PassThroughOutcome } from './pass-through-outcome.ts'
import { interimWriter } from './relay.ts'
import { checkRequest, receivedHead, type CheckSettings } from './request-check.ts'
import { capConnections, MAX_PAUSE_MS, serverOptions } from './server-options.ts'
import { holdBytes } from './splice.ts'
import type { Tunnels } from './tunnel.ts'
import { TOO_LATE, unreadableFault, type UnreadableError } from './unreadable.ts'
import { hasContent, offeredProtocols } from './upgrade-request.ts'
import { viaLine } from './via.ts'

export interface ProxySettings {
  readonly address: string
  readonly port: number
  /** This node's name in `Via`. */
  readonly pseudonym: string
  /** Source addresses that may use the proxy; others are cut without a word. */
  readonly mayUse: (address: string) => boolean
  /** Running transfers get this long at a stop, in ms. */
  readonly stopGraceMs: number
}

export interface ProxyComponents extends CacheEffectsComponents {
  readonly clock: Clock
  readonly resources: Omit<Resources, 'content'>
  readonly passThrough: PassThrough
  readonly tunnels: Tunnels
  readonly ownPages: OwnPages
  readonly log: (line: RequestLine) => void
}

const NOTHING = Buffer.alloc(0)

/** How the log tells of a connection that has closed before the other protocol could begin. */
const LEFT = {
  status: FAULTS.ABORTED.status,
  fault: new Fault('ABORTED', 'the connection closed before its turn'),
}

export type { RequestLine } from './exchange-log.ts'

/** The node's own pages. */
export interface OwnPages {
  has(path: string): boolean
  /** @param authority `host:port` under which the user agent reached this node. */
  answer(path: string, authority: string): Answer
}

export class ProxyServer {
  readonly #settings: ProxySettings
  readonly #components: ProxyComponents
  readonly #server: Server
  readonly #front: FrontEnd
  /** By this machine's address on the connection; the port is always the same. */
  readonly #checks = new Map<string, CheckSettings>()
  /** On connections that went to node:http. */
  readonly #owed = new OwedAnswers()

  constructor(settings: ProxySettings, components: ProxyComponents) {
    this.#settings = settings
    this.#components = components
    this.#server = createServer(serverOptions())
    this.#front = new FrontEnd(
      { pseudonym: settings.pseudonym, checks: (socket) => this.#checkSettings(socket) },
      {
        ...components,
        handOver: withoutConnections(this.#server),
        tooLate: (socket) => this.#onUnreadable(TOO_LATE, socket),
      },
    )
    capConnections(this.#server, undefined, (address) => this.#front.makeRoom(address))
    this.#server.on('connection', (socket) => this.#admit(socket))
    this.#server.on('request', (request, response) => void this.#onRequest(request, response))
    this.#server.on('checkContinue', (request, response) => void this.#onRequest(request, response))
    this.#server.on('checkExpectation', (request, response) => void this.#onRequest(request, response))
    this.#server.on('connect', (request, socket, head) => this.#onConnect(request, socket, head))
    this.#server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
    this.#server.on('clientError', (error, socket) => this.#onUnreadable(error, socket))
    // What goes wrong with one connection before it is one (no file handle, no memory) is not the end of the node.
    this.#server.on('error', () => {})
  }

  /** The port that the system chose where 0 was configured. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.#settings.port
  }

  /** @throws Fault ADDRESS_IN_USE naming the address and port. */
  start(): Promise<void> {
    const { address, port } = this.#settings
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(
          new Fault('ADDRESS_IN_USE', `proxy.listen: cannot listen on ${address}:${port}: ${cause.message}`, {
            cause,
          }),
        )
      this.#server.once('error', fail)
      this.#server.listen(port, address, () => {
        this.#server.off('error', fail)
        resolve()
      })
    })
  }

  /** New connections are refused at once; what runs gets `stopGraceMs`, then it is cut. */
  async stop(): Promise<void> {
    const { clock, passThrough, tunnels } = this.#components
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    this.#front.closeIdle()
    const cancel = clock.after(this.#settings.stopGraceMs, () => {
      this.#server.closeAllConnections()
      this.#front.closeAll()
      this.#owed.cutWaiting()
      // Node has let go of tunnels and upgraded connections, yet the server waits for them.
      void Promise.all([passThrough.stop(), tunnels.stop()])
    })
    await closed
    cancel()
    await Promise.all([passThrough.stop(), tunnels.stop()])
  }

  #admit(socket: Socket): void {
    if (!this.#settings.mayUse(socket.remoteAddress ?? '')) socket.destroy()
    if (!socket.destroyed) this.#front.take(socket)
  }

  #checkSettings({ localAddress = '', localPort = 0 }: Socket): CheckSettings {
    const known = this.#checks.get(localAddress)
    if (known !== undefined) return known
    const names = [localAddress, 'localhost', this.#settings.address]
    const checks = {
      pseudonym: this.#settings.pseudonym,
      ownAuthorities: names.map((name) => `${name.includes(':') ? `[${name}]` : name}:${localPort}`),
      isOwnPage: (path: string) => this.#components.ownPages.has(path),
    }
    // A connection that has gone has no port.
    if (localPort !== 0) this.#checks.set(localAddress, checks)
    return checks
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#owed.isEnding(request.socket)) return void request.resume()
    this.#owed.add(request.socket, response)
    const exchange = this.#begin(request)
    const head = receivedHead(request)
    const decision = checkRequest(head, this.#checkSettings(request.socket))
    switch (decision.kind) {
      case 'refused':
        if (decision.fault.code === 'BAD_REQUEST') this.#owed.end(request.socket)
        answerFault(request, response, decision.fault, head.target)
        return exchange.end({ way: 'refused', status: response.statusCode, fault: decision.fault })
      case 'own-page': {
        const answer = this.#ownAnswer(request, decision.path)
        const written = await writeAnswer(response, answer, MAX_PAUSE_MS, this.#components.clock)
        return exchange.end({ way: 'own-page', status: answer.status, written })
      }
      case 'connect': // Node gives CONNECT to `connect`
        return void request.socket.destroy()
      case 'proxy':
        if (isPlain(request)) return this.#serve(request, response, decision.target, exchange)
        return this.#pass(request, response, decision.target, exchange)
    }
  }

  #ownAnswer({ method, headers, url = '' }: IncomingMessage, path: string): Answer {
    if (method !== 'GET' && method !== 'HEAD')
      return {
        status: 405,
        fields: [
          ['Allow', 'GET, HEAD'],
          ['Content-Length', '0'],
        ],
      }
    // The target's authority counts where there is one (RFC 9112 3.2.2).
    const authority = /^http:\/\/([^/?]+)/i.exec(url)?.[1] ?? headers.host ?? `localhost:${this.port}`
    const answer = this.#components.ownPages.answer(path, authority)
    return method === 'GET' ? answer : { status: answer.status, fields: answer.fields }
  }

  /** The path of a resource. */
  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    target: URL,
    exchange: ExchangeLog,
  ): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort(NO_LONGER_NEEDED))
    // Who is sent interim responses without an end gives up on them, as if it had left.
    const onInformation = interimWriter(request, response, () => gone.abort(NO_LONGER_NEEDED))
    const asked = { ...this.#resourceRequest(request, target, gone.signal), onInformation }
    const rule = this.#components.resources.ruleOf(asked)
    try {
      const resource = await this.#components.resources.get(asked)
      const { answer, trace } = resource
      exchange.firstByte()
      const told = { ...answer, fields: this.#told(resource) }
      const written = await writeAnswer(response, told, MAX_PAUSE_MS, this.#components.clock)
      exchange.end({ way: 'resource', status: answer.status, rule, trace, written })
    } catch (thrown) {
      const fault = asFault(thrown, 'STORE_FAILED')
      answerFault(request, response, fault, target)
      exchange.end({ way: 'resource', status: response.statusCode, rule, fault })
    }
  }

  #resourceRequest(request: IncomingMessage, target: URL, signal: AbortSignal) {
    const received = fieldsFromRaw(request.rawHeaders)
    const via = viaLine(request.httpVersion, this.#settings.pseudonym)
    return {
      method: request.method === 'HEAD' ? 'HEAD' : 'GET',
      uri: requestedUri(target, request.url ?? '') ?? (target.href as TargetUri),
      target: request.url ?? target.href,
      received,
      forwarded: [...endToEndFields(received), via],
      client: clientOf(request),
      signal,
    } as const
  }

  /** The answer's fields with what this node did (R6.6). */
  #told({ answer, trace }: Resource): Fields {
    const via = viaLine('1.1', this.#settings.pseudonym)
    return [...answer.fields, via, ['Cache-Status', cacheStatus(trace.cacheStatus)]]
  }

  #pass(request: IncomingMessage, response: ServerResponse, target: URL, exchange: ExchangeLog): void {
    const passed = new PassThroughOutcome()
    const changeCache = cacheEffects(this.#components, request, target)
    const onAnswer = (answer: IncomingMessage) => {
      passed.onAnswer(answer)
      changeCache(answer)
    }
    this.#components.passThrough.web(request, response, target, { onAnswer, onFault: passed.onFault })
    response.once('close', () => exchange.end(passed.end()))
  }

  #onConnect(request: IncomingMessage, client: Duplex, head: Buffer): void {
    if (this.#owed.isEnding(client)) return // it has its answer, with which the connection ends
    const exchange = this.#begin(request)
    const gone = () => exchange.end({ way: 'tunnel', ...LEFT })
    this.#beforeSwitching(client, head, gone, (first) => this.#connect(request, client, first, exchange))
  }

  /** Who waits is read, so that its leaving is noticed; what it sends is of the protocol to come. */
  #beforeSwitching(client: Duplex, head: Buffer, onGone: () => void, then: (head: Buffer) => void): void {
    if (this.#owed.count(client) === 0) return then(head)
    const release = holdBytes(client, head, () => {
      client.destroy()
      onGone()
    })
    this.#owed.beforeSwitching(client, () => {
      release()
      then(NOTHING)
    })
  }

  #connect(request: IncomingMessage, client: Duplex, head: Buffer, exchange: ExchangeLog): void {
    const decision = checkRequest(receivedHead(request), this.#checkSettings(request.socket))
    if (decision.kind !== 'connect') {
      const fault =
        decision.kind === 'refused' ? decision.fault : new Fault('BAD_REQUEST', 'expected CONNECT host:port')
      answerFaultRaw(client, fault, request.url ?? '')
      return exchange.end({ way: 'refused', status: errorAnswer(fault, '').status, fault })
    }
    this.#components.tunnels.open(request, client, head, decision, (fault) =>
      exchange.end({ way: 'tunnel', status: fault === undefined ? 200 : FAULTS[fault.code].status, fault }),
    )
  }

  /** What the parser refuses gets a page as well, behind the answers before it, and ends the connection. */
  #onUnreadable(error: UnreadableError, socket: Duplex): void {
    // Who closes their side while an answer is on its way is gone, in the middle of a request or not.
    const isGone = socket.readableEnded && this.#owed.count(socket) > 0
    if (error.code === 'ECONNRESET' || isGone) return void socket.destroy()
    if (this.#owed.isEnding(socket)) return
    this.#owed.end(socket)
    const fault = unreadableFault(error)
    const { remoteAddress: client = '' } = socket as Socket
    // Its line may be what cannot be read, and hold what is a secret.
    const exchange = this.#exchangeLog({ method: '', url: '', client })
    this.#owed.whenOut(socket, () => answerFaultRaw(socket, fault, ''))
    exchange.end({ way: 'refused', status: FAULTS[fault.code].status, fault })
  }

  #onUpgrade(request: IncomingMessage, client: Duplex, head: Buffer): void {
    if (this.#owed.isEnding(client)) return
    const exchange = this.#begin(request)
    const gone = () => exchange.end({ way: 'pass-through', ...LEFT })
    this.#beforeSwitching(client, head, gone, (first) => this.#upgrade(request, client, first, exchange))
  }

  #upgrade(request: IncomingMessage, client: Duplex, head: Buffer, exchange: ExchangeLog): void {
    const decision = checkRequest(receivedHead(request), this.#checkSettings(request.socket))
    if (decision.kind !== 'proxy') {
      const fault =
        decision.kind === 'refused'
          ? decision.fault
          : new Fault('BAD_REQUEST', 'this page speaks no other protocol')
      answerFaultRaw(client, fault, request.url ?? '')
      return exchange.end({ way: 'refused', status: errorAnswer(fault, '').status, fault })
    }
    const passed = new PassThroughOutcome()
    this.#components.passThrough.upgrade(request, client, head, decision.target, passed)
    client.once('close', () => exchange.end(passed.end()))
  }

  #begin(request: IncomingMessage): ExchangeLog {
    const { method = '', url = '', socket } = request
    return this.#exchangeLog({ method, url: withoutSecrets(url), client: socket.remoteAddress ?? '' })
  }

  #exchangeLog(told: Pick<RequestLine, 'method' | 'url' | 'client'>): ExchangeLog {
    return new ExchangeLog(told, this.#components.clock, this.#components.log)
  }
}

/** Programs of one machine share its address; their names tell most of them apart. */
function clientOf(request: IncomingMessage): string {
  return `${request.socket.remoteAddress ?? ''}|${encodeURIComponent(request.headers['user-agent'] ?? '').slice(0, 200)}`
}

/** GET and HEAD without content and without the wish for another protocol. */
function isPlain(request: IncomingMessage): boolean {
  const fields = fieldsFromRaw(request.rawHeaders)
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  return isRead && !hasContent(fields) && offeredProtocols(fields).length === 0 && !hasField(fields, 'expect')
}
