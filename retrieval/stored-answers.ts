/** Stored responses as answers to one request: fresh, renewed, or in place of an origin server that does not answer. */
import { Fault } from '../core/fault.ts'
import type { Policy } from '../core/policy.ts'
import type { Random } from '../core/random.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import { staleIfErrorAllows, withoutHeldBackFields } from '../cache/semantics/decision.ts'
import { currentAgeMs, remainingFreshnessMs } from '../cache/semantics/freshness.ts'
import { evaluateConditional } from '../cache/semantics/validation.ts'
import { watchDelivery, type ComplaintsComponents } from './complaints.ts'
import { isStoreLoss, mendedBody, type Mending } from './mended-body.ts'
import { comparable, isOriginsToDecide, isPeersWord } from './peers-word.ts'
import type { RepresentationRequest } from './representation.ts'
import { begun, fromStore, type Asked, type Resource, type ResourceRequest, type Reuse } from './resource.ts'

export interface StoredAnswersComponents extends ComplaintsComponents {
  readonly random: Random
}

export interface StoredAnswersAsking {
  readonly request: ResourceRequest
  readonly policy: Policy
  /** Whether the application asks for the whole, and for no change only. */
  readonly isForWhole: boolean
  /** What the application asked of the representation. */
  readonly asked: () => RepresentationRequest
  /** How the rest is had of what proves damaged. */
  readonly mending: (response: StoredResponse) => Mending
  /** What was stored is not there any more: it is fetched. */
  readonly lost: () => Promise<Resource>
}

export class StoredAnswers {
  readonly #components: StoredAnswersComponents
  readonly #asking: StoredAnswersAsking

  constructor(components: StoredAnswersComponents, asking: StoredAnswersAsking) {
    this.#components = components
    this.#asking = asking
  }

  /**
   * A stored body that turns out damaged at its first byte was removed by that, and is fetched again (R7.3); at a later one the
   * origin server goes on.
   */
  async reuse(reuse: Reuse, asked?: Asked): Promise<Resource> {
    const { request, policy, asked: askedOf, isForWhole, lost } = this.#asking
    const { store, random } = this.#components
    const mending = this.#asking.mending(reuse.response)
    const { source } = reuse.response
    const isOrigins = !isPeersWord(source, policy)
    let isGiven = false
    const read: Store['read'] = (response, span, allocate) =>
      mendedBody(store.read(response, span, allocate), span, mending, () => isGiven && isOrigins)
    const { method, fields } = askedOf()
    const wanted = { method, fields: comparable(fields, source, policy) }
    const resource = fromStore(reuse, asked, wanted, { store: { read }, random }, request.allocate)
    try {
      const answer = await begun(resource.answer)
      isGiven = true
      if (isForWhole) watchDelivery(reuse.response, request, this.#components)
      return { ...resource, answer }
    } catch (error) {
      if (isStoreLoss(error)) return lost()
      throw error
    }
  }

  /** When the origin server cannot be asked, what is stored may do (RFC 5861 4, RFC 9111 4.2.4). */
  async orStandIn(stored: StoredResponse | undefined, ask: () => Promise<Resource>): Promise<Resource> {
    try {
      return await ask()
    } catch (error) {
      const isUnanswered = error instanceof Fault && error.blame === 'origin-server'
      if (stored !== undefined && isUnanswered && this.mayStandIn(stored)) return this.standIn(stored)
      throw error
    }
  }

  /** What is stored, in place of an answer that is none; `status`: absent where there was no answer at all. */
  standIn(stored: StoredResponse, status?: number): Promise<Resource> {
    const failed: Omit<Asked, 'reason'> =
      status === undefined ? { detail: 'unreachable' } : { status, detail: 'stale-if-error' }
    return this.afterAsking(withoutHeldBackFields(stored), { reason: 'stale', ...failed })
  }

  /**
   * Whether it may (RFC 5861 4, RFC 9111 4.2.4). That it is what the application expects, a peer's word does not tell; that it is not,
   * no stored response does (4.3.2).
   */
  mayStandIn(stored: StoredResponse, status?: number): boolean {
    const { request, policy, asked } = this.#asking
    const { fields } = asked()
    if (isOriginsToDecide(fields, stored.source, policy)) return false
    if (evaluateConditional(fields, stored.fields, stored.status) === 'precondition-failed') return false
    const now = this.#components.clock.wall()
    return staleIfErrorAllows({ fields: request.received }, stored, policy, now, status)
  }

  /** What is stored, after the origin server was asked. */
  afterAsking(response: StoredResponse, asked: Asked): Promise<Resource> {
    const now = this.#components.clock.wall()
    const ttlMs = remainingFreshnessMs(response, this.#asking.policy, now)
    return this.reuse({ response, ageMs: currentAgeMs(response, now), ttlMs }, asked)
  }
}
