/** The proxy's edges put together as the service will, with a recording origin server and raw clients: all on loopback. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createSocketServer,
  type LookupFunction,
  type Server as SocketServer,
  type Socket,
} from 'node:net'
import type { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'
import { type Clock, systemClock } from '../../core/clock.ts'
import type { Fault } from '../../core/fault.ts'
import { answerFault, answerFaultRaw } from '../../proxy/answer-fault.ts'
import { type PassThrough, type PassThroughLimits, passThrough } from '../../proxy/pass-through.ts'
import { checkRequest, receivedHead } from '../../proxy/request-check.ts'
import { capConnections, type ConnectionCaps, serverOptions } from '../../proxy/server-options.ts'
import type { GuardSettings } from '../../proxy/target-guard.ts'
import { type Tunnels, type TunnelSettings, tunnel } from '../../proxy/tunnel.ts'

export interface Edge {
  readonly port: number
  readonly faults: Fault[]
  readonly passing: PassThrough
  readonly tunnels: Tunnels
}

export interface EdgeOptions {
  readonly guard?: Partial<GuardSettings>
  readonly limits?: Partial<PassThroughLimits>
  readonly tunnel?: Partial<TunnelSettings>
  readonly caps?: ConnectionCaps
  readonly clock?: Clock
  readonly resolve?: LookupFunction
}

const PSEUDONYM = 'edge-under-test'

export async function startEdge(t: TestContext, options: EdgeOptions = {}): Promise<Edge> {
  const own: { address: string; port: number }[] = []
  const ownAuthorities: string[] = []
  const guard: GuardSettings = { loopbackOnly: true, allowPorts: 'auto', own, ...options.guard }
  const faults: Fault[] = []
  const components = {
    clock: options.clock ?? systemClock,
    onFault: (fault: Fault) => faults.push(fault),
    ...(options.resolve ? { resolve: options.resolve } : {}),
  }
  const passing = passThrough({ guard, pseudonym: PSEUDONYM, limits: options.limits ?? {} }, components)
  const tunnels = tunnel({ guard, ...options.tunnel }, components)
  const decide = (request: IncomingMessage) =>
    checkRequest(receivedHead(request), {
      pseudonym: PSEUDONYM,
      ownAuthorities,
      isOwnPage: (path) => path === '/proxy.pac',
    })
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const decision = decide(request)
    if (decision.kind === 'proxy') passing.web(request, response, decision.target)
    else if (decision.kind === 'own-page') response.end('own page')
    else if (decision.kind === 'refused') answerFault(request, response, decision.fault, request.url ?? '')
  }
  const server = createServer(serverOptions(), answer)
  server.on('checkContinue', answer).on('checkExpectation', answer)
  server.on('upgrade', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    const decision = decide(request)
    if (decision.kind === 'proxy') passing.upgrade(request, client, head, decision.target)
    else if (decision.kind === 'refused') answerFaultRaw(client, decision.fault, request.url ?? '')
  })
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    const decision = decide(request)
    if (decision.kind === 'connect') tunnels.open(request, client, head, decision)
    else if (decision.kind === 'refused') answerFaultRaw(client, decision.fault, request.url ?? '')
  })
  capConnections(server, options.caps)
  const port = await listen(t, server)
  own.push({ address: '127.0.0.1', port })
  ownAuthorities.push(`127.0.0.1:${port}`, `localhost:${port}`)
  t.after(() => Promise.all([passing.stop(), tunnels.stop()]))
  return { port, faults, passing, tunnels }
}

/** An origin server that records the bytes of every connection and answers by script. */
export interface Origin {
  readonly port: number
  /** What came, one text per connection, in Latin-1. */
  readonly received: string[]
  readonly sockets: Socket[]
  /** The next connection, or the oldest that was not asked for yet. */
  next(): Promise<Socket>
}

/** Called whenever bytes came; `text` is all that the connection has sent so far. */
export type OriginScript = (socket: Socket, text: string) => void

export async function startOrigin(t: TestContext, script: OriginScript): Promise<Origin> {
  const received: string[] = []
  const sockets: Socket[] = []
  const waiting: ((socket: Socket) => void)[] = []
  const unasked: Socket[] = []
  const server = createSocketServer({ allowHalfOpen: true }, (socket) => {
    const at = sockets.push(socket) - 1
    received.push('')
    socket.on('error', () => {}).on('end', () => socket.end())
    socket.on('data', (chunk) => {
      received[at] += chunk.toString('latin1')
      script(socket, received[at] ?? '')
    })
    const take = waiting.shift()
    if (take) take(socket)
    else unasked.push(socket)
  })
  const port = await listen(t, server, sockets)
  const next = () =>
    new Promise<Socket>((resolve) => {
      const ready = unasked.shift()
      if (ready) resolve(ready)
      else waiting.push(resolve)
    })
  return { port, received, sockets, next }
}

/** Answers every request that has a whole head with the same bytes, once per connection. */
export function answering(bytes: string): OriginScript {
  const answered = new WeakSet<Socket>()
  return (socket, text) => {
    if (!text.includes('\r\n\r\n') || answered.has(socket)) return
    answered.add(socket)
    socket.write(bytes, 'latin1')
  }
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A client that speaks bytes. */
export interface RawClient {
  readonly socket: Socket
  /** All that came so far, in Latin-1. */
  text(): string
  send(bytes: string): void
  /** Resolves when what came matches; rejects when the connection closes without. */
  until(pattern: RegExp): Promise<string>
  /** Resolves with all that came when the connection has closed. */
  closed(): Promise<string>
  /** Whether the connection was reset rather than ended. */
  wasReset(): boolean
}

export async function rawClient(t: TestContext, port: number, bytes = ''): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  let isReset = false
  let onChange: (() => void) | undefined
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    onChange?.()
  })
  socket.on('error', (error) => (isReset = 'code' in error && error.code === 'ECONNRESET'))
  socket.on('end', () => socket.end())
  t.after(() => socket.destroy())
  if (bytes !== '') socket.write(bytes, 'latin1')
  const until = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => void (pattern.test(text) && resolve(text))
      onChange = look
      look()
      void gone.then(() => reject(new Error(`closed before ${pattern}: ${JSON.stringify(text)}`)))
    })
  return {
    socket,
    text: () => text,
    send: (more) => void socket.write(more, 'latin1'),
    until,
    closed: () => gone.then(() => text),
    wasReset: () => isReset,
  }
}

/** Sends one message and waits for a response with a length, or for the end. */
export async function exchange(t: TestContext, port: number, bytes: string): Promise<string> {
  const client = await rawClient(t, port, bytes)
  const whole = new Promise<string>((resolve) => {
    const look = () => isWhole(client.text()) && resolve(client.text())
    client.socket.on('data', look)
  })
  const text = await Promise.race([whole, client.closed()])
  client.socket.destroy()
  return text
}

function isWhole(text: string): boolean {
  const at = text.indexOf('\r\n\r\n')
  const length = /content-length: (\d+)/i.exec(text)?.[1]
  return (
    at >= 0 && (length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= at + 4 + Number(length))
  )
}

export function statusOf(response: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(response)?.[1])
}

async function listen(
  t: TestContext,
  server: Server | SocketServer,
  sockets: Socket[] = [],
): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
