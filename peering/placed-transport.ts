/** The `Transport` of a node whose place can change: what stands on it stays, and each start is at the place where the node is then. */
import { noTransport, type Address, type Datagram, type Transport } from '../core/transport.ts'

export class PlacedTransport implements Transport {
  readonly #atPlace: () => Transport
  #now: Transport = noTransport

  /** @param atPlace makes the transport of the place where the node is. */
  constructor(atPlace: () => Transport) {
    this.#atPlace = atPlace
  }

  get address(): Address {
    return this.#now.address
  }

  start(receive: (datagram: Datagram) => void): Promise<void> {
    this.#now = this.#atPlace()
    return this.#now.start(receive)
  }

  async stop(): Promise<void> {
    const before = this.#now
    await before.stop()
    if (this.#now === before) this.#now = noTransport
  }

  send(to: Address, bytes: Uint8Array): void {
    this.#now.send(to, bytes)
  }

  broadcast(bytes: Uint8Array): void {
    this.#now.broadcast(bytes)
  }
}
