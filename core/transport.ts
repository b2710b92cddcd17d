/** The `Transport` seam: datagrams on the LAN. Best effort: any datagram may be lost, doubled or late. */
import type { Monotonic } from './clock.ts'

/** A node's place on the LAN, without a port: opaque, compared as a string (`192.168.1.7`). */
export type Address = string & { readonly brand: 'Address' }

export interface Datagram {
  readonly from: Address
  readonly bytes: Uint8Array
  readonly at: Monotonic
}

export interface Transport {
  /** Where the others reach this node. */
  readonly address: Address
  /** Begins to hand every datagram that is for this node to `receive`. */
  start(receive: (datagram: Datagram) => void): Promise<void>
  stop(): Promise<void>
  send(to: Address, bytes: Uint8Array): void
  /** To every node of the LAN; the sender may hear its own. */
  broadcast(bytes: Uint8Array): void
}

/** A LAN with nobody else on it: for nodes whose peering is turned off. */
export const noTransport: Transport = {
  address: '0.0.0.0' as Address,
  start: async () => {},
  stop: async () => {},
  send: () => {},
  broadcast: () => {},
}
