/** The books of the quota: what bodies and growing copies take, and what growing copies may still take (R7.2). */

/** The part of one growing copy. */
export interface SpaceAccount {
  /** Bytes that it holds. */
  readonly held: number
  /** Bytes set aside for it, of which `held` is a part. */
  readonly claimed: number
  /** Sets aside what is lacking for `bytes` more than are held. */
  claim(bytes: number): void
  /** `bytes` more have been written; they were claimed before, but for blocks of a file that are not full. */
  hold(bytes: number): void
  /** Back to nothing held; what was claimed stays set aside. */
  reset(): void
  /** Nobody has the copy in use: nothing more is set aside for it, and what it holds may be evicted. */
  rest(): void
  /** It is in use again, with what it holds. */
  wake(): void
  /** The copy is gone, or has become a body. */
  close(): void
}

export class SpaceBooks {
  readonly maxBytes: number
  /** Bytes of stored bodies, those included whose removal waits for a reader. */
  bodyBytes = 0
  /** Bytes of bodies that are no longer stored, and whose space is about to be free. */
  goingBytes = 0
  /** Bytes of the copies at rest. */
  restingBytes = 0
  readonly #overheadBytes: () => number
  #held = 0
  #claimed = 0

  /** @param overheadBytes what else is taken of the quota, and goes with the bodies. */
  constructor(maxBytes: number, overheadBytes: () => number = () => 0) {
    this.maxBytes = maxBytes
    this.#overheadBytes = overheadBytes
  }

  /** Bytes that are taken now. */
  get used(): number {
    return this.bodyBytes + this.restingBytes + this.#held
  }

  /** Bytes that are promised to growing copies and not yet written. */
  get outstanding(): number {
    return this.#claimed - this.#held
  }

  /** How many bytes must be freed before `bytes` more may be claimed. */
  shortage(bytes: number): number {
    const taken = this.bodyBytes + this.goingBytes + this.#overheadBytes() + this.restingBytes + this.#claimed
    return Math.max(0, taken + bytes - this.maxBytes)
  }

  /** Can `bytes` more be claimed when every body goes but for the `bytesInUse`, and every copy at rest? */
  couldFit(bytes: number, bytesInUse: number): boolean {
    return this.#claimed + bytesInUse + bytes <= this.maxBytes
  }

  /** Bytes that the disk would have for another copy, of `freeBytes` now, when every body goes but for the `bytesInUse`, and every copy at rest. */
  mostFree(freeBytes: number, bytesInUse: number): number {
    const evictable =
      this.bodyBytes - bytesInUse + this.goingBytes + this.#overheadBytes() + this.restingBytes
    return freeBytes - this.outstanding + evictable
  }

  /** Opens the account of a growing copy. */
  open(): SpaceAccount {
    return new Account(this)
  }

  /** For the accounts alone: so many bytes more, or fewer, are held, claimed and at rest. */
  change(held: number, claimed: number, resting: number): void {
    this.#held += held
    this.#claimed += claimed
    this.restingBytes += resting
  }
}

class Account implements SpaceAccount {
  readonly #books: SpaceBooks
  #resting = 0
  held = 0
  claimed = 0

  constructor(books: SpaceBooks) {
    this.#books = books
  }

  claim(bytes: number): void {
    this.#set(this.held, Math.max(this.claimed, this.held + bytes), this.#resting)
  }

  hold(bytes: number): void {
    const held = this.held + bytes
    this.#set(held, Math.max(this.claimed, held), this.#resting)
  }

  reset(): void {
    this.#set(0, this.claimed, this.#resting)
  }

  rest(): void {
    this.#set(0, 0, this.#resting + this.held)
  }

  wake(): void {
    const held = this.held + this.#resting
    this.#set(held, Math.max(this.claimed, held), 0)
  }

  close(): void {
    this.#set(0, 0, 0)
  }

  #set(held: number, claimed: number, resting: number): void {
    this.#books.change(held - this.held, claimed - this.claimed, resting - this.#resting)
    this.held = held
    this.claimed = claimed
    this.#resting = resting
  }
}
