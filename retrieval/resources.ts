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
import { endToEndFields, hasField, withField, withoutFields, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { Random } from '../core/random.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import type { Address } from '../core/transport.ts'
import type { Upstream } from '../core/upstream.ts'
import type { Verifier } from '../core/verifier.ts'
import { hasDirective, parseRequestDirectives } from '../cache/semantics/cache-control.ts'
import type { ForwardReason } from '../cache/semantics/cache-status.ts'
import {
  decide,
  mayAnswerWaiting,
  staleIfErrorAllows,
  withoutHeldBackFields,
  type Decision,
} from '../cache/semantics/decision.ts'
import { currentAgeMs, remainingFreshnessMs } from '../cache/semantics/freshness.ts'
import { mayNameToLan } from '../cache/semantics/sharing-gate.ts'
import { notModifiedApplies } from '../cache/semantics/validation.ts'
import { matches } from '../cache/semantics/vary.ts'
import type { RetryWatch } from '../verify/retry-watch.ts'
import type { ShunReason, SuspectBody } from '../verify/shunned-peers.ts'
import { isPersonal } from './origin-copies.ts'
import { SELECTING_A_PART } from './origin-source.ts'
import { HotResponses, type HotHit, type HotRequest } from './hot-responses.ts'
import { isForPart, part, partHere } from './part-path.ts'
import { heedHead, renew, type Update } from './renewal.ts'
import { answerWith } from './representation.ts'
import type { RetrievalRequest } from './request.ts'
import {
  begun,
  endingWith,
  fromDirect,
  fromGrowing,
  fromStore,
  type Asked,
  type Joined,
  type Resource,
  type ResourceRequest,
  type Reuse,
} from './resource.ts'
import type { Head } from './retrieval.ts'
import type { Retrievals } from './retrievals.ts'
import type { Rules } from './rules.ts'
import { linkSameBody } from './same-body.ts'

export interface ResourcesComponents {
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly origin: Upstream
  readonly rules: () => Rules
  readonly retrievals: Retrievals
  readonly retryWatch: RetryWatch
  readonly verifier: Pick<Verifier, 'knownDigest' | 'bodyWith'>
  /** The peer that a stored body came from when only an application can tell whether it is right (V5). */
  readonly unverifiedPeer: (body: Sha256) => Address | undefined
  readonly shun: (peer: Address, reason: ShunReason, detail: string, suspect?: SuspectBody) => void
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
type Validation = Omit<Extract<Decision, { kind: 'validate' }>, 'kind'>

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

  async answer(): Promise<Resource> {
    const { uri, received } = this.#request
    if (this.#isComplaint()) return this.#retrieve(this.#distrusting(), 'request')
    const decision = this.#decideByName()
    const storing = decision.kind === 'hit' ? undefined : this.#components.retrievals.storing(uri, received)
    if (storing === undefined) return this.#follow(decision)
    await storing
    return this.#follow(this.#decide())
  }

  /** What is not stored under this name may be here under another (field note 6). */
  #decideByName(): Decision {
    const decision = this.#decide()
    const isUnknown =
      decision.kind === 'only-if-cached' || (decision.kind === 'miss' && decision.reason === 'uri-miss')
    if (!isUnknown || !this.#policy.share || !this.#policy.immutable) return decision
    const request = this.#wanted('uri-miss', undefined)
    return linkSameBody(request, this.#components) ? this.#decide() : decision
  }

  #decide(): Decision {
    const { store, clock } = this.#components
    const { method, received, uri } = this.#request
    return decide({ method, fields: received }, store.lookup(uri), this.#policy, clock.wall())
  }

  async #follow(decision: Decision): Promise<Resource> {
    const { method } = this.#request
    switch (decision.kind) {
      case 'hit':
        this.#components.hot.remember(this.#request, decision, this.#policy)
        return this.#reuse(decision)
      case 'stale-while-revalidate':
        this.#validateInBackground(decision)
        return this.#reuse(decision)
      case 'validate':
        // A peer's validators are a stranger's word: they could pin an old file for good.
        if (method === 'HEAD' || decision.response.source === 'peer')
          return this.#orStandIn(decision.response, () => this.#miss(decision.reason, decision.response))
        return this.#orStandIn(decision.response, () => this.#validate(decision))
      case 'miss':
        return this.#orStandIn(decision.stale, () => this.#miss(decision.reason, decision.stale))
      case 'only-if-cached':
        return this.#notCached()
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
    shun(delivery.peer, 'asked-again', `${withoutSecrets(uri)}: delivered unverified, and asked for again`, {
      uri,
      body: delivery.body,
    })
    store.remove(uri)
    return true
  }

  /** A stored body that turns out damaged at its first byte was removed by that, and is fetched again (R7.3). */
  async #reuse(reuse: Reuse, asked?: Asked): Promise<Resource> {
    const { allocate } = this.#request
    const resource = fromStore(reuse, asked, this.#asked(), this.#components, allocate)
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

  #miss(reason: ForwardReason, stale?: StoredResponse): Promise<Resource> {
    const wanted = this.#wanted(reason, stale)
    if (this.#request.method === 'HEAD') return this.#headOfPart(wanted) ?? this.#head(reason, stale)
    const isOfFile = stale === undefined || stale.status !== 200
    if (isOfFile && isForPart(this.#request)) return part(this.#request, wanted, reason, this.#components)
    return this.#retrieve(wanted, reason, stale)
  }

  /** `only-if-cached`: what is here of an incomplete response may be all that is asked for. */
  #notCached(): Resource {
    const isPart = isForPart(this.#request)
    const wanted = this.#wanted('uri-miss', undefined)
    return (isPart ? partHere(this.#request, wanted, this.#components) : undefined) ?? NOT_CACHED
  }

  /** What is held of a file tells what HEAD would (BITS asks it before each job). */
  #headOfPart(request: RetrievalRequest): Promise<Resource> | undefined {
    const { retrievals, random } = this.#components
    const known = retrievals.origins.known(request)
    if (known === undefined || isPersonal(this.#request.received)) return undefined
    const { ageMs, ttlMs, size } = known
    const fields = withField(endToEndFields(known.fields), 'Age', String(Math.floor(ageMs / 1000)))
    const representation = { status: 200, fields, size, read: nothing }
    const answer = answerWith(representation, this.#asked(), random)
    return Promise.resolve({ answer, trace: { how: 'hit', cacheStatus: { kind: 'hit', ttlMs } } })
  }

  /** When the origin server cannot be asked, what is stored may do (RFC 5861 4, RFC 9111 4.2.4). */
  async #orStandIn(stored: StoredResponse | undefined, ask: () => Promise<Resource>): Promise<Resource> {
    try {
      return await ask()
    } catch (error) {
      const isUnanswered = error instanceof Fault && error.blame === 'origin-server'
      if (stored !== undefined && isUnanswered && this.#mayStandIn(stored)) return this.#standIn(stored)
      throw error
    }
  }

  /** Asks the origin server whether a stored response still holds. */
  async #validate({ response: stored, conditional, reason }: Validation): Promise<Resource> {
    const fields = [...withoutFields(this.#request.forwarded, SELECTING_A_PART), ...conditional]
    const request = { ...this.#retrievalRequest(fields), mayAskPeers: false }
    const requestTime = this.#components.clock.wall()
    const { head, joined } = await this.#join(request, true)
    const { status, fields: news } = head.response
    if (status !== 304) return this.#fetched(head, joined, reason, stored)
    joined.leave()
    // It is about another response than the one that is stored: that is no answer to this application.
    if (!notModifiedApplies(news, stored)) return this.#retrieve(this.#distrusting(), reason)
    return this.#freshened(stored, { fields: news, requestTime }, reason)
  }

  #standIn(stored: StoredResponse, status?: number): Promise<Resource> {
    const failed: Omit<Asked, 'reason'> =
      status === undefined ? { detail: 'unreachable' } : { status, detail: 'stale-if-error' }
    return this.#stored(withoutHeldBackFields(stored), { reason: 'stale', ...failed })
  }

  #mayStandIn(stored: StoredResponse, status?: number): boolean {
    const now = this.#components.clock.wall()
    return staleIfErrorAllows({ fields: this.#request.received }, stored, this.#policy, now, status)
  }

  async #freshened(
    stored: StoredResponse,
    news: Omit<Update, 'responseTime'>,
    reason: ForwardReason,
  ): Promise<Resource> {
    const { store, clock } = this.#components
    const known = store.lookup(stored.uri).find((each) => each.id === stored.id)
    // Removed while the origin server was asked: there is nothing to renew.
    if (known === undefined) return this.#retrieve(this.#distrusting(), 'stale')
    const update = { ...news, responseTime: clock.wall() }
    const request = this.#retrievalRequest(this.#request.forwarded)
    const { response, mayStay } = renew(store, known, update, request)
    const resource = await this.#stored(response, { reason, status: 304, detail: 'validated' })
    if (mayStay) return resource
    return { ...resource, answer: endingWith(resource.answer, () => store.remove(this.#request.uri)) }
  }

  /** The application is served at once; what it asked for is validated for the next one (RFC 5861 3). */
  #validateInBackground({
    response,
    conditional,
  }: Extract<Decision, { kind: 'stale-while-revalidate' }>): void {
    const detached = { ...this.#request, signal: new AbortController().signal, onInformation: undefined }
    const path = new RequestPath(this.#components, detached, this.#policy)
    void path.#renew(response, conditional).catch(() => {}) // the next request tries again
  }

  /** Validates for the next one: what is stored is read to its end, so that it becomes whole; the rest is given up. */
  async #renew(response: StoredResponse, conditional: Fields): Promise<void> {
    const known = this.#components.store.lookup(response.uri).find(({ id }) => id === response.id)
    if (known === undefined) return
    const { answer, trace } = await this.#validate({ response: known, conditional, reason: 'stale' })
    const isKept = trace.cacheStatus.kind === 'forward' && trace.cacheStatus.isStored === true
    for await (const chunk of answer.body ?? []) if (!isKept || chunk.length === 0) return
  }

  #stored(response: StoredResponse, asked: Asked): Promise<Resource> {
    const now = this.#components.clock.wall()
    const ttlMs = remainingFreshnessMs(response, this.#policy, now)
    return this.#reuse({ response, ageMs: currentAgeMs(response, now), ttlMs }, asked)
  }

  /** HEAD says what GET would; nothing is stored for it, and the LAN is not asked (BITS asks it first). */
  async #head(reason: ForwardReason, stale: StoredResponse | undefined): Promise<Resource> {
    const { clock, store } = this.#components
    const requestTime = clock.wall()
    const { target: uri, forwarded: fields, signal, onInformation } = this.#request
    const asked = { method: 'HEAD', uri, fields, signal, onInformation } as const
    const response = await this.#components.origin.request(asked)
    const { status } = response
    if (stale !== undefined && this.#mayStandIn(stale, status)) return this.#standIn(stale, status)
    const update = { fields: response.fields, requestTime, responseTime: clock.wall() }
    if (status === 200) heedHead(store, update, this.#retrievalRequest(fields))
    return {
      answer: { status, reason: response.reason, fields: endToEndFields(response.fields) },
      trace: { how: 'internet', cacheStatus: { kind: 'forward', reason, status, detail: 'internet' } },
    }
  }

  async #retrieve(
    request: RetrievalRequest,
    reason: ForwardReason,
    stale?: StoredResponse,
  ): Promise<Resource> {
    const { head, joined } = await this.#join(request)
    return this.#fetched(head, joined, reason, stale)
  }

  #fetched(
    head: Head,
    joined: Joined,
    reason: ForwardReason,
    stale: StoredResponse | undefined,
  ): Resource | Promise<Resource> {
    const { status } = head.response
    if (stale !== undefined && this.#mayStandIn(stale, status)) {
      joined.retrieval.outdate()
      joined.leave()
      return this.#standIn(stale, status)
    }
    return head.kind === 'growing'
      ? this.#growing(head, joined, reason)
      : fromDirect(head, joined.retrieval.report, joined.leave, reason)
  }

  #growing(head: Extract<Head, { kind: 'growing' }>, joined: Joined, reason: ForwardReason): Resource {
    if (this.#isWhole()) joined.retrieval.deliveredTo(this.#request.client)
    const asked = { ...this.#asked(), signal: this.#request.signal }
    return fromGrowing(head, joined, reason, asked, this.#components)
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
  #wanted(reason: ForwardReason, stale: StoredResponse | undefined): RetrievalRequest {
    const request = this.#retrievalRequest(this.#request.forwarded)
    // That the file was not there once says nothing against a peer that has it now.
    const isMissing = reason === 'uri-miss' || reason === 'vary-miss' || (stale && stale.status !== 200)
    const wantsOrigin = hasDirective(parseRequestDirectives(this.#request.received), 'no-cache')
    return { ...request, mayAskPeers: request.isNameable && isMissing === true && !wantsOrigin }
  }

  #distrusting(): RetrievalRequest {
    const whole = withoutFields(this.#request.forwarded, SELECTING_A_PART)
    return { ...this.#retrievalRequest(whole), mayAskPeers: false }
  }

  #retrievalRequest(fields: Fields): RetrievalRequest {
    const { uri, target, received, method, onInformation } = this.#request
    const gate = mayNameToLan({ method, uri: target, fields: received }, this.#policy, false)
    const isNameable = gate.kind === 'share'
    return { uri, target, fields, policy: this.#policy, isNameable, mayAskPeers: isNameable, onInformation }
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
    const isReusable = mayAnswerWaiting(head.response, this.#policy, this.#components.clock.wall())
    return isReusable && matches(retrieval.selecting ?? [], this.#request.received)
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

/** HEAD has no content. */
async function* nothing(): AsyncIterable<Uint8Array> {}

const NOT_CACHED: Resource = {
  answer: { status: 504, fields: [['Content-Length', '0']] },
  trace: { how: 'error', cacheStatus: { kind: 'forward', reason: 'miss', status: 504 } },
}
