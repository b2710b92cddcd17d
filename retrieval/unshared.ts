/**
 * Names whose responses are for one application each, such as `no-store`: who asks for one waits for nobody else's, because that would be
 * in vain. The first ones to ask wait once; from then on all ask side by side, until a response comes that may be stored.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import { admit } from './admission.ts'
import type { RetrievalRequest } from './request.ts'

/** So long it is remembered after the last such response, in ms. */
export const UNSHARED_MS = 120_000

/** More names than this are not remembered; the one that was noted first is forgotten. */
export const MAX_UNSHARED = 4096

export class Unshared {
  readonly #clock: Clock
  readonly #notedAt = new Map<TargetUri, Monotonic>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  has(uri: TargetUri): boolean {
    if (this.#notedAt.size === 0) return false
    const at = this.#notedAt.get(uri)
    return at !== undefined && this.#clock.monotonic() - at < UNSHARED_MS
  }

  /**
   * A response has come; a part that fits counts as the whole, with status 200. What only this request keeps from being stored, and
   * what is a failure, says nothing of the next one.
   */
  heed(request: Omit<RetrievalRequest, 'mayAskPeers'>, response: Stored): void {
    const { uri } = request
    const { status } = response
    if (status === 206 || status === 304 || status >= 500) return
    this.#notedAt.delete(uri)
    if (admit({ ...request, fields: [] }, response).kind === 'admitted') return
    const [first] = this.#notedAt.keys()
    if (this.#notedAt.size >= MAX_UNSHARED && first !== undefined) this.#notedAt.delete(first)
    this.#notedAt.set(uri, this.#clock.monotonic())
  }
}
