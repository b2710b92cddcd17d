/**
 * Standard output that is a terminal. Node writes to terminals so that it waits for them, and one that was halted (Ctrl-S) would halt
 * the node. So it is opened once more, by a name, not to wait: what it does not take now is written later.
 */
import { constants, openSync, writeSync } from 'node:fs'
import type { Clock } from '../core/clock.ts'
import type { Output } from './bounded-output.ts'

/** What was not taken is tried again after so long, in ms, and after twice as long as long as nothing is taken, … */
const AGAIN_MS = 1
/** … but no later than this. */
export const LATEST_AGAIN_MS = 50

/** Where the kernel opens standard output anew, and the terminal that this process belongs to, whoever's it is (`su`). */
const NAMES = ['/proc/self/fd/1', '/dev/tty']

/** A process has one, however many logs are written to it. */
let descriptor: number | undefined

/** @returns `process.stdout`, which waits, where the terminal cannot be opened. */
export function terminalOutput(clock: Clock): Output {
  descriptor ??= openedFirst(NAMES)
  const opened = descriptor
  if (opened === undefined) return process.stdout
  return new TerminalOutput((bytes) => writeSync(opened, bytes), clock)
}

function openedFirst(names: readonly string[]): number | undefined {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  for (const name of names) {
    try {
      return openSync(name, O_WRONLY | O_NONBLOCK | O_NOCTTY)
    } catch {
      // The next one may be opened.
    }
  }
  return undefined
}

/** Writes what a terminal takes at once, and the rest when it takes more. */
export class TerminalOutput implements Output {
  readonly #take: (bytes: Uint8Array) => number
  readonly #clock: Clock
  #waiting: Uint8Array[] = []
  #writableLength = 0
  #againMs = AGAIN_MS

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
      for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) this.#takeOf(first)
    } catch (error) {
      if (isFull(error)) return this.#drainLater()
      // The terminal has gone: that costs lines of the log and not the node (R7.2).
      this.#waiting = []
      this.#writableLength = 0
    }
  }

  #takeOf(first: Uint8Array): void {
    const taken = this.#take(first)
    this.#writableLength -= taken
    this.#againMs = AGAIN_MS
    if (taken === first.length) this.#waiting.shift()
    else this.#waiting[0] = first.subarray(taken)
  }

  #drainLater(): void {
    this.#clock.after(this.#againMs, () => this.#drain())
    this.#againMs = Math.min(2 * this.#againMs, LATEST_AGAIN_MS)
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN'
}
