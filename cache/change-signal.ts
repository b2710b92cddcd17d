/** Wakes whoever waits for "something changed": the readers of a growing copy. */

export class ChangeSignal {
  readonly #wakes = new Set<() => void>()

  /** Wakes everyone who waits now. */
  raise(): void {
    for (const wake of this.#wakes) wake()
  }

  /** Resolves at the next `raise`, or when `signal` aborts. */
  next(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = () => {
        this.#wakes.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#wakes.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }
}
