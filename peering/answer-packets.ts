/**
 * The packets that answer one datagram, which may have asked for many things: what is to be said at the same moment leaves
 * together, and all of it together is never longer than the question was (V§4).
 */
import type { Address } from '../core/transport.ts'
import { encode, fit } from './codec.ts'
import type { DownloadProgress, LocalOffer } from './local-copies.ts'
import type { PacketSender } from './packet-sender.ts'
import type {
  DownloadingPacket,
  FurtherOffer,
  LocalAlias,
  NodeId,
  RequestPacket,
  ResponsePacket,
} from './packets.ts'

export interface AnswerPacketsComponents {
  readonly sender: Pick<PacketSender, 'sendBytes' | 'count' | 'overhead'>
  /** The URL by which peers reach a local alias of this node. */
  readonly locationOf: (alias: LocalAlias | undefined) => string | undefined
  /** A peer was told that this node is downloading what it asked for. */
  readonly onAsked: (resource: string, peer: Address) => void
  readonly progressOf: (resource: string) => DownloadProgress
  /** What this node has said of its ability when it asked for it. */
  readonly abilityFor: (resource: string) => number | undefined
}

export interface AnswerTerms {
  readonly node: NodeId
  readonly from: Address
  /** Bytes that all answers together may take. */
  readonly roomBytes: number
  /** Who signed the question can read a signature. */
  readonly isSealed: boolean
}

interface Download extends DownloadProgress {
  readonly question: RequestPacket
  readonly alias: LocalAlias | undefined
}

export class AnswerPackets {
  readonly #terms: AnswerTerms
  readonly #components: AnswerPacketsComponents
  readonly #offers: ResponsePacket[] = []
  readonly #further: FurtherOffer[] = []
  readonly #downloads: Download[] = []
  #roomBytes: number

  constructor(terms: AnswerTerms, components: AnswerPacketsComponents) {
    this.#terms = terms
    this.#components = components
    this.#roomBytes = terms.roomBytes
  }

  /** "I have" is to be said by `sendOffers`. */
  have(question: RequestPacket, offer: LocalOffer): void {
    const { alias, sentCopies: _, ...told } = offer
    const location = this.#components.locationOf(alias)
    if (location === undefined || alias === undefined) return
    if (this.#offers.length > 0) {
      this.#further.push({ id: question.id, alias, size: told.size })
      return
    }
    this.#offers.push({
      ...this.#common(question),
      ...told,
      type: 'response',
      location,
      version: undefined,
      more: [],
    })
  }

  /** "I am downloading" is to be said by `sendDownloads`. */
  downloading(question: RequestPacket, { alias }: LocalOffer): void {
    this.#downloads.push({ question, alias, ...this.#components.progressOf(question.href) })
  }

  sendDownloads(): void {
    const all = this.#downloads.splice(0)
    const placed = [
      ...all.filter(({ alias }) => alias !== undefined),
      ...all.filter(({ alias }) => alias === undefined),
    ]
    for (const told of shorterDownloads(placed)) {
      if (!this.#send('downloading', encode(this.#downloadingPacket(told)))) continue
      for (const { question } of told) this.#components.onAsked(question.href, this.#terms.from)
      return
    }
  }

  sendOffers(): void {
    const [first] = this.#offers.splice(0)
    const more = this.#further.splice(0)
    if (first === undefined) return
    // Whoever is left out asks once more, or another one has it.
    for (let told = more.length; told >= 0; told--) {
      const packet = { ...first, more: more.slice(0, told) }
      if (this.#send('response', fit(packet, this.#leftBytes()))) return
    }
  }

  #downloadingPacket([first, ...others]: readonly [Download, ...Download[]]): DownloadingPacket {
    const { question, alias, ...progress } = first
    const more = others.map(({ question: { id }, ...rest }) => ({ id, ...rest }))
    const location = this.#components.locationOf(alias)
    const resource = question.href
    const ability = this.#components.abilityFor(resource)
    return { ...this.#common(question), ...progress, type: 'downloading', resource, location, ability, more }
  }

  /** @returns whether there was room for it. */
  #send(type: 'response' | 'downloading', bytes: Uint8Array | undefined): boolean {
    if (bytes === undefined || bytes.length > this.#leftBytes()) return false
    this.#roomBytes -= bytes.length + this.#overhead()
    this.#components.sender.sendBytes(type, this.#terms.from, bytes, this.#terms.isSealed)
    return true
  }

  #leftBytes(): number {
    return this.#roomBytes - this.#overhead()
  }

  #overhead(): number {
    return this.#terms.isSealed ? this.#components.sender.overhead : 0
  }

  #common({ id, nonce }: RequestPacket) {
    return { id, node: this.#terms.node, nonce, extras: [] }
  }
}

/** Where there is no room for all locations, the first progress reports bring the last ones; then the last are left out. */
function* shorterDownloads(downloads: readonly Download[]): Generator<readonly [Download, ...Download[]]> {
  for (let placed = downloads.length; placed >= 0; placed--) {
    const told = downloads.map((each, at) => (at < placed ? each : { ...each, alias: undefined }))
    if (isSome(told)) yield told
  }
  const unplaced = downloads.map((each) => ({ ...each, alias: undefined }))
  for (let told = downloads.length - 1; told > 0; told--) {
    const fewer = unplaced.slice(0, told)
    if (isSome(fewer)) yield fewer
  }
}

function isSome<V>(list: readonly V[]): list is readonly [V, ...V[]] {
  return list.length > 0
}
