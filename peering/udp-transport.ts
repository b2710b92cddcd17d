/**
 * The `Transport` seam over UDP. Two sockets share the port: one on the node's own address for what is directed to it
 * (and for sending), one on the broadcast address. On Linux and macOS a socket bound to an address does not hear
 * broadcasts; on Windows it does, and the broadcast address cannot be bound.
 */
import { createSocket, type Socket } from 'node:dgram'
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { Address, Datagram, Transport } from '../core/transport.ts'

export interface UdpSettings {
  readonly address: Address
  /** The subnet's broadcast address. */
  readonly broadcast: string
  readonly port: number
  /** Whether a source address is a peer's: on one of this node's own subnets (R1.5). */
  readonly isOnLink: (address: string) => boolean
}

export interface UdpComponents {
  readonly clock: Clock
  /** Told of datagrams that were dropped unread, and of sends that failed. */
  readonly count: (what: string) => void
}

/** Packets die at the first router (V§4). */
const TTL = 1

/** Kernel buffer, in bytes: a LAN that boots all at once must not lose questions here. */
const RECEIVE_BUFFER_BYTES = 1 << 20

export class UdpTransport implements Transport {
  readonly #settings: UdpSettings
  readonly #components: UdpComponents
  readonly #sockets: Socket[] = []
  /** Datagrams that the socket has not taken yet: Node sends later than it says. */
  readonly #leaving = new Set<Promise<void>>()
  #isStopped = false

  constructor(settings: UdpSettings, components: UdpComponents) {
    this.#settings = settings
    this.#components = components
  }

  get address(): Address {
    return this.#settings.address
  }

  /** @throws Fault ADDRESS_IN_USE naming the address and port. */
  async start(receive: (datagram: Datagram) => void): Promise<void> {
    const { address, broadcast } = this.#settings
    const hears = process.platform === 'win32' ? [address] : [address, broadcast]
    this.#isStopped = false
    try {
      for (const each of hears) this.#sockets.push(await this.#open(each, receive))
    } catch (error) {
      await this.stop()
      throw error
    }
    if (this.#isStopped) await this.stop()
  }

  /** What was sent before still leaves: a node's farewell is its last packet. Safe at any moment, and more than once. */
  async stop(): Promise<void> {
    this.#isStopped = true
    const sockets = this.#sockets.splice(0)
    await Promise.all(this.#leaving)
    await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(() => done()))))
  }

  send(to: Address, bytes: Uint8Array): void {
    this.#send(bytes, to)
  }

  broadcast(bytes: Uint8Array): void {
    this.#send(bytes, this.#settings.broadcast)
  }

  #send(bytes: Uint8Array, to: string): void {
    const [socket] = this.#sockets
    if (!socket) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#leaving.add(promise)
    socket.send(bytes, this.#settings.port, to, (error) => {
      if (error) this.#components.count('not sent')
      this.#leaving.delete(promise)
      resolve()
    })
  }

  #open(address: string, receive: (datagram: Datagram) => void): Promise<Socket> {
    const { port, isOnLink } = this.#settings
    const { clock, count } = this.#components
    const isShared = address !== this.#settings.address
    // Only the broadcast address is shared by the nodes of one machine; two on one address would steal from each other.
    const socket = createSocket({ type: 'udp4', reuseAddr: isShared, recvBufferSize: RECEIVE_BUFFER_BYTES })
    socket.on('message', (bytes, { address: from }) => {
      if (isOnLink(from)) receive({ from: from as Address, bytes, at: clock.monotonic() })
      else count('dropped: not on link')
    })
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) => {
        socket.close()
        const what = `peering.packetPort: cannot listen on ${address}:${port}: ${cause.message}`
        reject(new Fault('ADDRESS_IN_USE', what, { cause }))
      }
      socket.once('error', fail)
      socket.bind(port, address, () => {
        socket.off('error', fail).on('error', () => count('socket error'))
        socket.setBroadcast(true)
        socket.setTTL(TTL)
        resolve(socket)
      })
    })
  }
}
