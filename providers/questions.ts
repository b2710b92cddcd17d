/** Questions for functions that this node has asked, by their nonces. */
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { FunctionName } from './functions.ts'

/** Questions whose answers are taken; the oldest is forgotten first. */
export const MAX_QUESTIONS = 256

/** The nonce of what answers no question, and corrects somebody. */
export const CORRECTION = '0'.repeat(16)

/** "I found" is said again at most so often, in ms. */
const FOUND_AGAIN_MS = 20

interface Asked {
  readonly name: FunctionName
  /** When "I found" was said, on the monotonic clock. */
  foundAt: number | undefined
}

export class Questions {
  readonly #clock: Clock
  readonly #random: Random
  readonly #asked = new Map<string, Asked>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  /** @returns the nonce of a new question. */
  ask(name: FunctionName): string {
    const nonce = this.#random.hex(8)
    this.#asked.set(nonce, { name, foundAt: undefined })
    const [oldest] = this.#asked.keys()
    if (this.#asked.size > MAX_QUESTIONS && oldest !== undefined) this.#asked.delete(oldest)
    return nonce
  }

  /** Whether a response about this function was asked for, or corrects. */
  isAnswer(nonce: string, name: FunctionName): boolean {
    const asked = this.#asked.get(nonce)
    return asked === undefined ? nonce === CORRECTION : asked.name === name
  }

  /** A question is answered. @returns whether "I found" is to be said: those that did not hear it hear it again. */
  found(nonce: string): boolean {
    const asked = this.#asked.get(nonce)
    const now = this.#clock.monotonic()
    if (asked === undefined || (asked.foundAt !== undefined && now - asked.foundAt < FOUND_AGAIN_MS))
      return false
    asked.foundAt = now
    return true
  }
}
