/** A LAN without sockets: every datagram arrives after `LATENCY_MS`, and is kept for the tests to read. */
import type { Address, Datagram, Transport } from '../../core/transport.ts'
import { decode, encode } from '../../peering/codec.ts'
import type { ServicePacket } from '../../peering/packets.ts'
import type { ManualClock } from '../manual-clock.ts'

export const LATENCY_MS = 0.5

export interface Sent {
  readonly from: Address
  /** `undefined`: to everybody. */
  readonly to: Address | undefined
  readonly bytes: Uint8Array
  readonly at: number
}

export class FakeLan {
  readonly sent: Sent[] = []
  readonly #clock: ManualClock
  readonly #hears = new Map<Address, (datagram: Datagram) => void>()

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  transport(address: Address): Transport {
    return {
      address,
      start: async (receive) => void this.#hears.set(address, receive),
      stop: async () => void this.#hears.delete(address),
      send: (to, bytes) => this.deliver(address, to, bytes),
      broadcast: (bytes) => this.deliver(address, undefined, bytes),
    }
  }

  /** Puts bytes on the wire in anybody's name. */
  deliver(from: Address, to: Address | undefined, bytes: Uint8Array): void {
    this.sent.push({ from, to, bytes, at: this.#clock.monotonic() })
    const receivers = to === undefined ? [...this.#hears.keys()] : [to]
    this.#clock.after(LATENCY_MS, () => {
      for (const each of receivers) this.#hears.get(each)?.({ from, bytes, at: this.#clock.monotonic() })
    })
  }

  /** Somebody says this packet. */
  say(from: Address, packet: ServicePacket, to?: Address): void {
    const bytes = encode(packet)
    if (!bytes) throw new Error(`cannot be encoded: ${JSON.stringify(packet)}`)
    this.deliver(from, to, bytes)
  }

  /** What was sent of this type, in order; by one node, when it is named. */
  heard<T extends ServicePacket['type']>(
    type: T,
    from?: Address,
  ): (Sent & { readonly packet: Extract<ServicePacket, { readonly type: T }> })[] {
    return this.sent.flatMap((sent) => {
      const decoded = from === undefined || from === sent.from ? decode(sent.bytes) : undefined
      if (decoded?.kind !== 'packet' || decoded.packet.type !== type) return []
      return [{ ...sent, packet: decoded.packet as Extract<ServicePacket, { readonly type: T }> }]
    })
  }
}
