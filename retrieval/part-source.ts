/**
 * A part of a representation from the origin server: what a response to a range request brings, and whether it may be
 * joined with what is here (RFC 9110 15.3.7.3, RFC 9111 3.4).
 */
import { Fault } from '../core/fault.ts'
import { fieldValue, withField, withoutFields, type Fields } from '../core/fields.ts'
import { parseContentRange, parseRange, type ByteSpan } from '../core/ranges.ts'
import type { UpstreamResponse } from '../core/upstream.ts'
import { hasContent } from '../cache/semantics/statuses.ts'
import { isPassing, refuseAnother } from './origin-source.ts'
import { contentLength } from './peer-source.ts'

/** What a response brings. */
export interface Brought extends ByteSpan {
  /** Bytes of the whole representation; `undefined` when the origin server does not know. */
  readonly size: number | undefined
  /** The fields of the representation: a 206's are those that its 200 would have. */
  readonly fields: Fields
  /** Whether a range was asked for, and the whole came. */
  readonly isWholeInstead: boolean
}

/** `Range` for these bytes, open where they are the last ones. */
export function rangeField({ start, end }: ByteSpan, size: number | undefined): string {
  return `bytes=${start}-${end < (size ?? Infinity) ? end - 1 : ''}`
}

/** The first range of a `Range` field: several are asked for one by one. `undefined` when it is none of bytes. */
export function firstRange(value: string): string | undefined {
  const first = /^bytes=[\s,]*(\d{1,40}-\d{0,40}|-\d{1,40})\s*(?:,|$)/i.exec(value.trim())?.[1]
  return first === undefined ? undefined : `bytes=${first}`
}

/**
 * What the response to a request for the whole, or for `range` of it, brings; `undefined` when it is something else,
 * contradicts itself, or is not what was asked for: then it is nothing to keep.
 */
export function broughtBy(
  { status, fields }: UpstreamResponse,
  range: string | undefined,
): Brought | undefined {
  if (status !== 206) {
    const size = hasContent(status) ? contentLength(fields) : 0
    return { start: 0, end: size ?? Infinity, size, fields, isWholeInstead: range !== undefined }
  }
  const part = enclosedIn(fields)
  const [asked] = part?.size === undefined || range === undefined ? [] : (parseRange(range, part.size) ?? [])
  const isAsked = asked !== undefined && part?.start === asked.start && part.end <= asked.end
  return isAsked ? part : undefined
}

/**
 * What a 206 brings by its own word, whatever was asked for (RFC 9110 15.3.7); `undefined` when it contradicts itself, or
 * does not know the size.
 */
export function enclosedIn(fields: Fields): Brought | undefined {
  const part = parseContentRange(fieldValue(fields, 'content-range') ?? '')
  if (part?.size === undefined) return undefined
  const { start, end, size } = part
  const length = contentLength(fields)
  if (length !== undefined && length !== end - start) return undefined
  return { start, end, size, fields: ofWhole(fields, size), isWholeInstead: false }
}

/** Whether a range says how many bytes it wants, and not where they begin: that only the answer says. */
export function isSuffix(range: string | undefined): boolean {
  return range?.startsWith('bytes=-') === true
}

/**
 * What the response to a request for `asked` brings to a copy of `size` bytes that began with `fields`.
 * @throws Fault RESPONSE_CHANGED when it is of another version, RESPONSE_INCOMPLETE when there is none for now, RESPONSE_INVALID when it is
 * no answer to the question.
 */
export function continuedBy(
  response: UpstreamResponse,
  asked: ByteSpan,
  size: number | undefined,
  fields: Fields,
): Brought {
  if ([404, 410, 412, 416].includes(response.status))
    throw new Fault('RESPONSE_CHANGED', `expected bytes of the file, got status ${response.status}`)
  const isPart = response.status === 200 || response.status === 206
  const brought = isPart ? broughtBy(response, rangeField(asked, size)) : undefined
  if (brought === undefined)
    throw new Fault(
      isPassing(response.status) ? 'RESPONSE_INCOMPLETE' : 'RESPONSE_INVALID',
      `expected bytes ${asked.start} to ${asked.end}, got status ${response.status}`,
    )
  refuseAnother(response, { fields })
  if (size !== undefined && brought.size !== undefined && brought.size !== size)
    throw new Fault(
      'RESPONSE_CHANGED',
      `expected ${size} bytes in all, the origin server has ${brought.size}`,
    )
  return brought
}

function ofWhole(fields: Fields, size: number): Fields {
  return withField(withoutFields(fields, ['content-range']), 'Content-Length', String(size))
}
