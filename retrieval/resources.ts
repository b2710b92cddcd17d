/**
 * The one path of a resource: from a request to its answer, whatever side the bytes come from (docs/architecture.md).
 *
 *   rule ──► cache: fresh? ──hit──────────────────────────────────────────────► answer
 *               │ stale: validate with the origin server ──304──► freshen ────► answer
 *               ▼ miss
 *            retrieval (joined by every request for the same): peers, running downloads, Internet ──► answer
 */
import type { Answer } from '../core/answer.ts'
import type { Clock } from '../core/clock.ts'
import { endToEndFields, hasField, withField, withoutFields, type Fields } from '../core/fields.ts'
import type { Sha256 } from '../core/digest.ts'
import type { Policy } from '../core/policy.ts'
import type { Random } from '../core/random.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Upstream } from '../core/upstream.ts'
import type { CacheStatusEntry, ForwardReason } from '../cache/semantics/cache-status.ts'
import { decide, staleIfErrorAllows, type Decision } from '../cache/semantics/decision.ts'
import { currentAgeMs, remainingFreshnessMs } from '../cache/semantics/freshness.ts'
import { mayNameToLan } from '../cache/semantics/sharing-gate.ts'
import { freshened, notModifiedApplies } from '../cache/semantics/validation.ts'
import type { RetryWatch } from '../verify/retry-watch.ts'
import type { Address } from '../core/transport.ts'
import type { ShunReason } from '../verify/shunned-peers.ts'
import { admit } from './admission.ts'
import { SELECTING_A_PART } from './origin-source.ts'
import { answerWith, type Representation } from './representation.ts'
import type { RetrievalRequest } from './request.ts'
import type { Head, Retrieval } from './retrieval.ts'
import type { Retrievals } from './retrievals.ts'
import type { Rules } from './rules.ts'
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
  /** Who asks, as far as the node can tell. */
  readonly client: string
  readonly signal: AbortSignal
}

/** How a request was answered, for `Cache-Status`, the log and savings. */
export interface Trace {
  readonly rule: string
  readonly how: 'hit' | 'validated' | 'error' | SourceKind
  readonly cacheStatus: CacheStatusEntry
  readonly retrieval: RetrievalReport | undefined
}

export interface Resource {
  readonly answer: Answer
  readonly trace: Trace
}

export interface ResourcesComponents {
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly origin: Upstream
  readonly rules: () => Rules
  readonly retrievals: Retrievals
  readonly retryWatch: RetryWatch
  readonly shun: (peer: Address, reason: ShunReason, detail: string, body?: Sha256) => void
}

/** @throws Fault when there is no answer, for an error page. */
export interface Resources {
  get(request: ResourceRequest): Promise<Resource>
}

export function resources(components: ResourcesComponents): Resources {
  return { get: (request) => new RequestPath(components, request).answer() }
}

/** One request on its way. */
class RequestPath {
  readonly #components: ResourcesComponents
  readonly #request: ResourceRequest
  readonly #policy: Policy

  constructor(components: ResourcesComponents, request: ResourceRequest) {
    this.#components = components
    this.#request = request
    this.#policy = components.rules().policyFor(request.uri)
  }

  async answer(): Promise<Resource> {
    const { store, clock } = this.#components
    const { method, received, uri } = this.#request
    if (this.#isComplaint()) return this.#retrieve('request', { isDistrusted: true })
    const decision = decide({ method, fields: received }, store.lookup(uri), this.#policy, clock.wall())
    switch (decision.kind) {
      case 'hit':
        return this.#fromStore(decision, 'hit')
      case 'stale-while-revalidate':
        this.#validateInBackground(decision)
        return this.#fromStore(decision, 'hit')
      case 'validate':
        return method === 'HEAD' ? this.#head('stale') : this.#validated(decision)
      case 'miss':
        return method === 'HEAD' ? this.#head(decision.reason) : this.#retrieve(decision.reason)
      case 'only-if-cached':
        return this.#notCached()
    }
  }

  /** V5: the application asks again for what it was just given: that copy was probably bad (V§1). */
  #isComplaint(): boolean {
    const { retryWatch, clock, shun, store, retrievals } = this.#components
    const { client, uri, received, method } = this.#request
    if (method !== 'GET') return false
    if (retrievals.isPoisoned(uri)) return true
    const delivery = retryWatch.asksAgain(client, uri, clock.monotonic())
    const isConditional = SELECTING_A_PART.some((name) => hasField(received, name))
    if (delivery === undefined || isConditional) return false
    const stored = store.lookup(uri).some((each) => each.source === 'peer' && each.digest === delivery.body)
    if (!stored) return false
    shun(delivery.peer, 'asked-again', `${uri}: delivered unverified, and asked for again`, delivery.body)
    store.remove(uri)
    return true
  }

  #fromStore(
    reuse: { readonly response: StoredResponse; readonly ageMs: number; readonly ttlMs: number },
    how: 'hit' | 'validated',
  ): Resource {
    const { ageMs, ttlMs } = reuse
    const cacheStatus: CacheStatusEntry = { kind: 'hit', ttlMs }
    return {
      answer: this.#storedAnswer(reuse.response, ageMs),
      trace: this.#trace(how, cacheStatus, undefined),
    }
  }

  #storedAnswer(response: StoredResponse, ageMs: number): Answer {
    const { store, random } = this.#components
    const fields = withField(endToEndFields(response.fields), 'Age', String(Math.floor(ageMs / 1000)))
    const representation: Representation = {
      status: response.status,
      fields,
      size: response.size,
      read: (span) => store.read(response, span),
    }
    return answerWith(
      representation,
      { method: this.#request.method, fields: this.#request.received },
      random,
    )
  }

  /** Asks the origin server whether a stored response still holds; when it cannot say, the stored one may do. */
  async #validated(decision: Extract<Decision, { kind: 'validate' }>): Promise<Resource> {
    const { response, conditional, reason } = decision
    try {
      return await this.#validate(response, conditional, reason)
    } catch (error) {
      const { clock } = this.#components
      if (!staleIfErrorAllows({ fields: this.#request.received }, response, this.#policy, clock.wall()))
        throw error
      return this.#current(response, 'hit')
    }
  }

  async #validate(
    stored: StoredResponse,
    conditional: Fields,
    reason: ForwardReason = 'stale',
  ): Promise<Resource> {
    const { clock } = this.#components
    const asked = [...withoutFields(this.#request.forwarded, SELECTING_A_PART), ...conditional]
    const { head, retrieval, leave } = await this.#join({
      ...this.#retrievalRequest(asked),
      mayAskPeers: false,
    })
    if (head.kind === 'growing') return this.#fromGrowing(head, retrieval, leave, reason, false)
    const { status, fields } = head.response
    if (status === 304 && notModifiedApplies(fields, stored)) {
      leave()
      return this.#freshened(stored, freshened(stored.fields, fields))
    }
    if (staleIfErrorAllows({ fields: this.#request.received }, stored, this.#policy, clock.wall(), status)) {
      leave()
      return this.#current(stored, 'hit')
    }
    return this.#fromDirect(head, retrieval, leave, reason)
  }

  /** A 304 may also take back the permission to store or to share (RFC 9111 4.3.4, V§3). */
  #freshened(stored: StoredResponse, fields: Fields): Resource {
    const { store, clock } = this.#components
    const now = clock.wall()
    const admission = admit(this.#retrievalRequest(this.#request.forwarded), {
      status: stored.status,
      fields,
    })
    const shareable = stored.shareable && admission.kind === 'admitted' && admission.isShareable
    const response = store.freshen(stored, { fields, requestTime: now, responseTime: now, shareable })
    const resource = this.#current(response, 'validated')
    return admission.kind === 'admitted' ? resource : this.#lastUse(resource)
  }

  /** What may no longer be stored is removed when it has been sent. */
  #lastUse(resource: Resource): Resource {
    const { body } = resource.answer
    const remove = () => void this.#components.store.remove(this.#request.uri)
    if (body !== undefined)
      return { ...resource, answer: { ...resource.answer, body: leaving(body, remove) } }
    remove()
    return resource
  }

  /** The application is served at once; what it asked for is validated for the next one (RFC 5861 3). */
  #validateInBackground({
    response,
    conditional,
  }: Extract<Decision, { kind: 'stale-while-revalidate' }>): void {
    const detached = { ...this.#request, signal: new AbortController().signal }
    const path = new RequestPath(this.#components, detached)
    void path.#validate(response, conditional).catch(() => {}) // the stale response remains; the next request tries again
  }

  #current(response: StoredResponse, how: 'hit' | 'validated'): Resource {
    const now = this.#components.clock.wall()
    const ttlMs = remainingFreshnessMs(response, this.#policy, now)
    return this.#fromStore({ response, ageMs: currentAgeMs(response, now), ttlMs }, how)
  }

  /** HEAD says what GET would; nothing is stored for it, and the LAN is not asked (BITS asks it first). */
  async #head(reason: ForwardReason): Promise<Resource> {
    const { target, forwarded, signal } = this.#request
    const response = await this.#components.origin.request({
      method: 'HEAD',
      uri: target,
      fields: forwarded,
      signal,
    })
    const cacheStatus: CacheStatusEntry = {
      kind: 'forward',
      reason,
      status: response.status,
      detail: 'internet',
    }
    const answer = {
      status: response.status,
      reason: response.reason,
      fields: endToEndFields(response.fields),
    }
    return { answer, trace: this.#trace('internet', cacheStatus, undefined) }
  }

  async #retrieve(reason: ForwardReason, trust: { readonly isDistrusted?: boolean } = {}): Promise<Resource> {
    const request = trust.isDistrusted ? this.#distrusting() : this.#wanted(reason)
    const { head, retrieval, leave, isCollapsed } = await this.#join(request)
    return head.kind === 'growing'
      ? this.#fromGrowing(head, retrieval, leave, reason, isCollapsed, trust.isDistrusted)
      : this.#fromDirect(head, retrieval, leave, reason)
  }

  /** Peers are asked for what is not here; what is stale, or asked for anew, only the origin server can renew. */
  #wanted(reason: ForwardReason): RetrievalRequest {
    const request = this.#retrievalRequest(this.#request.forwarded)
    const isMissing = reason === 'uri-miss' || reason === 'vary-miss'
    return { ...request, mayAskPeers: request.isNameable && isMissing }
  }

  /** Wrong bytes went out: the next answer is the whole from the origin server, whatever part was asked for (V§2). */
  #distrusting(): RetrievalRequest {
    const whole = withoutFields(this.#request.forwarded, SELECTING_A_PART)
    return { ...this.#retrievalRequest(whole), mayAskPeers: false }
  }

  #retrievalRequest(fields: Fields): RetrievalRequest {
    const { uri, target, received, method } = this.#request
    const gate = mayNameToLan({ method, uri: target, fields: received }, this.#policy, false)
    const isNameable = gate.kind === 'share'
    return { uri, target, fields, policy: this.#policy, isNameable, mayAskPeers: isNameable }
  }

  async #join(request: RetrievalRequest) {
    const { retrievals } = this.#components
    const joined = retrievals.join(request, this.#request.received)
    const leave = joined.leave
    this.#request.signal.addEventListener('abort', leave, { once: true })
    try {
      const head = await joined.retrieval.head()
      if (head.kind === 'growing' || !joined.isCollapsed) return { ...joined, head }
      // What the first one was told is not for others: each asks for itself, side by side.
      leave()
      const own = retrievals.alone({ ...request, mayAskPeers: false })
      this.#request.signal.addEventListener('abort', own.leave, { once: true })
      return { ...own, head: await own.retrieval.head() }
    } catch (error) {
      leave()
      throw error
    }
  }

  #fromGrowing(
    head: Extract<Head, { kind: 'growing' }>,
    retrieval: Retrieval,
    leave: () => void,
    reason: ForwardReason,
    isCollapsed: boolean,
    isDistrusted = false,
  ): Resource {
    const { random } = this.#components
    const how = retrieval.report.source ?? 'internet'
    const { signal, method, client } = this.#request
    const representation: Representation = {
      status: 200,
      fields: endToEndFields(head.fields),
      size: head.copy.size,
      read: (span) => leaving(head.copy.read(span, signal), leave),
    }
    const fields = isDistrusted
      ? withoutFields(this.#request.received, SELECTING_A_PART)
      : this.#request.received
    const answer = answerWith(representation, { method, fields }, random)
    if (answer.body === undefined) leave()
    retrieval.deliveredTo(client)
    const cacheStatus: CacheStatusEntry = {
      kind: 'forward',
      reason,
      status: 200,
      isStored: retrieval.willBeStored,
      isCollapsed,
      detail: how,
    }
    return { answer, trace: this.#trace(how, cacheStatus, retrieval.report) }
  }

  #fromDirect(
    head: Extract<Head, { kind: 'direct' }>,
    retrieval: Retrieval,
    leave: () => void,
    reason: ForwardReason,
  ): Resource {
    const { response } = head
    const { status } = response
    const cacheStatus: CacheStatusEntry = { kind: 'forward', reason, status, detail: 'internet' }
    const fields = endToEndFields(response.fields)
    const hasBody = status !== 204 && status !== 304
    const answer: Answer = {
      status,
      reason: response.reason,
      fields,
      ...(hasBody ? { body: leaving(response.body, leave) } : {}),
    }
    if (!hasBody) leave()
    return { answer, trace: this.#trace('internet', cacheStatus, retrieval.report) }
  }

  #notCached(): Resource {
    const answer: Answer = { status: 504, fields: [['Content-Length', '0']] }
    return {
      answer,
      trace: this.#trace('error', { kind: 'forward', reason: 'miss', status: 504 }, undefined),
    }
  }

  #trace(how: Trace['how'], cacheStatus: CacheStatusEntry, retrieval: RetrievalReport | undefined): Trace {
    return { rule: this.#policy.rule, how, cacheStatus, retrieval }
  }
}

async function* leaving(body: AsyncIterable<Uint8Array>, leave: () => void): AsyncIterable<Uint8Array> {
  try {
    yield* body
  } finally {
    leave()
  }
}
