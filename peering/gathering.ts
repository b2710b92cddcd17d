/**
 * What programs ask for at the same moment is asked of the LAN together. The requests of an update come over connections of
 * their own, and on a busy machine the event loop takes one of them at each of its turns, between the packets of all others
 * who ask: each would leave by itself, and be read by everybody while their own applications wait.
 *
 * So a question waits as long as each turn brings another one. A turn in which nothing comes takes microseconds.
 */
import { MAX_FURTHER } from './further.ts'

/** Calls `wake` when the event loop has looked once at all that has come. */
export type Turn = (wake: () => void) => void

/** So many turns in a row without a further question end it: one for the request to be read, one for what is stored to be looked up. */
export const QUIET_TURNS = 2

/** No packet holds more names: what never ends to come is asked then. */
export const MAX_GATHERED = MAX_FURTHER + 1

export class Gathering {
  readonly #turn: Turn
  readonly #together: (ask: () => void) => void
  #asks: (() => void)[] = []
  #quietTurns = 0

  /** @param together makes one packet of what is asked meanwhile (`Peering.together`). */
  constructor(turn: Turn, together: (ask: () => void) => void) {
    this.#turn = turn
    this.#together = together
  }

  /** Calls `ask` in a moment, with all that are added until then. */
  add(ask: () => void): void {
    const isFirst = this.#asks.length === 0
    this.#asks.push(ask)
    this.#quietTurns = 0
    if (this.#asks.length >= MAX_GATHERED) this.#askAll()
    else if (isFirst) this.#waitTurn()
  }

  #waitTurn(): void {
    const asks = this.#asks
    this.#turn(() => {
      if (asks !== this.#asks) return // they have been asked
      this.#quietTurns++
      if (this.#quietTurns > QUIET_TURNS) this.#askAll()
      else this.#waitTurn()
    })
  }

  #askAll(): void {
    const asks = this.#asks
    this.#asks = []
    this.#quietTurns = 0
    this.#together(() => {
      for (const ask of asks) ask()
    })
  }
}
