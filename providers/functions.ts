/**
 * Service functions as the rest of the product sees them (R10; patent A, "Distributed Function Discovery Process Involving a
 * Designated Service Provider"): who performs a function for the LAN, and how to become the one who does.
 *
 * Words only; `providers/providers.ts` implements them, docs/providers.md says who believes what.
 */
import type { EpochMs } from '../core/clock.ts'
import type { NodeId } from '../peering/packets.ts'

/** Such as `internet-gateway`: 1 to 64 letters, digits, `-`, `.`. */
export type FunctionName = string & { readonly brand: 'FunctionName' }

/** How a provider became known. */
export type Source = 'self' | 'election' | 'third party' | 'configured'

/** Who performs a function, as far as this node knows (FIG. 8). */
export interface Provider {
  readonly function: FunctionName
  readonly node: NodeId
  /**
   * The member of the site who signed it. `undefined`: a stranger, whose word is a hint and no more. A node that belongs to a
   * site knows members and configured providers only; functions that need trust look at this even so.
   */
  readonly member: string | undefined
  /** `http://address:port/…` of the provider. */
  readonly location: string
  /** The criterion's value that it won with, 0 to 1,000,000. */
  readonly value: number
  /** Grows with each election; 0 for a configured provider. */
  readonly term: number
  /** When it won. */
  readonly since: EpochMs
  /** Until when this may be believed without hearing it again; `Infinity` for a configured provider. */
  readonly expires: EpochMs
  readonly source: Source
}

/** What a node that can perform a function says of itself, whenever it is asked. */
export interface Offer {
  /** Where it performs the function, `http://address:port/…`; `undefined`: nowhere at present, so that it does not stand. */
  readonly location: () => string | undefined
  /** How well, 0 to 1,000,000 (providers/criteria.ts makes one of what is known of the machine); 0: it cannot at present. */
  readonly value: () => number
}

export interface FindOptions {
  /** Ends the waiting: the promise then fulfils with `undefined`. */
  readonly signal?: AbortSignal
  /** Contacts the provider, or asks the LAN again, before it is believed. */
  readonly fresh?: boolean
}

export interface Functions {
  /**
   * This node, or an application on it, can perform the function: it stands in elections and answers discovery.
   *
   * @throws Fault OVERLOADED: this node offers as many others as it may
   */
  offer(name: FunctionName, offer: Offer): Offering
  /**
   * Who performs it (FIG. 9): the known provider at once, else the LAN is asked, else an election is called.
   *
   * @returns `undefined`: nobody. Never rejects.
   */
  find(name: FunctionName, options?: FindOptions): Promise<Provider | undefined>
  /**
   * The provider did not answer, or does not perform the function: it is forgotten here, and an election tells everybody, itself
   * included: it stands behind all others for a while. Harmless for a provider of before.
   */
  report(provider: Provider, reason: string): void
  /** Calls an election, whoever provides now. @returns who won; `undefined`: nobody stands. Never rejects. */
  elect(name: FunctionName): Promise<Provider | undefined>
  /** All providers that are believed now. */
  known(): readonly Provider[]
  /** @returns takes the listener away. */
  subscribe(listener: (event: FunctionEvent) => void): () => void
}

/** A standing offer. */
export interface Offering {
  /** It can no longer: hands over if it was the provider. More than once is harmless. */
  withdraw(): void
}

/** What happens to the functions of a LAN, as this node sees it. */
export type FunctionEvent =
  /** This node provides from now on. */
  | { readonly kind: 'function-won'; readonly provider: Provider }
  /** This node provides no longer. */
  | { readonly kind: 'function-lost'; readonly function: FunctionName; readonly reason: string }
  /** Another node provides from now on. */
  | { readonly kind: 'function-learnt'; readonly provider: Provider }
  /** A provider is gone. */
  | { readonly kind: 'function-dead'; readonly provider: Provider; readonly reason: string }
  /** This node provides, and somebody could not use it, or it does not reach its own service: it stands behind all others now. */
  | { readonly kind: 'function-doubted'; readonly function: FunctionName; readonly reason: string }
  /** A word about a function that was not believed. */
  | {
      readonly kind: 'function-refused'
      readonly function: string
      readonly from: string
      readonly reason: string
    }

const NAME = /^[A-Za-z\d.-]{1,64}$/

/** @returns `undefined` when the text is no name of a function. */
export function functionName(text: string): FunctionName | undefined {
  return NAME.test(text) ? (text as FunctionName) : undefined
}
