/**
 * What the proxy forwards without its cache: other methods than GET and HEAD, and requests that ask for another
 * protocol, WebSocket among them (R6.1, V§6).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LookupFunction, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { endToEndFields, type Fields, fieldsFromRaw, fieldValues } from '../core/fields.ts'
import { ServerResponse as ResponseOfServer } from '../core/node-http.ts'
import { answerFault, messageHead } from './answer-fault.ts'
import {
  Exchange,
  type ExchangeContext,
  type ExchangeEvents,
  type PassThroughLimits,
  type Switching,
} from './exchange.ts'
import { maxForwards } from './forwarded-fields.ts'
import { GuardedAgent } from './guarded-agent.ts'
import { type ReceivedHead, receivedHead } from './request-check.ts'
import { holdBytes, splice } from './splice.ts'
import { MAX_PAUSE_MS } from './server-options.ts'
import { type GuardSettings, mayConnect } from './target-guard.ts'
import { offeredProtocols } from './upgrade-request.ts'
import { viaLine } from './via.ts'

export type { PassThroughLimits } from './exchange.ts'

/** Requests must have passed `checkRequest`; then nothing here throws, whatever comes. */
export interface PassThrough {
  /** For the server's `request`, `checkContinue` and `checkExpectation` events. */
  web(request: IncomingMessage, response: ServerResponse, target: URL, events?: ExchangeEvents): void
  /** For the server's `upgrade` event. */
  upgrade(request: IncomingMessage, client: Duplex, head: Buffer, target: URL, events?: ExchangeEvents): void
  /** Ends all that runs, with 503 where nothing was answered yet; later requests get 503. */
  stop(): Promise<void>
}

export interface PassThroughSettings {
  readonly guard: GuardSettings
  /** This node's name in `Via`. */
  readonly pseudonym: string
  readonly limits?: Partial<PassThroughLimits>
}

export interface PassThroughComponents {
  readonly clock: Clock
  /** Told once about each exchange that failed, a client that left included (ABORTED). */
  readonly onFault?: (fault: Fault, target: URL) => void
  /** Stands in for the system's resolver. */
  readonly resolve?: LookupFunction
}

const DEFAULT_LIMITS: PassThroughLimits = {
  connectTimeoutMs: 10_000,
  responseTimeoutMs: 300_000,
  stallTimeoutMs: MAX_PAUSE_MS,
  idleTimeoutMs: 600_000,
  maxExchanges: 512,
}

interface Running {
  readonly done: Promise<void>
  readonly end: () => void
}

export function passThrough(settings: PassThroughSettings, components: PassThroughComponents): PassThrough {
  const { guard, pseudonym } = settings
  const { clock, onFault = () => {}, resolve } = components
  const limits = { ...DEFAULT_LIMITS, ...settings.limits }
  const agent = new GuardedAgent(guard, resolve)
  const context: ExchangeContext = { agent, pseudonym, limits, clock, onFault }
  const running = new Set<Running>()
  let isStopping = false

  const track = (each: Running) => {
    running.add(each)
    void each.done.then(() => running.delete(each))
  }

  const refusalOf = (target: URL): Fault | undefined => {
    if (isStopping) return stopping()
    if (running.size >= limits.maxExchanges)
      return new Fault('OVERLOADED', `${running.size} requests at once`)
    return mayConnect(target.hostname, Number(target.port || 80), guard)
  }

  const run = (
    request: IncomingMessage,
    response: ServerResponse,
    target: URL,
    more: ExchangeEvents & { readonly switching?: Switching },
  ) => {
    const refusal = refusalOf(target)
    if (refusal) {
      answerFault(request, response, refusal, target)
      more.onFault?.(refusal)
      return onFault(refusal, target)
    }
    if (isLastRecipient(receivedHead(request))) return answerAsLast(request, response)
    const exchange = new Exchange(request, response, target, context, more)
    track({ done: exchange.done, end: () => exchange.fail(stopping()) })
  }

  return {
    web: (request, response, target, events = {}) => run(request, response, target, events),
    upgrade(request, client, head, target, events = {}) {
      const response = responseOn(client as Socket, request)
      const release = holdBytes(client, head, () => client.destroy())
      response.once('close', release)
      const protocols = offeredProtocols(fieldsFromRaw(request.rawHeaders))
      const onSwitch: Switching['onSwitch'] = (answer, upstream, bytes) => {
        response.detachSocket(client as Socket)
        release()
        client.write(messageHead(101, 'Switching Protocols', switchedFields(answer, pseudonym)))
        if (bytes.length > 0) upstream.unshift(bytes)
        track({ done: splice(client, upstream, limits.idleTimeoutMs, clock), end: () => client.destroy() })
      }
      run(request, response, target, { ...events, switching: { protocols, onSwitch } })
    },
    async stop() {
      isStopping = true
      const all = [...running]
      for (const each of all) each.end()
      await Promise.all(all.map((each) => each.done))
      agent.destroy()
    },
  }
}

function stopping(): Fault {
  return new Fault('STOPPING', 'the proxy is being stopped')
}

/**
 * The HTTP server has let go of a connection that asks for an upgrade; until the origin server's 101 it is HTTP all
 * the same, so it gets a response of its own, the last one on it.
 */
function responseOn(client: Socket, request: IncomingMessage): ServerResponse {
  const response = new ResponseOfServer(request)
  response.shouldKeepAlive = false
  response.assignSocket(client)
  client.on('error', () => client.destroy())
  response.once('finish', () => client.destroySoon())
  return response
}

/** The head of a 101 is hop-by-hop in part, and exactly that part is what it is for. */
function switchedFields(answer: IncomingMessage, pseudonym: string): Fields {
  const kept = endToEndFields(fieldsFromRaw(answer.rawHeaders))
  const protocol = answer.headers.upgrade ?? ''
  return [...kept, ['Connection', 'Upgrade'], ['Upgrade', protocol], viaLine(answer.httpVersion, pseudonym)]
}

function isLastRecipient({ method, fields }: ReceivedHead): boolean {
  return maxForwards(method, fields) === 0
}

/** `Max-Forwards: 0` ends here (RFC 9110 7.6.2): TRACE shows what arrived, without anything secret (9.3.8). */
function answerAsLast(request: IncomingMessage, response: ServerResponse): void {
  const { method, target, version, fields } = receivedHead(request)
  const isTrace = method === 'TRACE'
  const lines = fieldValues(fields, 'via').map((value) => `Via: ${value}\r\n`)
  const body = isTrace ? `${method} ${target} HTTP/${version}\r\n${lines.join('')}\r\n` : ''
  response.setHeader('Content-Length', Buffer.byteLength(body))
  if (isTrace) response.setHeader('Content-Type', 'message/http')
  else response.setHeader('Allow', 'GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE, CONNECT')
  response.writeHead(200).end(body)
  request.resume()
}
