/** Who listens to what happens. */
export class Listeners<Event> {
  readonly #listeners = new Set<(event: Event) => void>()

  /** @returns takes the listener away. */
  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  tell(event: Event): void {
    for (const listener of this.#listeners) listener(event)
  }
}
