/** A machine that speaks service packets without being one of our nodes: the base of hostile and of plain peers. */
import type { Address, Transport } from '../core/transport.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { decode, encode } from '../peering/codec.ts'
import { noSeal } from '../peering/packet-seal.ts'
import type { ServicePacket } from '../peering/packets.ts'
import type { VirtualHost } from './virtual-host.ts'
import type { VirtualHttp } from './virtual-http.ts'
import type { VirtualLan } from './virtual-lan.ts'

/** What such a machine needs of the world. */
export interface SpeakerWorld {
  readonly lan: VirtualLan
  readonly http: VirtualHttp
  /** The right bytes of a resource. */
  readonly contentOf: (uri: TargetUri) => Uint8Array | undefined
}

export interface PacketSpeaker {
  send(to: Address, packet: ServicePacket): void
  broadcast(packet: ServicePacket): void
}

/** Listens for packets of others; its own broadcasts are passed over. */
export async function speakPackets(
  lan: VirtualLan,
  host: VirtualHost,
  hear: (packet: ServicePacket, from: Address) => void,
): Promise<PacketSpeaker> {
  const transport: Transport = lan.transport(host)
  await transport.start(({ bytes, from }) => {
    // It reads what members say as well; whether they have signed it is nothing to it.
    const decoded = decode(noSeal.open(bytes, from).document)
    if (decoded.kind === 'packet' && from !== host.address) hear(decoded.packet, from)
  })
  return {
    send: (to, packet) => transport.send(to, written(packet)),
    broadcast: (packet) => transport.broadcast(written(packet)),
  }
}

/** @throws Error for a packet that does not exist: a mistake of the simulation. */
function written(packet: ServicePacket): Uint8Array {
  const bytes = encode(packet)
  if (bytes === undefined) throw new Error(`cannot be encoded: ${JSON.stringify(packet)}`)
  return bytes
}
