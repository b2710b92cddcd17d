/** What an application is told whose request Node's parser could not read (RFC 9110 15.5.9, 15.6.2; RFC 6585 5). */
import { Fault } from '../core/fault.ts'

/** What `clientError` reports. */
export interface UnreadableError extends Error {
  readonly code?: string
  /** What the parser was reading, and how far it came. */
  readonly rawPacket?: Uint8Array
  readonly bytesParsed?: number
}

/** What Node says of a head that did not come in time. */
export const TOO_LATE: UnreadableError = Object.assign(new Error('Request timeout'), {
  code: 'ERR_HTTP_REQUEST_TIMEOUT',
})

/** A method is a token; anything else is no request (RFC 9112 3). */
const BEGINS_WITH_A_METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ (https?:\/\/|\/|\*)/i

/** So much of a line shows what it begins with. */
const SHOWN_BYTES = 128

const LINE_FEED = 0x0a

export function unreadableFault(error: UnreadableError): Fault {
  const { code, message } = error
  if (code === TOO_LATE.code) return new Fault('REQUEST_TIMEOUT', 'the request did not come in time')
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Fault('HEAD_TOO_LARGE', 'the request line and the fields are too long')
  if (code === 'HPE_INVALID_METHOD' && BEGINS_WITH_A_METHOD.test(lineOf(error)))
    return new Fault('METHOD_UNKNOWN', 'the method is unknown here')
  return new Fault('BAD_REQUEST', `the request cannot be read: ${message}`)
}

/** The beginning of the line at which the parser stopped: others may have come before it in one packet. */
function lineOf({ rawPacket = new Uint8Array(), bytesParsed = 0 }: UnreadableError): string {
  const start = rawPacket.lastIndexOf(LINE_FEED, bytesParsed) + 1
  return Buffer.from(rawPacket.subarray(start, start + SHOWN_BYTES)).toString('latin1')
}
