/**
 * The one path of a resource: from a request to its answer, whatever side the bytes come from (docs/architecture.md).
 *
 *   rule ──► cache: fresh? ──hit──────────────────────────────────────────────► answer
 *               │ stale: validate with the origin server ──304──► freshen ────► answer
 *               ▼ miss
 *            retrieval (joined by every request for the same): peers, running downloads, Internet ──► answer
 */
import type { Clock } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import { endToEndFields, hasField, withoutFields, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { Random } from '../core/random.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import type { Address } from '../core/transport.ts'
import type { Upstream } from '../core/upstream.ts'
import { hasDirective, parseRequestDirectives } from '../cache/semantics/cache-control.ts'
import type { ForwardReason } from '../cache/semantics/cache-status.ts'
import { decide, staleIfErrorAllows, type Decision } from '../cache/semantics/decision.ts'
import { currentAgeMs, remainingFreshnessMs } from '../cache/semantics/freshness.ts'
import { mayNameToLan } from '../cache/semantics/sharing-gate.ts'
import { freshened, notModifiedApplies } from '../cache/semantics/validation.ts'
import { matches } from '../cache/semantics/vary.ts'
import type { RetryWatch } from '../verify/retry-watch.ts'
import type { ShunReason } from '../verify/shunned-peers.ts'
import { admit } from './admission.ts'
import { SELECTING_A_PART } from './origin-source.ts'
import { HotResponses, type HotHit, type HotRequest } from './hot-responses.ts'
import type { RetrievalRequest } from './request.ts'
import {
  begun,
  endingWith,
  fromDirect,
  fromGrowing,
  fromStore,
  type Joined,
  type Resource,
  type ResourceRequest,
  type Reuse,
} from './resource.ts'
import type { Head } from './retrieval.ts'
import type { Retrievals } from './retrievals.ts'
import type { Rules } from './rules.ts'

export interface ResourcesComponents {
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly origin: Upstream
  readonly rules: () => Rules
  readonly retrievals: Retrievals
  readonly retryWatch: RetryWatch
  /** The peer that a stored body came from when only an application can tell whether it is right (V5). */
  readonly unverifiedPeer: (body: Sha256) => Address | undefined
  readonly shun: (peer: Address, reason: ShunReason, detail: string, body?: Sha256) => void
}

export interface Resources {
  /** @throws Fault when there is no answer, for an error page. */
  get(request: ResourceRequest): Promise<Resource>
  /** The answer where nothing has to be asked, waited for or decided; `undefined`: ask `get`. */
  hot(request: HotRequest): HotHit | undefined
  /** The name of the rule that a request falls under, for the log. */
  ruleOf(request: Pick<ResourceRequest, 'uri'>): string
}

export function resources(components: ResourcesComponents): Resources {
  const policyFor = (uri: ResourceRequest['uri']) => components.rules().policyFor(uri)
  const hot = new HotResponses(components)
  return {
    get: (request) => new RequestPath({ ...components, hot }, request, policyFor(request.uri)).answer(),
    hot: (request) => hot.find(request),
    ruleOf: ({ uri }) => policyFor(uri).rule,
  }
}

type PathComponents = ResourcesComponents & { readonly hot: HotResponses }

/** One request on its way. */
class RequestPath {
  readonly #components: PathComponents
  readonly #request: ResourceRequest
  readonly #policy: Policy

  constructor(components: PathComponents, request: ResourceRequest, policy: Policy) {
    this.#components = components
    this.#request = request
    this.#policy = policy
  }

  answer(): Promise<Resource> {
    const { store, clock } = this.#components
    const { method, received, uri } = this.#request
    if (this.#isComplaint()) return this.#retrieve(this.#distrusting(), 'request')
    const decision = decide({ method, fields: received }, store.lookup(uri), this.#policy, clock.wall())
    switch (decision.kind) {
      case 'hit':
        this.#components.hot.remember(this.#request, decision, this.#policy)
        return this.#reuse(decision)
      case 'stale-while-revalidate':
        this.#validateInBackground(decision)
        return this.#reuse(decision)
      case 'validate':
        // A peer's validators are a stranger's word: they could pin an old file for good.
        if (method === 'HEAD' || decision.response.source === 'peer') return this.#miss(decision.reason)
        return this.#validated(decision)
      case 'miss':
        return this.#miss(decision.reason)
      case 'only-if-cached':
        return Promise.resolve(NOT_CACHED)
    }
  }

  /** Wrong bytes were delivered before the digest was known, or this application asks again for what it could not use (V5). */
  #isComplaint(): boolean {
    const { retryWatch, clock, shun, store, retrievals } = this.#components
    const { client, uri, method } = this.#request
    if (method !== 'GET') return false
    if (retrievals.isPoisoned(uri)) return true
    const delivery = retryWatch.asksAgain(client, uri, clock.monotonic())
    if (delivery === undefined || !this.#isWhole()) return false
    const stored = store.lookup(uri)
    const isBad = stored.some((each) => each.source === 'peer' && each.digest === delivery.body)
    // What has come from the origin server since then settles it; where nothing has, the complaint stands.
    if (stored.length > 0 && !isBad) return false
    shun(
      delivery.peer,
      'asked-again',
      `${withoutSecrets(uri)}: delivered unverified, and asked for again`,
      delivery.body,
    )
    store.remove(uri)
    return true
  }

  /** A stored body that turns out damaged at its first byte was removed by that, and is fetched again (R7.3). */
  async #reuse(reuse: Reuse, how: 'hit' | 'validated' = 'hit'): Promise<Resource> {
    const resource = fromStore(reuse, how, this.#asked(), this.#components)
    try {
      const answer = await begun(resource.answer)
      this.#watch(reuse.response)
      return { ...resource, answer }
    } catch (error) {
      const isLost =
        error instanceof Fault && (error.code === 'STORE_CORRUPT' || error.code === 'STORE_FAILED')
      if (isLost) return this.#miss('uri-miss')
      throw error
    }
  }

  /** V5: whoever is given what only an application can verify may come back to complain. */
  #watch({ digest: body, uri }: StoredResponse): void {
    const { unverifiedPeer, retryWatch, clock } = this.#components
    const peer = unverifiedPeer(body)
    const { client } = this.#request
    if (peer !== undefined && this.#isWhole())
      retryWatch.delivered({ client, uri, peer, body, at: clock.monotonic() })
  }

  #miss(reason: ForwardReason): Promise<Resource> {
    return this.#request.method === 'HEAD' ? this.#head(reason) : this.#retrieve(this.#wanted(reason), reason)
  }

  /** Asks the origin server whether a stored response still holds; when it cannot say, the stored one may do. */
  async #validated({
    response,
    conditional,
    reason,
  }: Extract<Decision, { kind: 'validate' }>): Promise<Resource> {
    try {
      return await this.#validate(response, conditional, reason)
    } catch (error) {
      if (this.#mayStandIn(response)) return this.#stored(response, 'hit')
      throw error
    }
  }

  async #validate(stored: StoredResponse, conditional: Fields, reason: ForwardReason): Promise<Resource> {
    const fields = [...withoutFields(this.#request.forwarded, SELECTING_A_PART), ...conditional]
    const request = { ...this.#retrievalRequest(fields), mayAskPeers: false }
    const { head, joined } = await this.#join(request, true)
    if (head.kind === 'growing') return this.#growing(head, joined, reason)
    const { response } = head
    if (response.status === 304 && notModifiedApplies(response.fields, stored)) {
      joined.leave()
      return this.#freshened(stored, freshened(stored.fields, response.fields))
    }
    if (!this.#mayStandIn(stored, response.status)) return fromDirect(head, joined, reason)
    joined.leave()
    return this.#stored(stored, 'hit')
  }

  /** RFC 5861 4. */
  #mayStandIn(stored: StoredResponse, status?: number): boolean {
    const now = this.#components.clock.wall()
    return staleIfErrorAllows({ fields: this.#request.received }, stored, this.#policy, now, status)
  }

  /** A 304 may also take back the permission to store or to share (RFC 9111 4.3.4, V§3). */
  async #freshened(stored: StoredResponse, fields: Fields): Promise<Resource> {
    const { store, clock } = this.#components
    const now = clock.wall()
    const { status, id } = stored
    const known = store.lookup(stored.uri).find((each) => each.id === id)
    // Removed while the origin server was asked: there is nothing to renew.
    if (known === undefined) return this.#retrieve(this.#distrusting(), 'stale')
    const admission = admit(this.#retrievalRequest(this.#request.forwarded), { status, fields })
    const shareable = known.shareable && admission.kind === 'admitted' && admission.isShareable
    const response = store.freshen(known, { fields, requestTime: now, responseTime: now, shareable })
    const resource = await this.#stored(response, 'validated')
    if (admission.kind === 'admitted') return resource
    return { ...resource, answer: endingWith(resource.answer, () => store.remove(this.#request.uri)) }
  }

  /** The application is served at once; what it asked for is validated for the next one (RFC 5861 3). */
  #validateInBackground({
    response,
    conditional,
  }: Extract<Decision, { kind: 'stale-while-revalidate' }>): void {
    const detached = { ...this.#request, signal: new AbortController().signal }
    const path = new RequestPath(this.#components, detached, this.#policy)
    void path.#renew(response, conditional).catch(() => {}) // the next request tries again
  }

  /** Validates for the next one: what is stored is read to its end, so that it becomes whole; the rest is given up. */
  async #renew(response: StoredResponse, conditional: Fields): Promise<void> {
    const known = this.#components.store.lookup(response.uri).find(({ id }) => id === response.id)
    if (known === undefined) return
    const { answer, trace } = await this.#validate(known, conditional, 'stale')
    const isKept = trace.cacheStatus.kind === 'forward' && trace.cacheStatus.isStored === true
    for await (const chunk of answer.body ?? []) if (!isKept || chunk.length === 0) return
  }

  #stored(response: StoredResponse, how: 'hit' | 'validated'): Promise<Resource> {
    const now = this.#components.clock.wall()
    const ttlMs = remainingFreshnessMs(response, this.#policy, now)
    return this.#reuse({ response, ageMs: currentAgeMs(response, now), ttlMs }, how)
  }

  /** HEAD says what GET would; nothing is stored for it, and the LAN is not asked (BITS asks it first). */
  async #head(reason: ForwardReason): Promise<Resource> {
    const { target: uri, forwarded: fields, signal } = this.#request
    const response = await this.#components.origin.request({ method: 'HEAD', uri, fields, signal })
    const { status } = response
    return {
      answer: { status, reason: response.reason, fields: endToEndFields(response.fields) },
      trace: { how: 'internet', cacheStatus: { kind: 'forward', reason, status, detail: 'internet' } },
    }
  }

  async #retrieve(request: RetrievalRequest, reason: ForwardReason): Promise<Resource> {
    const { head, joined } = await this.#join(request)
    return head.kind === 'growing' ? this.#growing(head, joined, reason) : fromDirect(head, joined, reason)
  }

  #growing(head: Extract<Head, { kind: 'growing' }>, joined: Joined, reason: ForwardReason): Resource {
    if (this.#isWhole()) joined.retrieval.deliveredTo(this.#request.client)
    const asked = { ...this.#asked(), signal: this.#request.signal }
    return fromGrowing(head, joined, reason, asked, this.#components.random)
  }

  /** Who asks for a part, or only for a change, is not given the file to check. */
  #isWhole(): boolean {
    return !SELECTING_A_PART.some((name) => hasField(this.#request.received, name))
  }

  /** What the application asked of the representation; whoever was given wrong bytes gets the whole (V§2). */
  #asked(): Pick<ResourceRequest, 'method'> & { readonly fields: Fields } {
    const { method, received, uri } = this.#request
    const isSpoilt = this.#components.retrievals.isPoisoned(uri)
    return { method, fields: isSpoilt ? withoutFields(received, SELECTING_A_PART) : received }
  }

  /** Peers are asked for what is not here; what is stale, or asked for anew, only the origin server can renew. */
  #wanted(reason: ForwardReason): RetrievalRequest {
    const request = this.#retrievalRequest(this.#request.forwarded)
    const isMissing = reason === 'uri-miss' || reason === 'vary-miss'
    const wantsOrigin = hasDirective(parseRequestDirectives(this.#request.received), 'no-cache')
    return { ...request, mayAskPeers: request.isNameable && isMissing && !wantsOrigin }
  }

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

  async #join(
    request: RetrievalRequest,
    isValidation = false,
  ): Promise<{ readonly head: Head; readonly joined: Joined }> {
    const { retrievals } = this.#components
    const joined = retrievals.join(request, this.#request.received)
    const head = await this.#headOf(joined)
    if (!joined.isCollapsed || this.#isForAll(head, joined, isValidation)) return { head, joined }
    // What the first one was told is not for this one: each asks for itself, side by side.
    joined.leave()
    const own = retrievals.alone({ ...request, mayAskPeers: false })
    return { head: await this.#headOf(own), joined: own }
  }

  /** Whether a response that somebody else asked for answers this request too (RFC 9111 4.1). */
  #isForAll(head: Head, { retrieval }: Joined, isValidation: boolean): boolean {
    // A 304 answers everybody who asked about the same stored response; other answers are for one application.
    if (head.kind === 'direct') return head.response.status === 304 && isValidation
    return matches(retrieval.selecting ?? [], this.#request.received)
  }

  async #headOf({ retrieval, leave }: Joined): Promise<Head> {
    this.#request.signal.addEventListener('abort', leave, { once: true })
    try {
      return await retrieval.head()
    } catch (error) {
      leave()
      throw error
    }
  }
}

const NOT_CACHED: Resource = {
  answer: { status: 504, fields: [['Content-Length', '0']] },
  trace: { how: 'error', cacheStatus: { kind: 'forward', reason: 'miss', status: 504 } },
}
