/** The way out of every service packet: encodes, counts, hands over to the transport. */
import type { Address, Transport } from '../core/transport.ts'
import { encode } from './codec.ts'
import type { PacketSeal } from './packet-seal.ts'
import type { ServicePacket } from './packets.ts'

/** Counts what was dropped and why, by reason (R2.5), and what was sent and heard, by type. */
export type Counters = Map<string, number>

export class PacketSender {
  readonly #transport: Transport
  readonly #counters: Counters
  readonly #seal: PacketSeal
  /** Packets to everybody so far. */
  broadcasts = 0

  constructor(transport: Transport, counters: Counters, seal: PacketSeal) {
    this.#transport = transport
    this.#counters = counters
    this.#seal = seal
  }

  /** Bytes that a signature adds. */
  get overhead(): number {
    return this.#seal.overhead
  }

  /** A packet that cannot be encoded is counted and not sent. */
  send(to: Address, packet: ServicePacket): void {
    const bytes = encode(packet)
    if (bytes) this.sendBytes(packet.type, to, bytes, true)
    else this.count('not sent: too long')
  }

  /** As `send`, unsigned. */
  sendPlain(to: Address, packet: ServicePacket): void {
    const bytes = encode(packet)
    if (bytes) this.sendBytes(packet.type, to, bytes, false)
  }

  /** @param isSealed whether this node signs it, if it can: in an answer to whoever cannot read it, it is only weight (V§4). */
  sendBytes(type: ServicePacket['type'], to: Address, bytes: Uint8Array, isSealed: boolean): void {
    this.count(`sent: ${type}`)
    this.#transport.send(to, isSealed ? this.#seal.seal(bytes) : bytes)
  }

  /** As `send`, to some: the same bytes, signed once. */
  sendAll(to: readonly Address[], packet: ServicePacket): void {
    const bytes = encode(packet)
    if (!bytes) return this.count('not sent: too long')
    const sealed = this.#seal.seal(bytes)
    this.count(`sent: ${packet.type}`, to.length)
    for (const each of to) this.#transport.send(each, sealed)
  }

  /** As `send`, to everybody. */
  broadcast(packet: ServicePacket): void {
    const bytes = encode(packet)
    if (!bytes) return this.count('not sent: too long')
    this.count(`sent: ${packet.type}`)
    this.broadcasts++
    this.#transport.broadcast(this.#seal.seal(bytes))
  }

  count(what: string, by = 1): void {
    this.#counters.set(what, (this.#counters.get(what) ?? 0) + by)
  }
}
