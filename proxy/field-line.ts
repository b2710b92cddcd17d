/** One field line as it may stand in a message (RFC 9112 5), in Latin-1. */
import type { FieldLine } from '../core/fields.ts'

/** A token, a colon at once, and a value without control characters but tab (RFC 9110 5.5, 5.6.2; RFC 9112 5). */
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/

/** @param line without its CRLF. @returns `undefined` for everything else: no repair, no folding. */
export function readFieldLine(line: string): FieldLine | undefined {
  const [, name, value] = FIELD_LINE.exec(line) ?? []
  if (name === undefined || value === undefined) return undefined
  return [name, isPadded(value) ? value.replace(/[\t ]+$/, '') : value]
}

function isPadded(value: string): boolean {
  return value.endsWith(' ') || value.endsWith('\t')
}

/** Whether nothing in it would be read as the end of a line, or of the head. */
export function mayBeSent([name, value]: FieldLine): boolean {
  return TOKEN.test(name) && isFieldText(value)
}

/** What a field value, or a reason phrase, may be made of. */
export function isFieldText(text: string): boolean {
  return TEXT.test(text)
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const TEXT = /^[\t\x20-\x7e\x80-\xff]*$/
