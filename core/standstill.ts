/**
 * For how long nothing has moved on a connection. Node's own time-out notices it after twice its limit, at worst: when that is over, it is
 * begun once more if the system has taken anything of what was written, also where that was at once, or before the last look. So a
 * limit is made of several short looks.
 */
import type { Socket } from 'node:net'
import type { Monotonic } from './clock.ts'

/** Looks in a limit, which is exceeded by the time of two at most. */
const LOOKS = 6

/** How often Node is to look, as time-out of the connection, so that `limitMs` is noticed. */
export function lookEveryMs(limitMs: number): number {
  return limitMs / LOOKS
}

export class Standstill {
  readonly #everyMs: number
  readonly #untaken: (socket: Socket) => number
  #looks = 0
  #movedBytes = -1
  #lookedAt = 0 as Monotonic

  /** @param untaken bytes that the system holds for the other side, where it tells (untaken.ts). */
  constructor(limitMs: number, untaken: (socket: Socket) => number = () => 0) {
    this.#everyMs = lookEveryMs(limitMs)
    this.#untaken = untaken
  }

  /** Node's `timeout` has come: nothing has moved since the look before. @returns for how long nothing has, in ms. */
  look(socket: Socket, now: Monotonic): number {
    const movedBytes = movedOn(socket) - this.#untaken(socket)
    // Of a long write Node alone sees the parts that are taken, and tells nothing at that look.
    const isStill = movedBytes === this.#movedBytes && now - this.#lookedAt < 2 * this.#everyMs
    this.#looks = isStill ? this.#looks + 1 : 1
    this.#movedBytes = movedBytes
    this.#lookedAt = now
    return this.#looks * this.#everyMs
  }
}

/** Those that have come, and those of whole writes that are out. */
function movedOn({ bytesRead, bytesWritten, writableLength }: Socket): number {
  return bytesRead + bytesWritten - writableLength
}
