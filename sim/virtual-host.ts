/** A machine on the virtual network: what it can send in a second, and whether it lives. */
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import { takingTurns, Turns, type TurnSettings } from './turns.ts'
import type { ClockSkew, LeasedClock, VirtualClock } from './virtual-clock.ts'

/** How a machine ends: its process dies and its system says so, or its power fails and nobody is told. */
export type Crash = 'process' | 'machine'

/** One run of the machine's process, from start to crash. Whatever it does, it does on its own clock. */
export interface Life {
  readonly clock: LeasedClock
  /** Aborts at the crash. */
  readonly signal: AbortSignal
}

export interface HostSettings {
  /** What it sends, and what it receives, in a second; Gigabit Ethernet unless given. */
  readonly bytesPerSecond?: number
  /** How its clock differs from everybody's time. */
  readonly skew?: ClockSkew
  /** How its program shares the processor; it has it for itself unless given. */
  readonly turns?: TurnSettings & { readonly random: Random }
}

export class VirtualHost {
  readonly address: Address
  readonly subnet: string
  readonly uplink: Pipe
  readonly downlink: Pipe
  readonly #clock: VirtualClock
  readonly #skew: ClockSkew | undefined
  readonly #turns: Turns | undefined
  #life: Life
  #kill = new AbortController()
  #state: 'up' | Crash = 'up'

  constructor(
    clock: VirtualClock,
    address: Address,
    { bytesPerSecond = Infinity, skew, turns }: HostSettings,
  ) {
    this.#clock = clock
    this.#skew = skew
    this.#turns = turns && new Turns(clock, turns.random, turns)
    this.address = address
    this.subnet = subnetOf(address)
    this.uplink = new Pipe(clock, bytesPerSecond)
    this.downlink = new Pipe(clock, bytesPerSecond)
    this.#life = this.#newLife()
  }

  get life(): Life {
    return this.#life
  }

  /** `machine`: nothing answers there; `process`: the system refuses connections. */
  get state(): 'up' | Crash {
    return this.#state
  }

  /** From here on nothing that the process began goes on; what it had sent is still on its way. */
  crash(how: Crash): void {
    if (this.#state !== 'up') return
    this.#state = how
    this.#life.clock.end()
    this.#kill.abort()
  }

  /** A new life, which knows nothing of the one before. */
  restart(): void {
    this.#kill = new AbortController()
    this.#life = this.#newLife()
    this.#state = 'up'
  }

  /** Whether its program has to wait for its turn at the processor. */
  get takesTurns(): boolean {
    return this.#turns !== undefined
  }

  /** Does it when the machine's program has its turn at the processor. */
  inTurn(act: () => void): void {
    if (this.#turns === undefined) act()
    else this.#turns.take(act)
  }

  #newLife(): Life {
    const clock = this.#clock.lease(this.#skew)
    return {
      clock: this.#turns === undefined ? clock : takingTurns(clock, this.#turns),
      signal: this.#kill.signal,
    }
  }
}

/** One direction of a machine's connection to the network, shared by all that goes through it in the order it comes. */
export class Pipe {
  readonly #clock: VirtualClock
  readonly #bytesPerSecond: number
  #freeAt = 0

  constructor(clock: VirtualClock, bytesPerSecond: number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
  }

  /** Takes its turn behind everything before. @returns in how many ms the last of these bytes is through. */
  passMs(bytes: number): number {
    const now = this.#clock.monotonic()
    this.#freeAt = Math.max(now, this.#freeAt) + (bytes / this.#bytesPerSecond) * 1000
    return this.#freeAt - now
  }
}

/** The part of the address before the last dot. */
export function subnetOf(address: Address): string {
  return address.slice(0, address.lastIndexOf('.'))
}
