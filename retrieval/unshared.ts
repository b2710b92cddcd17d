/**
 * Names whose responses are for one application each: who asks for one waits for nobody else's, which would be in vain. The first
 * ones to ask wait once; from then on all ask side by side. Only a 304 to a validation may still be for several.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { mayAnswerWaiting } from '../cache/semantics/decision.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import { admit } from './admission.ts'
import type { RetrievalRequest } from './request.ts'

/** So long it is remembered after the last such response, in ms. */
export const UNSHARED_MS = 120_000

/** More names than this are not remembered; the one that was noted first is forgotten. */
export const MAX_UNSHARED = 4096

/**
 * `unstorable`: the response may not be stored, such as `no-store`. `validated`: it may, and each request is to be validated, such as
 * `no-cache`. `no-room`: the disk took no more of it, for want of room or because it fails, which nobody could know before. The first two last until a
 * response is another.
 */
type Ground = 'unstorable' | 'validated' | 'no-room'

export class Unshared {
  readonly #clock: Clock
  readonly #noted = new Map<TargetUri, { readonly ground: Ground; readonly at: Monotonic }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether its responses are not stored: nothing of them is for anybody else. */
  has(uri: TargetUri): boolean {
    const ground = this.#groundOf(uri)
    return ground !== undefined && ground !== 'validated'
  }

  /** That, or each request for it is forwarded: what somebody else is being answered is not waited for. */
  isForEach(uri: TargetUri): boolean {
    return this.#groundOf(uri) !== undefined
  }

  /** Whether the disk took no more of it lately. */
  lacksRoom(uri: TargetUri): boolean {
    return this.#groundOf(uri) === 'no-room'
  }

  noRoom(uri: TargetUri): void {
    this.#note(uri, 'no-room')
  }

  /**
   * A response has come; a part that fits counts as the whole, with status 200. What only this request keeps from being stored, and
   * what is a failure, says nothing of the next one.
   */
  heed(request: Omit<RetrievalRequest, 'mayAskPeers'>, response: Stored): void {
    const { uri, policy } = request
    const { status } = response
    if (status === 206 || status === 304 || status >= 500 || this.lacksRoom(uri)) return
    this.#noted.delete(uri)
    if (admit({ ...request, fields: [] }, response).kind !== 'admitted') this.#note(uri, 'unstorable')
    else if (!mayAnswerWaiting(response, policy, this.#clock.wall())) this.#note(uri, 'validated')
  }

  #groundOf(uri: TargetUri): Ground | undefined {
    if (this.#noted.size === 0) return undefined
    const noted = this.#noted.get(uri)
    return noted && this.#clock.monotonic() - noted.at < UNSHARED_MS ? noted.ground : undefined
  }

  #note(uri: TargetUri, ground: Ground): void {
    this.#noted.delete(uri)
    const [first] = this.#noted.keys()
    if (this.#noted.size >= MAX_UNSHARED && first !== undefined) this.#noted.delete(first)
    this.#noted.set(uri, { ground, at: this.#clock.monotonic() })
  }
}
