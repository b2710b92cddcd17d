/**
 * What a node makes of the words of others (FIGS. 8 and 9): believes, refuses, stores, answers. Who believes what, and why:
 * docs/providers.md.
 */
import type { Clock } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import type { NodeId } from '../peering/packets.ts'
import type { SiteWord } from '../peering/peering.ts'
import type { DiscoveryAnswers } from './discovery-answers.ts'
import { electionLimit, PER_FUNCTION, PER_SENDER } from './election-limits.ts'
import type { FunctionTable } from './function-table.ts'
import type { News } from './news.ts'
import { mandateOf, type OneFunction } from './one-function.ts'
import { addressOf, placeFault } from './place.ts'
import type { Questions } from './questions.ts'
import type { Recollection } from './recollection.ts'
import { faultOf, isPossibleTerm, type Result, type Signing } from './result.ts'
import { readWord, type FunctionWord } from './words.ts'

export interface HearingComponents {
  readonly clock: Clock
  readonly signing: () => Signing
  readonly functions: FunctionTable
  readonly answers: DiscoveryAnswers
  readonly questions: Questions
  readonly news: News
  readonly distrust: Recollection
  /** Whether a node of the LAN can have this address. */
  readonly isOnLink: (address: string) => boolean
  /** This node provides, and was reported. */
  readonly reported: (one: OneFunction, by: Address) => void
  /** "I found". */
  readonly sayFound: (nonce: string) => void
}

/** Who speaks. */
export interface Speaker {
  readonly from: Address
  readonly node: NodeId
  /** The member that signed the packet. */
  readonly member: string | undefined
  /** Of the datagram. */
  readonly bytes: number
}

type Heard<Kind extends FunctionWord['kind']> = Extract<FunctionWord, { readonly kind: Kind }>

export class Hearing {
  readonly #components: HearingComponents
  readonly #mayBring = electionLimit(PER_SENDER)
  readonly #mayBeHeld = electionLimit(PER_FUNCTION)
  /** Whose word is being dealt with. */
  speaker: Speaker | undefined

  constructor(components: HearingComponents) {
    this.#components = components
  }

  /** A packet has come that is no part of peering itself. */
  hear({ packet, from, signer, bytes }: SiteWord): void {
    const { node } = packet
    if (node === undefined) return
    const { news, signing } = this.#components
    const member = signer.kind === 'member' ? signer.member : undefined
    const speaker = { from, node, member, bytes }
    if (packet.type === 'presence') return packet.leaving ? this.#left(speaker) : undefined
    const word = readWord(packet.name, packet.extras, node)
    if (word === undefined) return
    if (word === 'malformed') return news.count('malformed')
    // Whoever asks is answered alike; what strangers say is nothing to a member.
    const isQuestion = word.kind === 'request' || word.kind === 'found'
    if (!isQuestion && signing().member !== undefined && member === undefined)
      return news.refuse(subjectOf(word), from, 'not by a member')
    news.count(`heard: ${word.kind}`)
    this.speaker = speaker
    this.#dispatch(word, speaker)
    this.speaker = undefined
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
        return this.#components.answers.found(word.nonce, speaker.from)
    }
  }

  #heardElection(word: Heard<'election'>, speaker: Speaker): void {
    const { function: name, term, delayMs, value, without } = word
    const { from, node } = speaker
    const one = this.#components.functions.get(name, false)
    const refusal = one === undefined ? 'too many functions' : this.#refusalOf(one, term, speaker)
    if (one === undefined || refusal !== undefined)
      return this.#components.news.refuse(name, from, refusal ?? '')
    const stands = value !== undefined && value > 0
    if (stands && this.#components.distrust.holds(brokenWord(name, node)))
      return this.#components.news.refuse(name, from, 'it did not keep its word')
    // Before it stands, and once for each term.
    const isReported = one.isOwn && without === one.result?.node && term > one.state.seen
    if (isReported) this.#components.reported(one, from)
    one.happen({ kind: 'election', term, delayMs, ballot: stands ? { node, value } : undefined, without })
  }

  /** Why an election is not taken part in. */
  #refusalOf({ name, state }: OneFunction, term: number, { from }: Speaker): string | undefined {
    const { clock } = this.#components
    const now = clock.monotonic()
    if (term < 1 || !isPossibleTerm(term, clock.wall())) return 'a term that cannot be'
    if (term <= state.seen) return undefined
    const isWithin = this.#mayBring(`${from} ${name}`, now) && this.#mayBeHeld(name, now)
    return isWithin ? undefined : 'too many elections'
  }

  /** The provider speaks for itself, from where it is. */
  #heardResult({ result }: Heard<'result'>, { from, member }: Speaker): void {
    const isItsOwn = result.member === member && placeFault(result.location, from) === undefined
    if (!isItsOwn) return this.#components.news.refuse(result.function, from, 'another one’s result')
    const one = this.#believable(result, from)
    if (one === undefined) return
    this.#components.answers.told(result.function)
    one.happen({ kind: 'result', mandate: mandateOf(result), ageMs: 0 }, { result, source: 'election' })
  }

  #heardResigned({ function: name, term }: Heard<'resigned'>, speaker: Speaker): void {
    const one = this.#components.functions.find(name)
    if (one?.result?.term === term) this.#gone(one, speaker, 'it has resigned')
  }

  #heardRequest(word: Heard<'request'>, { from, bytes }: Speaker): void {
    const { functions, answers, news } = this.#components
    functions.find(word.function)?.happen({ kind: 'asked' })
    if (!answers.request({ ...word, from, bytes })) news.count('dropped: too many questions')
  }

  /** A third party's word counts as far as the provider's own signature in it; "I found" spares the others. */
  #heardResponse({ nonce, result, ageMs, pass }: Heard<'response'>, { from, node }: Speaker): void {
    const { questions, news, signing, sayFound } = this.#components
    if (!questions.isAnswer(nonce, result.function))
      return news.refuse(result.function, from, 'no answer to a question')
    if (pass !== undefined) signing().learn(pass)
    const one = this.#believable(result, from)
    if (one === undefined) return
    if (questions.found(nonce)) sayFound(nonce)
    const isItsOwn = result.node === node && placeFault(result.location, from) === undefined
    const source = isItsOwn ? 'election' : 'third party'
    const heardMs = isItsOwn ? 0 : Math.max(1, ageMs)
    one.happen({ kind: 'result', mandate: mandateOf(result), ageMs: heardMs }, { result, source })
  }

  #left(speaker: Speaker): void {
    for (const one of this.#components.functions.all()) this.#gone(one, speaker, 'it has left')
  }

  /** A provider says so itself; a member's word counts only when it is signed. It costs the LAN an election. */
  #gone(one: OneFunction, { from, node, member }: Speaker, reason: string): void {
    if (one.result?.node !== node || one.result.member !== member) return
    const { clock, news } = this.#components
    if (this.#mayBring(`${from} ${one.name}`, clock.monotonic()))
      one.happen({ kind: 'absent', node, reason, isReported: false })
    else news.refuse(one.name, from, 'too many elections')
  }

  #believable(result: Result, from: Address): OneFunction | undefined {
    const { functions, news, signing, clock } = this.#components
    const fault = this.#placeFault(result.location) ?? faultOf(result, signing(), clock.wall())
    const hasShare = functions.hasShare(result.function, (one) => isOfSame(one.result, result))
    const one = fault === undefined && hasShare ? functions.get(result.function, false) : undefined
    if (one === undefined) news.refuse(result.function, from, fault ?? 'too many functions')
    return one
  }

  #placeFault(location: string): string | undefined {
    const address = addressOf(location)
    return address !== undefined && this.#components.isOnLink(address) ? undefined : 'no place on this LAN'
  }
}

/** A candidate that beat all others and never said the result. */
export function brokenWord(name: string, node: NodeId): string {
  return `${name} ${node}`
}

/** Members have many nodes, and strangers many names, at one address. */
function isOfSame(known: Result | undefined, { member, location }: Result): boolean {
  if (known === undefined) return false
  if (member !== undefined) return known.member === member
  return known.member === undefined && addressOf(known.location) === addressOf(location)
}

function subjectOf(word: FunctionWord): string {
  if ('function' in word) return word.function
  return 'result' in word ? word.result.function : ''
}
