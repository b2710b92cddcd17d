/** Bytes from the origin server: the whole representation, or the rest of one that began elsewhere. */
import type { EpochMs } from '../core/clock.ts'
import { counted } from '../core/counted-body.ts'
import { Fault } from '../core/fault.ts'
import { fieldValue, SELECTING_A_PART, withField, withoutFields, type Fields } from '../core/fields.ts'
import { parseContentRange } from '../core/ranges.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import { parseEntityTag } from '../cache/semantics/entity-tag.ts'
import { continuingValidator } from './continuing-validator.ts'
import { contentLength, skipping, type OpenedSource } from './peer-source.ts'

/** Without `Date` nothing says that a modification date is strong (RFC 9110 8.8.2.2). */
const UNDATED = 0 as EpochMs

/** What is known of the representation whose rest is wanted. */
export interface Rest {
  /** The first byte wanted; 0 when the answer has been promised and nothing of it has come. */
  readonly from: number
  readonly size: number | undefined
  /** The fields of the response that began it, for `If-Range`. */
  readonly fields: Fields
}

/** The bytes of `rest`, resumed with `Range` and, where there is a strong validator, `If-Range` (RFC 9110 13.1.5). */
export async function openRest(
  upstream: Upstream,
  uri: string,
  requestFields: Fields,
  rest: Rest,
  signal: AbortSignal,
): Promise<OpenedSource> {
  const whole = withoutFields(requestFields, SELECTING_A_PART)
  const ranged = rest.from === 0 ? whole : withField(whole, 'Range', `bytes=${rest.from}-`)
  const validator = continuingValidator(rest.fields, UNDATED)
  const isConditional = rest.from > 0 && validator !== undefined
  const fields = isConditional ? withField(ranged, 'If-Range', validator) : ranged
  const response = await upstream.request({ method: 'GET', uri, fields, signal })
  if (isPassing(response.status))
    throw new Fault('RESPONSE_INCOMPLETE', `expected the rest of the file, got status ${response.status}`)
  refuseAnother(response, rest)
  const opened = response.status === 206 ? fromPartial(response, rest) : fromWhole(response, rest)
  if (rest.size !== undefined && opened.size !== undefined && opened.size !== rest.size)
    throw new Fault(
      'RESPONSE_CHANGED',
      `expected ${rest.size} bytes in all, the origin server has ${opened.size}`,
    )
  return opened
}

/** Whether the origin server, or what stands before it, has no answer for now. */
export function isPassing(status: number): boolean {
  return [429, 500, 502, 503, 504].includes(status)
}

/** Two versions of a file are never joined: what tells them apart must not differ (RFC 9110 15.3.7.3). */
export function refuseAnother(response: UpstreamResponse, rest: Pick<Rest, 'fields'>): void {
  for (const name of ['etag', 'last-modified']) {
    const before = fieldValue(rest.fields, name)
    const now = fieldValue(response.fields, name)
    // A server that answers a condition with the whole says that it does not hold, unless it says the same again.
    const isAnother =
      now === undefined ? response.status === 200 || isStrongTag(name, before) : before !== now
    if (before !== undefined && isAnother)
      throw new Fault(
        'RESPONSE_CHANGED',
        `the file has changed: ${name} was ${before}, is ${now ?? 'not given'}`,
      )
  }
}

/** A part says again of which representation it is, where anything but its date tells that (RFC 9110 15.3.7). */
function isStrongTag(name: string, value: string | undefined): boolean {
  return name === 'etag' && value !== undefined && parseEntityTag(value)?.isWeak === false
}

function fromPartial(response: UpstreamResponse, rest: Rest): OpenedSource {
  const range = parseContentRange(fieldValue(response.fields, 'content-range') ?? '')
  if (range?.start !== rest.from)
    throw new Fault('RESPONSE_INVALID', `expected the bytes from ${rest.from} on, got another range`)
  return { status: 206, fields: response.fields, size: range.size, from: rest.from, body: response.body }
}

/** An origin server may answer a range request with the whole: what is here already is passed over. */
function fromWhole(response: UpstreamResponse, rest: Rest): OpenedSource {
  if (response.status !== 200)
    throw new Fault('RESPONSE_CHANGED', `expected the rest of the file, got status ${response.status}`)
  const body = behind(response.body, rest)
  return { status: 200, fields: response.fields, size: contentLength(response.fields), from: rest.from, body }
}

/** @throws Fault RESPONSE_INVALID where the body ends at that very byte once more. */
async function* behind(
  body: AsyncIterable<Uint8Array>,
  { from, size = from }: Rest,
): AsyncIterable<Uint8Array> {
  let at = 0
  const passing = counted(body, (bytes) => (at += bytes))
  try {
    yield* skipping(passing, from)
  } catch (error) {
    throw at === from && from > 0 && isIncomplete(error) ? new EndsThere(from, error) : error
  }
  if (at === from && from < size) throw new EndsThere(from)
}

export function isIncomplete(error: unknown): error is Fault {
  return error instanceof Fault && error.code === 'RESPONSE_INCOMPLETE'
}

/** What an origin server sends ends before the length that it states, every time: to ask it again would bring nothing but the same bytes. */
export class EndsThere extends Fault {
  /** @param bytes after which it ends. @param cause how it broke off, if it did. */
  constructor(bytes: number, cause?: unknown) {
    const message = `the origin server's response ends after ${bytes} bytes each time, which is less than it says`
    super('RESPONSE_INVALID', message, { cause })
  }
}

/** Whether what came can be continued later: a validator tells whether the file is still the same. */
export function isResumable(fields: Fields): boolean {
  return continuingValidator(fields, UNDATED) !== undefined
}
