/** Lines of a log that go out together: one system call for many, and never much later than they were written. */
import type { CancelTimer, Clock } from '../core/clock.ts'

/** Characters that wait at most. */
const MAX_WAITING = 65_536
/** And for how long, in ms: what a killed process can lose. */
const MAX_WAIT_MS = 100

export class BatchedLines {
  readonly #out: { write(text: string): unknown }
  readonly #clock: Clock
  #waiting = ''
  #cancel: CancelTimer | undefined

  /** @param out writes at once. */
  constructor(out: { write(text: string): unknown }, clock: Clock) {
    this.#out = out
    this.#clock = clock
  }

  /** A line, with its end, that may wait. */
  add(line: string): void {
    this.#waiting += line
    if (this.#waiting.length >= MAX_WAITING) return this.flush()
    this.#cancel ??= this.#clock.after(MAX_WAIT_MS, () => this.flush())
  }

  /** A line that may not wait, behind those that do. */
  write(line: string): void {
    this.flush()
    this.#out.write(line)
  }

  flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    const waiting = this.#waiting
    if (waiting === '') return
    this.#waiting = ''
    this.#out.write(waiting)
  }
}
