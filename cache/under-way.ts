/**
 * Work under way, counted and not collected. A `Map` or `Set` whose members come and go has its table replaced again and
 * again; what the old table held, once it lies in old memory, is kept alive by it until the next major collection: of
 * things that live for milliseconds, each one, and all that they refer to.
 */
import { deferred, type Deferred } from '../core/deferred.ts'

export class UnderWay {
  #count = 0
  #ended: Deferred<void> | undefined

  begin(): void {
    this.#count += 1
  }

  end(): void {
    this.#count -= 1
    if (this.#count > 0) return
    this.#ended?.resolve()
    this.#ended = undefined
  }

  /** Resolves when nothing is under way. */
  ended(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    this.#ended ??= deferred()
    return this.#ended.promise
  }
}
