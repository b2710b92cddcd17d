/** An origin server of the demo's own behind a slow line: it counts every byte of body that it sends. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sleep, type Clock } from '../core/clock.ts'
import { contentRange, parseRange, type ByteSpan } from '../core/ranges.ts'

export interface SlowOriginSettings {
  /** For all connections together, as on one line to the Internet. */
  readonly bytesPerSecond: number
  /** Bodies by path. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

const CHUNK_BYTES = 32 * 1024

export class SlowOrigin {
  readonly #settings: SlowOriginSettings
  readonly #clock: Clock
  readonly #server: Server
  /** When the line is free again, in ms of the monotonic clock. */
  #freeAt = 0
  #sentBytes = 0

  constructor(settings: SlowOriginSettings, clock: Clock, server: Server) {
    this.#settings = settings
    this.#clock = clock
    this.#server = server
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#answer(request, response)
    })
  }

  /** Listens on 127.0.0.1, on a port that the system chooses. */
  static async start(settings: SlowOriginSettings, clock: Clock): Promise<SlowOrigin> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new SlowOrigin(settings, clock, server)
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /** Bytes of bodies handed to the network so far. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = this.#settings.files.get(request.url ?? '')
    if (body === undefined) return void response.writeHead(404, { 'Content-Length': 0 }).end()
    const spans = parseRange(request.headers.range ?? '', body.length)
    const part = spans?.length === 1 ? spans[0] : undefined
    const span = part ?? { start: 0, end: body.length }
    response.writeHead(part ? 206 : 200, {
      'Content-Type': 'application/vnd.debian.binary-package',
      'Content-Length': span.end - span.start,
      'Accept-Ranges': 'bytes',
      ...(part ? { 'Content-Range': contentRange(part, body.length) } : {}),
    })
    if (request.method !== 'HEAD') await this.#send(response, body, span)
    response.end()
  }

  async #send(response: ServerResponse, body: Uint8Array, { start, end }: ByteSpan): Promise<void> {
    for (let at = start; at < end && !response.destroyed; at += CHUNK_BYTES) {
      const chunk = body.subarray(at, Math.min(at + CHUNK_BYTES, end))
      await this.#myTurn(chunk.length)
      if (response.destroyed) return
      this.#sentBytes += chunk.length
      response.write(chunk)
    }
  }

  /** Waits until the line has carried what was before. */
  async #myTurn(bytes: number): Promise<void> {
    const now = this.#clock.monotonic()
    const begin = Math.max(now, this.#freeAt)
    this.#freeAt = begin + (bytes / this.#settings.bytesPerSecond) * 1000
    if (begin > now) await sleep(this.#clock, begin - now)
  }
}
