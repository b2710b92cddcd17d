/** The small conversions between Node's messages and what http-proxy and this node make of them. */
import type { ClientRequest, IncomingMessage, InformationEvent, ServerResponse } from 'node:http'
import { Fault } from '../core/fault.ts'
import { endToEndFields, type Fields, fieldsFromRaw, fieldsToRaw, fieldValues } from '../core/fields.ts'
import { MAX_INTERIM_RESPONSES, type OnInformation } from '../core/upstream.ts'
import { isFieldText } from './field-line.ts'
import { trailerFields } from './forwarded-fields.ts'
import { type ReceivedHead, requestPath } from './request-check.ts'

/** The target as http-proxy takes it: the path is the whole request-target that it sends. */
export interface DetailedTarget {
  readonly protocol: string
  readonly hostname: string
  readonly port: string
  readonly pathname: string
}

/** Path and query go out as they were written, unless `target` is another URI than the request's. */
export function targetOf(target: URL, head: ReceivedHead): DetailedTarget {
  const isWritten = URL.canParse(head.target) && new URL(head.target).href === target.href
  const path = isWritten ? originForm(head) : target.pathname + target.search
  const hostname = target.hostname.replace(/^\[|\]$/g, '')
  return { protocol: 'http:', hostname, port: target.port || '80', pathname: path }
}

/** OPTIONS without a path is about the whole server (RFC 9112 3.2.4). */
function originForm({ method, target }: ReceivedHead): string {
  return method === 'OPTIONS' && /^http:\/\/[^/?]*$/i.test(target) ? '*' : requestPath(target)
}

/** Field lines with the same name become one entry with several values, which Node writes as several lines again. */
export function asHeaders(fields: Fields): Record<string, string | string[]> {
  const names = new Set(fields.map(([name]) => name.toLowerCase()))
  const entries = Array.from(names, (name) => {
    const values = fieldValues(fields, name)
    return [name, values.length === 1 ? (values[0] ?? '') : values] as const
  })
  return Object.fromEntries(entries)
}

/** Interim responses pass end to end (RFC 9110 15.2), but not to HTTP/1.0 clients, which do not know them. */
export function interimForwarder(
  request: IncomingMessage,
  response: ServerResponse,
  fail: (fault: Fault) => void,
): (information: InformationEvent) => void {
  const forward = interimWriter(request, response, fail)
  return ({ statusCode, rawHeaders }) => forward(statusCode, fieldsFromRaw(rawHeaders))
}

/** The same for a response whose fields are read. */
export function interimWriter(
  request: IncomingMessage,
  response: ServerResponse,
  fail: (fault: Fault) => void,
): OnInformation {
  let count = 0
  return (status, fields) => {
    if (++count > MAX_INTERIM_RESPONSES)
      return fail(new Fault('RESPONSE_INVALID', 'too many interim responses'))
    if (request.httpVersion !== '1.1' || response.headersSent || response.destroyed) return
    // Node keeps a connection open only when it knows that the content was asked for.
    if (status === 100) return response.writeContinue()
    response.writeInformation(status, fieldsToRaw(endToEndFields(fields)))
  }
}

/** Node writes a trailer section only behind chunked content, which is the only place for it. */
export function addTrailers(to: ClientRequest | ServerResponse, from: IncomingMessage): void {
  const fields = trailerFields(fieldsFromRaw(from.rawTrailers))
  if (fields.length > 0) to.addTrailers(fields.map(([name, value]): [string, string] => [name, value]))
}

/** What Node's parser accepts of a response and this node does not pass on. */
export function responseFlaw(head: { status: number; fields: Fields }): string | undefined {
  if (head.status < 200) return `status ${head.status}`
  const codings = fieldValues(head.fields, 'transfer-encoding')
  const isPlain = codings.length === 0 || (codings.length === 1 && codings[0]?.toLowerCase() === 'chunked')
  return isPlain ? undefined : `Transfer-Encoding "${codings.join(', ')}"`
}

/** A reason phrase with other characters than RFC 9112 4 allows is left out: nobody needs it. */
export function reasonOf(answer: IncomingMessage): string {
  return plainReason(answer.statusMessage)
}

/** The phrase, or none when it has characters that may not stand there. */
export function plainReason(reason = ''): string {
  return isFieldText(reason) ? reason : ''
}
