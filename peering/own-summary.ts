/**
 * What this node tells of what it holds: a summary that peers fetch once, and each new copy as it comes ("advertise").
 *
 * The summary has an edition. Within an edition keys are only added, each packet of them with the next number, so that
 * whoever misses a packet notices it and fetches the summary anew. What is removed stays in the summary until the next
 * edition: it costs a wait, and nothing else.
 */
import { Summary, type ResourceKey } from './summary.ts'

/** Where a summary stands. */
export interface Edition {
  /** Another one whenever keys may have gone. */
  readonly edition: number
  /** Packets of new keys so far. */
  readonly number: number
  /** Keys in it; 0: there is nothing to fetch. */
  readonly keys: number
}

/** Keys that fit into one packet. */
export const KEYS_PER_PACKET = 50

/** More new keys than this between two packets are not told one by one: the summary is to be fetched anew. */
export const MAX_NEW_KEYS = 4 * KEYS_PER_PACKET

export class OwnSummary {
  #summary = Summary.for(0)
  #edition: number
  #number = 0
  #keys = 0
  #removed = 0
  #new: ResourceKey[] = []
  #isOverrun = false
  #isKnown = false

  /** @param edition a random one: after a restart it must be another. */
  constructor(edition: number) {
    this.#edition = edition
  }

  /** `undefined` until it is known what is here. */
  get standing(): Edition | undefined {
    return this.#isKnown ? { edition: this.#edition, number: this.#number, keys: this.#keys } : undefined
  }

  get bytes(): Uint8Array {
    return this.#summary.bytes
  }

  /** Whether it should be made anew: it is too full, or much of it has gone. */
  get isWorn(): boolean {
    return this.#keys > this.#summary.capacity || this.#removed > Math.max(1000, this.#keys / 2)
  }

  add(key: ResourceKey): void {
    if (this.#summary.has(key)) return
    this.#summary.add(key)
    this.#keys += 1
    if (this.#new.length < MAX_NEW_KEYS) this.#new.push(key)
    else this.#isOverrun = true
  }

  removed(): void {
    this.#removed += 1
  }

  /** A new edition with these keys, and those that came while they were gathered. */
  renew(keys: readonly ResourceKey[]): void {
    const all = [...keys, ...this.#new]
    const summary = Summary.for(all.length * 1.5)
    for (const key of all) summary.add(key)
    this.#isKnown = true
    this.#summary = summary
    this.#edition = (this.#edition + 1) % 2 ** 32
    this.#number = 0
    this.#keys = all.length
    this.#removed = 0
    this.#new = []
    this.#isOverrun = false
  }

  /** The keys for the next packet, with its number; `undefined` when there is nothing to tell. */
  next(): { readonly standing: Edition; readonly keys: readonly ResourceKey[] } | undefined {
    if (this.#isOverrun) {
      // A number that nobody hears of: whoever compares has missed something.
      this.#isOverrun = false
      this.#new = []
      this.#number += 1
    }
    if (!this.#isKnown) return undefined
    const keys = this.#new.splice(0, KEYS_PER_PACKET)
    if (keys.length === 0) return undefined
    this.#number += 1
    return { standing: { edition: this.#edition, number: this.#number, keys: this.#keys }, keys }
  }
}
