/**
 * When resources were changed by unsafe requests (RFC 9111 4.4), for whatever is in no list while it waits: it asks, when it is about to be
 * kept, whether that has happened since it began.
 */
import type { TargetUri } from '../core/target-uri.ts'

/** A number in the order of the changes: so many had been noted. */
export type Moment = number & { readonly brand: 'Moment' }

/** Of more resources it is not remembered when they were changed. */
export const MOST_CHANGED = 1000

export class Changes {
  /** The number of the last change of each, in that order. */
  readonly #last = new Map<TargetUri, number>()
  #noted = 0
  /** The number of the newest change that is remembered no more. */
  #forgotten = 0

  now(): Moment {
    return this.#noted as Moment
  }

  /** An unsafe request has changed the resource. */
  note(uri: TargetUri): void {
    this.#noted += 1
    this.#last.delete(uri)
    this.#last.set(uri, this.#noted)
    if (this.#last.size <= MOST_CHANGED) return
    for (const [eldest, number] of this.#last) {
      this.#last.delete(eldest)
      this.#forgotten = number
      return
    }
  }

  /** Whether the resource was changed after `moment`, or may have been: what was forgotten since may have been any resource. */
  hasChangedSince(uri: TargetUri, moment: Moment): boolean {
    return Math.max(this.#forgotten, this.#last.get(uri) ?? 0) > moment
  }
}
