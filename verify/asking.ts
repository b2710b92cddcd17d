/** One short question to an origin server, about what could prove a file that a peer has. */
import { sleep, type Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { fieldValue, SELECTING_A_PART, withField, withoutFields, type Fields } from '../core/fields.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../core/upstream.ts'

/** So long it may take, in ms: within the patience that applications have for peers. */
export const MAX_ASKING_MS = 400
/** Questions of one kind at once, to all servers together. */
export const MAX_ASKING = 32
/** Answers, and servers, that are remembered, about 300 bytes each. */
export const MAX_REMEMBERED = 2_000
/** "There is none" and "no answer" are used for so long, in ms. */
export const NO_ANSWER_MS = 60_000

/** What `read` makes of the response; `undefined` where there is none in time: a server that does not answer says nothing. */
export async function askBriefly<Answer>(
  request: Omit<UpstreamRequest, 'signal'>,
  { clock, origin }: { readonly clock: Clock; readonly origin: Upstream },
  read: (response: UpstreamResponse) => Answer | Promise<Answer>,
): Promise<Answer | undefined> {
  const ending = new AbortController()
  const { signal } = ending
  try {
    const asked = origin.request({ ...request, signal }).then(read, () => undefined)
    return await Promise.race([asked, sleep(clock, MAX_ASKING_MS, signal).then(() => undefined)])
  } finally {
    ending.abort(NO_LONGER_NEEDED)
  }
}

/**
 * Bytes of the uncoded body that a 200 to HEAD describes; `undefined` where it does not say. Some servers count nothing when they
 * send nothing.
 */
export function lengthIn(fields: Fields): number | undefined {
  const value = fieldValue(fields, 'content-length') ?? ''
  const isCoded = (fieldValue(fields, 'content-encoding') ?? 'identity') !== 'identity'
  return /^[1-9]\d{0,14}$/.test(value) && !isCoded ? Number(value) : undefined
}

/** As the application asks, but for the whole and uncoded. */
export function forWhole(fields: Fields): Fields {
  return withField(withoutFields(fields, SELECTING_A_PART), 'Accept-Encoding', 'identity')
}
