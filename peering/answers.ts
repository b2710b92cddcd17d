/** The peering server: one answer machine (FIG. 3) for each "I need" that was heard, side by side (R3.3). */
import type { CancelTimer, Clock, Monotonic } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import { AnswerPackets, type AnswerPacketsComponents } from './answer-packets.ts'
import { questionsIn } from './further.ts'
import type { LocalCopies, LocalOffer } from './local-copies.ts'
import {
  initialAnswer,
  isAnswerOver,
  stepAnswer,
  type AnswerCommand,
  type AnswerEvent,
  type AnswerState,
} from './machines/answer.ts'
import type { EndRequestPacket, RequestPacket } from './packets.ts'
import type { Self } from './self.ts'

/** The delay response period of an asker that names none: the patents' figure, in ms. */
export const PLAIN_MAX_DELAY_MS = 2000

/** No asker can make an answer wait longer than this, in ms. */
const LONGEST_DELAY_MS = 10_000

/** Questions that are answered at once; one more is not heard. */
export const MAX_ANSWERS = 4096

/** Of one asker, of whom only so many are heard at a time: nobody can use up the places of the others. */
export const MAX_ANSWERS_TO_ONE = 512

/** What an asker of the patents' plain packets may be sent, in bytes: twice its question at most (V§4). */
export const PLAIN_ANSWER_BYTES = 256

export interface AnswersSettings {
  readonly self: Pick<Self, 'node'>
  readonly serve: boolean
}

export interface AnswersComponents extends AnswerPacketsComponents {
  readonly clock: Clock
  readonly random: Random
  readonly copies: LocalCopies
}

interface Answer {
  readonly packet: RequestPacket
  readonly from: Address
  /** Shared by the questions of one datagram. */
  readonly together: Together
  state: AnswerState<LocalOffer>
  cancelWake: CancelTimer
}

interface Together {
  readonly packets: AnswerPackets
  /** Those that wait for their delay. */
  readonly answers: Set<Answer>
  /** The same for all, so that all that is here is told in one packet: when they were heard, and what was drawn. */
  readonly at: Monotonic
  readonly fraction: number
}

type Event = AnswerEvent<LocalOffer>

export class Answers {
  readonly #settings: AnswersSettings
  readonly #components: AnswersComponents
  readonly #open = new Map<string, Answer>()
  /** How many of them are to whom. */
  readonly #openTo = new Map<Address, number>()

  constructor(settings: AnswersSettings, components: AnswersComponents) {
    this.#settings = settings
    this.#components = components
  }

  stop(): void {
    for (const answer of this.#open.values()) answer.cancelWake()
    this.#open.clear()
    this.#openTo.clear()
  }

  /** "I need" was heard in a datagram of `bytes` bytes, signed or not; it may ask for many things. */
  request(packet: RequestPacket, from: Address, bytes: number, isSigned: boolean): void {
    if (!this.#settings.serve) return
    const together = this.#together(from, bytes, isSigned)
    for (const each of questionsIn(packet)) this.#hear(each, from, together)
    together.packets.sendDownloads()
  }

  #together(from: Address, bytes: number, isSealed: boolean): Together {
    const { node } = this.#settings.self
    const { clock, random } = this.#components
    const roomBytes = Math.max(bytes, PLAIN_ANSWER_BYTES)
    const packets = new AnswerPackets({ node, from, roomBytes, isSealed }, this.#components)
    return { packets, answers: new Set(), at: clock.monotonic(), fraction: random.fraction() }
  }

  #hear(packet: RequestPacket, from: Address, together: Together): void {
    const key = keyOf(packet, from)
    if (this.#open.has(key)) return
    const openTo = this.#openTo.get(from) ?? 0
    if (this.#open.size >= MAX_ANSWERS || openTo >= MAX_ANSWERS_TO_ONE)
      return this.#components.sender.count('dropped: too many questions')
    const answer: Answer = { packet, from, together, state: initialAnswer, cancelWake: () => {} }
    const maxDelayMs = Math.min(packet.maxDelayMs ?? PLAIN_MAX_DELAY_MS, LONGEST_DELAY_MS)
    this.#dispatch(answer, { kind: 'request', maxDelayMs })
    // Most of what others ask for is not here: of that nothing is kept.
    if (isAnswerOver(answer.state)) return
    this.#open.set(key, answer)
    this.#openTo.set(from, openTo + 1)
    together.answers.add(answer)
  }

  /** Whether a question of this kind waits for its answer. */
  isOpen(packet: EndRequestPacket, from: Address): boolean {
    return this.#open.has(keyOf(packet, from))
  }

  /** "I found" was heard. */
  endRequest(packet: EndRequestPacket, from: Address): void {
    const answer = this.#open.get(keyOf(packet, from))
    if (answer) this.#dispatch(answer, { kind: 'end-request' })
  }

  #dispatch(answer: Answer, event: Event): void {
    const [state, commands] = stepAnswer(answer.state, event)
    answer.state = state
    for (const command of commands) this.#run(answer, command)
    if (!isAnswerOver(answer.state)) return
    answer.cancelWake()
    answer.together.answers.delete(answer)
    if (this.#open.delete(keyOf(answer.packet, answer.from))) this.#left(answer.from)
  }

  #left(asker: Address): void {
    const openTo = (this.#openTo.get(asker) ?? 0) - 1
    if (openTo > 0) this.#openTo.set(asker, openTo)
    else this.#openTo.delete(asker)
  }

  #run(answer: Answer, command: AnswerCommand<LocalOffer>): void {
    const { clock } = this.#components
    switch (command.kind) {
      case 'locate':
        return this.#locate(answer)
      case 'wake':
        answer.cancelWake()
        answer.cancelWake = clock.after(command.at - clock.monotonic(), () => this.#wakeAll(answer.together))
        return
      case 'send-response':
        return answer.together.packets.have(answer.packet, command.offer)
      case 'send-downloading':
        return answer.together.packets.downloading(answer.packet, command.offer)
    }
  }

  #locate(answer: Answer): void {
    const { copies } = this.#components
    const { at } = answer.together
    const located = copies.locate(answer.packet.href)
    const sent = located.kind === 'absent' ? 0 : located.offer.sentCopies
    const fraction = lateness(answer.together.fraction, sent)
    this.#dispatch(answer, { kind: 'located', at, located, fraction })
  }

  /** What is due at the same moment leaves together. */
  #wakeAll({ answers, packets }: Together): void {
    for (const answer of answers) this.#wake(answer)
    packets.sendOffers()
  }

  /** What was here when the question came may be gone, or the node busy, when the delay is over (R3.5). */
  #wake(answer: Answer): void {
    const { clock, copies } = this.#components
    if (copies.locate(answer.packet.href).kind === 'complete') {
      this.#dispatch(answer, { kind: 'wake', at: clock.monotonic() })
    } else this.#dispatch(answer, { kind: 'withdrawn' })
  }
}

/**
 * Who has sent it before draws from the later part of the delay response period, so that the least loaded answer first: of
 * the whole after no copy, of its last half after one, of its last quarter after two.
 */
export function lateness(fraction: number, sentCopies: number): number {
  return 1 - (1 - fraction) * 0.5 ** Math.min(sentCopies, MAX_HALVINGS)
}

/** Beyond this nobody could tell the difference: 1/32 of 30 ms. */
const MAX_HALVINGS = 5

function keyOf(packet: RequestPacket | EndRequestPacket, from: Address): string {
  return `${from} ${packet.id}`
}
