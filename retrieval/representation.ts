/**
 * A response made into the answer to one request: its conditions, its ranges, HEAD (RFC 9110 13, 14).
 * The same for stored responses and for copies that still grow.
 */
import type { Answer } from '../core/answer.ts'
import { fieldValue, hasField, withField, withoutFields, type Fields } from '../core/fields.ts'
import type { Random } from '../core/random.ts'
import { contentRange, parseRange, type ByteSpan } from '../core/ranges.ts'
import { hasContent } from '../cache/semantics/statuses.ts'
import { evaluateConditional, ifRangeMatches } from '../cache/semantics/validation.ts'
import { WHOLE } from './plan.ts'

export interface Representation {
  readonly status: number
  /** End-to-end fields; `Content-Length` follows from `size`. */
  readonly fields: Fields
  /** Bytes of body; `undefined` while nobody knows. */
  readonly size: number | undefined
  /** `span.end` is `Infinity` only while the size is not known. */
  read(span: ByteSpan): AsyncIterable<Uint8Array>
}

export interface RepresentationRequest {
  readonly method: string
  readonly fields: Fields
}

export const PRECONDITION_FAILED: Answer = { status: 412, fields: [['Content-Length', '0']] }

export function answerWith(
  representation: Representation,
  request: RepresentationRequest,
  random: Random,
): Answer {
  const { status, fields } = representation
  switch (evaluateConditional(request.fields, fields, status)) {
    case 'not-modified':
      return {
        status: 304,
        fields: withoutFields(fields, ['content-length', 'content-encoding', 'content-type']),
      }
    case 'precondition-failed':
      return PRECONDITION_FAILED
    case 'serve':
      return served(representation, request, random)
  }
}

/** The bytes of a 200's body that the answer to a GET is made of. */
export function spansOf(
  representation: Omit<Representation, 'read'>,
  request: RepresentationRequest,
): readonly ByteSpan[] {
  const { size } = representation
  const spans = size === undefined ? undefined : askedSpans(representation, request, size)
  return spans ?? [WHOLE]
}

function served(representation: Representation, request: RepresentationRequest, random: Random): Answer {
  const { size } = representation
  const spans = size === undefined ? undefined : askedSpans(representation, request, size)
  if (size === undefined || spans === undefined) return whole(representation, request)
  const [first] = spans
  if (first === undefined) {
    const fields: Fields = [
      ['Content-Range', `bytes */${size}`],
      ['Content-Length', '0'],
    ]
    return { status: 416, fields }
  }
  return spans.length === 1
    ? onePart(representation, first, size)
    : severalParts(representation, spans, size, random.hex(12))
}

/** `Range` counts for GET and a 200 only, and with `If-Range` only for the very same representation. */
function askedSpans(
  { status, fields }: Omit<Representation, 'read'>,
  request: RepresentationRequest,
  size: number,
): readonly ByteSpan[] | undefined {
  const range = fieldValue(request.fields, 'range')
  if (range === undefined || request.method !== 'GET' || status !== 200) return undefined
  const condition = fieldValue(request.fields, 'if-range')
  if (condition !== undefined && !ifRangeMatches(condition, fields)) return undefined
  return parseRange(range, size)
}

function whole(representation: Representation, { method }: RepresentationRequest): Answer {
  const { status, size } = representation
  const fields = wholeFields(representation)
  if (!hasContent(status) || method === 'HEAD') return { status, fields }
  return { status, fields, body: representation.read({ start: 0, end: size ?? Infinity }) }
}

/** The fields of an answer with the whole. */
export function wholeFields({ status, fields, size }: Omit<Representation, 'read'>): Fields {
  if (!hasContent(status)) return withoutFields(fields, ['content-length'])
  const described = status === 200 ? ranged(fields) : fields
  return size === undefined ? withoutFields(described, ['content-length']) : sized(described, size)
}

function onePart(representation: Representation, span: ByteSpan, size: number): Answer {
  const fields = sized(ranged(representation.fields), span.end - span.start)
  return {
    status: 206,
    fields: withField(fields, 'Content-Range', contentRange(span, size)),
    body: representation.read(span),
  }
}

/** `multipart/byteranges` (RFC 9110 14.6). */
function severalParts(
  representation: Representation,
  spans: readonly ByteSpan[],
  size: number,
  boundary: string,
): Answer {
  const type = fieldValue(representation.fields, 'content-type')
  const heads = spans.map((span) => partHead(span, size, boundary, type))
  const end = Buffer.from(`\r\n--${boundary}--\r\n`)
  const bytes = spans.reduce(
    (sum, span, at) => sum + span.end - span.start + (heads[at]?.length ?? 0),
    end.length,
  )
  const fields = withField(
    ranged(representation.fields),
    'Content-Type',
    `multipart/byteranges; boundary=${boundary}`,
  )
  return { status: 206, fields: sized(fields, bytes), body: parts(representation, spans, heads, end) }
}

function partHead(span: ByteSpan, size: number, boundary: string, type: string | undefined): Buffer {
  const typeLine = type === undefined ? '' : `Content-Type: ${type}\r\n`
  return Buffer.from(`\r\n--${boundary}\r\n${typeLine}Content-Range: ${contentRange(span, size)}\r\n\r\n`)
}

async function* parts(
  representation: Representation,
  spans: readonly ByteSpan[],
  heads: readonly Buffer[],
  end: Buffer,
): AsyncIterable<Uint8Array> {
  for (const [at, span] of spans.entries()) {
    yield heads[at] ?? end
    yield* representation.read(span)
  }
  yield end
}

function ranged(fields: Fields): Fields {
  return hasField(fields, 'accept-ranges') ? fields : withField(fields, 'Accept-Ranges', 'bytes')
}

function sized(fields: Fields, bytes: number): Fields {
  if (fieldValue(fields, 'content-length') === String(bytes)) return fields
  return withField(fields, 'Content-Length', String(bytes))
}
