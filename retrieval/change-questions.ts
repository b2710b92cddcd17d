/**
 * Whether a file that machines of the LAN may have from each other has changed, asked without asking for the file: where it has, all of
 * them find out at about the same moment, and one is to fetch it for all (R5.4). Who asks by GET has begun to fetch it by then.
 *
 * What is said of a copy that came from a peer counts only by digest: its validators are a stranger's word, and could pin an old file.
 */
import type { Clock } from '../core/clock.ts'
import { Fault, type FaultCode } from '../core/fault.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import type { Fields } from '../core/fields.ts'
import type { StoredResponse } from '../core/store.ts'
import type { Upstream } from '../core/upstream.ts'
import { mayAnswerValidating } from '../cache/semantics/decision.ts'
import { notModifiedApplies } from '../cache/semantics/validation.ts'
import { publishedDigest } from '../verify/published-digest.ts'
import { askHead, type HeadAnswer } from './heads.ts'
import type { Update } from './renewal.ts'
import type { RetrievalRequest } from './request.ts'

/** What is smaller costs no more by GET than the question does, in bytes. */
export const WORTH_ASKING_BYTES = 64 * 1024

/** For so long an answer is waited for, in ms: some servers never give one to HEAD. */
export const PATIENCE_MS = 5_000

export type ChangeAnswer =
  /** `isCollapsed`: another request asked. */
  | {
      readonly kind: 'same'
      readonly status: number
      readonly update: Update
      readonly isCollapsed: boolean
    }
  /** `version`: what tells the new one from others. */
  | { readonly kind: 'changed'; readonly version: Fields }
  /** The server does not answer HEAD so that it tells anything, or what another one was told is not for all. */
  | { readonly kind: 'untold' }

const UNTOLD: ChangeAnswer = { kind: 'untold' }

export class ChangeQuestions {
  readonly #components: { readonly clock: Clock; readonly origin: Upstream }
  readonly #asked = new Map<string, Promise<HeadAnswer>>()

  constructor(components: { readonly clock: Clock; readonly origin: Upstream }) {
    this.#components = components
  }

  /**
   * @param request for the whole, with the conditions of `stored` unless that is a peer's.
   * @throws Fault where the origin server cannot be asked.
   */
  async ask({ uri, target, fields }: RetrievalRequest, stored: StoredResponse): Promise<ChangeAnswer> {
    const key = `${uri} ${stored.id}`
    const asked = this.#asked.get(key)
    const answer = await (asked ?? this.#begin(key, target, fields)).catch(ifUnanswerable)
    if (answer === undefined) return UNTOLD
    const isForThis = asked === undefined || mayAnswerValidating(answer.response.fields)
    return isForThis ? changeOf(stored, answer, asked !== undefined) : UNTOLD
  }

  /** Whoever asked may go: the others wait for the same answer. */
  #begin(key: string, target: string, fields: Fields): Promise<HeadAnswer> {
    const ending = new AbortController()
    const { signal } = ending
    const endPatience = this.#components.clock.after(PATIENCE_MS, () => ending.abort(NO_LONGER_NEEDED))
    const forwarded: Fields = [...fields, ['Want-Repr-Digest', 'sha-256=10']]
    const answer = askHead({ target, forwarded, signal }, this.#components)
    this.#asked.set(key, answer)
    const end = () => {
      endPatience()
      this.#asked.delete(key)
    }
    answer.then(end, end)
    return answer
  }
}

function changeOf(stored: StoredResponse, answer: HeadAnswer, isCollapsed: boolean): ChangeAnswer {
  const { status, fields } = answer.response
  const isPeers = stored.source === 'peer'
  const same: ChangeAnswer = { kind: 'same', status, update: answer.update, isCollapsed }
  if (status === 304) return !isPeers && notModifiedApplies(fields, stored) ? same : UNTOLD
  if (status !== 200) return UNTOLD
  if (isOfBody(fields, stored)) return same
  // It may not have looked at the conditions, or count no bytes where it sends none.
  return !isPeers && notModifiedApplies(fields, stored) ? UNTOLD : { kind: 'changed', version: fields }
}

/** Whether the origin server has a file with the digest of this body (RFC 9530). */
function isOfBody(fields: Fields, { digest }: Pick<StoredResponse, 'digest'>): boolean {
  const published = publishedDigest(fields)
  return published?.algorithm === 'sha-256' && published.hex === digest
}

/** Some servers close the connection, send content or nothing at all, where they are asked by HEAD. */
const UNANSWERABLE = new Set<FaultCode>(['RESPONSE_INVALID', 'RESPONSE_INCOMPLETE', 'ABORTED'])

function ifUnanswerable(thrown: unknown): undefined {
  if (!(thrown instanceof Fault && UNANSWERABLE.has(thrown.code))) throw thrown
}
