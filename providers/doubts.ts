/**
 * What a node makes of a report about itself: its packets come, its service does not perform. Others cannot look into it, and must
 * not take turns in electing it again, so whoever was reported stands behind all others for a while; and not at all for as long as
 * its own place does not answer itself.
 */
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import type { OneFunction } from './one-function.ts'

/** An offer of this node. */
export type Doubted = Pick<OneFunction, 'ownLocation' | 'isSilent' | 'doubt' | 'silence'>

/** Whoever was reported stands behind all others for so long; a silent service is looked at again after the same time, in ms. */
export const DOUBTED_MS = 300_000

/** Whoever was reported once, and answers at its place, stands behind others for so long only: the reporter may be wrong, in ms. */
export const ONCE_DOUBTED_MS = 20_000

export interface DoubtsComponents<One> {
  readonly clock: Clock
  /** Whether anything answers there. Never fails. */
  readonly contact: (location: string) => Promise<boolean>
  /** It is not offered to anybody while its own node does not reach it. */
  readonly silent: (one: One) => void
}

export class Doubts<One extends Doubted = OneFunction> {
  readonly #components: DoubtsComponents<One>
  readonly #looking = new Map<One, CancelTimer>()
  /** When each was reported last. */
  readonly #reportedAt = new Map<One, Monotonic>()

  constructor(components: DoubtsComponents<One>) {
    this.#components = components
  }

  /** This node was reported as provider. */
  report(one: One): void {
    const now = this.#components.clock.monotonic()
    const isAgain = now - (this.#reportedAt.get(one) ?? -Infinity) < DOUBTED_MS
    this.#reportedAt.set(one, now)
    one.doubt(DOUBTED_MS)
    if (!this.#looking.has(one)) void this.#look(one, !isAgain)
  }

  stop(): void {
    for (const cancel of this.#looking.values()) cancel()
    this.#looking.clear()
  }

  /** @param mayBeWrong the report is the first. */
  async #look(one: One, mayBeWrong = false): Promise<void> {
    const { clock, contact, silent } = this.#components
    const place = one.ownLocation
    this.#looking.set(one, () => {})
    const isThere = place === undefined || (await contact(place))
    if (!this.#looking.has(one)) return // stopped meanwhile
    this.#looking.delete(one)
    // Another place has been offered since: nothing is known of that one.
    const isSilent = !isThere && one.ownLocation === place
    if (isSilent && !one.isSilent) silent(one)
    one.silence(isSilent)
    if (isThere && mayBeWrong) one.doubt(ONCE_DOUBTED_MS)
    if (isSilent)
      this.#looking.set(
        one,
        clock.after(DOUBTED_MS, () => void this.#look(one)),
      )
  }
}
