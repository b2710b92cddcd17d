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
  /** Its field lines, which the next head on the same connection likely repeats. */
  readonly lines: readonly ReadLine[]
  readonly framing: Framing
  /** Whether the connection may serve another request (RFC 9112 9.3), if the content ends before it does. */
  readonly keepsAlive: boolean
  /** Seconds that the server keeps an idle connection, by its own word. */
  readonly keepAliveSeconds: number | undefined
}

/** One field line. */
export interface ReadLine {
  /** As it came, with its CRLF. */
  readonly text: string
  readonly field: FieldLine
  /** In lower case. */
  readonly name: string
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
 * @param likely lines that it most likely repeats, in this order: those are compared, and need not be read.
 */
export function readHead(
  text: string,
  method: string,
  likely: readonly ReadLine[] = [],
): ResponseHead | Flaw {
  const end = text.indexOf('\r\n')
  const [, minor, code, reason = ''] = STATUS_LINE.exec(text.slice(0, end)) ?? []
  if (code === undefined) return { flaw: 'a malformed status line' }
  const lines = readLines(text, end + 2, likely)
  if (lines === undefined) return { flaw: 'a malformed field line' }
  return headOf(Number(code), reason, minor === '1', lines, method)
}

function readLines(text: string, from: number, likely: readonly ReadLine[]): readonly ReadLine[] | undefined {
  const lines: ReadLine[] = []
  for (let at = from; at < text.length;) {
    const guess = likely[lines.length]
    const line = guess !== undefined && isAt(text, at, guess.text) ? guess : readLine(text, at)
    if (line === undefined) return undefined
    lines.push(line)
    at += line.text.length
  }
  return lines
}

/** Not by `startsWith`, which looks at one character after the other. */
function isAt(text: string, at: number, part: string): boolean {
  return text.indexOf(part, at) === at
}

function readLine(text: string, at: number): ReadLine | undefined {
  const end = text.indexOf('\r\n', at)
  const field = readFieldLine(text.slice(at, end))
  return field && { text: text.slice(at, end + 2), field, name: field[0].toLowerCase() }
}

function headOf(
  status: number,
  reason: string,
  isCurrent: boolean,
  lines: readonly ReadLine[],
  method: string,
): ResponseHead | Flaw {
  const told = connectionFields(lines)
  if (told.flaw !== undefined) return { flaw: told.flaw }
  if (told.coding !== undefined && !isCurrent) return { flaw: 'Transfer-Encoding in HTTP/1.0' }
  const framing = framingOf(status, method, told)
  const mayLast = isCurrent ? !told.options.includes('close') : told.options.includes('keep-alive')
  // Some servers send content for HEAD all the same: it would be the next response.
  const keepsAlive = mayLast && framing.kind !== 'until-close' && method !== 'HEAD'
  const fields = lines.map(({ field }) => field)
  return { status, reason, fields, lines, framing, keepsAlive, keepAliveSeconds: told.keepAliveSeconds }
}

/** What the fields say of the connection and of the content's end. */
interface Told {
  readonly flaw: string | undefined
  readonly length: number | undefined
  readonly coding: string | undefined
  readonly options: readonly string[]
  readonly keepAliveSeconds: number | undefined
}

/** RFC 9112 6.1 to 6.3: two statements about the length are one too many, even when they agree. */
function connectionFields(lines: readonly ReadLine[]): Told {
  let length: number | undefined
  let coding: string | undefined
  let options = NO_OPTIONS
  let keepAliveSeconds: number | undefined
  let flaw: string | undefined
  for (const { name, field } of lines) {
    const [, value] = field
    switch (name) {
      case 'content-length':
        if (length !== undefined || !/^\d{1,15}$/.test(value)) flaw = `Content-Length "${value}"`
        length = Number(value)
        break
      case 'transfer-encoding':
        if (coding !== undefined || !isReadable(value)) flaw = `Transfer-Encoding "${value}"`
        coding = value.toLowerCase()
        break
      case 'connection':
        options = [...options, ...optionsIn(value)]
        break
      case 'keep-alive':
        keepAliveSeconds = secondsIn(value)
        break
    }
  }
  if (coding !== undefined && length !== undefined) flaw = 'Transfer-Encoding together with Content-Length'
  return { flaw, length, coding, options, keepAliveSeconds }
}

function optionsIn(connection: string): readonly string[] {
  const text = connection.toLowerCase()
  return text.includes(',') ? text.split(/[\t ]*,[\t ]*/) : [text]
}

/**
 * Whether content in this transfer coding is here as the sender means it. What gzip, say, was put on would have to be unpacked before it is
 * passed on or stored, and no request asks for that (RFC 9112 7). A name that nobody has given a meaning changes nothing: the content ends
 * with the connection (6.3), unless somebody could take the name for chunked.
 */
function isReadable(value: string): boolean {
  const coding = value.toLowerCase()
  return (
    coding === 'chunked' ||
    (/^[^\t ,;]+$/.test(coding) && !coding.includes('chunked') && !PACKING.has(coding))
  )
}

/** IANA's registry of transfer codings, and those of content that servers mix them up with. */
const PACKING: ReadonlySet<string> = new Set([
  'br',
  'compress',
  'deflate',
  'gzip',
  'x-compress',
  'x-gzip',
  'zstd',
])

function secondsIn(keepAlive: string): number | undefined {
  const seconds = /(?:^|[\t ,])timeout=(\d{1,9})/i.exec(keepAlive)?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}

const NO_OPTIONS: readonly string[] = []
function framingOf(status: number, method: string, { length, coding }: Told): Framing {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return NONE
  if (coding === 'chunked') return CHUNKED
  return length === undefined ? UNTIL_CLOSE : { kind: 'length', bytes: length }
}

const NONE: Framing = { kind: 'none' }
const CHUNKED: Framing = { kind: 'chunked' }
const UNTIL_CLOSE: Framing = { kind: 'until-close' }
