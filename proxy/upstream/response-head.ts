/**
 * The head of a response (RFC 9112 4, 5, 6.3), read strictly: a reader that repairs could see another end of the message
 * than whoever sent it. What it calls a head, Node's parser reads as the same; much that Node accepts is a flaw here.
 */
import type { FieldLine, Fields } from '../../core/fields.ts'
import { readFieldLine } from '../field-line.ts'

export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly fields: Fields
  readonly framing: Framing
  /** Whether the connection may serve another request (RFC 9112 9.3), if the content ends before it does. */
  readonly keepsAlive: boolean
  /** Seconds that the server keeps an idle connection, by its own word. */
  readonly keepAliveSeconds: number | undefined
}

/** Where the content ends (RFC 9112 6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' }

/** What is wrong with a response, in words that go behind "the server sent". */
export interface Flaw {
  readonly flaw: string
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/

/**
 * @param text the status line and the field lines, each with its CRLF, without the empty line.
 * @param method of the request that it answers.
 */
export function readHead(text: string, method: string): ResponseHead | Flaw {
  const lines = text.split('\r\n')
  lines.pop() // behind the last CRLF
  const [, minor, code, reason = ''] = STATUS_LINE.exec(lines[0] ?? '') ?? []
  if (code === undefined) return { flaw: 'a malformed status line' }
  const fields: FieldLine[] = []
  for (let at = 1; at < lines.length; at += 1) {
    const field = readFieldLine(lines[at] ?? '')
    if (field === undefined) return { flaw: 'a malformed field line' }
    fields.push(field)
  }
  return headOf(Number(code), reason, minor === '1', fields, method)
}

function headOf(
  status: number,
  reason: string,
  isCurrent: boolean,
  fields: Fields,
  method: string,
): ResponseHead | Flaw {
  const told = connectionFields(fields)
  if (told.flaw !== undefined) return { flaw: told.flaw }
  if (told.coding !== undefined && !isCurrent) return { flaw: 'Transfer-Encoding in HTTP/1.0' }
  const framing = framingOf(status, method, told)
  const mayLast = isCurrent ? !told.options.includes('close') : told.options.includes('keep-alive')
  // Some servers send content for HEAD all the same: it would be the next response.
  const keepsAlive = mayLast && framing.kind !== 'until-close' && method !== 'HEAD'
  return { status, reason, fields, framing, keepsAlive, keepAliveSeconds: told.keepAliveSeconds }
}

/** What the fields say of the connection and of the content's end. */
interface Told {
  readonly flaw?: string
  readonly length: number | undefined
  readonly coding: string | undefined
  readonly options: readonly string[]
  readonly keepAliveSeconds: number | undefined
}

/** RFC 9112 6.1 to 6.3: two statements about the length are one too many, even when they agree. */
function connectionFields(fields: Fields): Told {
  let length: number | undefined
  let coding: string | undefined
  let options = NO_OPTIONS
  let keepAliveSeconds: number | undefined
  let flaw: string | undefined
  for (const [written, value] of fields) {
    if (!LENGTHS.has(written.length)) continue
    switch (written.toLowerCase()) {
      case 'content-length':
        if (length !== undefined || !/^\d{1,15}$/.test(value)) flaw = `Content-Length "${value}"`
        length = Number(value)
        break
      case 'transfer-encoding':
        if (coding !== undefined || isNearlyChunked(value)) flaw = `Transfer-Encoding "${value}"`
        coding = value.toLowerCase()
        break
      case 'connection':
        options = [...options, ...value.toLowerCase().split(/[\t ]*,[\t ]*/)]
        break
      case 'keep-alive':
        keepAliveSeconds = secondsIn(value)
        break
    }
  }
  if (coding !== undefined && length !== undefined) flaw = 'Transfer-Encoding together with Content-Length'
  const told = { length, coding, options, keepAliveSeconds }
  return flaw === undefined ? told : { ...told, flaw }
}

/** What somebody could take for chunked. Another coding's content ends with the connection. */
function isNearlyChunked(value: string): boolean {
  return /chunked/i.test(value) && value.toLowerCase() !== 'chunked'
}

function secondsIn(keepAlive: string): number | undefined {
  const seconds = /(?:^|[\t ,])timeout=(\d{1,9})/i.exec(keepAlive)?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}

const NO_OPTIONS: readonly string[] = []
/** Characters of the names that matter here: nearly all others differ already in that. */
const LENGTHS = new Set(
  ['content-length', 'transfer-encoding', 'connection', 'keep-alive'].map((name) => name.length),
)

function framingOf(status: number, method: string, { length, coding }: Told): Framing {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return NONE
  if (coding === 'chunked') return CHUNKED
  return length === undefined ? UNTIL_CLOSE : { kind: 'length', bytes: length }
}

const NONE: Framing = { kind: 'none' }
const CHUNKED: Framing = { kind: 'chunked' }
const UNTIL_CLOSE: Framing = { kind: 'until-close' }
