/**
 * Standard output that is a pipe or a terminal. Whoever reads it may stop (a pager, a terminal that was halted): then the log loses
 * lines, and no request waits for that (R7.2).
 */
import type { Writable } from 'node:stream'
import { sleep, type Clock } from '../core/clock.ts'

/** What waits for the reader at most, in bytes, and a piece more. */
export const MOST_UNREAD_BYTES = 1024 * 1024

/** So long its reader has for what waits when the node ends, in ms. */
export const LAST_MS = 1000
const LOOK_MS = 50

/** What is written to, as `process.stdout` is. */
export type Output = Pick<Writable, 'write' | 'writableLength'>

/** Writes as long as no more than `MOST_UNREAD_BYTES` wait, and says what is missing. */
export class BoundedOutput {
  readonly #out: Output
  readonly #clock: Clock
  readonly #asWritten: (line: string) => string
  #lostBytes = 0

  /** @param out never blocks. @param asWritten what the line is written as that says what is missing, pino's JSON */
  constructor(out: Output, clock: Clock, asWritten: (line: string) => string) {
    this.#out = out
    this.#clock = clock
    this.#asWritten = asWritten
  }

  /** One line or several, each with its end. */
  write(text: string): void {
    // Once lines are lost, some are: else there would be a line about one that is lost for each that is not.
    const mostBytes = this.#lostBytes > 0 ? MOST_UNREAD_BYTES / 2 : MOST_UNREAD_BYTES
    if (this.#out.writableLength > mostBytes) return void (this.#lostBytes += Buffer.byteLength(text))
    if (this.#lostBytes > 0) this.#out.write(this.#lossLine())
    this.#out.write(text)
  }

  /** Nothing more is written. @returns whether all is read, within `LAST_MS`: what is not keeps the process alive. */
  async end(): Promise<boolean> {
    for (let ms = 0; this.#out.writableLength > 0 && ms < LAST_MS; ms += LOOK_MS)
      await sleep(this.#clock, LOOK_MS)
    return this.#out.writableLength === 0
  }

  #lossLine(): string {
    const msg = `${this.#lostBytes} bytes of the log are missing here: nobody read it`
    this.#lostBytes = 0
    return this.#asWritten(`${JSON.stringify({ level: WARNING, time: this.#clock.wall(), msg })}\n`)
  }
}

/** pino's number of the level. */
const WARNING = 40
