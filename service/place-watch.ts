/**
 * Whether the place of a node on the LAN is another one than before: a router may give the machine another address, a cable may come
 * after the node's start. Pure: the machine's addresses and the time come in.
 */
import type { Monotonic } from '../core/clock.ts'
import {
  isLinkUp,
  placeNow,
  placeOf,
  type InterfaceAddress,
  type Place,
  type PlaceSettings,
} from './network.ts'

/** A place whose address is gone, while there is no other, is kept so long, in ms: a cable that is put in again brings it back. */
export const GONE_MS = 10_000

export class PlaceWatch {
  readonly #settings: PlaceSettings
  #place: Place | undefined
  #goneSince: Monotonic | undefined

  /** @throws Fault CONFIG_INVALID for an address that is not this machine's. */
  constructor(settings: PlaceSettings, addresses: readonly InterfaceAddress[]) {
    this.#settings = settings
    this.#place = placeOf(settings, addresses)
  }

  /** Where the node is to be; `undefined`: nowhere, it works alone. */
  get place(): Place | undefined {
    return this.#place
  }

  /**
   * A node stays where it is as long as it can, whatever other interfaces come. With a configured address it waits for that.
   * @returns whether its place is another one now.
   */
  look(addresses: readonly InterfaceAddress[], at: Monotonic): boolean {
    if (this.#place !== undefined && isThere(this.#place, addresses)) return this.#stays(undefined)
    const next = placeNow(this.#settings, addresses)
    if (next === undefined && this.#isSparedAt(at)) return this.#stays(this.#goneSince ?? at)
    const hasMoved = next !== undefined || this.#place !== undefined
    this.#place = next
    this.#goneSince = undefined
    return hasMoved
  }

  /** The node could not work there: it is nowhere, until the next look. */
  leave(): void {
    this.#place = undefined
  }

  #stays(goneSince: Monotonic | undefined): false {
    this.#goneSince = goneSince
    return false
  }

  #isSparedAt(at: Monotonic): boolean {
    return this.#place !== undefined && at - (this.#goneSince ?? at) < GONE_MS
  }
}

/** The same address in another subnet is another place. */
function isThere({ address, netmask }: Place, addresses: readonly InterfaceAddress[]): boolean {
  const isElsewhere = addresses.some((each) => each.address === address && each.netmask !== netmask)
  return isLinkUp(address, addresses) && !isElsewhere
}
