/**
 * What a node does that hears its own ID from another machine. Machines that were made from one disk image have the same, and drop each
 * other's packets as their own: one of them takes another ID, and they see each other from then on.
 *
 * Anybody on the LAN can send such a packet. So it is done once for each start, and never while others know something that is on its
 * way here by the ID: whoever sends such packets all the time costs a node one name, and a line in its log.
 */
import type { CancelTimer, Clock } from '../core/clock.ts'
import { describe } from '../core/fault.ts'
import type { Address } from '../core/transport.ts'
import type { NodeId } from '../peering/packets.ts'
import type { LineLog } from './logging.ts'

/** How often it is seen whether the node is at rest, in ms. */
export const QUIET_LOOK_MS = 1000

export interface SharedIdComponents {
  readonly clock: Clock
  /** Whether this machine itself has the address. */
  readonly isOwn: (address: Address) => boolean
  /** Whether nothing is on its way here. */
  readonly isQuiet: () => boolean
  /** Takes another ID, for good. */
  readonly rename: () => Promise<NodeId>
  readonly log: LineLog
}

export class SharedId {
  readonly #components: SharedIdComponents
  #state: 'unheard' | 'renaming' | 'renamed' | 'warned' = 'unheard'
  #cancel: CancelTimer = () => {}

  constructor(components: SharedIdComponents) {
    this.#components = components
  }

  /** A packet with this node's ID has come from elsewhere. */
  heard(from: Address): void {
    if (this.#state === 'renaming' || this.#state === 'warned' || this.#components.isOwn(from)) return
    if (this.#state === 'renamed') return this.#warn(from)
    this.#state = 'renaming'
    this.#renameAtRest(from)
  }

  stop(): void {
    this.#cancel()
    this.#state = 'warned'
  }

  #renameAtRest(from: Address): void {
    const { clock, isQuiet } = this.#components
    if (isQuiet()) void this.#rename(from)
    else this.#cancel = clock.after(QUIET_LOOK_MS, () => this.#renameAtRest(from))
  }

  async #rename(from: Address): Promise<void> {
    const { rename, log } = this.#components
    try {
      const id = await rename()
      log.warn(
        `${from} has this node's ID, as machines made from one disk image have: this node is ${id} now`,
      )
    } catch (error) {
      log.warn(`${from} has this node's ID, and no other one could be taken: ${describe(error)}`)
    }
    if (this.#state === 'renaming') this.#state = 'renamed'
  }

  #warn(from: Address): void {
    this.#state = 'warned'
    this.#components.log.warn(
      `${from} speaks by this node's new ID as well, and is not heard: it copies what it hears, or is this machine by another way`,
    )
  }
}
