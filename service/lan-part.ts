/**
 * What a node has on the LAN by the place where it is: sockets for service packets, a server of files. Where the machine gets another
 * address, or its first one, they are begun anew there. What stands on them stays: it leaves the LAN before, and enters it behind.
 */
import type { CancelTimer, Clock } from '../core/clock.ts'
import { describe } from '../core/fault.ts'
import { noTransport, type Address, type Transport } from '../core/transport.ts'
import { FileServer, type FileServerEvents, type SharedFiles } from '../peering/file-server.ts'
import { PlacedTransport } from '../peering/placed-transport.ts'
import { UdpTransport } from '../peering/udp-transport.ts'
import type { Endpoint } from '../proxy/target-guard.ts'
import type { Config } from './config.ts'
import type { LineLog } from './logging.ts'
import { isLinkUp, type InterfaceAddress, type Place } from './network.ts'
import { PlaceWatch } from './place-watch.ts'
import type { WhyAlone } from './status.ts'

/** How often the machine's addresses are looked at, in ms: it takes a tenth of a millisecond. */
export const LOOK_MS = 2000

/** Connections from peers at once. */
const MAX_PEER_CONNECTIONS = 256

export interface LanPartComponents {
  readonly clock: Clock
  /** The machine's addresses now. */
  readonly addresses: () => readonly InterfaceAddress[]
  readonly files: SharedFiles
  readonly events: FileServerEvents
  /** Where this node listens; nobody is to be sent there by its own proxy. */
  readonly own: Endpoint[]
  /** Told of datagrams that were dropped unread, and of sends that failed. */
  readonly count: (what: string) => void
  readonly log: LineLog
}

/** What stands on the sockets. */
export interface Resident {
  leave(): Promise<void>
  /** The machine has the address no longer by which the node was on the LAN. */
  lost(address: Address): void
  /** @throws Fault ADDRESS_IN_USE. */
  enter(): Promise<void>
}

export class LanPart {
  /** Of the place where the node is when it is started. */
  readonly transport: Transport
  readonly #settings: Config['peering']
  readonly #components: LanPartComponents
  /** `undefined`: peering is off. */
  readonly #watch: PlaceWatch | undefined
  #place: Place | undefined
  #fileServer: FileServer | undefined
  #fileEndpoint: Endpoint | undefined
  #cancelLook: CancelTimer = () => {}
  #changing: Promise<void> = Promise.resolve()
  /** Absent before the node follows its machine, and when it stops. */
  #resident: Resident | undefined
  /** Why the node could not work where it is; told once. */
  #failure: string | undefined

  /** @throws Fault CONFIG_INVALID when `peering.address` is not this machine's. */
  constructor(settings: Config['peering'], components: LanPartComponents) {
    this.#settings = settings
    this.#components = components
    this.#watch = settings.enabled ? new PlaceWatch(settings, components.addresses()) : undefined
    this.transport = new PlacedTransport(() => this.#newTransport())
  }

  /** Where the node is; `undefined`: nowhere, it works alone. */
  get place(): Place | undefined {
    return this.#place
  }

  /** `undefined`: no files are served. */
  get filePort(): number | undefined {
    return this.#fileServer?.port
  }

  isOnLink(address: string): boolean {
    return this.#place?.isOnLink(address) ?? false
  }

  /** Whether the machine has the node's address at this moment. */
  isLinkUp(): boolean {
    return this.#place !== undefined && isLinkUp(this.#place.address, this.#components.addresses())
  }

  whyAlone(): WhyAlone {
    if (this.#watch === undefined) return 'peering is off'
    if (this.#failure !== undefined) return 'the LAN cannot be used (see the log): working alone'
    const isAuto = this.#settings.address === 'auto'
    return isAuto ? 'no LAN found: working alone' : 'peering.address is gone: working alone until it is back'
  }

  /** Serves files where the machine is. @throws Fault ADDRESS_IN_USE naming the address and port. */
  start(): Promise<void> {
    return this.#settle(this.#watch?.place)
  }

  /** From now on goes where the machine goes. @returns what ends it. */
  follow(resident: Resident): () => Promise<void> {
    this.#resident = resident
    this.#lookLater()
    return async () => {
      this.#resident = undefined
      this.#cancelLook()
      await this.#changing
    }
  }

  /** Nothing can be sent from the node's address: where the machine has got another one, that is not left to the next look. */
  lookNow(): void {
    if (this.#resident !== undefined && this.#watch?.isRenewed(this.#components.addresses()) === true)
      void this.#look()
  }

  /** What stands on the sockets leaves the LAN, and enters it again behind `change`. */
  renew(change: () => void): Promise<void> {
    return this.#inTurn(async (resident) => {
      await resident.leave()
      change()
      if (this.#place !== undefined) await resident.enter()
    })
  }

  /** Safe at any moment, and more than once. */
  stop(): Promise<void> {
    return this.#stopFiles()
  }

  #lookLater(): void {
    this.#cancelLook()
    if (this.#watch === undefined || this.#resident === undefined) return
    this.#cancelLook = this.#components.clock.after(LOOK_MS, () => void this.#look())
  }

  async #look(): Promise<void> {
    const { clock, addresses } = this.#components
    const hasMoved = this.#watch?.look(addresses(), clock.monotonic()) === true
    if (hasMoved) await this.#inTurn((resident) => this.#move(resident))
    this.#lookLater()
  }

  /** One change after the other. */
  #inTurn(change: (resident: Resident) => Promise<void>): Promise<void> {
    this.#changing = this.#after(this.#changing, change)
    return this.#changing
  }

  /** Whatever keeps the node from where it is to be is tried again at the next look. */
  async #after(before: Promise<void>, change: (resident: Resident) => Promise<void>): Promise<void> {
    await before
    const resident = this.#resident
    if (resident === undefined) return
    try {
      await change(resident)
      this.#failure = undefined
    } catch (error) {
      await this.#withdraw(resident, describe(error))
    }
  }

  async #move(resident: Resident): Promise<void> {
    const before = this.#place?.address
    await resident.leave()
    await this.#stopFiles()
    if (before !== undefined) resident.lost(before)
    await this.#settle(this.#watch?.place)
    if (this.#place !== undefined) await resident.enter()
    this.#tellMove(before)
  }

  async #withdraw(resident: Resident, reason: string): Promise<void> {
    await resident.leave()
    await this.#stopFiles()
    this.#tellFailure(reason)
    this.#place = undefined
    this.#watch?.leave()
  }

  async #settle(place: Place | undefined): Promise<void> {
    this.#place = place
    const { serve, filePort } = this.#settings
    if (place === undefined || !serve) return
    const { files, events, own, clock } = this.#components
    const { address, isOnLink } = place
    const settings = { address, port: filePort, maxConnections: MAX_PEER_CONNECTIONS, isOnLink }
    const server = new FileServer(settings, files, events, clock)
    await server.start()
    this.#fileServer = server
    this.#fileEndpoint = { address, port: server.port }
    own.push(this.#fileEndpoint)
  }

  async #stopFiles(): Promise<void> {
    const { own } = this.#components
    const at = own.findIndex((each) => each === this.#fileEndpoint)
    if (at >= 0) own.splice(at, 1)
    await this.#fileServer?.stop()
    this.#fileServer = undefined
  }

  #newTransport(): Transport {
    const { clock, count } = this.#components
    if (this.#place === undefined) return noTransport
    return new UdpTransport({ ...this.#place, port: this.#settings.packetPort }, { clock, count })
  }

  #tellMove(before: Address | undefined): void {
    const { log } = this.#components
    const now = this.#place?.address
    if (now === undefined) log.warn(`no LAN any more: ${before} is gone, working alone until there is one`)
    else if (before === undefined) log.info(`a LAN is there: peers are looked for at ${now}`)
    else log.info(`this machine is ${now} on the LAN now, and was ${before}: peers are looked for anew`)
  }

  #tellFailure(reason: string): void {
    if (this.#failure === reason) return
    this.#failure = reason
    this.#components.log.warn(
      `peers cannot be reached from ${this.#place?.address}, which is tried again: ${reason}`,
    )
  }
}
