/**
 * What members of the site say of peers that they have caught (V§4 "poisoning by a peer"). A hint and no more: a peer that a
 * member warns of is asked last, and never left aside for it. So a member that lies can delay an answer by the wait of a
 * question, and have nobody shunned. Pure: times come in.
 */
import type { Monotonic } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import type { Address } from '../core/transport.ts'

/** Which bytes came under which name; only its member vouches for it. */
export interface Evidence {
  /** The resource's private name. */
  readonly resource: string
  /** The SHA-256 of what came. */
  readonly body: Sha256
}

export interface Caution {
  readonly peer: Address
  /** The member that has caught it; the one that said so last. */
  readonly member: string
  readonly at: Monotonic
  readonly evidence?: Evidence | undefined
}

/** A warning counts for so long, in ms. */
export const CAUTION_MS = 60 * 60_000

/** Peers that are remembered, and of those of how many one member may warn; the oldest warning goes first. */
export const MAX_CAUTIONS = 256
export const MAX_PER_MEMBER = 16

export class Cautions {
  readonly #cautions = new Map<Address, Caution>()

  heard(caution: Caution): void {
    this.#cautions.delete(caution.peer)
    this.#cautions.set(caution.peer, caution)
    const ofMember = [...this.#cautions.values()].filter(({ member }) => member === caution.member)
    const [oldest] = ofMember.length > MAX_PER_MEMBER ? ofMember : this.#cautions.values()
    if (ofMember.length > MAX_PER_MEMBER || this.#cautions.size > MAX_CAUTIONS)
      this.#cautions.delete(oldest?.peer ?? caution.peer)
  }

  has(peer: Address, now: Monotonic): boolean {
    const caution = this.#cautions.get(peer)
    return caution !== undefined && now - caution.at < CAUTION_MS
  }

  list(now: Monotonic): readonly Caution[] {
    return [...this.#cautions.values()].filter(({ at }) => now - at < CAUTION_MS)
  }
}
