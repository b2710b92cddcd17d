/**
 * Whoever has waited for one that fetches, and was given nothing, does not know why: that node may be cut off from the Internet, or the
 * line is long or full, or the origin server thinks. But for the first, everybody would ask for the file at about the moment at which the
 * first one is answered (R5.4): over a line of 4 Mbit/s, where a second goes by until then, each of 20 machines was sent up to 64 kB of
 * every file before it could say that it no longer needs them.
 *
 * So it asks for the head alone (HEAD) first. Who was asked earlier is answered earlier, unless it is cut off: until the origin server has
 * answered this, a copy can be read that grows at the other one, or there is none to be waited for. It costs one round trip where nobody
 * fetches it, and the line 300 bytes instead of a copy.
 */
import { atMost, type Clock } from '../core/clock.ts'
import { SELECTING_A_PART, withoutFields } from '../core/fields.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import type { RetrievalRequest } from './request.ts'

/** A server that does not answer HEAD is asked for the file after so long, in ms. */
export const SOUNDING_MS = 2000

/** Until the origin server has answered something. Never rejects: that it cannot be reached is found out by whoever asks for the file. */
export async function soundOut(
  origin: Upstream,
  request: RetrievalRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  await headWithin(SOUNDING_MS, origin, request, clock, signal)
}

/** What the origin server answers HEAD with; `undefined`: nothing within `mostMs`. Never rejects. */
export async function headWithin(
  mostMs: number,
  origin: Upstream,
  { target: uri, fields }: RetrievalRequest,
  clock: Clock,
  signal?: AbortSignal,
): Promise<Omit<UpstreamResponse, 'body'> | undefined> {
  let head: UpstreamResponse | undefined
  const ask = async (until: AbortSignal) => {
    const asked = withoutFields(fields, SELECTING_A_PART)
    head = await origin.request({ method: 'HEAD', uri, fields: asked, signal: until })
    // Read to its end, the connection is free for whoever asks for the file.
    for await (const _ of head.body);
  }
  await atMost(clock, mostMs, ask, signal)
  return head
}
