/** Whose bytes are in a copy, and what they have shown of them: who has lied is asked when the whole is wrong (blame.ts). */
import type { Address } from '../core/transport.ts'
import { placeOf, type Place } from '../verify/shunned-peers.ts'
import type { Server } from './peer-route.ts'

export class Provenance {
  /** Peers whose bytes are in the copy. */
  readonly contributors = new Set<Address>()
  /** Where each of them was asked. */
  readonly places = new Map<Address, Place>()
  /** Whether each of them has confirmed that it sends what it was asked for. */
  isConfirmed = true
  /** Whether a copy of one of them still grew: who passes it on has not judged it. */
  isUnjudged = false
  /** Whether bytes came over somebody who passed them on unjudged: whose they were is not known. */
  isPassedOn = false
  /** Whether each of them has said itself that every piece is right: where the whole is wrong, all of them have lied. */
  isStated = false
  /** Those whose bytes were in it when the source in use began. */
  #before: ReadonlySet<Address> = new Set()

  /** Another source is in use from now on. */
  sourceBegins(): void {
    this.#before = new Set(this.contributors)
  }

  /** The source in use has itself sent all that was there before it. */
  sentAllAgain(): void {
    this.#before = new Set()
  }

  /** Bytes come over these, from the last one to the first. */
  comesOver(servers: readonly Server[]): void {
    this.isPassedOn ||= servers.length > 1
    for (const { server, location } of servers) this.comesFrom(server, location)
  }

  comesFrom(peer: Address, location: string): void {
    const place = placeOf(location)
    this.contributors.add(peer)
    if (place !== undefined) this.places.set(peer, place)
  }

  /** Of whom bytes are here that was in use before: it failed, and may have lied before that. Who is in use now is none of them. */
  othersThan(inUse: readonly Server[]): ReadonlySet<Address> {
    return new Set([...this.#before].filter((each) => !inUse.some(({ server }) => server === each)))
  }

  /** The bytes of peers are gone, or have turned out to be the origin server's. */
  forget(): void {
    this.contributors.clear()
    this.#before = new Set()
    this.isConfirmed = true
    this.isUnjudged = false
    this.isPassedOn = false
    this.isStated = false
  }
}
