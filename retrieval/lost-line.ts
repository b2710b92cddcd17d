/**
 * A machine that loses its line while its application is being given a file: pulled out, switched, away from the radio. Or the origin
 * server goes: it is started anew, or whatever stands before it. A connection of the application's own might outlast the one, and an
 * application that tries again the other, so what it is being given is gone on with when the line is back (R4.4). So is what is answered
 * with something else than its rest, where the bytes can be told from any others: somebody else may have the right ones.
 */
import { sleep, type Clock } from '../core/clock.ts'
import type { Fault, FaultCode } from '../core/fault.ts'
import { PROGRESS_BYTES } from './copy-use.ts'
import { EndsThere } from './origin-source.ts'

/** Before it is tried again, in ms, and twice as long each time… */
const FIRST_WAIT_MS = 500
/** …so often: 7.5 s in all, and what it takes to find out that nobody is reached. */
export const MOST_WAITS = 4

/** What passes: nobody is reached, or the rest did not come, or not now. A timeout has cost more than all waits together. */
const PASSING: ReadonlySet<FaultCode> = new Set([
  'UNREACHABLE',
  'CONNECT_REFUSED',
  'DNS_FAILED',
  'RESPONSE_INCOMPLETE',
])

/** What answers is not the rest of this file: the server itself, one of several behind its name, or a page on the way (302). */
const OTHER: ReadonlySet<FaultCode> = new Set(['RESPONSE_CHANGED', 'RESPONSE_INVALID'])

/** Of one retrieval. */
export class LostLine {
  readonly #clock: Clock
  #waits = 0
  /** What was held when it was lost last, in bytes. */
  #heldBytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Whether this says that the line is lost, or that the rest was answered wrongly, and the right rest may come in time.
   * @param heldBytes what has come by now.
   * @param isProvable whether the bytes can be told from any others, and others may be asked for them: only then is a wrong answer
   *   nothing but a detour. Otherwise it says that the file has changed.
   */
  mayComeBack(fault: Fault, heldBytes: number, isProvable: boolean): boolean {
    const isDetour = isProvable && OTHER.has(fault.code) && !(fault instanceof EndsThere)
    return (PASSING.has(fault.code) || isDetour) && (this.#waits < MOST_WAITS || this.#hasBrought(heldBytes))
  }

  /** @param heldBytes what has come by now: where that is more than before, the waits begin anew. */
  async wait(heldBytes: number): Promise<void> {
    if (this.#hasBrought(heldBytes)) this.#waits = 0
    this.#heldBytes = heldBytes
    await sleep(this.#clock, FIRST_WAIT_MS * 2 ** this.#waits)
    this.#waits += 1
  }

  #hasBrought(heldBytes: number): boolean {
    return heldBytes >= this.#heldBytes + PROGRESS_BYTES
  }
}
