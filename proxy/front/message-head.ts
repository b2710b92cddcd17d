/** A response's head as text, one character an octet (RFC 9112 4, 5): the same as node:http writes for the same answer. */
import type { Fields } from '../../core/fields.ts'
import { hasField } from '../../core/fields.ts'
import { STATUS_CODES } from '../../core/node-http.ts'
import { isFieldText, mayBeSent } from '../field-line.ts'

export interface Head {
  readonly status: number
  /** Absent: the usual phrase. */
  readonly reason?: string
  readonly fields: Fields
}

/** How the recipient knows where the content ends (RFC 9112 6.3). */
export type Framing = 'none' | 'length' | 'chunked'

/** What a head says of its connection and its content. */
export interface HeadEnd {
  readonly framing: Framing
  readonly keepsAlive: boolean
  /** Gives the current `Date`, for a response that has none (RFC 9110 6.6.1). */
  readonly date: () => string
}

/** Seconds that a connection is kept without a request, as the user agent is told: `keepAliveMs` of front-end.ts. */
const KEEP_ALIVE = 'Connection: keep-alive\r\nKeep-Alive: timeout=60\r\n'
const CLOSE = 'Connection: close\r\n'

/** The whole head. @throws TypeError unless it `canBeSent`. */
export function headText(head: Head, end: HeadEnd): string {
  if (!canBeSent(head)) throw new TypeError('a response whose head cannot be sent')
  return writtenHead(head, end)
}

/** The whole of a head that can be sent. */
export function writtenHead(head: Head, { framing, keepsAlive, date }: HeadEnd): string {
  const dateLine = hasField(head.fields, 'date') ? '' : `Date: ${date()}\r\n`
  return `${statusAndFields(head)}${dateLine}${connectionLines(keepsAlive)}${framingLine(head, framing)}\r\n`
}

/** Whether nothing in it would be read as the end of a line, or of the head. */
export function canBeSent({ reason = '', fields }: Head): boolean {
  return isFieldText(reason) && fields.every(mayBeSent)
}

/** The status line and the field lines of what can be sent. */
export function statusAndFields({ status, reason, fields }: Head): string {
  return `HTTP/1.1 ${status} ${reason ?? STATUS_CODES[status] ?? 'unknown'}\r\n${fieldLines(fields)}`
}

export function fieldLines(fields: Fields): string {
  let text = ''
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`
  return text
}

export function connectionLines(keepsAlive: boolean): string {
  return keepsAlive ? KEEP_ALIVE : CLOSE
}

function framingLine({ fields }: Head, framing: Framing): string {
  switch (framing) {
    case 'chunked':
      return 'Transfer-Encoding: chunked\r\n'
    case 'length':
      return hasField(fields, 'content-length') ? '' : 'Content-Length: 0\r\n'
    case 'none':
      return ''
  }
}
