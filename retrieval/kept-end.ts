/**
 * The end of a file that the origin server sent behind a beginning of peers (`Retrieval`, "goes on"). Where the whole proves wrong
 * it was that beginning, and it alone is fetched anew: who lies and then falls silent costs the time until then, and not the time for
 * what came after it as well.
 */
import type { EpochMs } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { SELECTING_A_PART, withField, withoutFields, type Fields } from '../core/fields.ts'
import type { GrowingCopy } from '../core/store.ts'
import type { Upstream } from '../core/upstream.ts'
import { continuingValidator } from './continuing-validator.ts'
import { continuedBy, rangeField } from './part-source.ts'
import type { OpenedSource } from './peer-source.ts'
import type { RetrievalRequest } from './request.ts'

export interface KeptEnd {
  /** Its bytes from `from` on are the origin server's. */
  readonly copy: GrowingCopy
  readonly from: number
  readonly size: number
  /** Of the response that brought them. */
  readonly fields: Fields
  /** What tells whether the file is still the same (RFC 9110 13.1.5). */
  readonly validator: string
}

/** `undefined` where not all of the end is here, or nothing would tell that its beginning belongs to it. */
export function keptEnd(
  copy: GrowingCopy,
  from: number,
  fields: Fields,
  responseTime: EpochMs,
): KeptEnd | undefined {
  const { size } = copy
  const validator = continuingValidator(fields, responseTime)
  if (size === undefined || validator === undefined || copy.heldUntil(from) < size) return undefined
  return { copy, from, size, fields, validator }
}

/** The whole file: its beginning from the origin server, and then what is kept. @throws Fault RESPONSE_CHANGED, RESPONSE_INVALID */
export async function openBefore(
  end: KeptEnd,
  upstream: Upstream,
  { target, fields }: RetrievalRequest,
  signal: AbortSignal,
): Promise<OpenedSource> {
  const { copy, from, size, validator } = end
  const asked = { start: 0, end: from }
  const ranged = withField(withoutFields(fields, SELECTING_A_PART), 'Range', rangeField(asked, size))
  const conditional = withField(ranged, 'If-Range', validator)
  const response = await upstream.request({ method: 'GET', uri: target, fields: conditional, signal })
  const brought = continuedBy(response, asked, size, end.fields)
  const opened = { status: 200, fields: brought.fields, size, from: 0 }
  if (brought.isWholeInstead) return { ...opened, body: response.body }
  return {
    ...opened,
    body: joined(response.body, from, copy.read({ start: from, end: size }, signal, 'held')),
  }
}

/** @throws Fault RESPONSE_INCOMPLETE where the first body has not exactly so many bytes: nothing would lie in its place. */
async function* joined(
  first: AsyncIterable<Uint8Array>,
  bytes: number,
  second: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let left = bytes
  for await (const chunk of first) {
    left -= chunk.length
    if (left < 0) break
    yield chunk
  }
  if (left !== 0) throw new Fault('RESPONSE_INCOMPLETE', `expected ${bytes} bytes, got ${bytes - left}`)
  yield* second
}
