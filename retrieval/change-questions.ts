/**
 * Whether a file that machines of the LAN may have from each other has changed, asked without asking for the file: where it has, all of
 * them find out at about the same moment, and one is to fetch it for all (R5.4). Who asks by GET has begun to fetch it by then.
 *
 * What is said of a copy that came from a peer counts only by digest: its validators are a stranger's word, and could pin an old file.
 */
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { Fields } from '../core/fields.ts'
import type { StoredResponse } from '../core/store.ts'
import type { Upstream } from '../core/upstream.ts'
import { mayAnswerValidating } from '../cache/semantics/decision.ts'
import { headConfirms, notModifiedApplies } from '../cache/semantics/validation.ts'
import { publishedDigest } from '../verify/published-digest.ts'
import { askHead, type HeadAnswer } from './heads.ts'
import type { Update } from './renewal.ts'
import type { RetrievalRequest } from './request.ts'

/** What is smaller costs no more by GET than the question does, in bytes. */
export const WORTH_ASKING_BYTES = 64 * 1024

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
    const { signal } = new AbortController()
    const forwarded: Fields = [...fields, ['Want-Repr-Digest', 'sha-256=10']]
    const answer = askHead({ target, forwarded, signal }, this.#components)
    this.#asked.set(key, answer)
    const forget = () => this.#asked.delete(key)
    answer.then(forget, forget)
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
  // It may not have looked at the conditions.
  return !isPeers && headConfirms(fields, stored) ? UNTOLD : { kind: 'changed', version: fields }
}

/** Whether the origin server has a file with the digest of this body (RFC 9530). */
function isOfBody(fields: Fields, { digest }: Pick<StoredResponse, 'digest'>): boolean {
  const published = publishedDigest(fields)
  return published?.algorithm === 'sha-256' && published.hex === digest
}

/** Some servers close the connection, or send content, where they are asked by HEAD. */
function ifUnanswerable(thrown: unknown): undefined {
  const isOfHead =
    thrown instanceof Fault && (thrown.code === 'RESPONSE_INVALID' || thrown.code === 'RESPONSE_INCOMPLETE')
  if (!isOfHead) throw thrown
}
