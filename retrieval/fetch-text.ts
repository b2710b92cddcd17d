/** A small text from a peer's port for files. */
import type { Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import type { Upstream } from '../core/upstream.ts'
import { PEER_FIELD } from '../peering/peer-answer.ts'
import { within } from './pace.ts'

/** A text that is longer is not read, in bytes. */
export const MAX_TEXT_BYTES = 64 * 1024

const PATIENCE_MS = 1000

/** `undefined` when there is none, or it does not come in time. Never fails. @param node who asks. */
export async function fetchText(
  peers: Upstream,
  uri: string,
  node: string,
  clock: Clock,
): Promise<string | undefined> {
  const end = new AbortController()
  try {
    const asking = peers.request({ method: 'GET', uri, fields: [[PEER_FIELD, node]], signal: end.signal })
    const response = await within(asking, PATIENCE_MS, clock, { code: 'PEER_STALLED' })
    if (response.status !== 200) return undefined
    return await within(textOf(response.body), PATIENCE_MS, clock, { code: 'PEER_STALLED' })
  } catch {
    return undefined // a peer's fault, and no more than a word that is not heard
  } finally {
    end.abort(NO_LONGER_NEEDED)
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    if ((length += chunk.length) > MAX_TEXT_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString().trimEnd()
}
