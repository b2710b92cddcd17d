/**
 * Reads the requests that nearly all requests are: GET and HEAD of an absolute http: URI without content (RFC 9112).
 *
 * It never repairs and never refuses. What is not exactly the plain form, down to the spelling, is `other`: node:http
 * reads it from its first byte and judges it. So this reader may be as narrow as it likes, and must not be wider than
 * Node's parser in anything: what it calls plain, Node reads as the same method, target, fields and end.
 *
 * Bytes are Latin-1 text here, one character each.
 */
import { LRUCache } from 'lru-cache'
import type { FieldLine, Fields } from '../../core/fields.ts'
import { readFieldLine } from '../field-line.ts'

/** A plain request's head. */
export interface PlainHead {
  readonly method: 'GET' | 'HEAD'
  /** The request-target as it was written: absolute-form, `http:`; not yet checked further. */
  readonly target: string
  readonly section: HeaderSection
}

/** A header section that announces neither content nor another protocol. */
export interface HeaderSection {
  /** As it was written: each line with its CRLF. */
  readonly lines: string
  readonly fields: Fields
  /** Whether the connection may serve another request after this one (RFC 9112 9.3). */
  readonly keepsAlive: boolean
}

export type Reading =
  /** `end`: where the next request begins. */
  | { readonly kind: 'plain'; readonly head: PlainHead; readonly end: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'other' }

export interface RequestReader {
  /**
   * Reads the request that begins at `from`. Equal header sections are equal objects for as long as they are remembered.
   * @param likely the section that this one most likely repeats: then it is compared, and need not be looked for.
   */
  read(text: string, from: number, likely?: HeaderSection): Reading
}

/** Bytes of the largest head that is plain; real ones stay below 2 kB. */
export const MAX_PLAIN_HEAD = 16_384
/** Field lines of the largest. */
export const MAX_PLAIN_LINES = 100

/** A program's requests differ in the target only: each of its header sections is read once. */
const REMEMBERED_SECTIONS = 256
/** Characters of a section that is remembered, at most. */
const REMEMBERED_CHARACTERS = 2_048

const INCOMPLETE: Reading = { kind: 'incomplete' }
const OTHER: Reading = { kind: 'other' }

export function requestReader(): RequestReader {
  const remembered = new LRUCache<string, HeaderSection>({ max: REMEMBERED_SECTIONS })

  const sectionOf = (text: string): HeaderSection | undefined => {
    const known = remembered.get(text)
    if (known !== undefined) return known
    // A slice of a string keeps the whole of it in memory, so what is kept is a copy.
    const section = readSection(Buffer.from(text, 'latin1').toString('latin1'))
    if (section !== undefined && text.length <= REMEMBERED_CHARACTERS) remembered.set(section.lines, section)
    return section
  }

  return {
    read(text, from, likely) {
      const line = text.indexOf('\r\n', from)
      const isLikely = likely !== undefined && line >= 0 && hasSectionAt(text, line + 2, likely)
      const end = isLikely ? line + likely.lines.length : text.indexOf('\r\n\r\n', from)
      if (end < 0) return readBeginning(text, from)
      if (end - from > MAX_PLAIN_HEAD) return OTHER
      const method = methodAt(text, from)
      if (method === undefined || !text.startsWith(VERSION, line - VERSION.length)) return OTHER
      const target = text.slice(from + method.length + 1, line - VERSION.length)
      const section = isLikely ? likely : end === line ? undefined : sectionOf(text.slice(line + 2, end + 2))
      if (section === undefined || !TARGET.test(target)) return OTHER
      return { kind: 'plain', head: { method, target, section }, end: end + 4 }
    },
  }
}

/** Whether exactly this section stands there: it has no empty line in it, so the first one ends it. */
function hasSectionAt(text: string, at: number, { lines }: HeaderSection): boolean {
  return text.startsWith(lines, at) && text.startsWith('\r\n', at + lines.length)
}

const VERSION = ' HTTP/1.1'
/** A host with or without a port, then visible ASCII without `#` and `\\`: what else may be wrong, checkTarget says. */
const TARGET = /^http:\/\/(?:[\w.-]+|\[[\dA-Fa-f:.]+\])(?::\d{0,5})?(?:[/?][\x21\x22\x24-\x5b\x5d-\x7e]*)?$/

function methodAt(text: string, from: number): 'GET' | 'HEAD' | undefined {
  if (text.startsWith('GET http://', from)) return 'GET'
  return text.startsWith('HEAD http://', from) ? 'HEAD' : undefined
}

/** What has not all come yet may be a plain head's beginning. Characters that cannot be in one need not be waited for. */
function readBeginning(text: string, from: number): Reading {
  const beginning = text.slice(from, from + 'HEAD http://'.length)
  const mayBe = ['GET http://', 'HEAD http://'].some(
    (start) => beginning.startsWith(start) || start.startsWith(beginning),
  )
  if (!mayBe || text.length - from > MAX_PLAIN_HEAD) return OTHER
  return NOT_IN_A_HEAD.test(text.slice(from)) ? OTHER : INCOMPLETE
}

/** Control characters, and a line end of another kind than CRLF. */
const NOT_IN_A_HEAD = /[^\t\r\n\x20-\x7e\x80-\xff]|\r[^\n]|(?<!\r)\n/

/** @param text the field lines, each with its CRLF. */
function readSection(text: string): HeaderSection | undefined {
  const lines = text.split('\r\n', MAX_PLAIN_LINES + 2)
  lines.pop() // behind the last CRLF
  if (lines.length > MAX_PLAIN_LINES) return undefined
  const fields: FieldLine[] = []
  for (const line of lines) {
    const field = readFieldLine(line)
    if (field === undefined) return undefined
    fields.push(field)
  }
  return sectionWith(text, fields)
}

/** They announce content, another protocol, or a wait for 100 (Continue). */
const NEVER_PLAIN = new Set(['content-length', 'transfer-encoding', 'upgrade', 'expect'])

function sectionWith(lines: string, fields: Fields): HeaderSection | undefined {
  const seen = new Map<string, string>()
  for (const [written, value] of fields) {
    const name = written.toLowerCase()
    if (NEVER_PLAIN.has(name) || (ONCE.has(name) && seen.has(name))) return undefined
    seen.set(name, value)
  }
  const options = CONNECTION.flatMap((name) => seen.get(name)?.toLowerCase() ?? [])
  const isUsual = options.every((option) => option === 'keep-alive' || option === 'close')
  if (!isUsual || !seen.has('host')) return undefined
  return { lines, fields, keepsAlive: !options.includes('close') }
}

/** Node counts the second like the first. */
const CONNECTION = ['connection', 'proxy-connection']
const ONCE = new Set(['host', ...CONNECTION])
