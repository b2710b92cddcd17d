/** How strict and how patient the proxy's own HTTP server is (V§6; V§4, exhaustion). */
import type { IncomingMessage, Server, ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import { fieldsFromRaw } from '../core/fields.ts'
import { hasContent, offeredProtocols } from './upgrade-request.ts'

/** A client that takes nothing of its answer for this long is cut, in ms: people pause downloads, and machines go to sleep. */
export const MAX_PAUSE_MS = 600_000

/** Bytes of a message's head; real ones stay below 8 kB, cookies included. */
export const MAX_HEADER_BYTES = 32_768

/** For `http.createServer`; `capConnections` belongs to it. */
export function serverOptions(): ServerOptions {
  return {
    insecureHTTPParser: false,
    // It is required all the same (request-check.ts): who leaves it out is told so.
    requireHostHeader: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: 30_000,
    /** For a whole request with its content: uploads over slow lines. Silence ends them sooner (pass-through.ts). */
    requestTimeout: 3_600_000,
    /** apt and browsers come back within seconds. */
    keepAliveTimeout: 60_000,
    connectionsCheckingInterval: 5_000,
    shouldUpgradeCallback: mayUpgrade,
  }
}

/**
 * Whether the request leaves HTTP/1.1 for the `upgrade` event. One with content does not, because its content would
 * come as bytes of the new protocol: it goes on as a plain request, and `checkRequest` refuses it (V§6). HTTP/1.0
 * cannot upgrade (RFC 9110 7.8).
 */
function mayUpgrade(request: IncomingMessage): boolean {
  const fields = fieldsFromRaw(request.rawHeaders)
  return request.httpVersion === '1.1' && offeredProtocols(fields).length > 0 && !hasContent(fields)
}

export interface ConnectionCaps {
  /** In all. */
  readonly max: number
  /** From one address. */
  readonly maxPerAddress: number
}

/** Far above what a machine's programs open at once, far below what would exhaust it. */
const DEFAULT_CAPS: ConnectionCaps = { max: 4_096, maxPerAddress: 1_024 }

/**
 * Closes connections beyond the caps as they come; those that are there stay.
 * @param makeRoom ends a connection from this address on which nobody waits for an answer, so that one that asks something has
 *   its place: on loopback all programs share an address, and one that holds a thousand connections must not shut out the others.
 *   @returns whether there was one.
 */
export function capConnections(
  server: Server,
  caps: ConnectionCaps = DEFAULT_CAPS,
  makeRoom: (address: string) => boolean = () => false,
): void {
  const open = new Map<string, number>()
  server.maxConnections = caps.max
  // Limits are counted in bytes (maxHeaderSize), so that no field line is left out of what the checks see.
  server.maxHeadersCount = 0
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    if (count > caps.maxPerAddress && !makeRoom(address)) return void socket.destroy()
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}
