/**
 * A machine that loses its line while its application is being given a file: pulled out, switched, away from the radio. A connection
 * of the application's own would outlast that, so what it is being given is gone on with when the line is back (R4.4).
 */
import { sleep, type Clock } from '../core/clock.ts'
import type { Fault } from '../core/fault.ts'

/** Before it is tried again, in ms, and twice as long each time… */
const FIRST_WAIT_MS = 500
/** …so often: 7.5 s in all, and what it takes to find out that nobody is reached. */
export const MOST_WAITS = 4

/** Of one retrieval. */
export class LostLine {
  readonly #clock: Clock
  #waits = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether this says that the line is lost, and it may come back in time. */
  mayComeBack({ code }: Fault): boolean {
    return code === 'UNREACHABLE' && this.#waits < MOST_WAITS
  }

  async wait(): Promise<void> {
    await sleep(this.#clock, FIRST_WAIT_MS * 2 ** this.#waits)
    this.#waits += 1
  }
}
