/** One transfer by HTTP, on one way: redirects followed, size and time bounded. */
import type { Dispatcher } from 'undici'
import type { Clock } from '../../core/clock.ts'
import { NO_LONGER_NEEDED } from '../../core/ended.ts'
import { errorCode } from '../../core/error-code.ts'
import { describe } from '../../core/fault.ts'
import { parseContentRange } from '../../core/ranges.ts'
import { Refused, reasonOf } from '../refused.ts'
import type { Coming } from './coming.ts'
import type { FetchRequest, Source } from './fetch-request.ts'
import { keepPace } from './pace.ts'
import { requestOn } from './undici.ts'

type Fields = Dispatcher.ResponseData['headers']

const MAX_REDIRECTS = 5

/** No byte for so long, in ms. With each request: a `ProxyAgent` does not heed its own figures where it opens no tunnel. */
const SILENCE = { headersTimeout: 30_000, bodyTimeout: 30_000 } as const

/** The way itself failed, rather than what it leads to. */
export class WayFailed extends Refused {}

/** The rest of what is coming, or the whole. @throws Refused unreachable, not-found, oversized, stalled, too-slow; WayFailed */
export async function transfer(
  dispatcher: Dispatcher,
  wanted: FetchRequest,
  coming: Coming,
  clock: Clock,
): Promise<void> {
  const abort = new AbortController()
  const { url, leastBytesPerS } = wanted
  const cancel = keepPace(
    clock,
    leastBytesPerS,
    () => coming.received,
    () => abort.abort(new WayFailed('too-slow', `${url}: less than ${leastBytesPerS} bytes in a second`)),
  )
  try {
    await followed(dispatcher, wanted, coming, abort.signal)
  } catch (error) {
    const cause: unknown = abort.signal.aborted ? abort.signal.reason : error
    throw reasonOf(cause) === undefined ? failure(url, cause) : cause
  } finally {
    cancel()
    abort.abort(NO_LONGER_NEEDED)
  }
}

async function followed(
  dispatcher: Dispatcher,
  wanted: FetchRequest,
  coming: Coming,
  signal: AbortSignal,
): Promise<void> {
  let { url } = wanted
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const { origin, pathname, search } = new URL(url)
    const path = `${pathname}${search}`
    const headers = { ...fields(wanted), ...coming.restFields() }
    const asked = { origin, path, method: 'GET', signal, headers, ...SILENCE } as const
    const { statusCode, headers: answer, body } = await requestOn.call(dispatcher, asked)
    if (statusCode === 200 || statusCode === 206)
      return read(body, begun(url, statusCode, answer, coming), wanted, coming)
    await body.dump()
    if (statusCode === 416) coming.begin('internet', undefined)
    if (statusCode === 416 && redirects === 0) continue
    const location = answer['location']
    if (statusCode < 300 || statusCode > 399 || typeof location !== 'string')
      throw notOk(url, statusCode, answer)
    url = new URL(location, url).href
  }
  throw new Refused('unreachable', `${wanted.url} leads in circles`)
}

function fields({ isFresh }: FetchRequest): Record<string, string> {
  const fresh = isFresh ? { 'cache-control': 'no-cache', pragma: 'no-cache' } : {}
  return { 'user-agent': 'ihave-update', accept: '*/*', 'accept-encoding': 'identity', ...fresh }
}

interface Begun {
  readonly source: Source
  /** Bytes that are announced; 0 where none are. */
  readonly announced: number
}

/** Either goes on where the last source stopped, or from the first byte. @throws Refused unreachable */
function begun(url: string, status: 200 | 206, headers: Fields, coming: Coming): Begun {
  const source = sourceOf(headers)
  const announced = Number(headers['content-length'] ?? 0)
  if (status === 200) coming.begin(source, single(headers['etag']))
  else if (parseContentRange(single(headers['content-range']) ?? '')?.start !== coming.kept)
    throw new Refused('unreachable', `${url}: the server sends another part than was asked for`)
  return { source, announced }
}

async function read(
  body: AsyncIterable<Buffer>,
  { source, announced }: Begun,
  { url, maxBytes, onProgress, onReceived }: FetchRequest,
  coming: Coming,
): Promise<void> {
  const tooLong = () => new Refused('oversized', `${url}: expected at most ${maxBytes} bytes, more come`)
  if (coming.kept + announced > maxBytes) throw tooLong()
  for await (const chunk of body) {
    onReceived?.(source, chunk.length)
    if (coming.kept + chunk.length > maxBytes) throw tooLong()
    coming.add(chunk)
    onProgress?.(coming.kept)
  }
}

/** The node's own member of `Cache-Status` comes last (RFC 9211). */
function sourceOf(headers: Fields): Source {
  const line = [headers['cache-status'] ?? []].flat().join(', ')
  const own = line.split(/,\s*/).findLast((member) => member.startsWith('ihave'))
  if (own === undefined) return 'internet'
  if (/;\s*hit\b/.test(own)) return 'cache'
  return /detail=(?:peer|in-progress)\b/.test(own) ? 'peer' : 'internet'
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** What a node says that is stopping, or has too much to do (RFC 9209): another way may do. */
const NODE_FAILED = /^ihave;.*error=(?:proxy_internal_error|connection_limit_reached)\b/

function notOk(url: string, status: number, headers: Fields): Refused {
  const detail = `${url}: the server says ${status}`
  if (NODE_FAILED.test(single(headers['proxy-status']) ?? '')) return new WayFailed('unreachable', detail)
  return new Refused(status === 404 || status === 410 ? 'not-found' : 'unreachable', detail)
}

/** A proxy that does not let a tunnel through has its reasons: that is no failure of the way. */
const NOT_ALLOWED = 'UND_ERR_ABORTED'

function failure(url: string, error: unknown): Refused {
  const code = errorCode(error)
  const isStalled = code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT'
  const Kind = code === NOT_ALLOWED ? Refused : WayFailed
  return new Kind(isStalled ? 'stalled' : 'unreachable', `${url}: ${describe(error)}`, { cause: error })
}
