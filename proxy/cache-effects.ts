/** What an exchange that passes through changes in the cache: it outdates, and may leave something (RFC 9111 4.4, RFC 9110 9.3.3). */
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../core/clock.ts'
import { fieldsFromRaw } from '../core/fields.ts'
import { requestedUri, type TargetUri } from '../core/target-uri.ts'
import type { Changes } from '../retrieval/changes.ts'
import { invalidatedUris } from '../cache/semantics/invalidation.ts'
import { MAX_POSTED_BYTES, type KeepPosted, type PostExchange } from '../retrieval/posted.ts'

export interface CacheEffectsComponents {
  readonly clock: Clock
  /** Stored responses that an unsafe method made stale. */
  readonly invalidate: (uri: TargetUri) => void
  /** Where `invalidate` notes them. */
  readonly changes: Pick<Changes, 'now' | 'hasChangedSince'>
  /** What to do with a whole response that may answer later requests. */
  readonly posted: (exchange: PostExchange) => KeepPosted | undefined
}

/** Called with the request when it goes out. @returns what to call with the head of the answer. */
export function cacheEffects(
  { clock, invalidate, changes, posted }: CacheEffectsComponents,
  { method = '', url = '', rawHeaders }: IncomingMessage,
  target: URL,
): (answer: IncomingMessage) => void {
  const requestTime = clock.wall()
  const began = changes.now()
  const uri = requestedUri(target, url)
  return (answer) => {
    if (uri === undefined) return
    const response = { status: answer.statusCode ?? 0, fields: fieldsFromRaw(answer.rawHeaders) }
    // Nobody knows in which order the origin server did what was asked of it at the same time.
    const isOutdated = changes.hasChangedSince(uri, began)
    for (const each of invalidatedUris({ method, uri }, response)) invalidate(each)
    if (isOutdated) return
    const request = { method, uri, fields: fieldsFromRaw(rawHeaders) }
    const keep = posted({ request, response, requestTime, responseTime: clock.wall() })
    if (keep) collect(answer, keep)
  }
}

/** Reads along; a body that is too large, or breaks off, is let go. */
function collect(answer: IncomingMessage, keep: KeepPosted): void {
  let chunks: Buffer[] | undefined = []
  let bytes = 0
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_POSTED_BYTES) chunks = undefined
    chunks?.push(chunk)
  })
  answer.once('end', () => {
    if (chunks === undefined || !answer.complete) return
    void keep(Buffer.concat(chunks)).catch(() => {}) // the next GET asks the origin server
  })
}
