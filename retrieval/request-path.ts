/** The decisions on one request's path: what is stored, what is asked of others, and what stands in where nobody answers. */
import { SELECTING_A_PART, withoutFields, type Fields } from '../core/fields.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Policy } from '../core/policy.ts'
import type { Random } from '../core/random.ts'
import type { StoredResponse } from '../core/store.ts'
import type { Upstream } from '../core/upstream.ts'
import type { Verifier } from '../core/verifier.ts'
import { hasDirective, parseRequestDirectives } from '../cache/semantics/cache-control.ts'
import type { CacheStatusEntry, ForwardReason } from '../cache/semantics/cache-status.ts'
import { decide, withoutHeldBackFields, type Decision } from '../cache/semantics/decision.ts'
import { EXPECTATIONS } from '../cache/semantics/preconditions.ts'
import { evaluateConditional, notModifiedApplies } from '../cache/semantics/validation.ts'
import { WORTH_ASKING_BYTES } from './change-questions.ts'
import { isComplaint, type ComplaintsComponents } from './complaints.ts'
import { askHead, fromHead, headOfPart } from './heads.ts'
import type { HotResponses } from './hot-responses.ts'
import { Joining } from './joining.ts'
import { isForPart, part, partHere } from './part-path.ts'
import { mendedBody, type Mending } from './mended-body.ts'
import { comparable, hasExpectation, isOriginsToDecide } from './peers-word.ts'
import { Questions } from './questions.ts'
import { heedHead, renew, type Update } from './renewal.ts'
import type { RetrievalRequest } from './request.ts'
import {
  endingWith,
  fromDirect,
  fromGrowing,
  type Asked,
  type Joined,
  type Resource,
  type ResourceRequest,
} from './resource.ts'
import type { Head } from './answer.ts'
import { linkSameBody } from './same-body.ts'
import { StoredAnswers } from './stored-answers.ts'

export interface PathComponents extends ComplaintsComponents {
  readonly random: Random
  readonly origin: Upstream
  readonly verifier: Pick<Verifier, 'knownDigest' | 'bodyWith'>
  readonly hot: HotResponses
}

type Validation = Omit<Extract<Decision, { kind: 'validate' }>, 'kind'>

/** One request on its way. */
export class RequestPath {
  readonly #components: PathComponents
  readonly #request: ResourceRequest
  readonly #policy: Policy
  readonly #questions: Questions
  readonly #joining: Joining
  readonly #answers: StoredAnswers

  constructor(components: PathComponents, request: ResourceRequest, policy: Policy) {
    this.#components = components
    this.#request = request
    this.#policy = policy
    this.#questions = new Questions(request, policy)
    this.#joining = new Joining(components, request, policy)
    this.#answers = new StoredAnswers(components, {
      request,
      policy,
      isForWhole: this.#questions.isForWhole,
      asked: () => this.#asked(),
      mending: (response) => this.#mending(response),
      lost: () => this.#miss('uri-miss'),
    })
  }

  async answer(): Promise<Resource> {
    const { uri, received } = this.#request
    if (isComplaint(this.#request, this.#questions.isForWhole, this.#components))
      return this.#retrieve(this.#questions.distrusting(), 'request')
    const decision = this.#decideByName()
    if (decision.kind === 'hit') return this.#follow(decision)
    const { retrievals } = this.#components
    const plain = retrievals.unshared.isForEach(uri)
      ? undefined
      : retrievals.plain.join(this.#request, received)
    const coming = plain ?? retrievals.storing(uri, received)
    if (coming === undefined) return this.#follow(decision)
    await coming
    return this.#follow(this.#decide())
  }

  /** What is not stored under this name may be here under another (field note 6). */
  #decideByName(): Decision {
    const decision = this.#decide()
    const isUnknown =
      decision.kind === 'only-if-cached' || (decision.kind === 'miss' && decision.reason === 'uri-miss')
    if (!isUnknown || !this.#policy.share || !this.#policy.immutable) return decision
    const request = this.#questions.wanted('uri-miss', undefined)
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
        if (this.#isRefusedBy(decision.response)) return this.#askAsItStands()
        this.#components.hot.remember(this.#request, decision, this.#policy)
        return this.#answers.reuse(decision)
      case 'stale-while-revalidate':
        if (this.#isRefusedBy(decision.response)) return this.#askAsItStands()
        this.#validateInBackground(decision)
        return this.#answers.reuse(decision)
      case 'validate':
        return this.#answers.orStandIn(decision.response, () =>
          method === 'HEAD' ? this.#miss(decision.reason, decision.response) : this.#validate(decision),
        )
      case 'miss': {
        const { reason, stale } = decision
        return this.#answers.orStandIn(stale, () =>
          // By its digest, if the origin server tells it, what has no validator may prove to be the same.
          stale !== undefined && reason === 'stale' && method === 'GET'
            ? this.#validate({ response: stale, conditional: [], reason })
            : this.#miss(reason, stale),
        )
      }
      case 'only-if-cached':
        return this.#notCached()
    }
  }

  /**
   * Whether what is here does not meet `If-Match` or `If-Unmodified-Since`. That it does, it may say itself (BITS asks for parts so), but
   * not where that is a peer's word.
   */
  #isRefusedBy({ fields, status, source }: Pick<StoredResponse, 'fields' | 'status' | 'source'>): boolean {
    const asked = this.#asked().fields
    if (isOriginsToDecide(asked, source, this.#policy)) return true
    return !this.#isOnlyIfCached && evaluateConditional(asked, fields, status) === 'precondition-failed'
  }

  get #isOnlyIfCached(): boolean {
    return hasDirective(parseRequestDirectives(this.#request.received), 'only-if-cached')
  }

  /** What is here may be older than what the application knows: only the origin server can refuse it (RFC 9111 4.3.2). */
  async #askAsItStands(): Promise<Resource> {
    if (this.#isOnlyIfCached) return this.#notCached()
    if (this.#request.method === 'HEAD') return this.#head('request', undefined)
    return this.#retrieve(this.#questions.asItStands(), 'request')
  }

  #miss(reason: ForwardReason, stale?: StoredResponse): Promise<Resource> {
    const wanted = this.#questions.wanted(reason, stale)
    if (this.#request.method === 'HEAD') return this.#headOfPart(wanted) ?? this.#head(reason, stale)
    const isOfFile = stale === undefined || stale.status !== 200
    if (isOfFile && isForPart(this.#request)) {
      const known = this.#components.retrievals.origins.known(wanted)
      if (known !== undefined && this.#isRefusedBy({ fields: known.fields, status: 200, source: 'internet' }))
        return this.#askAsItStands()
      return part(this.#request, wanted, reason, this.#components)
    }
    return this.#retrieve(wanted, reason, stale)
  }

  /** `only-if-cached`: what is here of an incomplete response may be all that is asked for. */
  #notCached(): Resource {
    const isPart = isForPart(this.#request)
    const wanted = this.#questions.wanted('uri-miss', undefined)
    return (isPart ? partHere(this.#request, wanted, this.#components) : undefined) ?? NOT_CACHED
  }

  #headOfPart(request: RetrievalRequest): Promise<Resource> | undefined {
    const told = headOfPart(this.#request, request, this.#asked(), this.#components)
    return told && Promise.resolve(told)
  }

  /** Asks the origin server whether a stored response still holds. */
  async #validate(validation: Validation): Promise<Resource> {
    const { response, reason } = validation
    const renewed = await this.#validateByHead(validation)
    if (renewed !== undefined) return renewed
    // A peer's validators are a stranger's word: they could pin an old file for good.
    const isAskable = response.source !== 'peer' && validation.conditional.length > 0
    return isAskable ? this.#validateByGet(validation) : this.#miss(reason, response)
  }

  /** A file that others may have, too: what it is now is had as a missing one is. @returns `undefined`: it is asked for by GET. */
  async #validateByHead({
    response: stored,
    conditional,
    reason,
  }: Validation): Promise<Resource | undefined> {
    const { retrievals } = this.#components
    const { uri, mayAskPeers } = this.#questions.wanted(reason, stored)
    const isShared = mayAskPeers && !this.#policy.immutable && retrievals.isAnybodyThere()
    const isWorthIt = stored.size >= WORTH_ASKING_BYTES && !retrievals.unshared.isForEach(uri)
    if (!isShared || !isWorthIt) return undefined
    const question = this.#questions.validating(stored.source === 'peer' ? [] : conditional)
    const told = await retrievals.changeQuestions.ask(question, stored)
    if (told.kind === 'untold') return undefined
    // Not every server says by HEAD what it says by GET: where no peer has it, it is asked with the same conditions.
    if (told.kind === 'changed')
      return this.#renewed(stored, { ...question, mayAskPeers, version: told.version }, reason)
    return this.#freshened(stored, told.update, { reason, status: told.status }, told.isCollapsed)
  }

  #validateByGet({ response, conditional, reason }: Validation): Promise<Resource> {
    return this.#renewed(response, this.#questions.validating(conditional), reason)
  }

  async #renewed(
    stored: StoredResponse,
    request: RetrievalRequest,
    reason: Validation['reason'],
  ): Promise<Resource> {
    const requestTime = this.#components.clock.wall()
    const { head, joined } = await this.#joining.join(request, { validates: stored.id })
    const { status, fields: news } = head.response
    if (status !== 304) return this.#fetched(head, joined, reason, stored)
    joined.leave()
    // It is about another response than the one that is stored: that is no answer to this application.
    if (!notModifiedApplies(news, stored))
      return this.#retrieve(this.#questions.distrusting(), reason, stored)
    return this.#freshened(stored, { fields: news, requestTime }, { reason, status }, joined.isCollapsed)
  }

  async #freshened(
    stored: StoredResponse,
    news: Omit<Update, 'responseTime'>,
    asked: Pick<Asked, 'reason' | 'status'>,
    isCollapsed: boolean,
  ): Promise<Resource> {
    const { store, clock } = this.#components
    const known = store.lookup(stored.uri).find((each) => each.id === stored.id)
    // Removed while the origin server was asked: there is nothing to renew.
    if (known === undefined) return this.#retrieve(this.#questions.distrusting(), 'stale')
    const update = { ...news, responseTime: clock.wall() }
    const request = this.#questions.with(this.#request.forwarded)
    const { response, forOthers, mayStay } = renew(store, known, update, request)
    const told = isCollapsed ? withoutHeldBackFields(forOthers) : response
    const resource = await this.#answers.afterAsking(told, {
      ...asked,
      detail: 'validated',
      ...(isCollapsed && { isCollapsed }),
    })
    if (mayStay) return resource
    return { ...resource, answer: endingWith(resource.answer, () => store.remove(this.#request.uri)) }
  }

  /** The application is served at once; what it asked for is validated for the next one (RFC 5861 3). */
  #validateInBackground({
    response,
    conditional,
  }: Extract<Decision, { kind: 'stale-while-revalidate' }>): void {
    const { received, forwarded } = this.#request
    // It is renewed as a whole, whatever part of it this application has asked for.
    const whole = {
      received: withoutFields(received, SELECTING_A_PART),
      forwarded: withoutFields(forwarded, SELECTING_A_PART),
    }
    const signal = new AbortController().signal
    const detached = { ...this.#request, ...whole, signal, onInformation: undefined }
    const path = new RequestPath(this.#components, detached, this.#policy)
    void path.#renew(response, conditional).catch(() => {}) // the next request tries again
  }

  /** Validates for the next one: what is stored is read to its end, so that it becomes whole; the rest is given up. */
  async #renew(response: StoredResponse, conditional: Fields): Promise<void> {
    const known = this.#components.store.lookup(response.uri).find(({ id }) => id === response.id)
    if (known === undefined) return
    const { answer, trace } = await this.#validate({ response: known, conditional, reason: 'stale' })
    const { cacheStatus } = trace
    const isKept = cacheStatus.kind === 'forward' && cacheStatus.isStored === true
    if (!isKept && isReplaced(cacheStatus)) this.#components.store.remove(response.uri)
    for await (const chunk of answer.body ?? []) if (!isKept || chunk.length === 0) return
  }

  async #head(reason: ForwardReason, stale: StoredResponse | undefined): Promise<Resource> {
    const said = await askHead(this.#request, this.#components)
    const { status } = said.response
    if (stale !== undefined && this.#answers.mayStandIn(stale, status))
      return this.#answers.standIn(stale, status)
    if (status === 200)
      heedHead(this.#components.store, said.update, this.#questions.with(this.#request.forwarded))
    return fromHead(said, reason)
  }

  async #retrieve(
    request: RetrievalRequest,
    reason: ForwardReason,
    stale?: StoredResponse,
  ): Promise<Resource> {
    const { head, joined } = await this.#joining.join(request)
    return this.#fetched(head, joined, reason, stale)
  }

  #fetched(
    head: Head,
    joined: Joined,
    reason: ForwardReason,
    stale: StoredResponse | undefined,
  ): Resource | Promise<Resource> {
    const { status } = head.response
    if (stale !== undefined && this.#answers.mayStandIn(stale, status)) {
      joined.retrieval.outdate()
      joined.leave()
      return this.#answers.standIn(stale, status)
    }
    if (head.kind === 'direct') return fromDirect(head, joined.retrieval.report, joined.leave, reason)
    if (joined.retrieval.isOriginsWord || !this.#isRefusedBy({ ...head.response, source: 'peer' }))
      return this.#growing(head, joined, reason)
    // What a peer has is not what is expected: the origin server may have that.
    joined.leave()
    return this.#retrieve(this.#questions.asItStands(), reason, stale)
  }

  #growing(head: Extract<Head, { kind: 'growing' }>, joined: Joined, reason: ForwardReason): Resource {
    if (this.#questions.isForWhole) joined.retrieval.deliveredTo(this.#request.client)
    const { retrieval } = joined
    const { fields, ...asked } = { ...this.#asked(), signal: this.#request.signal }
    // Whether it was met the origin server has decided where it was asked, and whoever ignores it is right to (RFC 9110 13.1.1).
    const wasAsked = hasExpectation(retrieval.request.fields)
    const decided = wasAsked ? withoutFields(fields, EXPECTATIONS) : fields
    const conditions = retrieval.isOriginsWord ? decided : comparable(fields, 'peer', this.#policy)
    const read = (span: ByteSpan) => {
      const response = { ...head.response, size: head.copy.size ?? Infinity }
      const growing = retrieval.read(head.copy, span, this.#request.signal)
      const { isFromOrigin, report } = retrieval
      const mayMend = () => isFromOrigin && report.bytes.peer + report.bytes['in-progress'] === 0
      return mendedBody(growing, span, this.#mending(response), mayMend)
    }
    return fromGrowing(head, joined, reason, { ...asked, fields: conditions }, this.#components, read)
  }

  #mending(response: Mending['response']): Mending {
    const { received, forwarded, signal } = this.#request
    const whole = withoutFields(forwarded, SELECTING_A_PART)
    const question = (range: string) => ({
      ...this.#questions.with([...whole, ['Range', range]]),
      mayAskPeers: false,
      begun: undefined,
    })
    return { response, request: { received, signal }, question, retrievals: this.#components.retrievals }
  }

  /** What the application asked of the representation; whoever was given wrong bytes gets the whole (V§2). */
  #asked(): Pick<ResourceRequest, 'method'> & { readonly fields: Fields } {
    const { method, received, uri } = this.#request
    const isSpoilt = this.#components.retrievals.isPoisoned(uri)
    return { method, fields: isSpoilt ? withoutFields(received, SELECTING_A_PART) : received }
  }
}

/**
 * Whether the origin server has answered with something else than what is stored, and not only that it cannot at present
 * (RFC 9111 4.3.3).
 */
function isReplaced(entry: CacheStatusEntry): boolean {
  const status = entry.kind === 'forward' && entry.detail !== 'validated' ? entry.status : undefined
  return status !== undefined && status !== 304 && status < 500 && status !== 429
}

const NOT_CACHED: Resource = {
  answer: { status: 504, fields: [['Content-Length', '0']] },
  trace: { how: 'error', cacheStatus: { kind: 'refusal', detail: 'only-if-cached' } },
}
