/** URIs that were looked up and are not stored: who is about to store something for one of them need not look again. */
import type { TargetUri } from '../core/target-uri.ts'

/** So many at least, and twice as many at most. Those that come from elsewhere meanwhile are few. */
const LEAST_REMEMBERED = 512

/** Two generations: to forget the older half costs nothing, and what is forgotten soon costs the memory least. */
export class AbsentUris {
  #recent = new Set<TargetUri>()
  #older = new Set<TargetUri>()

  has(uri: TargetUri): boolean {
    return this.#recent.has(uri) || this.#older.has(uri)
  }

  add(uri: TargetUri): void {
    this.#recent.add(uri)
    if (this.#recent.size < LEAST_REMEMBERED) return
    this.#older = this.#recent
    this.#recent = new Set()
  }

  /** Something is stored for it now. */
  delete(uri: TargetUri): void {
    this.#recent.delete(uri)
    this.#older.delete(uri)
  }

  clear(): void {
    this.#recent.clear()
    this.#older.clear()
  }
}
