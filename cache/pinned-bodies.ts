/**
 * The bodies of a store together with who is using them. A body that is being read is not taken away under its
 * reader: its removal waits for the last one, and until then its bytes count (so the quota holds on the disk, and
 * no open file is removed, which Windows does not like).
 */
import type { Sha256 } from '../core/digest.ts'
import type { Bodies } from './bodies.ts'
import { isSamePlace, type Place } from './place.ts'
import type { FreedBody } from './response-index.ts'
import type { SpaceBooks } from './space.ts'

export class PinnedBodies {
  readonly #bodies: Bodies
  readonly #books: SpaceBooks
  readonly #pins = new Map<Sha256, number>()
  /** What goes when its last reader ends. */
  readonly #doomed = new Map<Sha256, FreedBody>()
  readonly #removals = new Set<Promise<void>>()
  #isStopped = false

  constructor(bodies: Bodies, books: SpaceBooks) {
    this.#bodies = bodies
    this.#books = books
  }

  /** The bodies that somebody is using now. */
  get pinned(): Iterable<Sha256> {
    return this.#pins.keys()
  }

  /** Bytes of the bodies that have lost their last response, and that still take room. */
  get doomedBytes(): number {
    return [...this.#doomed.values()].reduce((sum, { size }) => sum + size, 0)
  }

  isPinned(digest: Sha256): boolean {
    return this.#pins.has(digest)
  }

  /** Does this body, at this place, wait for its last reader to end? */
  isDoomed(digest: Sha256, place: Place | undefined): boolean {
    const doomed = this.#doomed.get(digest)
    return doomed !== undefined && isSamePlace(doomed.place, place)
  }

  /** The body is in use until the returned function is called. */
  pin(digest: Sha256): () => void {
    this.#pins.set(digest, (this.#pins.get(digest) ?? 0) + 1)
    return () => this.#unpin(digest)
  }

  /** A body of this name was stored that no response had before. */
  add({ digest, size, place }: FreedBody): void {
    const doomed = this.#doomed.get(digest)
    if (doomed === undefined) this.#books.bodyBytes += size
    else if (!isSamePlace(doomed.place, place)) void this.#bodies.remove(doomed)
    this.#doomed.delete(digest)
  }

  /** Nobody needs these any more. Resolves when the space of those not in use is free. */
  async remove(freed: readonly FreedBody[]): Promise<void> {
    for (const body of freed) this.#doomed.set(body.digest, body)
    await Promise.all(freed.map(({ digest }) => this.#removeIfIdle(digest)))
  }

  /** The index was damaged: it says now that all its bodies together have `bytes`. */
  recount(bytes: number): void {
    this.#books.bodyBytes = bytes + this.doomedBytes
  }

  /** Resolves when the removals under way have ended. */
  async removed(): Promise<void> {
    await Promise.all(this.#removals)
  }

  /** No removal begins any more; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.removed()
  }

  start(): void {
    this.#isStopped = false
    this.#doomed.clear()
  }

  #unpin(digest: Sha256): void {
    const left = (this.#pins.get(digest) ?? 1) - 1
    if (left > 0) this.#pins.set(digest, left)
    else this.#pins.delete(digest)
    if (this.#doomed.has(digest)) void this.#removeIfIdle(digest)
  }

  async #removeIfIdle(digest: Sha256): Promise<void> {
    const body = this.#doomed.get(digest)
    if (body === undefined || this.#pins.has(digest) || this.#isStopped) return
    this.#doomed.delete(digest)
    this.#books.bodyBytes -= body.size
    this.#books.goingBytes += body.size
    const removal = this.#bodies.remove(body)
    this.#removals.add(removal)
    await removal
    this.#books.goingBytes -= body.size
    this.#removals.delete(removal)
  }
}
