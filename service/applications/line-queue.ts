/** Lines from whatever makes them to whoever reads them, at the reader's pace. */

/** More lines than this do not wait for a reader: the oldest are lost, and it is told how many. */
export const MAX_WAITING_LINES = 1000

export class LineQueue<Line> implements AsyncIterable<Line> {
  readonly #lost: (lines: number) => Line
  readonly #waiting: Line[] = []
  #lostLines = 0
  #end: { readonly error?: unknown } | undefined
  #wake = () => {}

  /** @param lost the line that stands for so many that are lost. */
  constructor(lost: (lines: number) => Line) {
    this.#lost = lost
  }

  /** Whether the reader has everything. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Without effect after the end. */
  push(line: Line): void {
    if (this.#end !== undefined) return
    this.#waiting.push(line)
    if (this.#waiting.length > MAX_WAITING_LINES) {
      this.#waiting.shift()
      this.#lostLines += 1
    }
    this.#wake()
  }

  /** Nothing comes any more; the reader is thrown `error` after what waits. Only the first end counts. */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error }
    this.#wake()
  }

  /** To be read by one reader. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Line> {
    for (;;) {
      if (this.#lostLines > 0) {
        const lines = this.#lostLines
        this.#lostLines = 0
        yield this.#lost(lines)
      }
      const line = this.#waiting.shift()
      if (line !== undefined) yield line
      else if (this.#end === undefined) await new Promise<void>((resolve) => (this.#wake = resolve))
      else if ('error' in this.#end) throw this.#end.error
      else return
    }
  }
}
