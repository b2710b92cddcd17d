/**
 * Standard output that is a terminal. Node writes to terminals so that it waits for them, and one that was halted (Ctrl-S) would halt
 * the node. So it is opened once more, by its name, not to wait: what it does not take now is written later.
 */
import { constants, openSync, writeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import type { Clock } from '../core/clock.ts'

/** What was not taken is tried again after so long, in ms. */
export const AGAIN_MS = 50

/** Where the kernel shows what a descriptor is, and opens it anew. */
const STANDARD_OUTPUT = '/proc/self/fd/1'

type Output = Pick<Writable, 'write' | 'writableLength'>

/** @returns `process.stdout`, which waits, where the terminal cannot be opened: it is another user's, or the system has no such names. */
export function terminalOutput(clock: Clock): Output {
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
    const descriptor = openSync(STANDARD_OUTPUT, O_WRONLY | O_NONBLOCK | O_NOCTTY)
    return new TerminalOutput((bytes) => writeSync(descriptor, bytes), clock)
  } catch {
    return process.stdout
  }
}

export class TerminalOutput implements Output {
  readonly #take: (bytes: Uint8Array) => number
  readonly #clock: Clock
  #waiting: Uint8Array[] = []
  #writableLength = 0

  /** @param take writes what is taken at once. @returns how many bytes that were. It throws EAGAIN where it is none. */
  constructor(take: (bytes: Uint8Array) => number, clock: Clock) {
    this.#take = take
    this.#clock = clock
  }

  /** Bytes that wait. */
  get writableLength(): number {
    return this.#writableLength
  }

  write(text: string): boolean {
    const bytes = Buffer.from(text)
    this.#waiting.push(bytes)
    this.#writableLength += bytes.length
    if (this.#waiting.length === 1) this.#drain()
    return this.#waiting.length === 0
  }

  #drain(): void {
    try {
      for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
        const taken = this.#take(first)
        this.#writableLength -= taken
        if (taken === first.length) this.#waiting.shift()
        else this.#waiting[0] = first.subarray(taken)
      }
    } catch (error) {
      if (isFull(error)) return void this.#clock.after(AGAIN_MS, () => this.#drain())
      // The terminal has gone: that costs lines of the log and not the node (R7.2).
      this.#waiting = []
      this.#writableLength = 0
    }
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN'
}
