/** A request for a resource, and its answer with what there is to say about it. */
import type { Answer } from '../core/answer.ts'
import type { Clock } from '../core/clock.ts'
import { endToEndFields, withField, type Fields } from '../core/fields.ts'
import type { Random } from '../core/random.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Allocate, Store, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { OnInformation } from '../core/upstream.ts'
import { withoutPrivateFields } from '../cache/semantics/decision.ts'
import type { CacheStatusEntry, ForwardReason } from '../cache/semantics/cache-status.ts'
import { dated } from '../cache/semantics/http-date.ts'
import { ageField } from '../cache/semantics/freshness.ts'
import { hasContent } from '../cache/semantics/statuses.ts'
import type { Begun } from './begun.ts'
import { endingBody } from './body-end.ts'
import { answerWith, type RepresentationRequest } from './representation.ts'
import type { Head } from './answer.ts'
import type { Retrieval } from './retrieval.ts'
import type { RetrievalReport, SourceKind } from './source.ts'

export interface ResourceRequest {
  readonly method: 'GET' | 'HEAD'
  readonly uri: TargetUri
  /** The target as the application wrote it. */
  readonly target: string
  /** As received: the sharing gate must see what is not forwarded. */
  readonly received: Fields
  /** What goes upstream: end-to-end fields with `Via`. */
  readonly forwarded: Fields
  /**
   * Who asks, as far as the node can tell. `undefined`: a part of this program that reads ahead; it judges nothing, and asks again
   * when it likes, so that its coming back says nothing about what it was given (V5).
   */
  readonly client: string | undefined
  readonly signal: AbortSignal
  /** Takes interim responses for this application, as long as it has not been answered (RFC 9110 15.2). */
  readonly onInformation?: OnInformation | undefined
  /** `false`: the LAN is not asked, whatever the rule says, because it was asked by whoever this is for. */
  readonly mayAskPeers?: false
  /** Memory for what comes from a file, where the application gives it back; see `Store.read`. */
  readonly allocate?: Allocate
  /** The origin server's response to this very request, where it has been asked already. */
  readonly begun?: Begun | undefined
}

/** How a request was answered, for `Cache-Status`, the log and savings. */
export interface Trace {
  readonly how: 'hit' | 'validated' | 'error' | SourceKind
  readonly cacheStatus: CacheStatusEntry
  readonly retrieval?: RetrievalReport
}

export interface Resource {
  readonly answer: Answer
  readonly trace: Trace
}

/** A stored response that may be sent now (RFC 9111 4). */
export interface Reuse {
  readonly response: StoredResponse
  readonly ageMs: number
  /** Negative when it is stale and may be sent all the same. */
  readonly ttlMs: number
}

/** One reader of a retrieval that runs. */
export interface Joined {
  readonly retrieval: Retrieval
  /** Whether somebody else had begun it. */
  readonly isCollapsed: boolean
  /** To be called once the application is done or gone; calling it again is harmless. */
  readonly leave: () => void
}

/** What was asked of the origin server before what is stored was sent after all (RFC 9211 2.2, 2.3). */
export interface Asked {
  readonly reason: ForwardReason
  /** Absent: there was no answer. */
  readonly status?: number
  readonly detail: 'validated' | 'stale-if-error' | 'unreachable'
  /** Whether somebody else's request asked. */
  readonly isCollapsed?: boolean
}

/** @param asked absent: nobody was asked. */
export function fromStore(
  { response, ageMs, ttlMs }: Reuse,
  asked: Asked | undefined,
  request: RepresentationRequest,
  { store, random }: { readonly store: Pick<Store, 'read'>; readonly random: Random },
  allocate?: Allocate,
): Resource {
  const age = inSeconds(ageMs)
  const { status, size, uri, selecting } = response
  const fields = withField(endToEndFields(response.fields), 'Age', age)
  const read = (span: Parameters<Store['read']>[1]) => store.read(response, span, allocate)
  const answer = answerWith({ status, size, fields, read }, request, random)
  const how = asked?.detail === 'validated' ? 'validated' : 'hit'
  const said = asked === undefined ? ({ kind: 'hit' } as const) : ({ kind: 'forward', ...asked } as const)
  return { answer, trace: { how, cacheStatus: { ...said, ttlMs, ...variantKey(uri, selecting) } } }
}

export function fromGrowing(
  head: Extract<Head, { kind: 'growing' }>,
  joined: Joined,
  missing: ForwardReason,
  request: RepresentationRequest & Pick<ResourceRequest, 'signal'>,
  { random, clock }: { readonly random: Random; readonly clock: Clock },
  read = (span: ByteSpan) => joined.retrieval.read(head.copy, span, request.signal),
): Resource {
  const { copy } = head
  const { retrieval, leave } = joined
  const { report } = retrieval
  // The fields that were for whoever asked first are not for those who join it.
  const isCollapsed = joined.isCollapsed || report.isJoined
  const now = clock.wall()
  const received = dated(endToEndFields(head.response.fields), head.response.responseTime)
  const fields = isCollapsed
    ? withField(withoutPrivateFields(received), 'Age', ageField(head.response, now))
    : received
  const { status } = head.response
  const came = report.status ?? status
  const answer = answerWith({ status, size: copy.size, fields, read }, request, random)
  const reason = report.forwarded ?? missing
  const isStored = retrieval.willBeStored
  const said = { reason, status: came, isStored, isCollapsed } as const
  const trace = fetchedTrace(said, retrieval.request.uri, retrieval.selecting ?? [], report)
  return { answer: endingWith(answer, leave), trace }
}

/** What there is to say of a response that was fetched for this cache. */
export function fetchedTrace(
  said: Pick<
    Extract<CacheStatusEntry, { kind: 'forward' }>,
    'reason' | 'status' | 'isStored' | 'isCollapsed'
  >,
  uri: TargetUri,
  selecting: Fields,
  report: RetrievalReport,
): Trace {
  const how = report.source ?? 'internet'
  const cacheStatus = { kind: 'forward', ...said, detail: how, ...variantKey(uri, selecting) } as const
  return { how, cacheStatus, retrieval: report }
}

/** The cache key where it is more than the URI (RFC 9211 2.7): the values are the request's own. */
function variantKey(uri: TargetUri, selecting: Fields): { readonly key?: string } {
  if (selecting.length === 0) return {}
  return { key: [uri, ...selecting.map(([name, value]) => `${name}=${value.trim()}`)].join(' ') }
}

function inSeconds(ms: number): string {
  return String(Math.floor(ms / 1000))
}

/** What is not kept goes to its application as the origin server sent it. */
export function fromDirect(
  { response }: Pick<Extract<Head, { kind: 'direct' }>, 'response'>,
  report: RetrievalReport,
  leave: () => void,
  reason: ForwardReason,
): Resource {
  const { status, body } = response
  const answer = { status, reason: response.reason, fields: endToEndFields(response.fields) }
  const cacheStatus = {
    kind: 'forward',
    reason: report.forwarded ?? reason,
    status,
    detail: 'internet',
  } as const
  return {
    answer: endingWith(hasContent(status) ? { ...answer, body } : answer, leave),
    trace: { how: 'internet', cacheStatus, retrieval: report },
  }
}

/** The same answer; `then` is called when its body has been read or given up, at once if there is none. */
export function endingWith(answer: Answer, then: () => void): Answer {
  if (answer.body !== undefined) return { ...answer, body: endingBody(answer.body, then) }
  then()
  return answer
}

/** The same answer with the first bytes of its body already read. @throws what reading them throws. */
export async function begun(answer: Answer): Promise<Answer> {
  if (answer.body === undefined) return answer
  const chunks = answer.body[Symbol.asyncIterator]()
  let first: IteratorResult<Uint8Array> | undefined = await chunks.next()
  const next = (): Promise<IteratorResult<Uint8Array>> => {
    const read = first
    first = undefined
    return read === undefined ? chunks.next() : Promise.resolve(read)
  }
  // Not a generator: one that was never asked for a byte would not close what it reads from.
  const close = async (): Promise<IteratorResult<Uint8Array>> => {
    await chunks.return?.()
    return { done: true, value: undefined }
  }
  return { ...answer, body: { [Symbol.asyncIterator]: () => ({ next, return: close }) } }
}
