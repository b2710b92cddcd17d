/**
 * How long the file is, by the origin server: asked where a large body is about to be passed on of which a peer alone tells the
 * length. That decides how much goes out before the digest is judged (release.ts), so that a peer which says "large" of a small
 * file would have wrong bytes passed on that are otherwise verified first.
 */
import type { Clock } from '../core/clock.ts'
import { isContentName } from '../core/content-name.ts'
import type { Upstream } from '../core/upstream.ts'
import { askBriefly, forWhole, lengthIn } from '../verify/asking.ts'
import type { RetrievalRequest } from './request.ts'

export interface OriginLengthComponents {
  readonly clock: Clock
  readonly origin: Upstream
}

export class OriginLength {
  readonly #request: RetrievalRequest
  readonly #components: OriginLengthComponents
  #state: 'unasked' | 'asking' | 'answered' = 'unasked'
  /** In bytes; `undefined` as long as the server has not said it. */
  #size: number | undefined

  constructor(request: RetrievalRequest, components: OriginLengthComponents) {
    this.#request = request
    this.#components = components
  }

  /** Whether nothing more is to be learnt; else it is asked, once and briefly, and `onAnswer` called when that is over. */
  isSettled(onAnswer: () => void): boolean {
    if (this.#state === 'unasked') void this.#ask().then(onAnswer)
    return this.#state === 'answered'
  }

  /** Whether the server has said another length than this. */
  isOther(size: number | undefined): boolean {
    return this.#size !== undefined && this.#size !== size
  }

  get size(): number | undefined {
    return this.#size
  }

  async #ask(): Promise<void> {
    const { target, fields } = this.#request
    // A name is no place: nobody can be asked there.
    if (isContentName(target)) return void (this.#state = 'answered')
    this.#state = 'asking'
    const request = { method: 'HEAD', uri: target, fields: forWhole(fields) } as const
    this.#size = await askBriefly(request, this.#components, ({ status, fields: told }) =>
      status === 200 ? lengthIn(told) : undefined,
    )
    this.#state = 'answered'
  }
}
