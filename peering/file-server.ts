/**
 * The micro HTTP server of the peering server (R1.3): `answerPeer` on a real port, with the limits that keep a stranger
 * from using it up (V§4, exhaustion).
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { writeAnswer, type Answer } from '../core/answer.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { fieldsFromRaw } from '../core/fields.ts'
import { createServer } from '../core/node-http.ts'
import { OwedAnswers } from '../core/owed-answers.ts'
import { withoutSecrets } from '../core/redaction.ts'
import { lookEveryMs, Standstill } from '../core/standstill.ts'
import type { Address } from '../core/transport.ts'
import { untakenBytes } from '../core/untaken.ts'
import type { Abuse, AbuseKind } from './abuses.ts'
import {
  answerFunction,
  answerPeer,
  HEALTH,
  isDocument,
  peerRefusal,
  SUMMARY_PATH,
  type FileRequest,
  type SharedFiles,
} from './peer-answer.ts'
import { aliasOfPieces } from './piece-digests.ts'

export { answerPeer, type FileRequest, type SharedFile, type SharedFiles } from './peer-answer.ts'

/** How long a connection may take over what, in ms. */
interface FileServerTimeouts {
  /** From the connection, or the first byte of a further request, to the end of the header section. */
  readonly headersMs: number
  /** The same to the end of the whole request. */
  readonly requestMs: number
  /** Between two requests. */
  readonly idleMs: number
  /** Without any byte moving in either direction, also in the middle of an answer. */
  readonly stallMs: number
}

export interface FileServerSettings {
  /** Address to listen on. */
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  /** Connections at once; one more is closed without a word (V§4, exhaustion). */
  readonly maxConnections: number
  /** The same for one source address; absent: 64. */
  readonly maxConnectionsPerPeer?: number
  /** Absent: 5, 10, 15 and 30 s. */
  readonly timeouts?: FileServerTimeouts
  /** Source addresses that are served: peers on this node's own subnets. */
  readonly isOnLink: (address: string) => boolean
}

export interface FileServerEvents {
  /** A transfer of a file has ended; `bytes` of body were sent. */
  uploaded(peer: string, target: string, bytes: number): void
  /** `status` 0: the connection was closed without an answer. */
  refused(peer: string, status: number): void
  /** Somebody tried what no peer does. It was refused. */
  abused(abuse: Abuse): void
}

/** A busy updater asks for some thirty files at once; this leaves room for the next peer. */
const MAX_CONNECTIONS_PER_PEER = 64

/**
 * Requests of one connection that are answered at once. A peer sends its next one when it has the answer to the last, which may be a
 * moment before this server notices that it has sent it.
 */
export const MAX_PIPELINED = 4

const FILE_SERVER_TIMEOUTS: FileServerTimeouts = {
  headersMs: 5_000,
  requestMs: 10_000,
  idleMs: 15_000,
  stallMs: 30_000,
}

/** A peer's request is some 300 bytes. */
const MAX_HEADER_BYTES = 4096

export class FileServer {
  readonly #server: Server
  readonly #settings: FileServerSettings
  readonly #files: SharedFiles
  readonly #events: FileServerEvents
  readonly #clock: Clock
  readonly #stallMs: number
  readonly #untaken: (socket: Socket) => number
  /** Of connections on which nothing has moved for a while. */
  readonly #standstills = new WeakMap<Socket, Standstill>()
  /** Those that wait for what another machine has to do first. */
  readonly #waiting = new WeakSet<Socket>()
  /** Connections by source address. */
  readonly #connections = new Map<string, number>()
  readonly #owed = new OwedAnswers()
  #uploads = 0

  constructor(
    settings: FileServerSettings,
    files: SharedFiles,
    events: FileServerEvents,
    clock: Clock = systemClock,
  ) {
    const { maxConnections, timeouts = FILE_SERVER_TIMEOUTS } = settings
    this.#settings = settings
    this.#files = files
    this.#events = events
    this.#clock = clock
    this.#stallMs = timeouts.stallMs
    this.#untaken = untakenBytes(clock)
    this.#server = newServer(maxConnections, timeouts)
    this.#server.on('connection', (socket) => this.#onConnection(socket))
    this.#server.on('timeout', (socket) => this.#onTimeout(socket))
    this.#server.on('request', (request, response) => void this.#serve(request, response))
    for (const kind of ['connect', 'upgrade'] as const)
      this.#server.on(kind, (request, socket: Socket) => this.#abused(socket, kind, request))
    this.#server.on('clientError', (error, socket: Socket) => this.#onMalformed(error, socket))
    this.#server.on('drop', (dropped) => this.#onDrop(dropped?.remoteAddress))
  }

  /** Transfers of files that run now. */
  get uploads(): number {
    return this.#uploads
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.#settings.port
  }

  /** @throws Fault ADDRESS_IN_USE naming the address and port. */
  start(): Promise<void> {
    const { address, port } = this.#settings
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) => {
        const what = `peering.filePort: cannot listen on ${address}:${port}: ${cause.message}`
        reject(new Fault('ADDRESS_IN_USE', what, { cause }))
      }
      this.#server.once('error', fail)
      this.#server.listen(port, address, () => {
        // From now on an error is a connection that could not be accepted: that peer's loss alone.
        this.#server.off('error', fail).on('error', () => this.#events.refused('', 0))
        resolve()
      })
    })
  }

  /** Cuts running transfers: whoever reads takes another source where this one ends (R4.4). Safe more than once. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  /** Before anything is read: strangers from elsewhere, and one peer that would take all. */
  #onConnection(socket: Socket): void {
    const peer = socket.remoteAddress
    // Who has gone already has no address, and has tried nothing.
    if (peer === undefined) return void socket.destroy()
    const open = this.#connections.get(peer) ?? 0
    const limit = this.#settings.maxConnectionsPerPeer ?? MAX_CONNECTIONS_PER_PEER
    if (!this.#settings.isOnLink(peer)) return this.#abused(socket, 'off-link')
    if (open >= limit) return this.#abused(socket, 'too-many-connections')
    this.#connections.set(peer, open + 1)
    socket.once('close', () => this.#onClose(peer))
  }

  #onClose(peer: string): void {
    const open = (this.#connections.get(peer) ?? 1) - 1
    if (open === 0) this.#connections.delete(peer)
    else this.#connections.set(peer, open)
  }

  /** Nothing has moved for as long as Node waits until it looks again, or for as long as a connection is kept between two requests. */
  #onTimeout(socket: Socket): void {
    if (this.#waiting.has(socket)) return
    const isBetweenRequests = this.#owed.count(socket) === 0 && socket.bytesWritten > 0
    if (isBetweenRequests || this.#isStalled(socket)) socket.destroy()
    else socket.setTimeout(lookEveryMs(this.#stallMs))
  }

  #isStalled(socket: Socket): boolean {
    const standstill = this.#standstills.get(socket) ?? new Standstill(this.#stallMs, this.#untaken)
    this.#standstills.set(socket, standstill)
    return standstill.look(socket, this.#clock.monotonic()) >= this.#stallMs
  }

  #refuse(socket: Socket): void {
    this.#events.refused(socket.remoteAddress ?? '', 0)
    socket.destroy()
  }

  /** Cut without a word. */
  #abused(socket: Socket, kind: AbuseKind, request?: IncomingMessage): void {
    this.#events.abused({ kind, from: socket.remoteAddress ?? '', request: lineOf(request) })
    this.#refuse(socket)
  }

  /** @param from absent: it has gone already. */
  #onDrop(from: string | undefined): void {
    if (from !== undefined) this.#events.abused({ kind: 'too-many-connections', from, request: '' })
  }

  /** Who breaks off, or is too slow, has not spoken wrongly. */
  #onMalformed({ code = '' }: NodeJS.ErrnoException, socket: Socket): void {
    if (this.#owed.isEnding(socket)) return
    this.#owed.end(socket)
    const from = socket.remoteAddress ?? ''
    if (code.startsWith('HPE_')) this.#events.abused({ kind: 'malformed', from, request: '' })
    const status = REFUSED_UNREAD[code] ?? '400 Bad Request'
    if (code === 'ECONNRESET') return void socket.destroy()
    this.#owed.whenOut(socket, () => {
      socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
      socket.destroy()
    })
  }

  /** Whether so many are being answered on this connection already that it is cut. */
  #isPipelined(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    // What was read with the request for which it was cut, or behind what is none.
    if (socket.destroyed || this.#owed.isEnding(socket)) return true
    if (this.#owed.count(socket) >= MAX_PIPELINED) {
      this.#abused(socket, 'pipelined', request)
      return true
    }
    this.#owed.add(socket, response)
    return false
  }

  /** Until the answer begins, nothing is due from who asked; how long that may take, who performs it knows. */
  async #writePerformed(response: ServerResponse, socket: Socket, performed: Promise<Answer>): Promise<void> {
    this.#waiting.add(socket)
    const answer = await performed.finally(() => this.#waiting.delete(socket))
    if (socket.destroyed) return
    socket.setTimeout(lookEveryMs(this.#stallMs))
    await writeAnswer(response, answer)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#isPipelined(request, response)) return
    const { url = '', socket } = request
    const peer = socket.remoteAddress ?? ''
    try {
      const asked = requestOf(request, response)
      const authorities = authoritiesOf(socket)
      const performed = answerFunction(this.#files, asked, authorities)
      if (performed !== undefined) return await this.#writePerformed(response, socket, performed)
      const kind = peerRefusal(asked, authorities)
      if (kind !== undefined) this.#events.abused({ kind, from: peer, request: lineOf(request) })
      const answer = answerPeer(this.#files, asked, authorities)
      const isFile =
        url !== HEALTH && url !== SUMMARY_PATH && !isDocument(url) && aliasOfPieces(url) === undefined
      const isUpload = answer.body !== undefined && answer.status < 300 && isFile
      if (isUpload) this.#uploads++
      const { bytes } = await writeAnswer(response, answer)
      if (isUpload) this.#uploads--
      if (isUpload) this.#events.uploaded(peer, url, bytes)
      else if (answer.status >= 400) this.#events.refused(peer, answer.status)
    } catch {
      this.#refuse(socket) // the file could not be opened: this node's fault, and its store has reported it
    }
  }
}

/** What is answered to what cannot be read, by Node's code; anything else is 400. */
const REFUSED_UNREAD: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** What is shown of a request. */
function lineOf(request: IncomingMessage | undefined): string {
  return request === undefined ? '' : `${request.method ?? ''} ${withoutSecrets(request.url ?? '')}`
}

function newServer(
  maxConnections: number,
  { headersMs, requestMs, idleMs, stallMs }: FileServerTimeouts,
): Server {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    // Node looks for overdue requests only this often; its own 30 s would make the limits above mean little.
    connectionsCheckingInterval: Math.min(1000, headersMs / 2),
  })
  server.maxConnections = maxConnections
  server.timeout = lookEveryMs(stallMs)
  return server
}

/** Its signal aborts when the answer is over, well or not. */
function requestOf(
  { method = '', url = '', rawHeaders, socket }: IncomingMessage,
  response: ServerResponse,
): FileRequest {
  const over = new AbortController()
  response.once('close', () => over.abort(NO_LONGER_NEEDED))
  const peer = (socket.remoteAddress ?? '') as Address
  return { peer, method, target: url, fields: fieldsFromRaw(rawHeaders), signal: over.signal }
}

function authoritiesOf({ localAddress = '', localPort = 0 }: Socket): string[] {
  return [`${localAddress}:${localPort}`]
}
