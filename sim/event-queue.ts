/** What is to happen, in the order of its time; what has the same time happens in the order in which it was planned. */

export interface PlannedEvent {
  /** Virtual milliseconds. */
  readonly at: number
  /** Tells equal times apart: the lower one was planned earlier. */
  readonly order: number
  readonly happen: () => void
  isCanceled: boolean
}

/** A binary heap: the parent of the entry at `n` is at `(n - 1) >> 1`, and never later. */
export class EventQueue {
  readonly #heap: PlannedEvent[] = []
  #planned = 0

  plan(at: number, happen: () => void): PlannedEvent {
    const event: PlannedEvent = { at, order: this.#planned++, happen, isCanceled: false }
    this.#heap.push(event)
    this.#rise(this.#heap.length - 1)
    return event
  }

  /** The next event that still counts, which stays in the queue. */
  peek(): PlannedEvent | undefined {
    while (this.#heap[0]?.isCanceled) this.#removeFirst()
    return this.#heap[0]
  }

  /** As `peek`, and takes it out. */
  take(): PlannedEvent | undefined {
    const next = this.peek()
    if (next) this.#removeFirst()
    return next
  }

  #removeFirst(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink()
  }

  #rise(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1
      if (!this.#isBefore(at, parent)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #sink(): void {
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      const child = this.#isBefore(right, left) ? right : left
      if (!this.#isBefore(child, at)) return
      this.#swap(at, child)
      at = child
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    if (a === undefined || b === undefined) return false
    return a.at === b.at ? a.order < b.order : a.at < b.at
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    if (a === undefined || b === undefined) return
    this.#heap[one] = b
    this.#heap[other] = a
  }
}
