/** A request of this node's own as text: GET and HEAD, which have no content. */
import { Fault } from '../../core/fault.ts'
import { withoutFields, type Fields } from '../../core/fields.ts'
import { mayBeSent } from '../field-line.ts'
import { requestPath } from '../request-check.ts'

/** Of a request's fields this node writes the routing and the framing itself. */
const WRITTEN_ANEW = ['host', 'connection', 'content-length', 'transfer-encoding']

/** A program's requests have the same fields again and again. `undefined`: they cannot be sent. */
const lines = new WeakMap<Fields, string | undefined>()

/**
 * @param uri absolute, as the user agent wrote it: path and query are not changed (RFC 9110 7.7).
 * @param host the authority for `Host`.
 * @throws Fault BAD_REQUEST for what could be read as something else than one request.
 */
export function requestText(method: 'GET' | 'HEAD', uri: string, host: string, fields: Fields): string {
  const path = requestPath(uri)
  const known = lines.get(fields)
  const text = known ?? linesOf(fields)
  if (text === undefined || !PATH.test(path))
    throw new Fault('BAD_REQUEST', 'expected a request whose target and fields can be sent')
  if (known === undefined) lines.set(fields, text)
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: keep-alive\r\n${text}\r\n`
}

function linesOf(fields: Fields): string | undefined {
  const sent = withoutFields(fields, WRITTEN_ANEW)
  return sent.every(mayBeSent) ? sent.map(([name, value]) => `${name}: ${value}\r\n`).join('') : undefined
}

const PATH = /^[\x21-\xff]*$/
