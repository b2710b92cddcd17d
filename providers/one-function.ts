/** One function on this node: runs its election machine, keeps the signed result that belongs to it, wakes who waits. */
import type { CancelTimer, Clock, EpochMs, Monotonic } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Self } from '../peering/self.ts'
import type { FunctionName, Offer, Provider, Source } from './functions.ts'
import type { Mandate } from './machines/ballot.ts'
import {
  dueOf,
  initialElection,
  isUndecided,
  providerOf,
  restoredElection,
} from './machines/election-state.ts'
import { MARGIN, stepElection } from './machines/election.ts'
import type {
  ElectionCommand,
  ElectionEvent,
  ElectionState,
  ElectionTiming,
  Moment,
} from './machines/election-vocabulary.ts'
import type { KnownFunction } from './provider-book.ts'
import { LEASE_MS, MAX_VALUE, signResult, type Result, type Signing } from './result.ts'

type WithoutMoment<Event> = Event extends unknown ? Omit<Event, keyof Moment> : never

/** What happens to an election, before time and chance are added. */
export type Happening = WithoutMoment<ElectionEvent>

export interface OneFunctionComponents {
  readonly self: Pick<Self, 'node'>
  readonly clock: Clock
  readonly random: Random
  readonly signing: () => Signing
  readonly timing: () => ElectionTiming
  /** Carries out what the machine asks for. */
  readonly run: (one: OneFunction, command: ElectionCommand) => void
  /** What is to be kept has changed. */
  readonly save: (known: KnownFunction) => void
}

/** Whoever has looked for a provider once wants one for so long, in ms. */
export const WANTED_MS = 600_000

/** What stands behind all others, and wins where there are none. */
const LEAST_VALUE = 1

/** A result that was signed anew is kept when it holds so much longer, in ms. */
const SAVE_AGAIN_MS = 60_000

export class OneFunction {
  readonly name: FunctionName
  readonly #components: OneFunctionComponents
  #state: ElectionState
  #result: Result | undefined
  #source: Source = 'election'
  #offers: readonly Offer[] = []
  #wantedUntil = 0
  /** When the result that is kept runs out. */
  #savedUntil = 0
  #cancelWake: CancelTimer = () => {}
  #waiting: (() => void)[] = []
  /** Whether the provider was heard since this node started. */
  #isHeard = true
  /** Until when this node stands behind all others. */
  #doubtedUntil = 0
  #isSilent = false

  constructor(name: FunctionName, components: OneFunctionComponents, known?: KnownFunction) {
    this.name = name
    this.#components = components
    this.#state = initialElection(known?.seen ?? 0)
    if (known?.result === undefined || known.result.node === components.self.node) return
    const at = components.clock.monotonic()
    const self = { node: components.self.node, timing: components.timing() }
    this.#state = restoredElection(known.seen, known.result, at, self)
    this.#result = known.result
    this.#isHeard = false
    this.#wakeWhenDue()
  }

  get state(): ElectionState {
    return this.#state
  }

  /** The signed result of who provides now. */
  get result(): Result | undefined {
    return providerOf(this.#state) === undefined ? undefined : this.#result
  }

  /** Whether this node provides. */
  get isOwn(): boolean {
    return this.result?.node === this.#components.self.node
  }

  /** How long ago the provider was heard, in ms. */
  get heardMsAgo(): number {
    const { self, clock } = this.#components
    return this.#result?.node === self.node ? 0 : Math.max(0, clock.monotonic() - this.#state.heardAt)
  }

  /** Whether the provider need not be contacted before it is believed. */
  get isFresh(): boolean {
    return this.#isHeard && this.#source !== 'third party'
  }

  /** What this node stands with now; `undefined`: not at all. */
  get ownValue(): number | undefined {
    return this.#standing()
  }

  /** Where this node would perform it. */
  get ownLocation(): string | undefined {
    return this.#location()
  }

  /** Whether this node's own service does not answer. */
  get isSilent(): boolean {
    return this.#isSilent
  }

  get isUndecided(): boolean {
    return isUndecided(this.#state)
  }

  /** Whether an application of this node, or its configuration, offers it. */
  get isOffered(): boolean {
    return this.#offers.length > 0
  }

  /** Whether it is offered, or waited for, on this node. Whoever has asked for it and gone pins nothing. */
  get isPinned(): boolean {
    return this.isOffered || this.#waiting.length > 0
  }

  get isWanted(): boolean {
    return this.#components.clock.monotonic() < this.#wantedUntil
  }

  provider(): Provider | undefined {
    return this.result === undefined ? undefined : this.lastProvider()
  }

  /** Who provided last, whether it still does or not. */
  lastProvider(): Provider | undefined {
    if (this.#result === undefined) return undefined
    const { signature: _, ...told } = this.#result
    return { ...told, source: told.node === this.#components.self.node ? 'self' : this.#source }
  }

  offer(offer: Offer): void {
    this.#offers = [...this.#offers, offer]
    this.happen({ kind: 'offered' })
  }

  withdraw(offer: Offer): void {
    if (!this.#offers.includes(offer)) return
    this.#offers = this.#offers.filter((each) => each !== offer)
    if (this.#standing() === undefined) this.happen({ kind: 'withdrawn' })
  }

  /** This node was reported: it stands behind all others. */
  doubt(forMs: number): void {
    this.#doubtedUntil = this.#components.clock.monotonic() + forMs
  }

  /** As long as its own service does not answer, this node does not stand. */
  silence(isSilent: boolean): void {
    if (this.#isSilent === isSilent) return
    this.#isSilent = isSilent
    this.happen({ kind: isSilent ? 'withdrawn' : 'offered' })
  }

  /** Somebody here looks for a provider. */
  want(): void {
    this.#wantedUntil = this.#components.clock.monotonic() + WANTED_MS
    this.happen({ kind: 'wanted' })
  }

  /** Fulfils when it is decided who provides, or that nobody does; at once when nothing is being found out. */
  decided(signal?: AbortSignal): Promise<void> {
    if (!this.isUndecided || signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      const giveUp = () => {
        this.#waiting = this.#waiting.filter((each) => each !== resolve)
        resolve()
      }
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** @param heard the signed result, where the happening is one; from a third party or the provider itself. */
  happen(happening: Happening, heard?: { readonly result: Result; readonly source: Source }): void {
    const { timing } = this.#components
    const before = this.#state
    const self = { node: this.#components.self.node, timing: timing() }
    const [state, commands] = stepElection(before, { ...happening, ...this.#moment() }, self)
    this.#state = state
    for (const command of commands) this.#note(command, heard)
    for (const command of commands) this.#components.run(this, command)
    if (state.seen !== before.seen || state.mandate !== before.mandate || this.#isStale()) this.#save()
    this.#wakeWhenDue()
    if (!this.isUndecided) for (const wake of this.#waiting.splice(0)) wake()
  }

  /** The result of this node as provider, signed anew: it says until when it holds. */
  renewed(): Result | undefined {
    const { mandate } = this.#state
    const { clock, signing } = this.#components
    const { node } = this.#components.self
    const location = this.#location()
    if (mandate?.node !== node || location === undefined) return undefined
    const now = Math.round(clock.wall())
    const since = (this.#result?.term === mandate.term ? this.#result.since : now) as EpochMs
    const { term, value } = mandate
    const expires = (now + LEASE_MS) as EpochMs
    this.#result = signResult({ function: this.name, node, location, value, term, since, expires }, signing())
    return this.#result
  }

  stop(): void {
    this.#cancelWake()
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** What this node stands with now: a provider stands with a tenth more, so that equals do not take turns. */
  #standing(): number | undefined {
    const value = Math.max(0, ...this.#offers.filter(({ location }) => location() !== undefined).map(valueOf))
    if (value <= 0 || this.#isSilent || !isWelcome(this.#components.signing())) return undefined
    if (this.#components.clock.monotonic() < this.#doubtedUntil) return LEAST_VALUE
    const isProvider = providerOf(this.#state)?.node === this.#components.self.node
    return Math.min(MAX_VALUE, Math.round(isProvider ? value * MARGIN : value))
  }

  #location(): string | undefined {
    const places = this.#offers.flatMap((offer) => {
      const location = offer.location()
      return location === undefined ? [] : [{ location, value: valueOf(offer) }]
    })
    return places.toSorted((one, other) => other.value - one.value)[0]?.location
  }

  #moment(): Moment {
    const { self, clock, random } = this.#components
    const value = this.#standing()
    const own = value === undefined ? undefined : { node: self.node, value }
    return { at: clock.monotonic(), fraction: random.fraction(), own, isWanted: this.isWanted }
  }

  #note(
    command: ElectionCommand,
    heard: { readonly result: Result; readonly source: Source } | undefined,
  ): void {
    switch (command.kind) {
      case 'learnt':
        this.#result = heard?.result
        this.#source = heard?.source ?? 'election'
        this.#isHeard = true
        return
      case 'confirmed':
        if (heard === undefined || heard.result.expires < (this.#result?.expires ?? 0)) return
        this.#result = heard.result
        if (heard.source === 'election') this.#source = 'election'
        if (heard.source === 'election') this.#isHeard = true
        return
      case 'won':
        this.renewed()
        return
      case 'ask':
      case 'say-ballot':
      case 'say-result':
      case 'say-resigned':
      case 'correct':
      case 'broken-word':
      case 'yielded':
      case 'lost':
      case 'refused':
        return
    }
  }

  /** What is kept would soon have run out, although the provider has signed anew. */
  #isStale(): boolean {
    return (this.result?.expires ?? 0) > this.#savedUntil + SAVE_AGAIN_MS
  }

  #save(): void {
    this.#savedUntil = this.result?.expires ?? 0
    this.#components.save({ name: this.name, seen: this.#state.seen, result: this.result })
  }

  #wakeWhenDue(): void {
    this.#cancelWake()
    const { clock } = this.#components
    const due: Monotonic | undefined = dueOf(this.#state)
    this.#cancelWake =
      due === undefined ? () => {} : clock.after(due - clock.monotonic(), () => this.happen({ kind: 'wake' }))
  }
}

/** Who performs a function at least a little, or not at all. */
function valueOf({ value }: Offer): number {
  const now = value()
  return Number.isFinite(now) && now > 0 ? Math.max(1, Math.min(MAX_VALUE, Math.round(now))) : 0
}

/** Whoever was thrown out of a site stands for nothing in it. */
export function isWelcome(signing: Signing): boolean {
  return signing.member === undefined || signing.isGood(signing.member)
}

/** For tests and the status: which mandate a result stands for. */
export function mandateOf({ node, value, term }: Result): Mandate {
  return { node, value, term }
}
