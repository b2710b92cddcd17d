/** The questions of this node that are open, and which of them a packet belongs to (docs/protocol.md, "nonces"). */
import type { Address } from '../core/transport.ts'
import type { PeerDownload, PeerOffer } from './inquiry.ts'
import type { RequestId, RequestPacket, ServicePacket } from './packets.ts'

/** Who has asked, and what is told of the answers. */
export interface Hearing {
  /** How long after the end of its wait it is now, in ms; 0 while it waits still. */
  lateMs(): number
  /** What is left of the wait, in ms; 0 where it is over. */
  restMs(): number
  heardResponse(holder: PeerOffer): void
  heardDownloading(downloader: PeerDownload): void
  /** @param holder where the copy is, when the packet says it. */
  heardComplete(peer: Address, holder: PeerOffer | undefined): void
  /** @param isForEach what the origin server answers is for each who asks. */
  heardFailed(peer: Address, isForEach?: boolean): void
  /** Nobody waits any more. */
  abandon(): void
}

interface AskedQuestion {
  readonly inquiry: Hearing
  readonly packet: RequestPacket
}

export class AskedQuestions {
  readonly #byId = new Map<RequestId, AskedQuestion>()
  readonly #byResource = new Map<string, Set<AskedQuestion>>()

  /** Whether the number is in use: it has to be unique on this node (R2.2). */
  has(id: RequestId): boolean {
    return this.#byId.has(id)
  }

  /** Several may be open for one resource at a time. */
  add(packet: RequestPacket, inquiry: Hearing): void {
    const asked = { inquiry, packet }
    this.#byId.set(packet.id, asked)
    const others = this.#byResource.get(packet.href) ?? []
    this.#byResource.set(packet.href, new Set([...others, asked]))
  }

  /** Safe more than once. */
  remove({ id, href }: RequestPacket): void {
    const asked = this.#byId.get(id)
    const same = this.#byResource.get(href)
    if (!asked || !same) return
    this.#byId.delete(id)
    same.delete(asked)
    if (same.size === 0) this.#byResource.delete(href)
  }

  all(): Hearing[] {
    return Array.from(this.#byId.values(), ({ inquiry }) => inquiry)
  }

  /**
   * The question that an "I have" answers: by its number, and by the nonce unless the sender is a node of the patents,
   * which knows none. `undefined`: none that is open.
   */
  answeredBy({
    id,
    node,
    nonce,
  }: Extract<ServicePacket, { type: 'response' }>): { inquiry: Hearing; resource: string } | undefined {
    const asked = this.#byId.get(id)
    const isPlain = node === undefined && nonce === undefined
    if (asked === undefined || !(isPlain || nonce === asked.packet.nonce)) return undefined
    return { inquiry: asked.inquiry, resource: asked.packet.href }
  }

  /**
   * The questions for the resource of a "downloading" or its end; these also come without being asked for, and then
   * without a nonce. `undefined`: the nonce is of no open question.
   */
  concerning(packet: {
    readonly resource: string
    readonly nonce: string | undefined
  }): Hearing[] | undefined {
    const asked = [...(this.#byResource.get(packet.resource) ?? [])]
    if (packet.nonce === undefined) return asked.map(({ inquiry }) => inquiry)
    // Questions that began at the same moment share it.
    const answered = asked.filter(({ packet: { nonce } }) => nonce === packet.nonce)
    return answered.length === 0 ? undefined : answered.map(({ inquiry }) => inquiry)
  }

  /** What is asked by this number. */
  resourceOf(id: RequestId): string | undefined {
    return this.#byId.get(id)?.packet.href
  }

  /** The same for whoever knows the nonce. */
  resourceKnownBy(id: RequestId, nonce: string | undefined): string | undefined {
    const asked = this.#byId.get(id)?.packet
    return asked !== undefined && asked.nonce === nonce ? asked.href : undefined
  }
}
