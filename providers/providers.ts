/**
 * Elections, designated providers, discovery: the functions of a LAN as one node sees them (R10; FIGS. 8 and 9).
 *
 * Each function is a machine of its own (one-function.ts); what others say is dealt with in hearing.ts. This is what programs call,
 * and what the machines' commands come to.
 */
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { Random } from '../core/random.ts'
import type { SiteWord } from '../peering/peering.ts'
import type { Self } from '../peering/self.ts'
import { DiscoveryAnswers, type Question } from './discovery-answers.ts'
import { Doubts } from './doubts.ts'
import { electionLimit, OWN_CALLS } from './election-limits.ts'
import { FunctionTable, MAX_OF_ONE } from './function-table.ts'
import type {
  FindOptions,
  FunctionEvent,
  FunctionName,
  Functions,
  Offer,
  Offering,
  Provider,
} from './functions.ts'
import { brokenWord, Hearing } from './hearing.ts'
import type { ElectionCommand, ElectionTiming } from './machines/election-vocabulary.ts'
import { News } from './news.ts'
import { isWelcome, type OneFunction } from './one-function.ts'
import type { ProviderBook } from './provider-book.ts'
import { CORRECTION, Questions } from './questions.ts'
import { Recollection } from './recollection.ts'
import { CLOCK_SKEW_MS, type Result, type Signing } from './result.ts'
import { Saying, type Say } from './saying.ts'

export interface ProvidersSettings {
  readonly self: Pick<Self, 'node'>
  readonly timing: () => ElectionTiming
  /** Providers that the administrator designated: they come before all others. */
  readonly configured: readonly Provider[]
  /** The product's own functions: nothing else takes their places. */
  readonly reserved?: readonly FunctionName[]
}

/** What functions need of the LAN. */
export interface FunctionLan {
  readonly say: Say
  /** Whether a node of the LAN can have this address. */
  readonly isOnLink: (address: string) => boolean
  /** Whether anything answers there. Never fails. */
  readonly contact: (location: string) => Promise<boolean>
  /** Whether this node has its address on the LAN now; absent: it is not known. */
  readonly isLinkUp?: () => boolean
}

export interface ProvidersComponents {
  readonly clock: Clock
  readonly random: Random
  readonly signing: () => Signing
  readonly book: ProviderBook
}

/** A function that is known of, with what is known of it. */
export interface FunctionOverview {
  readonly name: FunctionName
  readonly provider: Provider | undefined
  /** The state of its machine. */
  readonly phase: string
  readonly heardMsAgo: number
  /** With what this node would stand; `undefined`: not at all. */
  readonly ownValue: number | undefined
}

/** A candidate that did not keep its word is not waited for again for so long, in ms. */
export const DISTRUST_MS = 60_000

/** Whoever was not found is not looked for again for so long, in ms. */
export const NOBODY_MS = 5000

/** A configured provider that was reported is passed over for so long, in ms. */
export const PASSED_OVER_MS = 60_000

const TOO_MANY_OFFERS = `this node offers ${MAX_OF_ONE} functions already`

const NOT_BELIEVED = 'its word is not believed any more'

/** A provider that does not answer is followed by another one, so many times. */
const MAX_ATTEMPTS = 3
/** Where nobody is found it is tried once more: datagrams are lost. */
const MAX_LOOKS = 2
/** Whoever resigns may be gone in a moment: it says so at once, often enough for a LAN that loses every fourth datagram. */
const RESIGNED_TIMES = 4
/** To correct a member as much may be said as fits into a packet, in bytes with the signature. */
const CORRECTION_BYTES = 1365

export class Providers implements Functions {
  readonly #settings: ProvidersSettings
  readonly #components: ProvidersComponents
  readonly #functions: FunctionTable
  readonly #news: News
  readonly #questions: Questions
  readonly #answers: DiscoveryAnswers
  readonly #hearing: Hearing
  readonly #saying: Saying
  readonly #distrust: Recollection
  readonly #passedOver: Recollection
  readonly #doubts: Doubts
  readonly #mayCall = electionLimit(OWN_CALLS)
  #lan: FunctionLan | undefined

  /** Remembers what was known before. */
  constructor(settings: ProvidersSettings, components: ProvidersComponents) {
    const { clock, random, signing, book } = components
    this.#settings = settings
    this.#components = components
    this.#news = new News(clock)
    this.#distrust = new Recollection(clock)
    this.#passedOver = new Recollection(clock)
    this.#questions = new Questions(clock, random)
    this.#saying = new Saying((...said) => this.#lan?.say(...said), this.#news)
    const save: ProviderBook['save'] = (known) => book.save(known)
    this.#functions = new FunctionTable(
      { ...settings, ...components, run: this.#run, save },
      book,
      settings.reserved,
    )
    this.#answers = new DiscoveryAnswers({ clock, random, known: this.#knownFor, answer: this.#answer })
    this.#doubts = new Doubts({
      clock,
      contact: async (location) => (await this.#lan?.contact(location)) ?? true,
      silent: ({ name }) => this.#tellDoubt(name, 'its own place does not answer'),
    })
    this.#hearing = new Hearing({
      clock,
      signing,
      functions: this.#functions,
      answers: this.#answers,
      questions: this.#questions,
      news: this.#news,
      distrust: this.#distrust,
      isOnLink: (address) => this.#lan?.isOnLink(address) ?? false,
      reported: (one, by) => this.#doubt(one, `reported by ${by}`),
      sayFound: (nonce) => this.#saying.broadcast({ kind: 'found', nonce }),
    })
  }

  /** Takes part from now on. */
  start(lan: FunctionLan): void {
    this.#lan = lan
    for (const each of this.#functions.all()) each.happen({ kind: 'offered' })
  }

  /** Hands over what this node provides, and stands again: it is about to be another node to the others. */
  resign(): void {
    for (const each of this.#functions.all()) if (each.isOwn) each.happen({ kind: 'withdrawn' })
  }

  /** Hands over what this node provides. Safe more than once. */
  stop(): void {
    for (const each of this.#functions.all()) {
      const { mandate } = each.state
      if (each.provider()?.source === 'self' && mandate) this.#sayResigned(each.name, mandate.term)
      each.stop()
    }
    this.#answers.stop()
    this.#doubts.stop()
    this.#lan = undefined
  }

  /** A packet has come that is no part of peering itself. */
  hear(word: SiteWord): void {
    if (this.#lan !== undefined) this.#hearing.hear(word)
  }

  offer(name: FunctionName, offer: Offer): Offering {
    const hasShare = this.#functions.hasShare(name, (one) => one.isOffered)
    const one = hasShare ? this.#functions.get(name, true) : undefined
    if (one === undefined) throw new Fault('OVERLOADED', TOO_MANY_OFFERS)
    one.offer(offer)
    return { withdraw: () => one.withdraw(offer) }
  }

  async find(name: FunctionName, options: FindOptions = {}): Promise<Provider | undefined> {
    const { signal, fresh = false } = options
    for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
      const provider = this.#provider(name) ?? (await this.#look(name, signal))
      if (provider === undefined || signal?.aborted) return undefined
      if (provider.source === 'self' || (!fresh && this.#isFresh(provider))) return provider
      if ((await this.#lan?.contact(provider.location)) ?? false) return provider
      this.report(provider, 'it did not answer')
    }
    return undefined
  }

  async elect(name: FunctionName): Promise<Provider | undefined> {
    return this.callElection(name)?.decided
  }

  /** As `elect`, for those who want to know. @returns `undefined`: this node has called too many lately, and calls none. */
  callElection(name: FunctionName): { readonly decided: Promise<Provider | undefined> } | undefined {
    const one = this.#functions.get(name, true)
    if (one === undefined) return { decided: Promise.resolve(undefined) }
    const isCalled = this.#call(one)
    const decided = one.decided().then(() => this.#provider(name))
    return isCalled || one.isUndecided ? { decided } : undefined
  }

  report(provider: Provider, reason: string): void {
    if (provider.source === 'configured') return this.#passOver(provider, reason)
    const one = this.#functions.find(provider.function)
    const known = one?.provider()
    if (one === undefined || known?.node !== provider.node || known.term !== provider.term) return
    // Whoever is cut off itself would report what works, to all.
    if (!one.isOwn && this.#lan?.isLinkUp?.() === false)
      return this.#news.count('not reported: this node is cut off')
    if (one.isOwn) this.#doubt(one, reason)
    else one.happen({ kind: 'absent', node: provider.node, reason, isReported: true })
    this.#call(one)
  }

  known(): readonly Provider[] {
    return this.overview().flatMap(({ provider }) => provider ?? [])
  }

  subscribe(listener: (event: FunctionEvent) => void): () => void {
    return this.#news.subscribe(listener)
  }

  /** What was said, heard and refused, by kind and reason. */
  get counters(): ReadonlyMap<string, number> {
    return this.#news.counters
  }

  /** Every function that has a provider, or is offered here, or is being found out about; not each that was ever named. */
  overview(): readonly FunctionOverview[] {
    const configured = this.#settings.configured.map((each) => each.function)
    const { reserved = [] } = this.#settings
    const all = this.#functions.all().filter((one) => {
      const isOfInterest = reserved.includes(one.name) || one.isPinned || one.isUndecided
      return isOfInterest || this.#provider(one.name) !== undefined
    })
    const names = new Set([...configured, ...all.map(({ name }) => name)])
    return [...names].map((name) => {
      const one = this.#functions.find(name)
      const phase = one?.state.phase.kind ?? 'idle'
      const { heardMsAgo = 0, ownValue } = one ?? {}
      return { name, provider: this.#provider(name), phase, heardMsAgo, ownValue }
    })
  }

  /** The results that are believed, as they were signed, with the passes of their signers (FIG. 8, 406). */
  results(): readonly { readonly result: Result; readonly pass: string | undefined }[] {
    return this.#functions.all().flatMap(({ result }) => {
      if (result === undefined || !this.#isBelievable(result)) return []
      return [{ result, pass: this.#passFor(result) }]
    })
  }

  readonly #run = (one: OneFunction, command: ElectionCommand): void => {
    const { name } = one
    switch (command.kind) {
      case 'ask':
        return this.#ask(one)
      case 'say-ballot':
        return this.#saying.broadcast({ ...command, kind: 'election', function: name })
      case 'say-result': {
        const result = one.renewed()
        return result && this.#saying.broadcast({ kind: 'result', result })
      }
      case 'say-resigned':
        return this.#sayResigned(name, command.term)
      case 'correct':
        return this.#correct(name)
      case 'broken-word':
        return this.#distrust.note(brokenWord(name, command.node), DISTRUST_MS)
      case 'won':
        return this.#tellProvider('function-won', one)
      case 'learnt':
        return this.#tellProvider('function-learnt', one)
      case 'yielded':
        return this.#news.tell({ kind: 'function-lost', function: name, reason: command.reason })
      case 'lost': {
        const provider = one.lastProvider()
        return provider && this.#news.tell({ kind: 'function-dead', provider, reason: command.reason })
      }
      case 'confirmed':
        return
      case 'refused':
        return this.#news.refuse(name, this.#hearing.speaker?.from ?? '', command.reason)
    }
  }

  #ask({ name, result, heardMsAgo }: OneFunction): void {
    const nonce = this.#questions.ask(name)
    const { delayMs } = this.#settings.timing()
    const known = { term: result?.term, heardMs: result === undefined ? undefined : heardMsAgo }
    this.#saying.broadcast({ kind: 'request', function: name, nonce, delayMs, ...known })
  }

  #sayResigned(name: FunctionName, term: number): void {
    for (let times = 0; times < RESIGNED_TIMES; times++)
      this.#saying.broadcast({ kind: 'resigned', function: name, term })
  }

  /** Tells whoever spoke last, unless somebody else does. A stranger's address may be anybody's: it gets no more than it sent. */
  #correct(name: FunctionName): void {
    const { speaker } = this.#hearing
    if (speaker === undefined) return
    const { from, member } = speaker
    const bytes = member === undefined ? speaker.bytes : CORRECTION_BYTES
    const { delayMs } = this.#settings.timing()
    const known = { term: undefined, heardMs: undefined }
    this.#answers.request({ function: name, nonce: CORRECTION, from, delayMs, bytes, ...known })
  }

  readonly #answer = ({ function: name, nonce, from, bytes }: Question): void => {
    const one = this.#functions.find(name)
    const result = one?.provider()?.source === 'self' ? one.renewed() : one?.result
    if (one === undefined || result === undefined || !this.#isBelievable(result)) return
    const [ageMs, pass] = [one.heardMsAgo, this.#passFor(result)]
    this.#saying.answer({ kind: 'response', nonce, result, ageMs, pass }, from, bytes)
  }

  /** A third party answers with what is newer than what the asker knows. */
  readonly #knownFor = ({ function: name, term = 0, heardMs = Infinity }: Question) => {
    const one = this.#functions.find(name)
    const provider = one?.result && this.#isBelievable(one.result) ? one.provider() : undefined
    if (one === undefined || provider === undefined) return 'nobody'
    if (provider.source === 'self') return 'self'
    const { silenceMs, heartbeatMs } = this.#settings.timing()
    const isNews = provider.term > term || one.heardMsAgo + heartbeatMs / 2 < heardMs
    return one.heardMsAgo < silenceMs && isNews ? 'other' : 'nobody'
  }

  async #look(name: FunctionName, signal: AbortSignal | undefined): Promise<Provider | undefined> {
    const one = this.#functions.get(name, true)
    if (one === undefined) return undefined
    this.#dropUnbelieved(one)
    if (!one.isUndecided && this.#passedOver.holds(`nobody ${name}`)) return undefined
    for (let attempts = 0; attempts < MAX_LOOKS; attempts++) {
      if (signal?.aborted) return undefined
      one.want()
      await one.decided(signal)
      const provider = this.#provider(name)
      if (provider !== undefined) return provider
    }
    this.#passedOver.note(`nobody ${name}`, NOBODY_MS)
    return undefined
  }

  /** Whoever was thrown out of the site still shows signs of life; it is not waited for until they end. */
  #dropUnbelieved(one: OneFunction): void {
    const { result } = one
    if (result === undefined || this.#isBelievable(result)) return
    one.happen({ kind: 'absent', node: result.node, reason: NOT_BELIEVED, isReported: false })
    this.#call(one)
  }

  /** @returns `false`: too often. */
  #call(one: OneFunction): boolean {
    const mayCall = this.#mayCall(one.name, this.#components.clock.monotonic())
    if (mayCall) one.happen({ kind: 'call' })
    else this.#news.count('not called: too often')
    return mayCall
  }

  #provider(name: FunctionName): Provider | undefined {
    const designated = this.#settings.configured.find(
      (each) => each.function === name && !this.#passedOver.holds(each.location),
    )
    const one = this.#functions.find(name)
    const isBelieved = one?.result !== undefined && this.#isBelievable(one.result)
    return designated ?? (isBelieved ? one.provider() : undefined)
  }

  /** What was believed is asked again: a node joins a site, a member is revoked, time passes. */
  #isBelievable({ node, member, expires }: Result): boolean {
    const { signing, clock } = this.#components
    if (node === this.#settings.self.node) return isWelcome(signing())
    if (expires < clock.wall() - CLOCK_SKEW_MS) return false
    return signing().member === undefined || (member !== undefined && signing().isGood(member))
  }

  #isFresh({ source, function: name }: Provider): boolean {
    return source === 'configured' || (this.#functions.find(name)?.isFresh ?? false)
  }

  #passFor({ member }: Result): string | undefined {
    return member === undefined ? undefined : this.#components.signing().passOf(member)
  }

  /** This node may be no provider at all, though it lives: others come first now. */
  #doubt(one: OneFunction, reason: string): void {
    this.#tellDoubt(one.name, reason)
    this.#doubts.report(one)
  }

  #tellDoubt(name: FunctionName, reason: string): void {
    this.#news.tell({ kind: 'function-doubted', function: name, reason })
  }

  #passOver(provider: Provider, reason: string): void {
    if (this.#passedOver.holds(provider.location)) return
    this.#passedOver.note(provider.location, PASSED_OVER_MS)
    this.#news.tell({ kind: 'function-dead', provider, reason })
  }

  #tellProvider(kind: 'function-won' | 'function-learnt', one: OneFunction): void {
    this.#passedOver.forget(`nobody ${one.name}`)
    const provider = one.provider()
    if (provider !== undefined) this.#news.tell({ kind, provider })
  }
}
