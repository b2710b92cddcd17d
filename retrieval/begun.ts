/**
 * The origin server's response to a request that had been made before the request took the path of a resource. Whoever
 * would ask the origin server takes it, once; when nobody does, it is given up.
 */
import type { EpochMs } from '../core/clock.ts'
import type { UpstreamResponse } from '../core/upstream.ts'

export interface BegunResponse {
  /** When the request was made. */
  readonly requestTime: EpochMs
  readonly response: UpstreamResponse
}

export class Begun {
  #begun: BegunResponse | undefined
  readonly #hasChanged: () => boolean
  readonly #giveUp: () => void

  /**
   * @param hasChanged whether the resource has changed since the request was made; asked again and again, for it may wait for long.
   * @param giveUp ends the request for those who come by this.
   */
  constructor(begun: BegunResponse, hasChanged: () => boolean, giveUp: () => void) {
    this.#begun = begun
    this.#hasChanged = hasChanged
    this.#giveUp = giveUp
  }

  /** @param signal ends it. @returns `undefined` when somebody was quicker. */
  take(signal: AbortSignal): BegunResponse | undefined {
    const begun = this.#begun
    this.#begun = undefined
    if (begun === undefined) return undefined
    if (signal.aborted) this.#giveUp()
    else signal.addEventListener('abort', this.#giveUp, { once: true })
    return begun
  }

  /** The resource has changed since the request was made: nothing of the response is kept (RFC 9111 4.4). */
  get isOutdated(): boolean {
    return this.#hasChanged()
  }

  get isTaken(): boolean {
    return this.#begun === undefined
  }

  /** Nobody takes it any more. */
  drop(): void {
    if (this.#begun !== undefined) this.#giveUp()
    this.#begun = undefined
  }
}
