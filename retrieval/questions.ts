/** What is asked of others on behalf of one application's request. */
import { hasField, SELECTING_A_PART, withoutFields, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { StoredResponse } from '../core/store.ts'
import { hasDirective, parseRequestDirectives } from '../cache/semantics/cache-control.ts'
import type { ForwardReason } from '../cache/semantics/cache-status.ts'
import { mayNameToLan } from '../cache/semantics/sharing-gate.ts'
import { isOriginsToDecide } from './peers-word.ts'
import type { RetrievalRequest } from './request.ts'
import type { ResourceRequest } from './resource.ts'

export class Questions {
  readonly #request: ResourceRequest
  readonly #policy: Policy

  constructor(request: ResourceRequest, policy: Policy) {
    this.#request = request
    this.#policy = policy
  }

  /** Who asks for a part, or only for a change, is not given the file to check. */
  get isForWhole(): boolean {
    return !SELECTING_A_PART.some((name) => hasField(this.#request.received, name))
  }

  /**
   * Peers are asked for what is not here, or has become stale and may be fresh where they have it; what is asked for anew only the origin
   * server can give.
   */
  wanted(reason: ForwardReason, stale: StoredResponse | undefined): RetrievalRequest {
    const request = this.with(this.#request.forwarded)
    // That the file was not there once says nothing against a peer that has it now.
    const isMissing = reason === 'uri-miss' || reason === 'vary-miss' || (stale && stale.status !== 200)
    const isOutdated = reason === 'stale' && !this.#wantsValidated
    const wantsOrigin = hasDirective(parseRequestDirectives(this.#request.received), 'no-cache')
    // What a peer would send is the answer to nothing then.
    const isInVain = isOriginsToDecide(this.#request.received, 'peer', this.#policy)
    const mayAskPeers = request.mayAskPeers && (isMissing === true || isOutdated) && !wantsOrigin && !isInVain
    return { ...request, mayAskPeers }
  }

  /** Whether the application says how old what it is given may be: what is stale here is validated for it. */
  get #wantsValidated(): boolean {
    const asked = parseRequestDirectives(this.#request.received)
    return ['max-age', 'min-fresh'].some((name) => hasDirective(asked, name))
  }

  /** The whole, from the origin server alone, whatever is here. */
  distrusting(): RetrievalRequest {
    return { ...this.with(withoutFields(this.#request.forwarded, SELECTING_A_PART)), mayAskPeers: false }
  }

  /** What the application asked, in its own words: what is here does not meet its conditions. */
  asItStands(): RetrievalRequest {
    return { ...this.with(this.#request.forwarded), mayAskPeers: false }
  }

  /** Whether what is stored still holds. */
  validating(conditional: Fields): RetrievalRequest {
    const fields = [...withoutFields(this.#request.forwarded, SELECTING_A_PART), ...conditional]
    return { ...this.with(fields), mayAskPeers: false }
  }

  /** The request with these fields. */
  with(fields: Fields): RetrievalRequest {
    const { uri, target, received, method, onInformation, begun } = this.#request
    const gate = mayNameToLan({ method, uri: target, fields: received }, this.#policy, false)
    const isNameable = gate.kind === 'share'
    const mayAskPeers = isNameable && this.#request.mayAskPeers !== false
    const asked = { uri, target, fields, policy: this.#policy, onInformation, begun }
    return { ...asked, isNameable, mayAskPeers }
  }
}
