/**
 * Elections, designated providers, discovery: the functions of a LAN as one node sees them (R10; FIGS. 8 and 9).
 *
 * Each function is a machine of its own (one-function.ts). Here packets come in and go out, are believed or refused, and answered;
 * docs/providers.md says who believes what.
 */
import type { Clock, EpochMs } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import type { Extras, NodeId } from '../peering/packets.ts'
import type { SiteWord } from '../peering/peering.ts'
import { DiscoveryAnswers, type Question } from './discovery-answers.ts'
import { electionLimit, OWN_CALLS, PER_FUNCTION, PER_SENDER } from './election-limits.ts'
import type {
  FindOptions,
  FunctionEvent,
  FunctionName,
  Functions,
  Offer,
  Offering,
  Provider,
} from './functions.ts'
import type { ElectionCommand, ElectionTiming } from './machines/election-vocabulary.ts'
import { mandateOf, OneFunction } from './one-function.ts'
import type { KnownFunction, ProviderBook } from './provider-book.ts'
import { addressOf, faultOf, isPossibleTerm, type Result, type Signing } from './result.ts'
import { readWord, writeWord, type FunctionWord } from './words.ts'

export interface ProvidersSettings {
  readonly node: NodeId
  readonly timing: () => ElectionTiming
  /** Providers that the administrator designated: they come before all others. */
  readonly configured: readonly Provider[]
}

/** What functions need of the LAN. */
export interface FunctionLan {
  /** Sends an application packet, to everybody or to one. */
  readonly say: (name: string, extras: Extras, to?: Address) => void
  /** Whether a node of the LAN can have this address. */
  readonly isOnLink: (address: string) => boolean
  /** Whether anything answers there. Never fails. */
  readonly contact: (location: string) => Promise<boolean>
}

export interface ProvidersComponents {
  readonly clock: Clock
  readonly random: Random
  readonly signing: () => Signing
  readonly book: ProviderBook
}

/** Functions that are known of; of those that nobody here needs, the one that is known longest goes first. */
export const MAX_FUNCTIONS = 64

/** A candidate that did not keep its word is not waited for again for so long, in ms. */
export const DISTRUST_MS = 60_000

/** Whoever was not found is not looked for again for so long, in ms. */
export const NOBODY_MS = 5000

/** A configured provider that was reported is passed over for so long, in ms. */
const PASSED_OVER_MS = 60_000

/** Refusals of the same kind from the same node are told once in so long, in ms. */
const TELL_AGAIN_MS = 60_000

/** Things that are remembered of strangers. */
const MAX_REMEMBERED = 256

type Heard<Kind extends FunctionWord['kind']> = Extract<FunctionWord, { readonly kind: Kind }>

/** A question of this node. */
interface Asked {
  readonly name: FunctionName
  /** When "I found" was said, on the monotonic clock. */
  foundAt: number | undefined
}

interface Speaker {
  readonly from: Address
  readonly node: NodeId
  readonly member: string | undefined
  readonly bytes: number
}

export class Providers implements Functions {
  readonly #settings: ProvidersSettings
  readonly #components: ProvidersComponents
  readonly #functions = new Map<FunctionName, OneFunction>()
  readonly #listeners = new Set<(event: FunctionEvent) => void>()
  readonly #answers: DiscoveryAnswers
  readonly #mayCall = electionLimit(OWN_CALLS)
  readonly #mayBring = electionLimit(PER_SENDER)
  readonly #mayBeHeld = electionLimit(PER_FUNCTION)
  /** Questions of this node, by their nonces. */
  readonly #asked = new Map<string, Asked>()
  /** Until when what is named there is passed over, on the monotonic clock. */
  readonly #passedOver = new Map<string, number>()
  readonly #counters = new Map<string, number>()
  #lan: FunctionLan | undefined
  /** Who spoke last, while its word is dealt with. */
  #speaker: Speaker | undefined

  /** Remembers what was known before. */
  constructor(settings: ProvidersSettings, components: ProvidersComponents) {
    this.#settings = settings
    this.#components = components
    const { book, clock, signing } = components
    for (const known of book.load()) {
      const kept = stillGood(known, signing(), clock.wall())
      this.#functions.set(known.name, this.#newFunction(known.name, kept))
    }
    this.#answers = new DiscoveryAnswers({
      ...components,
      known: (question) => this.#knownFor(question),
      answer: (question) => this.#answer(question),
    })
  }

  start(lan: FunctionLan): void {
    this.#lan = lan
    for (const each of this.#functions.values()) each.happen({ kind: 'offered' })
  }

  /** Hands over what this node provides. Safe more than once. */
  stop(): void {
    for (const each of this.#functions.values()) this.#resign(each)
    for (const each of this.#functions.values()) each.stop()
    this.#answers.stop()
    this.#lan = undefined
  }

  offer(name: FunctionName, offer: Offer): Offering {
    const one = this.#function(name, true)
    one?.offer(offer)
    return { withdraw: () => one?.withdraw(offer) }
  }

  async find(name: FunctionName, { signal, fresh = false }: FindOptions = {}): Promise<Provider | undefined> {
    for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
      if (signal?.aborted) return undefined
      const provider = this.#provider(name) ?? (await this.#look(name, signal))
      if (provider === undefined || signal?.aborted) return undefined
      if (provider.source === 'self' || (!fresh && this.#isFresh(provider))) return provider
      if ((await this.#lan?.contact(provider.location)) ?? false) return provider
      this.report(provider, 'it did not answer')
    }
    return undefined
  }

  async elect(name: FunctionName): Promise<Provider | undefined> {
    const one = this.#function(name, true)
    if (one === undefined) return undefined
    this.#call(one)
    await one.decided()
    return this.#provider(name)
  }

  report(provider: Provider, reason: string): void {
    if (provider.source === 'configured') return this.#passOver(provider, reason)
    const one = this.#functions.get(provider.function)
    const known = one?.provider()
    if (one === undefined || known?.node !== provider.node || known.term !== provider.term) return
    one.happen({ kind: 'absent', node: provider.node, reason })
    this.#call(one)
  }

  known(): readonly Provider[] {
    return this.overview().flatMap(({ provider }) => provider ?? [])
  }

  subscribe(listener: (event: FunctionEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** What was heard and refused, by reason; and what was said. */
  get counters(): ReadonlyMap<string, number> {
    return this.#counters
  }

  /** Every function that is known of, with what is known of it. */
  overview(): readonly {
    readonly name: FunctionName
    readonly provider: Provider | undefined
    readonly phase: string
    readonly heardMsAgo: number
    readonly ownValue: number | undefined
  }[] {
    const names = new Set([
      ...this.#settings.configured.map((each) => each.function),
      ...this.#functions.keys(),
    ])
    return [...names].map((name) => {
      const one = this.#functions.get(name)
      return {
        name,
        provider: this.#provider(name),
        phase: one?.state.phase.kind ?? 'idle',
        heardMsAgo: one?.heardMsAgo ?? 0,
        ownValue: one?.ownValue,
      }
    })
  }

  /** The results that are believed, as they were signed, with the passes of their signers. */
  results(): readonly { readonly result: Result; readonly pass: string | undefined }[] {
    const signing = this.#signing()
    return [...this.#functions.values()].flatMap(({ result }) => {
      if (result === undefined || !this.#isBelievable(result)) return []
      return [{ result, pass: result.member === undefined ? undefined : signing.passOf(result.member) }]
    })
  }

  /** A packet has come that is no part of peering itself. */
  hear({ packet, from, signer, bytes }: SiteWord): void {
    const { node } = packet
    if (node === undefined || this.#lan === undefined) return
    const member = signer.kind === 'member' ? signer.member : undefined
    if (packet.type === 'presence') return packet.leaving ? this.#left(node, member) : undefined
    const word = readWord(packet.name, packet.extras, node)
    if (word === undefined) return
    if (word === 'malformed') return this.#count('malformed')
    const speaker = { from, node, member, bytes }
    // Whoever asks is answered alike; what strangers say is nothing to a member.
    const isQuestion = word.kind === 'request' || word.kind === 'found'
    if (!isQuestion && this.#signing().member !== undefined && member === undefined)
      return this.#refuse('function' in word ? word.function : '', from, 'not by a member')
    this.#count(`heard: ${word.kind}`)
    this.#speaker = speaker
    this.#dispatch(word, speaker)
    this.#speaker = undefined
  }

  #dispatch(word: FunctionWord, speaker: Speaker): void {
    switch (word.kind) {
      case 'election':
        return this.#heardElection(word, speaker)
      case 'result':
        return this.#heardResult(word, speaker)
      case 'resigned':
        return this.#heardResigned(word, speaker)
      case 'request':
        return this.#heardRequest(word, speaker)
      case 'response':
        return this.#heardResponse(word, speaker)
      case 'found':
        return this.#answers.found(word.nonce, speaker.from)
    }
  }

  #heardElection(word: Heard<'election'>, { from, node }: Speaker): void {
    const { function: name, term, delayMs, value } = word
    const now = this.#components.clock.monotonic()
    if (!isPossibleTerm(term, this.#components.clock.wall()))
      return this.#refuse(name, from, 'a term that cannot be')
    const one = this.#function(name, false)
    if (one === undefined) return this.#refuse(name, from, 'too many functions')
    const isNew = term > one.state.seen
    if (isNew && !(this.#mayBring(`${from} ${name}`, now) && this.#mayBeHeld(name, now)))
      return this.#refuse(name, from, 'too many elections')
    const isDistrusted = value !== undefined && this.#isPassedOver(`${name} ${node}`)
    if (isDistrusted) return this.#refuse(name, from, 'it did not keep its word')
    const ballot = value === undefined || value === 0 ? undefined : { node, value }
    one.happen({ kind: 'election', term, delayMs, ballot })
  }

  /** The provider speaks for itself, from where it is. */
  #heardResult({ result }: Heard<'result'>, { from, member }: Speaker): void {
    const isItsOwn = result.member === member && addressOf(result.location) === from
    if (!isItsOwn) return this.#refuse(result.function, from, 'another one’s result')
    const one = this.#believable(result, from)
    if (one === undefined) return
    this.#answers.told(result.function)
    one.happen({ kind: 'result', mandate: mandateOf(result), ageMs: 0 }, { result, source: 'election' })
  }

  #heardResigned({ function: name, term }: Heard<'resigned'>, { node, member }: Speaker): void {
    const one = this.#functions.get(name)
    if (one?.result?.term === term && one.result.member === member)
      one.happen({ kind: 'absent', node, reason: 'it has resigned' })
  }

  #heardRequest(word: Heard<'request'>, { from, bytes }: Speaker): void {
    this.#functions.get(word.function)?.happen({ kind: 'asked' })
    if (!this.#answers.request({ ...word, from, bytes })) this.#count('dropped: too many questions')
  }

  /** A third party's word counts as far as the provider's own signature in it; "I found" spares the others. */
  #heardResponse({ nonce, result, ageMs, pass }: Heard<'response'>, { from, node }: Speaker): void {
    const asked = this.#asked.get(nonce)
    const isWanted = asked === undefined ? nonce === CORRECTION : asked.name === result.function
    if (!isWanted) return this.#refuse(result.function, from, 'no answer to a question')
    if (pass !== undefined) this.#signing().learn(pass)
    const one = this.#believable(result, from)
    if (one === undefined) return
    if (asked !== undefined) this.#sayFound(nonce, asked)
    const isItsOwn = result.node === node && addressOf(result.location) === from
    const source = isItsOwn ? 'election' : 'third party'
    const heardMs = isItsOwn ? 0 : Math.max(1, ageMs)
    one.happen({ kind: 'result', mandate: mandateOf(result), ageMs: heardMs }, { result, source })
  }

  /** Those that did not hear it, and answer still, hear it again. */
  #sayFound(nonce: string, asked: Asked): void {
    const now = this.#components.clock.monotonic()
    if (asked.foundAt !== undefined && now - asked.foundAt < FOUND_AGAIN_MS) return
    asked.foundAt = now
    this.#say({ kind: 'found', nonce })
  }

  /** A member's leave counts only when it is signed; `Peering` has seen to it. */
  #left(node: NodeId, member: string | undefined): void {
    for (const one of this.#functions.values())
      if (one.result?.node === node && one.result.member === member)
        one.happen({ kind: 'absent', node, reason: 'it has left' })
  }

  readonly #run = (one: OneFunction, command: ElectionCommand): void => {
    const { name } = one
    switch (command.kind) {
      case 'ask':
        return this.#ask(one)
      case 'say-ballot':
        return this.#say({ ...command, kind: 'election', function: name })
      case 'say-result':
        return this.#sayResult(one)
      case 'say-resigned':
        return this.#sayResigned(name, command.term)
      case 'correct':
        return this.#correct(one)
      case 'broken-word':
        return this.#remember(`${name} ${command.node}`, DISTRUST_MS)
      case 'won':
        return this.#tellProvider('function-won', one)
      case 'learnt':
        return this.#tellProvider('function-learnt', one)
      case 'yielded':
        return this.#tell({ kind: 'function-lost', function: name, reason: command.reason })
      case 'lost':
        return this.#tellDead(one, command.reason)
      case 'confirmed':
        return
      case 'refused':
        return this.#refuse(name, this.#speaker?.from ?? '', command.reason)
    }
  }

  #ask(one: OneFunction): void {
    const { name, result } = one
    const nonce = this.#components.random.hex(8)
    this.#asked.set(nonce, { name, foundAt: undefined })
    const [oldest] = this.#asked.keys()
    if (this.#asked.size > MAX_REMEMBERED && oldest !== undefined) this.#asked.delete(oldest)
    const heardMs = result === undefined ? undefined : one.heardMsAgo
    const { delayMs } = this.#settings.timing()
    this.#say({ kind: 'request', function: name, nonce, delayMs, term: result?.term, heardMs })
  }

  #sayResult(one: OneFunction): void {
    const result = one.renewed()
    if (result !== undefined) this.#say({ kind: 'result', result })
  }

  #sayResigned(name: FunctionName, term: number): void {
    for (let times = 0; times < 2; times++) this.#say({ kind: 'resigned', function: name, term })
  }

  /** Tells whoever spoke last, unless somebody else does. */
  #correct({ name }: OneFunction): void {
    if (this.#speaker === undefined) return
    const { from, member } = this.#speaker
    // A stranger's address may be anybody's: it gets no more than it sent.
    const bytes = member === undefined ? this.#speaker.bytes : ROOM_BYTES
    const { delayMs } = this.#settings.timing()
    this.#answers.request({
      function: name,
      nonce: CORRECTION,
      from,
      delayMs,
      term: undefined,
      heardMs: undefined,
      bytes,
    })
  }

  #answer({ function: name, nonce, from, bytes }: Question): void {
    const one = this.#functions.get(name)
    const own = one?.provider()?.source === 'self' ? one.renewed() : undefined
    const result = own ?? one?.result
    if (one === undefined || result === undefined || !this.#isBelievable(result)) return
    const signing = this.#signing()
    const pass = result.member === undefined ? undefined : signing.passOf(result.member)
    const word = { kind: 'response', nonce, result, ageMs: one.heardMsAgo } as const
    for (const said of [writeWord({ ...word, pass }), writeWord({ ...word, pass: undefined })])
      if (lengthOf(said) <= bytes) return this.#lan?.say(...said, from)
    this.#count('not answered: the question was too short')
  }

  /** A third party answers with what is newer than what the asker knows. */
  #knownFor({ function: name, term = 0, heardMs = Infinity }: Question): 'nobody' | 'self' | 'other' {
    const one = this.#functions.get(name)
    const provider = one?.provider()
    if (one === undefined || provider === undefined) return 'nobody'
    if (provider.source === 'self') return 'self'
    const { silenceMs, heartbeatMs } = this.#settings.timing()
    const isNews = provider.term > term || one.heardMsAgo + heartbeatMs / 2 < heardMs
    return one.heardMsAgo < silenceMs && isNews ? 'other' : 'nobody'
  }

  async #look(name: FunctionName, signal: AbortSignal | undefined): Promise<Provider | undefined> {
    const one = this.#function(name, true)
    const nobody = `nobody ${name}`
    if (one === undefined || (!one.isUndecided && this.#isPassedOver(nobody))) return undefined
    for (let attempts = 0; attempts < MAX_LOOKS; attempts++) {
      if (signal?.aborted) return undefined
      one.want()
      await one.decided(signal)
      const provider = this.#provider(name)
      if (provider !== undefined) return provider
    }
    this.#remember(nobody, NOBODY_MS)
    return undefined
  }

  #call(one: OneFunction): void {
    if (!this.#mayCall(one.name, this.#components.clock.monotonic()))
      return this.#count('not called: too often')
    one.happen({ kind: 'call' })
  }

  #resign(one: OneFunction): void {
    const { mandate } = one.state
    if (one.provider()?.source === 'self' && mandate !== undefined) this.#sayResigned(one.name, mandate.term)
  }

  #provider(name: FunctionName): Provider | undefined {
    const designated = this.#settings.configured.find(
      (each) => each.function === name && !this.#isPassedOver(keyOf(each)),
    )
    if (designated !== undefined) return designated
    const one = this.#functions.get(name)
    const result = one?.result
    return result !== undefined && this.#isBelievable(result) ? one?.provider() : undefined
  }

  /** What was believed is asked again: a node joins a site, a member is revoked, time passes. */
  #isBelievable({ node, member, expires }: Result): boolean {
    if (node === this.#settings.node) return true
    const signing = this.#signing()
    if (expires < this.#components.clock.wall() - EXPIRY_GRACE_MS) return false
    return signing.member === undefined || (member !== undefined && signing.isGood(member))
  }

  #isFresh(provider: Provider): boolean {
    if (provider.source === 'configured') return true
    return this.#functions.get(provider.function)?.isFresh ?? false
  }

  #believable(result: Result, from: Address): OneFunction | undefined {
    const address = addressOf(result.location)
    const isPlace = address !== undefined && (this.#lan?.isOnLink(address) ?? false)
    const fault = isPlace
      ? faultOf(result, this.#signing(), this.#components.clock.wall())
      : 'no place on this LAN'
    const one = fault === undefined ? this.#function(result.function, false) : undefined
    if (one === undefined) this.#refuse(result.function, from, fault ?? 'too many functions')
    return one
  }

  /** @param isNeeded by somebody on this node; otherwise it is only noted while there is room. */
  #function(name: FunctionName, isNeeded: boolean): OneFunction | undefined {
    const known = this.#functions.get(name)
    if (known !== undefined) return known
    if (this.#functions.size >= MAX_FUNCTIONS && !this.#makeRoom(isNeeded)) return undefined
    const one = this.#newFunction(name)
    this.#functions.set(name, one)
    return one
  }

  #makeRoom(isNeeded: boolean): boolean {
    const dispensable = [...this.#functions.values()].find(
      (each) => !each.isPinned && (isNeeded || each.result === undefined),
    )
    if (dispensable === undefined) return false
    dispensable.stop()
    return this.#functions.delete(dispensable.name)
  }

  #newFunction(name: FunctionName, known?: KnownFunction): OneFunction {
    const { node, timing } = this.#settings
    const { book } = this.#components
    const save = (each: KnownFunction) => book.save(each)
    return new OneFunction(name, { ...this.#components, node, timing, run: this.#run, save }, known)
  }

  #signing(): Signing {
    return this.#components.signing()
  }

  #say(word: FunctionWord): void {
    this.#count(`said: ${word.kind}`)
    this.#lan?.say(...writeWord(word))
  }

  #passOver(provider: Provider, reason: string): void {
    if (this.#isPassedOver(keyOf(provider))) return
    this.#remember(keyOf(provider), PASSED_OVER_MS)
    this.#tell({ kind: 'function-dead', provider, reason })
  }

  #isPassedOver(key: string): boolean {
    return this.#components.clock.monotonic() < (this.#passedOver.get(key) ?? 0)
  }

  #remember(key: string, forMs: number): void {
    this.#passedOver.delete(key)
    this.#passedOver.set(key, this.#components.clock.monotonic() + forMs)
    const [oldest] = this.#passedOver.keys()
    if (this.#passedOver.size > MAX_REMEMBERED && oldest !== undefined) this.#passedOver.delete(oldest)
  }

  #tellProvider(kind: 'function-won' | 'function-learnt', one: OneFunction): void {
    this.#passedOver.delete(`nobody ${one.name}`)
    const provider = one.provider()
    if (provider !== undefined) this.#tell({ kind, provider })
  }

  #tellDead(one: OneFunction, reason: string): void {
    const provider = one.lastProvider()
    if (provider !== undefined) this.#tell({ kind: 'function-dead', provider, reason })
  }

  #refuse(name: string, from: string, reason: string): void {
    this.#count(`refused: ${reason}`)
    const key = `refused ${from} ${reason}`
    if (this.#isPassedOver(key)) return
    this.#remember(key, TELL_AGAIN_MS)
    this.#tell({ kind: 'function-refused', function: name, from, reason })
  }

  #tell(event: FunctionEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #count(what: string): void {
    this.#counters.set(what, (this.#counters.get(what) ?? 0) + 1)
  }
}

/** A provider that does not answer is followed by another one, so many times. */
const MAX_ATTEMPTS = 3
/** Where nobody is found it is tried once more: datagrams are lost. */
const MAX_LOOKS = 2
/** What has run out is believed for so long still, in ms: clocks differ. */
const EXPIRY_GRACE_MS = 120_000
/** A correction may be as long as an answer. */
const ROOM_BYTES = 1200

/** Corrections answer no question, so their nonce is nobody's. */
const CORRECTION = '0'.repeat(16)
/** "I found" is said again at most so often, in ms. */
const FOUND_AGAIN_MS = 20

/** Bytes of a datagram, at most: attributes, the element around them, and its signature. */
function lengthOf([name, extras]: readonly [string, Extras]): number {
  const attributes = extras.map(([key, value]) => key.length + value.length + ' =""'.length)
  return attributes.reduce((sum, each) => sum + each, AROUND_BYTES + name.length)
}

/** `<service type="" version="1.0" ID="4294967295" node="…"/>` and the trailer. */
const AROUND_BYTES = 270

function keyOf({ function: name, location }: Provider): string {
  return `configured ${name} ${location}`
}

/** What was kept, as far as it may still be believed. */
function stillGood(known: KnownFunction, signing: Signing, now: EpochMs): KnownFunction {
  const isGood = known.result !== undefined && faultOf(known.result, signing, now) === undefined
  return isGood ? known : { ...known, result: undefined }
}
