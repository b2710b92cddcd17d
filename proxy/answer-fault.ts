/** Sends an error answer, on a response or on a bare connection. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Fault } from '../core/fault.ts'
import { type Fields, fieldsToRaw } from '../core/fields.ts'
import { STATUS_CODES } from '../core/node-http.ts'
import { errorAnswer } from './error-page.ts'

/**
 * Answers a request with a fault. What is left of the request's content is read and dropped, so that the user agent
 * gets to read the answer; when it waits for a 100 (Continue), Node closes the connection instead (RFC 9110 10.1.1).
 * A malformed request is the last of its connection.
 * A response that has already begun is cut off: its incompleteness is the only thing left to say.
 */
export function answerFault(
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault,
  target: URL | string,
): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const { status, fields, body } = errorAnswer(fault, target, request.headers.accept)
  // Two readers may see different ends of a malformed request: what comes behind it is none (RFC 9112 6.3).
  const last: Fields = fault.code === 'BAD_REQUEST' ? [['Connection', 'close']] : []
  response.writeHead(status, STATUS_CODES[status] ?? 'Error', fieldsToRaw([...fields, ...last])).end(body)
  request.unpipe().resume()
}

/** Answers a CONNECT, whose connection is no longer the HTTP server's, and closes it. */
export function answerFaultRaw(client: Duplex, fault: Fault, target: string, accept?: string): void {
  client.on('error', () => client.destroy())
  if (client.destroyed || !client.writable) return void client.destroy()
  const { status, fields, body } = errorAnswer(fault, target, accept)
  client.write(messageHead(status, STATUS_CODES[status] ?? 'Error', [...fields, ['Connection', 'close']]))
  client.end(body, () => client.destroy())
  // Unread bytes would turn the close into a reset, and the client might lose the answer.
  client.resume()
}

/** A response's status line and header section as bytes. Fields must come from a parser or from this node. */
export function messageHead(status: number, reason: string, fields: Fields): Buffer {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n`, 'latin1')
}
