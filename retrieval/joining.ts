/** One request among those that wait for the same retrieval (RFC 9111 4, R4.6). */
import type { Clock } from '../core/clock.ts'
import { onAbort } from '../core/ended.ts'
import { fieldValue } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import { mayAnswerValidating, mayAnswerWaiting } from '../cache/semantics/decision.ts'
import { COMPARISONS } from '../cache/semantics/preconditions.ts'
import { matches } from '../cache/semantics/vary.ts'
import type { RetrievalRequest } from './request.ts'
import type { Joined, ResourceRequest } from './resource.ts'
import type { Head } from './answer.ts'
import type { ForValidation, Retrievals } from './retrievals.ts'

export interface JoiningComponents {
  readonly clock: Clock
  readonly retrievals: Retrievals
}

/** What the application is answered with, and the retrieval that it comes from. */
export interface Awaited {
  readonly head: Head
  readonly joined: Joined
}

export class Joining {
  readonly #components: JoiningComponents
  readonly #request: Pick<ResourceRequest, 'received' | 'signal'>
  readonly #policy: Policy

  constructor(
    components: JoiningComponents,
    request: Pick<ResourceRequest, 'received' | 'signal'>,
    policy: Policy,
  ) {
    this.#components = components
    this.#request = request
    this.#policy = policy
  }

  /** Waits with the others who ask for the same, or alone. @throws Fault when there is no answer. */
  async join(request: RetrievalRequest, purpose: 'whole' | ForValidation = 'whole'): Promise<Awaited> {
    const { retrievals } = this.#components
    const first = await this.#shared(request, purpose)
    if (first.isForThis) return first
    // The version that the first one holds has not changed; that of this one may have, and of others who wait.
    const second = isAboutAnother(first, request) ? await this.#shared(request, purpose) : first
    if (second.isForThis) return second
    // What the first one was told is not for this one: each asks for itself, side by side.
    const own = retrievals.alone({ ...request, mayAskPeers: false })
    return { head: await this.#headOf(own), joined: own }
  }

  async #shared(
    request: RetrievalRequest,
    purpose: 'whole' | ForValidation,
  ): Promise<Awaited & { readonly isForThis: boolean }> {
    const { retrievals } = this.#components
    const joined = retrievals.join(request, this.#request.received, purpose)
    const head = await this.#headOf(joined)
    const isForThis = !joined.isCollapsed || this.#isForAll(head, joined, purpose !== 'whole')
    if (!isForThis) joined.leave()
    return { head, joined, isForThis }
  }

  /** Whether a response that somebody else asked for answers this request too (RFC 9111 4.1). */
  #isForAll(head: Head, { retrieval }: Joined, isValidation: boolean): boolean {
    // A 304 answers everybody who asked about the same stored response, unless it says otherwise; other answers are for one application.
    if (head.kind === 'direct') {
      const { status, fields } = head.response
      return status === 304 && isValidation && mayAnswerValidating(fields)
    }
    const isReusable = mayAnswerWaiting(head.response, this.#policy, this.#components.clock.wall())
    return isReusable && matches(retrieval.selecting ?? [], this.#request.received)
  }

  async #headOf({ retrieval, leave }: Joined): Promise<Head> {
    onAbort(this.#request.signal, leave)
    try {
      return await retrieval.head()
    } catch (error) {
      leave()
      throw error
    }
  }
}

/** Whether it was told that what it holds has not changed, which is another version than this one holds. */
function isAboutAnother({ head, joined }: Awaited, { fields }: RetrievalRequest): boolean {
  const { fields: others } = joined.retrieval.request
  const isOther = COMPARISONS.some((name) => fieldValue(fields, name) !== fieldValue(others, name))
  return isOther && head.kind === 'direct' && head.response.status === 304
}
