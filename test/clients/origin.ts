/** A recording origin server on loopback: what it is asked and how many bytes of body it sends are counted. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseRange } from '../../core/ranges.ts'
import type { Scene } from './harness.ts'

export interface Page {
  readonly body: Uint8Array
  readonly status?: number
  /** `ETag` here makes it answer conditions and ranges by it. */
  readonly fields?: Readonly<Record<string, string>>
  /** No `Content-Length`, no ranges. */
  readonly isChunked?: boolean
  /** Stops after so many bytes of every body until `opened`. */
  readonly gate?: { readonly atByte: number; readonly opened: Promise<void> }
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface Recorded {
  readonly method: string
  readonly path: string
  readonly fields: IncomingMessage['headers']
}

export class Origin {
  readonly requests: Recorded[] = []
  readonly #pages = new Map<string, Page | Handler>()
  readonly #server: Server
  readonly #sent = new Map<string, number>()

  constructor(server: Server) {
    this.#server = server
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const { method = '', url: path = '', headers: fields } = request
      this.requests.push({ method, path, fields })
      const page = this.#pages.get(path)
      if (typeof page === 'function') return page(request, response)
      void this.#answer(request, response, page ?? { status: 404, body: Buffer.from('no such page\n') })
    })
  }

  static async start(scene: Scene, host = '127.0.0.1', port = 0): Promise<Origin> {
    const server = createServer()
    server.listen(port, host)
    await once(server, 'listening')
    scene.ending(() => {
      server.close()
      server.closeAllConnections()
    })
    return new Origin(server)
  }

  get server(): Server {
    return this.#server
  }

  get authority(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return `${address}:${port}`
  }

  /** Serves this at `path`. @returns its URL. */
  put(path: string, page: Page | Handler): string {
    this.#pages.set(path, page)
    return `http://${this.authority}${path}`
  }

  /** As apt finds an index by its digest: shared by the preset, verified by the URL (V1). */
  putByHash(body: Uint8Array, page: Omit<Page, 'body'> = {}): string {
    return this.put(`/debian/by-hash/SHA256/${sha256(body)}`, { ...page, body })
  }

  /** What each GET of it asked for, in order: `whole`, or a `Range`. */
  asked(url: string): string[] {
    const { pathname } = new URL(url)
    const gets = this.requests.filter(({ method, path }) => method === 'GET' && path === pathname)
    return gets.map(({ fields }) => fields['range'] ?? 'whole')
  }

  /** Requests for `url` so far. */
  count(url: string, method?: string): number {
    const isOf = (each: Recorded) => url.endsWith(each.path) && (method ?? each.method) === each.method
    return this.requests.filter(isOf).length
  }

  /** Bytes of body handed to the network for `url` so far. */
  sentBytes(url: string): number {
    return this.#sent.get(new URL(url).pathname) ?? 0
  }

  async #answer(request: IncomingMessage, response: ServerResponse, page: Page): Promise<void> {
    const { fields = {}, status = 200, isChunked = false } = page
    if (fields['ETag'] !== undefined && request.headers['if-none-match'] === fields['ETag'])
      return void response.writeHead(304, fields).end()
    const size = page.body.length
    const span = isChunked || status !== 200 ? undefined : askedSpan(request, page)
    const body = span ? page.body.subarray(span.start, span.end) : page.body
    response.writeHead(span ? 206 : status, {
      ...fields,
      ...(span ? { 'Content-Range': `bytes ${span.start}-${span.end - 1}/${size}` } : {}),
      ...(isChunked ? {} : { 'Content-Length': body.length, 'Accept-Ranges': 'bytes' }),
    })
    if (request.method === 'HEAD') return void response.end()
    const firstBytes = Math.max(0, (page.gate?.atByte ?? 0) - (span?.start ?? 0))
    if (page.gate && firstBytes > 0) this.#send(request, response, body.subarray(0, firstBytes))
    await page.gate?.opened
    this.#send(request, response, page.gate ? body.subarray(firstBytes) : body)
    response.end()
  }

  #send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
    if (response.destroyed) return
    const { url: path = '' } = request
    this.#sent.set(path, (this.#sent.get(path) ?? 0) + bytes.length)
    response.write(bytes)
  }
}

function askedSpan({ headers }: IncomingMessage, { body, fields = {} }: Page) {
  const condition = headers['if-range']?.toString()
  const isCurrent = [undefined, fields['ETag'], fields['Last-Modified']].includes(condition)
  const spans = isCurrent ? parseRange(headers.range ?? '', body.length) : undefined
  return spans?.length === 1 ? spans[0] : undefined
}

/** A body that nothing else has. */
export function uniqueBody(bytes: number): Buffer {
  return randomBytes(bytes)
}

/** 64 lower-case hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
