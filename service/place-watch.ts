/**
 * Whether the place of a node on the LAN is another one than before: a router may give the machine another address, a cable may come
 * after the node's start. Pure: the machine's addresses and the time come in.
 *
 * A node stays where it is, whatever other interfaces come. Where its address is gone it waits 10 s for it, whatever else is there, and
 * then takes what it would take at its start; only another address of the same interface is taken at once. To an interface that it has lost
 * it goes back when two looks have found it there, and so it does from containers or virtual machines to any LAN. It does not go to and
 * fro: from where it has gone back to, it goes elsewhere only after another 10 s without it.
 */
import type { Monotonic } from '../core/clock.ts'
import {
  isInTheMachine,
  isLinkUp,
  placeNow,
  placeOf,
  type InterfaceAddress,
  type Place,
  type PlaceSettings,
} from './network.ts'

/** A place whose address is gone is kept so long, in ms: a cable that is put in again brings it back. */
export const GONE_MS = 10_000

export class PlaceWatch {
  readonly #settings: PlaceSettings
  #place: Place | undefined
  #goneSince: Monotonic | undefined
  /** The interfaces to a LAN that the node has lost and has not gone back to, the one that it would rather be at first. */
  #lost: readonly string[] = []
  /** What the last look has found that is better than where the node is. */
  #better: Place | undefined

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
   * With a configured address the node waits for that.
   * @returns whether its place is another one now.
   */
  look(addresses: readonly InterfaceAddress[], at: Monotonic): boolean {
    const before = this.#better
    this.#better = this.#betterOf(addresses)
    if (this.#better !== undefined && isSame(this.#better, before)) return this.#goTo(this.#better)
    if (this.#place !== undefined && isThere(this.#place, addresses)) return this.#stays(undefined)
    const renewed = this.#place && this.#placeAt(this.#place.interfaceName, addresses)
    if (renewed === undefined && this.#isSparedAt(at)) return this.#stays(this.#goneSince ?? at)
    return this.#goTo(renewed ?? this.#better ?? placeNow(this.#settings, addresses))
  }

  /** Whether the interface has another address in place of the node's: then the next look moves it. */
  isRenewed(addresses: readonly InterfaceAddress[]): boolean {
    if (this.#place === undefined || isThere(this.#place, addresses)) return false
    return this.#placeAt(this.#place.interfaceName, addresses) !== undefined
  }

  /** The node could not work there: it is nowhere, until the next look. */
  leave(): void {
    this.#place = undefined
  }

  /** @returns where the node is to go though its place is still there. */
  #betterOf(addresses: readonly InterfaceAddress[]): Place | undefined {
    for (const interfaceName of this.#lost) {
      const again = this.#placeAt(interfaceName, addresses)
      if (again !== undefined) return again
    }
    if (this.#place === undefined || !isInTheMachine(this.#place.interfaceName)) return undefined
    const first = placeNow(this.#settings, addresses)
    return first === undefined || isInTheMachine(first.interfaceName) ? undefined : first
  }

  #placeAt(interfaceName: string, addresses: readonly InterfaceAddress[]): Place | undefined {
    return placeNow(
      this.#settings,
      addresses.filter((each) => each.interfaceName === interfaceName),
    )
  }

  #goTo(next: Place | undefined): boolean {
    const hasMoved = next !== undefined || this.#place !== undefined
    this.#lost = this.#lostAt(next?.interfaceName)
    this.#place = next
    this.#better = undefined
    this.#goneSince = undefined
    return hasMoved
  }

  /** Of a node that is at an interface which it had lost, those that it would rather be at are lost still. */
  #lostAt(next: string | undefined): readonly string[] {
    const left = this.#place?.interfaceName
    const again = this.#lost.findIndex((each) => each === next)
    if (again >= 0) return this.#lost.slice(0, again)
    return left === undefined || left === next || isInTheMachine(left) ? this.#lost : [...this.#lost, left]
  }

  #stays(goneSince: Monotonic | undefined): false {
    this.#goneSince = goneSince
    return false
  }

  #isSparedAt(at: Monotonic): boolean {
    return this.#place !== undefined && at - (this.#goneSince ?? at) < GONE_MS
  }
}

function isSame(one: Place, other: Place | undefined): boolean {
  return one.address === other?.address && one.netmask === other.netmask
}

/** The same address in another subnet is another place. */
function isThere({ address, netmask }: Place, addresses: readonly InterfaceAddress[]): boolean {
  const isElsewhere = addresses.some((each) => each.address === address && each.netmask !== netmask)
  return isLinkUp(address, addresses) && !isElsewhere
}
