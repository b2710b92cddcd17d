/**
 * One request passed through to its origin server, and the response back.
 *
 * http-proxy makes the request, carries its content, and couples the two lives: a client that leaves ends the
 * request, an origin server that breaks off ends the response. What it does not do is done on its events: field
 * hygiene, Expect, 1xx, trailers, the wait for progress (docs/pass-through.md).
 */
import type { Agent, ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type * as HttpProxy from 'http-proxy'
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { fieldsFromRaw, fieldsToRaw, type FieldLine } from '../core/fields.ts'
import { onDemand } from '../core/on-demand.ts'
import { cacheStatus } from '../cache/semantics/cache-status.ts'
import { answerFault } from './answer-fault.ts'
import { connectionFault } from './connection-fault.ts'
import { connectionFields, requestFields, responseFields } from './forwarded-fields.ts'
import { addTrailers, asHeaders, interimForwarder, reasonOf, responseFlaw, targetOf } from './relay.ts'
import { receivedHead } from './request-check.ts'
import { MAX_HEADER_BYTES } from './server-options.ts'
import { type SilenceWatch, watchSilence } from './silence.ts'

/** It takes HTTP/2 and TLS along, which cost a start 40 ms. */
const httpProxy = onDemand('http-proxy') as () => typeof HttpProxy

/** How long the pass-through waits, in milliseconds, and how much it does at once. */
export interface PassThroughLimits {
  readonly connectTimeoutMs: number
  /** Without a byte from the origin server: npm's own patience. */
  readonly responseTimeoutMs: number
  /** Without a chunk of the response taken by the client (V§4, exhaustion). */
  readonly stallTimeoutMs: number
  /** An upgraded connection without a byte either way. */
  readonly idleTimeoutMs: number
  readonly maxExchanges: number
}

export interface ExchangeContext {
  readonly agent: Agent
  readonly pseudonym: string
  readonly limits: PassThroughLimits
  readonly clock: Clock
  /** Told once about an exchange that failed, a client that left included (ABORTED). */
  readonly onFault: (fault: Fault, target: URL) => void
}

/** A request that asks for another protocol: what it offers, and what happens after the origin server's 101. */
export interface Switching {
  readonly protocols: readonly string[]
  readonly onSwitch: (answer: IncomingMessage, upstream: Duplex, head: Buffer) => void
}

/** What is told of one exchange. */
export interface ExchangeEvents {
  /** The origin server's answer, before any of it is passed on. */
  readonly onAnswer?: (answer: IncomingMessage) => void
  /** From now on it speaks another protocol. */
  readonly onSwitch?: () => void
  /** Once: why there is no answer, or no end of it, a user agent that left included (ABORTED). */
  readonly onFault?: (fault: Fault) => void
}

export class Exchange {
  /** Resolves when nothing of the exchange is left: answered, cut or switched. */
  readonly done: Promise<void>
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #target: URL
  readonly #context: ExchangeContext
  readonly #switching: Switching | undefined
  readonly #events: ExchangeEvents
  readonly #watch: SilenceWatch
  readonly #finish: () => void
  #upstream: ClientRequest | undefined
  #isOver = false

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    target: URL,
    context: ExchangeContext,
    { switching, ...events }: ExchangeEvents & { readonly switching?: Switching } = {},
  ) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.done = promise
    this.#finish = resolve
    this.#request = request
    this.#response = response
    this.#target = target
    this.#context = context
    this.#switching = switching
    this.#events = events
    this.#watch = watchSilence(
      context.clock,
      () => this.#patienceMs(),
      () => this.#onSilence(),
    )
    this.#begin()
  }

  /** Ends the exchange now: with an error answer, or by cutting a response that has begun. */
  fail(fault: Fault): void {
    if (this.#isOver) return
    const isGone = this.#response.destroyed || this.#request.socket.destroyed
    const reported = isGone ? new Fault('ABORTED', 'the user agent left', { cause: fault }) : fault
    this.#end()
    if (!isGone) this.#answer(reported)
    this.#upstream?.destroy()
    this.#events.onFault?.(reported)
    this.#context.onFault(reported, this.#target)
  }

  #begin(): void {
    const head = receivedHead(this.#request)
    const proxy = httpProxy().createProxyServer({
      agent: this.#context.agent,
      target: targetOf(this.#target, head),
      ignorePath: true,
      selfHandleResponse: true,
      // It makes the request's options of these, TLS or not.
      ssl: { maxHeaderSize: MAX_HEADER_BYTES },
    })
    const fail = (thrown: unknown) => this.fail(connectionFault(thrown, this.#target.host))
    proxy.on('error', fail).on('econnreset', fail)
    proxy.on('proxyReq', (upstream) => this.#onUpstream(upstream))
    proxy.on('proxyRes', (answer) => this.#onResponse(answer))
    this.#response.once('close', () => this.#onClientDone())
    this.#request.headers = asHeaders(requestFields(head, this.#target.host, this.#context.pseudonym))
    proxy.web(this.#request, this.#response).catch(fail)
  }

  /** The request has a connection, and nothing of it has been sent. */
  #onUpstream(upstream: ClientRequest): void {
    this.#upstream = upstream
    if (this.#isOver) return void upstream.destroy()
    const head = receivedHead(this.#request)
    for (const [name, value] of connectionFields(head, this.#switching?.protocols ?? [])) {
      upstream.setHeader(name, value)
    }
    this.#limitConnecting(upstream)
    upstream.on(
      'information',
      interimForwarder(this.#request, this.#response, (fault) => this.fail(fault)),
    )
    upstream.on('upgrade', (answer, socket, bytes) => this.#onUpgrade(answer, socket, bytes))
    this.#request.on('data', this.#watch.touch)
    this.#request.prependOnceListener('end', () => addTrailers(upstream, this.#request))
    // Node would write a head that goes out before any content as UTF-8, but fields are octets (RFC 9110 5.5).
    upstream.socket?.setDefaultEncoding('latin1')
    upstream.flushHeaders()
  }

  #limitConnecting(upstream: ClientRequest): void {
    const { clock, limits } = this.#context
    if (!upstream.socket?.connecting) return
    const late = new Fault('CONNECT_TIMEOUT', `${this.#target.host} took no connection in time`)
    const cancel = clock.after(limits.connectTimeoutMs, () => this.fail(late))
    upstream.socket.once('connect', cancel).once('close', cancel)
  }

  #onResponse(answer: IncomingMessage): void {
    const head = {
      status: answer.statusCode ?? 0,
      version: answer.httpVersion,
      fields: fieldsFromRaw(answer.rawHeaders),
    }
    const flaw = responseFlaw(head)
    if (flaw !== undefined) {
      return this.fail(new Fault('RESPONSE_INVALID', `${this.#target.host} answered with ${flaw}`))
    }
    if (this.#isOver) return
    this.#follow(answer)
    this.#events.onAnswer?.(answer)
    const fields = [...responseFields(head, this.#context.pseudonym), this.#told(head.status)]
    this.#response.writeHead(head.status, reasonOf(answer), fieldsToRaw(fields))
    // The head goes out before the content comes; flushHeaders() would write it as UTF-8.
    this.#response.write(Buffer.alloc(0))
    answer.pipe(this.#response)
  }

  /** That no cache was asked, and why (RFC 9211 2.2). */
  #told(status: number): FieldLine {
    const isRead = this.#request.method === 'GET' || this.#request.method === 'HEAD'
    const reason = isRead ? 'bypass' : 'method'
    return ['Cache-Status', cacheStatus({ kind: 'forward', reason, status })]
  }

  #follow(answer: IncomingMessage): void {
    const response = this.#response
    // "Connection: Upgrade" alone would let the connection serve another request that waits for one.
    if (this.#upstream) this.#upstream.shouldKeepAlive = false
    const onBroken = () => {
      if (!answer.complete) this.fail(new Fault('RESPONSE_INCOMPLETE', `${this.#target.host} broke off`))
    }
    answer.once('error', onBroken).once('close', onBroken)
    answer.once('end', () => addTrailers(response, answer))
    answer.on('data', this.#watch.touch)
    response.on('drain', this.#watch.touch)
    this.#watch.touch()
  }

  #onUpgrade(answer: IncomingMessage, upstream: Duplex, bytes: Buffer): void {
    const offered = this.#switching?.protocols.map((protocol) => protocol.toLowerCase()) ?? []
    const chosen = answer.headers.upgrade?.toLowerCase() ?? ''
    if (this.#isOver || !this.#switching || !offered.includes(chosen)) {
      upstream.destroy()
      return this.fail(new Fault('RESPONSE_INVALID', `${this.#target.host} switched protocols unasked`))
    }
    this.#end()
    this.#events.onSwitch?.()
    this.#switching.onSwitch(answer, upstream, bytes)
  }

  #patienceMs(): number {
    const { stallTimeoutMs, responseTimeoutMs } = this.#context.limits
    return this.#response.writableNeedDrain ? stallTimeoutMs : responseTimeoutMs
  }

  #onSilence(): void {
    if (this.#response.writableNeedDrain) this.#response.destroy()
    this.fail(new Fault('RESPONSE_TIMEOUT', `${this.#target.host} sent nothing in time`))
  }

  /** An HTTP/1.0 client would take a plain close for the end of the content. */
  #answer(fault: Fault): void {
    const isPlain = this.#request.httpVersion === '1.0' && this.#response.headersSent
    if (isPlain) this.#request.socket.resetAndDestroy()
    else answerFault(this.#request, this.#response, fault, this.#target)
  }

  #onClientDone(): void {
    if (this.#response.writableFinished) this.#end()
    else this.fail(new Fault('ABORTED', 'the user agent left'))
  }

  #end(): void {
    this.#isOver = true
    this.#watch.stop()
    this.#finish()
  }
}
