/**
 * The micro HTTP server of the peering server (R1.3): GET, HEAD and Range of local aliases, and health. Nothing else
 * exists here: it never fetches for anyone, and what it serves is looked up by an unguessable name, never by a path.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bodyOf, writeAnswer, type Answer } from '../core/answer.ts'
import { Fault } from '../core/fault.ts'
import {
  fieldsFromRaw,
  fieldValue,
  fieldValues,
  hasField,
  withoutFields,
  type Fields,
} from '../core/fields.ts'
import { contentRange, parseRange, type ByteSpan } from '../core/ranges.ts'
import type { LocalAlias } from './packets.ts'

/** A copy that a peer may read, complete or still growing. */
export interface SharedFile {
  /** Bytes in all; `undefined` while a running download does not know. */
  readonly size: number | undefined
  /** The stored response's fields; only those that describe the representation are sent. */
  readonly fields: Fields
  /** `span.end` may be `Infinity` while the size is not known. */
  read(span: ByteSpan, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** The reader is done. */
  close(): void
}

/** What the peering server asks of its node. */
export interface SharedFiles {
  open(alias: LocalAlias): SharedFile | undefined
}

export interface FileRequest {
  readonly method: string
  /** The request target, as sent. */
  readonly target: string
  readonly fields: Fields
  readonly signal: AbortSignal
}

export interface FileServerSettings {
  /** Address to listen on. */
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  /** Connections at once; one more is closed without a word (V§4, exhaustion). */
  readonly maxConnections: number
  /** Source addresses that are served: peers on this node's own subnets. */
  readonly isOnLink: (address: string) => boolean
}

export interface FileServerEvents {
  /** A transfer has ended; `bytes` of body were sent. */
  uploaded(peer: string, alias: string, bytes: number): void
  refused(peer: string, status: number): void
}

/**
 * The answer to one request; pure but for reading the file.
 * @param authorities what `Host` may say: this server's own addresses, so that no page reaches it by rebinding a name.
 */
export function answerPeer(files: SharedFiles, request: FileRequest, authorities: readonly string[]): Answer {
  const { method, target, fields } = request
  if (isFromPage(fields) || !isForUs(fields, authorities)) return plain(403, 'not for browsers')
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'only GET and HEAD', [['Allow', 'GET, HEAD']])
  if (target === '/health') return plain(200, 'ok', [], method)
  const alias = /^\/([0-9a-f]{64})$/.exec(target)?.[1] as LocalAlias | undefined
  const file = alias === undefined ? undefined : files.open(alias)
  return file ? fileAnswer(file, request) : plain(404, 'no such alias', [], method)
}

/** Browsers mark what a page causes; peers never send these. */
function isFromPage(fields: Fields): boolean {
  return ['origin', 'referer', 'cookie', 'sec-fetch-site', 'sec-fetch-mode'].some((name) =>
    hasField(fields, name),
  )
}

function isForUs(fields: Fields, authorities: readonly string[]): boolean {
  const hosts = fieldValues(fields, 'host')
  return hosts.length === 1 && authorities.includes(hosts[0] ?? '')
}

function fileAnswer(file: SharedFile, request: FileRequest): Answer {
  const { size } = file
  const range = fieldValue(request.fields, 'range')
  const described = describing(file.fields)
  if (range !== undefined && !hasField(request.fields, 'if-range')) {
    const spans = size === undefined ? openEnded(range) : parseRange(range, size)
    if (spans?.length === 0)
      return closing(file, plain(416, 'no such bytes', [['Content-Range', `bytes */${size}`]]))
    const [span] = spans ?? []
    if (span && spans?.length === 1) return fileSpan(file, request, span, described)
  }
  const length: Fields = size === undefined ? [] : [['Content-Length', String(size)]]
  const fields = [...described, ...length, ['Accept-Ranges', 'bytes'] as const]
  if (request.method === 'HEAD') return closing(file, { status: 200, fields })
  return { status: 200, fields, body: reading(file, { start: 0, end: size ?? Infinity }, request.signal) }
}

function fileSpan(file: SharedFile, request: FileRequest, span: ByteSpan, described: Fields): Answer {
  const { size } = file
  const isBounded = size !== undefined
  const fields: Fields = isBounded
    ? [
        ...described,
        ['Content-Range', contentRange(span, size)],
        ['Content-Length', String(span.end - span.start)],
      ]
    : described
  // RFC 9110 14.4 has no form for "from here to an end that is not known yet": a 206 needs the last byte.
  if (!isBounded) return closing(file, plain(503, 'the size is not known yet', [['Retry-After', '1']]))
  if (request.method === 'HEAD') return closing(file, { status: 206, fields })
  return { status: 206, fields, body: reading(file, span, request.signal) }
}

function openEnded(range: string): readonly ByteSpan[] | undefined {
  const from = /^bytes=(\d{1,15})-$/.exec(range)?.[1]
  return from === undefined ? undefined : [{ start: Number(from), end: Infinity }]
}

async function* reading(file: SharedFile, span: ByteSpan, signal: AbortSignal): AsyncIterable<Uint8Array> {
  try {
    yield* file.read(span, signal)
  } finally {
    file.close()
  }
}

function closing(file: SharedFile, answer: Answer): Answer {
  file.close()
  return answer
}

const DESCRIBING = ['content-type', 'etag', 'last-modified', 'date', 'cache-control', 'expires', 'age']

/** Nothing private leaves (R1.3): only fields that describe the representation. */
function describing(fields: Fields): Fields {
  const kept = fields.filter(([name]) => DESCRIBING.includes(name.toLowerCase()))
  return [...withoutFields(kept, ['age']), ['Cross-Origin-Resource-Policy', 'same-origin']]
}

function plain(status: number, text: string, more: Fields = [], method = 'GET'): Answer {
  const bytes = Buffer.from(`${text}\n`)
  const fields: Fields = [
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', String(bytes.length)],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
    ...more,
  ]
  return method === 'HEAD' ? { status, fields } : { status, fields, body: bodyOf(bytes) }
}

/** `answerPeer` on a real port. */
export class FileServer {
  readonly #server: Server
  readonly #settings: FileServerSettings
  readonly #files: SharedFiles
  readonly #events: FileServerEvents
  #uploads = 0

  constructor(settings: FileServerSettings, files: SharedFiles, events: FileServerEvents) {
    this.#settings = settings
    this.#files = files
    this.#events = events
    this.#server = createServer({
      maxHeaderSize: 4096,
      requestTimeout: 10_000,
      headersTimeout: 5_000,
      keepAliveTimeout: 15_000,
    })
    this.#server.maxConnections = settings.maxConnections
    this.#server.on('request', (request, response) => void this.#serve(request, response))
    this.#server.on('connect', (_request, socket) => socket.destroy())
    this.#server.on('upgrade', (_request, socket) => socket.destroy())
  }

  /** Transfers that run now. */
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
      const fail = (cause: Error) =>
        reject(
          new Fault(
            'ADDRESS_IN_USE',
            `peering.filePort: cannot listen on ${address}:${port}: ${cause.message}`,
            { cause },
          ),
        )
      this.#server.once('error', fail)
      this.#server.listen(port, address, () => {
        this.#server.off('error', fail)
        resolve()
      })
    })
  }

  /** Waits up to `graceMs` for running transfers. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const peer = request.socket.remoteAddress ?? ''
    if (!this.#settings.isOnLink(peer)) {
      this.#events.refused(peer, 0)
      request.socket.destroy()
      return
    }
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    this.#uploads++
    const answer = answerPeer(this.#files, this.#view(request, gone.signal), this.#authorities(request))
    const written = await writeAnswer(response, answer)
    this.#uploads--
    if (answer.status >= 400) this.#events.refused(peer, answer.status)
    else this.#events.uploaded(peer, request.url ?? '', written.bytes)
  }

  #view(request: IncomingMessage, signal: AbortSignal): FileRequest {
    const { method = '', url = '', rawHeaders } = request
    return { method, target: url, fields: fieldsFromRaw(rawHeaders), signal }
  }

  #authorities(request: IncomingMessage): string[] {
    const { localAddress = '', localPort = 0 } = request.socket
    return [`${localAddress}:${localPort}`]
  }
}
