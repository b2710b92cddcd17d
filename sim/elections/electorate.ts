/**
 * A LAN of nodes that elect: the product's own providers (providers/providers.ts) over packets that are handed on as values, in
 * virtual time, so that ten thousand elections take minutes. Whole nodes with XML and real signatures are in test/providers.
 */
import type { CancelTimer, Clock, EpochMs, Monotonic } from '../../core/clock.ts'
import { seededRandom, type Random } from '../../core/random.ts'
import type { Address } from '../../core/transport.ts'
import type { Extras, NodeId, RequestId } from '../../peering/packets.ts'
import type { Signer } from '../../peering/packet-seal.ts'
import type { FunctionName, Offering, Provider } from '../../providers/functions.ts'
import type { ElectionTiming } from '../../providers/machines/election-vocabulary.ts'
import { providerMemory, type ProviderBook } from '../../providers/provider-book.ts'
import { Providers } from '../../providers/providers.ts'
import type { Signing } from '../../providers/result.ts'
import { EventQueue } from '../event-queue.ts'

/** What is elected. */
export const FUNCTION = 'test' as FunctionName

export interface ElectorateSettings {
  readonly seed: number
  /** Of all datagrams. */
  readonly loss: number
  readonly timing: ElectionTiming
}

const EPOCH_MS = Date.UTC(2026, 0, 1)
/** A datagram takes between these, in ms. */
const LATENCY_MS = { least: 0.2, most: 8 }
/** Receivers of one broadcast hear it at so many different times. */
const WAVES = 4

/** Virtual time without promises. */
class Timeline implements Clock {
  readonly #queue = new EventQueue()
  #now = 0

  monotonic(): Monotonic {
    return this.#now as Monotonic
  }

  wall(): EpochMs {
    return (EPOCH_MS + Math.floor(this.#now)) as EpochMs
  }

  after(delayMs: number, wake: () => void): CancelTimer {
    const event = this.#queue.plan(this.#now + Math.max(0, delayMs), wake)
    return () => {
      event.isCanceled = true
    }
  }

  /** Lets everything happen that is due until then. */
  runUntil(end: number): void {
    for (let next = this.#queue.peek(); next !== undefined && next.at <= end; next = this.#queue.peek()) {
      this.#queue.take()
      this.#now = next.at
      next.happen()
    }
    this.#now = end
  }
}

export interface Dead {
  readonly at: number
  readonly provider: Provider
}

export class Voter {
  readonly id: NodeId
  readonly address: Address
  readonly member: string
  readonly #electorate: Electorate
  readonly #book: ProviderBook = providerMemory()
  providers: Providers
  value: number
  isUp = false
  /** Part of the LAN that it is in: packets do not leave it. */
  part = 0
  #offering: Offering | undefined

  constructor(electorate: Electorate, at: number, value: number) {
    this.#electorate = electorate
    this.id = electorate.random.hex(16) as NodeId
    this.member = `m${at}`.padEnd(32, '0').replaceAll(/[^\da-f]/g, 'a')
    this.address = `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}` as Address
    this.value = value
    this.providers = this.#newProviders()
  }

  start(): void {
    this.providers = this.#newProviders()
    this.isUp = true
    const born = this.providers
    this.providers.subscribe((event) => {
      if (this.isUp && born === this.providers) this.#electorate.happened(this, event)
    })
    this.providers.start({
      say: (name, extras, to) => {
        if (this.isUp && born === this.providers) this.#electorate.send(this, name, extras, to)
      },
      isOnLink: () => true,
      contact: async () => true,
    })
    if (this.value > 0) {
      const location = `http://${this.address}:6515/`
      this.#offering = born.offer(FUNCTION, { location: () => location, value: () => this.value })
    }
  }

  /** Without a word. */
  crash(): void {
    this.isUp = false
  }

  leave(): void {
    this.providers.stop()
    this.isUp = false
  }

  withdraw(): void {
    this.value = 0
    this.#offering?.withdraw()
  }

  known(): Provider | undefined {
    return this.providers.known().find((each) => each.function === FUNCTION)
  }

  #newProviders(): Providers {
    const { timeline, random, settings } = this.#electorate
    const signing = this.#signing()
    return new Providers(
      { self: { node: this.id }, timing: () => settings.timing, configured: [] },
      { clock: this.#clock(timeline), random, signing: () => signing, book: this.#book },
    )
  }

  /** A crashed node's timers do not fire. */
  #clock(timeline: Clock): Clock {
    return {
      monotonic: () => timeline.monotonic(),
      wall: () => timeline.wall(),
      after: (delayMs, wake) => timeline.after(delayMs, () => this.isUp && wake()),
    }
  }

  #signing(): Signing {
    const members = this.#electorate.members
    return {
      member: this.member,
      sign: (text) => signatureOf(this.member, text),
      verify: (member, text, signature) => signature === signatureOf(member, text),
      passOf: () => undefined,
      learn() {},
      isGood: (member) => members.has(member),
    }
  }
}

export class Electorate {
  readonly function = FUNCTION
  readonly settings: ElectorateSettings
  readonly timeline = new Timeline()
  readonly random: Random
  readonly members = new Set<string>()
  readonly voters: Voter[] = []
  /** Results that were truly won, `node term value`. */
  readonly won = new Set<string>()
  /** Providers that were believed although they had never won, as failures. */
  readonly forged: string[] = []
  readonly dead: Dead[] = []
  packets = 0

  constructor(settings: ElectorateSettings) {
    this.settings = settings
    this.random = seededRandom(settings.seed)
  }

  add(value: number): Voter {
    const voter = new Voter(this, this.voters.length + 1, value)
    this.members.add(voter.member)
    this.voters.push(voter)
    return voter
  }

  get now(): number {
    return this.timeline.monotonic()
  }

  sleep(ms: number): void {
    this.timeline.runUntil(this.now + ms)
  }

  /** Waits until something holds; looks every 50 ms. @returns how long it took, `undefined` when it never did. */
  until(holds: () => boolean, patienceMs: number): number | undefined {
    const from = this.now
    while (!holds()) {
      if (this.now - from >= patienceMs) return undefined
      this.sleep(50)
    }
    return this.now - from
  }

  up(part?: number): Voter[] {
    return this.voters.filter((each) => each.isUp && (part === undefined || each.part === part))
  }

  happened(voter: Voter, event: Parameters<Parameters<Providers['subscribe']>[0]>[0]): void {
    if (event.kind === 'function-won') this.won.add(keyOf(event.provider))
    // Whoever does not need it looks for nobody when it hears nothing.
    const isActedUpon = event.kind === 'function-dead' && (voter.value > 0 || event.reason !== 'silent')
    if (event.kind === 'function-dead' && isActedUpon)
      this.dead.push({ at: this.now, provider: event.provider })
    if (event.kind === 'function-learnt' && !this.won.has(keyOf(event.provider)))
      this.forged.push(`${voter.id} believes ${keyOf(event.provider)}`)
  }

  send(from: Voter, name: string, extras: Extras, to?: Address): void {
    this.inject(from, { kind: 'member', member: from.member }, name, extras, to)
  }

  /** A packet of anybody. */
  inject(
    { id: node, address: from, part }: Pick<Voter, 'id' | 'address' | 'part'>,
    signer: Signer,
    name: string,
    extras: Extras,
    to?: Address,
  ): void {
    this.packets++
    const packet = {
      type: 'application',
      name,
      id: 1 as RequestId,
      node,
      nonce: undefined,
      extras,
    } as const
    const bytes = extras.reduce((sum, [key, value]) => sum + key.length + value.length + 4, 270)
    const receivers = this.up(part).filter(
      (each) => each.id !== node && (to === undefined || each.address === to),
    )
    const waves = Array.from({ length: to === undefined ? WAVES : 1 }, () => [] as Voter[])
    for (const receiver of receivers)
      if (this.random.fraction() >= this.settings.loss)
        waves[this.random.uint32() % waves.length]?.push(receiver)
    for (const wave of waves) {
      const { least, most } = LATENCY_MS
      this.timeline.after(least + (most - least) * this.random.fraction(), () => {
        for (const each of wave)
          if (each.isUp && each.part === part) each.providers.hear({ packet, from, signer, bytes })
      })
    }
  }
}

/** What a result says of who won. */
export function keyOf({ node, term, value }: Pick<Provider, 'node' | 'term' | 'value'>): string {
  return `${node} ${term} ${value}`
}

/** Nobody can make another's, because nobody in the simulation calls this for another. */
function signatureOf(member: string, text: string): string {
  let hash = 0
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return `${member}${(hash >>> 0).toString(36)}`.padEnd(86, '_')
}
