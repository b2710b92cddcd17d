/**
 * Which nodes sign what they say. Of those, what is not signed is not theirs: nobody else can take their leave, end their
 * questions or give up their downloads for them.
 */
import type { Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import type { NodeId } from './packets.ts'

/** Nodes that are remembered; the one unheard for longest is forgotten first. */
export const MAX_SIGNING = 4096

/** Whoever has not signed anything for so long may have left the site, in ms. */
export const SIGNING_MS = 150_000

interface Signing {
  readonly member: string
  readonly address: Address
  readonly at: Monotonic
}

export class MemberWords {
  readonly #nodes = new Map<NodeId, Signing>()
  readonly #isMember: (member: string) => boolean

  /** @param isMember whether a member's word counts still: whoever was revoked, or this node has left, signs for nobody. */
  constructor(isMember: (member: string) => boolean) {
    this.#isMember = isMember
  }

  /** A packet of this node was signed by this member. @returns `false` when another member signs for it. */
  signed(node: NodeId, signing: Signing): boolean {
    const known = this.#at(node, signing.at)
    if (known !== undefined && known.member !== signing.member) return false
    this.#nodes.delete(node)
    this.#nodes.set(node, signing)
    const [oldest] = this.#nodes.keys()
    if (this.#nodes.size > MAX_SIGNING && oldest !== undefined) this.#nodes.delete(oldest)
    return true
  }

  /** The member that signs for this node. */
  memberOf(node: NodeId | undefined, now: Monotonic): string | undefined {
    return node === undefined ? undefined : this.#at(node, now)?.member
  }

  /** This node signs no more: its member has taken its leave. */
  left(node: NodeId): void {
    this.#nodes.delete(node)
  }

  clear(): void {
    this.#nodes.clear()
  }

  /** Members that were heard, with where they are; the most recent last. */
  live(now: Monotonic): readonly Signing[] {
    return [...this.#nodes.values()].filter(
      ({ member, at }) => now - at < SIGNING_MS && this.#isMember(member),
    )
  }

  #at(node: NodeId, now: Monotonic): Signing | undefined {
    const signing = this.#nodes.get(node)
    const isRecent = signing !== undefined && now - signing.at < SIGNING_MS
    return isRecent && this.#isMember(signing.member) ? signing : undefined
  }
}
