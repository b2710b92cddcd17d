/** Wakes whoever waits for "something changed": the readers of a growing copy. */

/**
 * So many are woken at once; the others after the process has looked at its connections again. A crowd takes milliseconds to
 * serve, and all that time nobody else is heard: Node accepts one connection each time that it looks.
 */
const AT_ONCE = 16

export class ChangeSignal {
  readonly #waiting = new Set<() => void>()
  /** Those of a crowd whose turn is still to come. */
  #due: (() => void)[] = []
  #isWaking = false

  /** Wakes everyone who waits now, the one first who has waited longest. */
  raise(): void {
    this.#due = [...this.#waiting]
    if (!this.#isWaking) this.#wakeSome()
  }

  /** Calls `wake` at the next `raise`, once. @returns takes that back. */
  onNext(wake: () => void): () => void {
    const once = () => {
      if (this.#waiting.delete(once)) wake()
    }
    this.#waiting.add(once)
    return () => this.#waiting.delete(once)
  }

  /** Resolves at the next `raise`, or when `signal` aborts. */
  next(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = () => {
        takeBack()
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const takeBack = this.onNext(end)
      signal?.addEventListener('abort', end, { once: true })
    })
  }

  readonly #wakeSome = (): void => {
    for (const wake of this.#due.splice(0, AT_ONCE)) wake()
    this.#isWaking = this.#due.length > 0
    if (this.#isWaking) setImmediate(this.#wakeSome)
  }
}
