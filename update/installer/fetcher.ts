/** Gets files by HTTP, directly or through the node's proxy, within bounds of size and time. */
import type { Dispatcher } from 'undici'
import { NO_LONGER_NEEDED } from '../../core/ended.ts'
import type { Clock } from '../../core/clock.ts'
import { describe } from '../../core/fault.ts'
import { Refused, reasonOf } from '../refused.ts'
import { Agent, ProxyAgent, requestOn } from './undici.ts'

/** Where bytes came from, as far as the proxy told; without one everything is from the Internet. */
export type Source = 'peer' | 'internet' | 'cache'

export interface FetchRequest {
  readonly url: string
  /** More is refused as soon as it is announced, or comes. */
  readonly maxBytes: number
  /** From the origin server, whatever caches and peers have: catalogues, and second tries. */
  readonly isFresh: boolean
  /** Bytes so far. */
  readonly onProgress?: (bytes: number) => void
  /** Each piece that comes, also of what is refused then. */
  readonly onReceived?: (source: Source, bytes: number) => void
}

export interface Fetched {
  readonly bytes: Buffer
  readonly source: Source
}

export interface Fetcher {
  /** @throws Refused unreachable, not-found, oversized, stalled */
  fetch(request: FetchRequest): Promise<Fetched>
  close(): Promise<void>
}

/** No byte for so long. */
const SILENCE_MS = 30_000
/** Whoever sends less than this is endless rather than slow. */
const LEAST_BYTES_PER_S = 1_000
const MAX_REDIRECTS = 5

/** @param proxy `http://127.0.0.1:3128`; when nobody listens there, files come directly (field notes 3.13) */
export function httpFetcher(proxy: string | undefined, clock: Clock): Fetcher {
  const timeouts = { headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS, connect: { timeout: 10_000 } }
  const direct = new Agent(timeouts)
  let through: Dispatcher | undefined =
    proxy === undefined ? undefined : new ProxyAgent({ uri: proxy, ...timeouts })
  return {
    async fetch(wanted) {
      if (through === undefined) return fetchWith(direct, wanted, clock)
      try {
        return await fetchWith(through, wanted, clock)
      } catch (error) {
        if (!isRefusedConnection(error)) throw error
        await through.close()
        through = undefined
        return fetchWith(direct, wanted, clock)
      }
    },
    async close() {
      await Promise.all([direct.destroy(), through?.destroy()])
    },
  }
}

async function fetchWith(dispatcher: Dispatcher, wanted: FetchRequest, clock: Clock): Promise<Fetched> {
  const abort = new AbortController()
  const limitMs = 2 * SILENCE_MS + (wanted.maxBytes / LEAST_BYTES_PER_S) * 1000
  const cancel = clock.after(limitMs, () => abort.abort(new Refused('stalled', `${wanted.url} does not end`)))
  try {
    return await followed(dispatcher, wanted, abort.signal)
  } catch (error) {
    const cause: unknown = abort.signal.aborted ? abort.signal.reason : error
    throw reasonOf(cause) === undefined ? failure(wanted.url, cause) : cause
  } finally {
    cancel()
    abort.abort(NO_LONGER_NEEDED)
  }
}

async function followed(dispatcher: Dispatcher, wanted: FetchRequest, signal: AbortSignal): Promise<Fetched> {
  let { url } = wanted
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const { origin, pathname, search } = new URL(url)
    const asked = {
      origin,
      path: `${pathname}${search}`,
      method: 'GET',
      signal,
      headers: fields(wanted),
    } as const
    const answer = await requestOn.call(dispatcher, asked)
    const { statusCode, headers, body } = answer
    if (statusCode === 200) {
      const source = sourceOf(headers)
      return { bytes: await read(body, headers, source, wanted), source }
    }
    await body.dump()
    const location = headers['location']
    if (statusCode < 300 || statusCode > 399 || typeof location !== 'string') throw notOk(url, statusCode)
    url = new URL(location, url).href
  }
  throw new Refused('unreachable', `${wanted.url} leads in circles`)
}

function fields({ isFresh }: FetchRequest): Record<string, string> {
  const fresh = isFresh ? { 'cache-control': 'no-cache', pragma: 'no-cache' } : {}
  return { 'user-agent': 'ihave-update', accept: '*/*', 'accept-encoding': 'identity', ...fresh }
}

async function read(
  body: AsyncIterable<Buffer>,
  headers: Dispatcher.ResponseData['headers'],
  source: Source,
  { url, maxBytes, onProgress, onReceived }: FetchRequest,
): Promise<Buffer> {
  const announced = Number(headers['content-length'] ?? 0)
  if (announced > maxBytes) throw oversized(url, maxBytes)
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    onReceived?.(source, chunk.length)
    if (bytes > maxBytes) throw oversized(url, maxBytes)
    chunks.push(chunk)
    onProgress?.(bytes)
  }
  return Buffer.concat(chunks)
}

/** The node's own member of `Cache-Status` comes last (RFC 9211). */
function sourceOf(headers: Dispatcher.ResponseData['headers']): Source {
  const line = [headers['cache-status'] ?? []].flat().join(', ')
  const own = line.split(/,\s*/).findLast((member) => member.startsWith('ihave'))
  if (own === undefined) return 'internet'
  if (/;\s*hit\b/.test(own)) return 'cache'
  return /detail=(?:peer|in-progress)\b/.test(own) ? 'peer' : 'internet'
}

function oversized(url: string, maxBytes: number): Refused {
  return new Refused('oversized', `${url}: expected at most ${maxBytes} bytes, more come`)
}

function notOk(url: string, status: number): Refused {
  return new Refused(
    status === 404 || status === 410 ? 'not-found' : 'unreachable',
    `${url}: the server says ${status}`,
  )
}

function failure(url: string, error: unknown): Refused {
  const code = codeOf(error)
  const reason =
    code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT' ? 'stalled' : 'unreachable'
  return new Refused(reason, `${url}: ${describe(error)}`, { cause: error })
}

function isRefusedConnection(error: unknown): boolean {
  return error instanceof Refused && codeOf(error.cause) === 'ECONNREFUSED'
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
