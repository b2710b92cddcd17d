/**
 * A processor that a machine's program shares with others, as every machine's does just after its start: it has its turn now and then,
 * and what happens meanwhile, timers and packets alike, waits for the next one.
 */
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { LeasedClock } from './virtual-clock.ts'

export interface TurnSettings {
  /** A turn lasts so long, in ms. */
  readonly turnMs: number
  /** Between two turns lies up to this, in ms. */
  readonly mostRestMs: number
}

export class Turns {
  readonly #clock: Clock
  readonly #random: Random
  readonly #settings: TurnSettings
  /** Of the turn that is or comes next. */
  #beginsAt: number
  readonly #waiting: (() => void)[] = []

  constructor(clock: Clock, random: Random, settings: TurnSettings) {
    this.#clock = clock
    this.#random = random
    this.#settings = settings
    this.#beginsAt = clock.monotonic()
  }

  /** Calls `act` at once where the program has its turn, else when it has; all in the order of their coming. */
  take(act: () => void): void {
    const now = this.#clock.monotonic()
    const { turnMs, mostRestMs } = this.#settings
    while (this.#beginsAt + turnMs <= now && this.#waiting.length === 0)
      this.#beginsAt += turnMs + this.#random.fraction() * mostRestMs
    if (this.#beginsAt <= now && this.#waiting.length === 0) return act()
    this.#waiting.push(act)
    if (this.#waiting.length === 1) this.#clock.after(this.#beginsAt - now, () => this.#next())
  }

  /** Each is an event of its own: what it sets off happens before the next. */
  #next(): void {
    const [act] = this.#waiting
    this.#clock.after(0, () => {
      this.#waiting.shift()
      if (this.#waiting.length > 0) this.#next()
    })
    act?.()
  }
}

/** The timers of a program that takes turns. */
export function takingTurns(clock: LeasedClock, turns: Turns): LeasedClock {
  let hasEnded = false
  return {
    monotonic: () => clock.monotonic(),
    wall: () => clock.wall(),
    after(delayMs, wake) {
      let isOff = false
      const cancel = clock.after(delayMs, () => turns.take(() => isOff || hasEnded || wake()))
      return () => {
        isOff = true
        cancel()
      }
    },
    end() {
      hasEnded = true
      clock.end()
    },
  }
}
