/** What this machine is, looked at every now and then: for its value as a provider, and for how well it can fetch for others. */
import { systemClock, type CancelTimer } from '../core/clock.ts'
import { machineFacts, type MachineFacts, type MachinePlaces } from '../providers/machine-state.ts'

/** The machine is looked at again after so long, in ms. */
const LOOK_MS = 60_000

export class MachineLook {
  readonly #places: MachinePlaces
  #cancel: CancelTimer = () => {}
  #hasStopped = false
  /** Empty before the first look. */
  facts: Partial<MachineFacts> = {}

  constructor(places: MachinePlaces) {
    this.#places = places
  }

  /** Resolves when the machine has been looked at. */
  async start(): Promise<void> {
    this.facts = await machineFacts(this.#places)
    if (!this.#hasStopped) this.#cancel = systemClock.after(LOOK_MS, () => void this.start())
  }

  stop(): void {
    this.#hasStopped = true
    this.#cancel()
  }
}
