/** The peering server: one answer machine (FIG. 3) for each "I need" that was heard, side by side (R3.3). */
import type { CancelTimer, Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import { encode, fit } from './codec.ts'
import type { DownloadProgress, LocalCopies, LocalOffer } from './local-copies.ts'
import {
  initialAnswer,
  isAnswerOver,
  stepAnswer,
  type AnswerCommand,
  type AnswerEvent,
  type AnswerState,
} from './machines/answer.ts'
import type { PacketSender } from './packet-sender.ts'
import type { EndRequestPacket, LocalAlias, NodeId, RequestPacket } from './packets.ts'

/** The delay response period of an asker that names none: the patents' figure, in ms. */
export const PLAIN_MAX_DELAY_MS = 2000

/** No asker can make an answer wait longer than this, in ms. */
const LONGEST_DELAY_MS = 10_000

/** Questions that are answered at once; one more is not heard. */
export const MAX_ANSWERS = 4096

/** What an asker of the patents' plain packets may be sent, in bytes: twice its question at most (V§4). */
export const PLAIN_ANSWER_BYTES = 256

export interface AnswersSettings {
  readonly node: NodeId
  readonly serve: boolean
}

export interface AnswersComponents {
  readonly clock: Clock
  readonly random: Random
  readonly copies: LocalCopies
  readonly sender: Pick<PacketSender, 'sendBytes' | 'count' | 'overhead'>
  /** The URL by which peers reach a local alias of this node. */
  readonly locationOf: (alias: LocalAlias | undefined) => string | undefined
  /** A peer was told that this node is downloading what it asked for. */
  readonly onAsked: (resource: string, peer: Address) => void
  readonly progressOf: (resource: string) => DownloadProgress
}

interface Answer {
  readonly packet: RequestPacket
  readonly from: Address
  /** Bytes that the answer may take: never more than the question took. */
  readonly limitBytes: number
  /** Who signed the question can read a signature. */
  readonly isSealed: boolean
  state: AnswerState<LocalOffer>
  cancelWake: CancelTimer
}

type Event = AnswerEvent<LocalOffer>

export class Answers {
  readonly #settings: AnswersSettings
  readonly #components: AnswersComponents
  readonly #open = new Map<string, Answer>()

  constructor(settings: AnswersSettings, components: AnswersComponents) {
    this.#settings = settings
    this.#components = components
  }

  stop(): void {
    for (const answer of this.#open.values()) answer.cancelWake()
    this.#open.clear()
  }

  /** "I need" was heard in a datagram of `bytes` bytes, signed or not. */
  request(packet: RequestPacket, from: Address, bytes: number, isSigned: boolean): void {
    const key = keyOf(packet, from)
    if (!this.#settings.serve || this.#open.has(key)) return
    const { sender } = this.#components
    if (this.#open.size >= MAX_ANSWERS) return sender.count('dropped: too many questions')
    const limitBytes = Math.max(bytes, PLAIN_ANSWER_BYTES) - (isSigned ? sender.overhead : 0)
    const terms = { packet, from, limitBytes, isSealed: isSigned }
    const answer: Answer = { ...terms, state: initialAnswer, cancelWake: () => {} }
    this.#open.set(key, answer)
    const maxDelayMs = Math.min(packet.maxDelayMs ?? PLAIN_MAX_DELAY_MS, LONGEST_DELAY_MS)
    this.#dispatch(answer, { kind: 'request', maxDelayMs })
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
    this.#open.delete(keyOf(answer.packet, answer.from))
  }

  #run(answer: Answer, command: AnswerCommand<LocalOffer>): void {
    const { clock } = this.#components
    switch (command.kind) {
      case 'locate':
        return this.#locate(answer)
      case 'wake':
        answer.cancelWake = clock.after(command.at - clock.monotonic(), () => this.#wake(answer))
        return
      case 'send-response':
        return this.#sendResponse(answer, command.offer)
      case 'send-downloading':
        return this.#sendDownloading(answer, command.offer)
    }
  }

  #locate(answer: Answer): void {
    const { clock, random, copies } = this.#components
    const located = copies.locate(answer.packet.href)
    const sent = located.kind === 'absent' ? 0 : located.offer.sentCopies
    const fraction = lateness(random.fraction(), sent)
    this.#dispatch(answer, { kind: 'located', at: clock.monotonic(), located, fraction })
  }

  /** What was here when the question came may be gone, or the node busy, when the delay is over (R3.5). */
  #wake(answer: Answer): void {
    const { clock, copies } = this.#components
    if (copies.locate(answer.packet.href).kind === 'complete') {
      this.#dispatch(answer, { kind: 'wake', at: clock.monotonic() })
    } else this.#dispatch(answer, { kind: 'withdrawn' })
  }

  #sendResponse(answer: Answer, offer: LocalOffer): void {
    const { sender, locationOf } = this.#components
    const { alias, sentCopies: _, ...told } = offer
    const common = this.#common(answer.packet)
    const location = locationOf(alias)
    if (location === undefined) return
    const packet = { ...common, ...told, type: 'response', location, version: undefined } as const
    const bytes = fit(packet, answer.limitBytes)
    if (bytes) sender.sendBytes('response', answer.from, bytes, answer.isSealed)
  }

  #sendDownloading(answer: Answer, offer: LocalOffer): void {
    const { sender, onAsked, progressOf, locationOf } = this.#components
    const resource = answer.packet.href
    const common = { ...this.#common(answer.packet), ...progressOf(resource), resource }
    // Where there is no room for a location, the first progress report brings it.
    const bytes = [locationOf(offer.alias), undefined]
      .map((location) => encode({ ...common, type: 'downloading', location }))
      .find((each) => each !== undefined && each.length <= answer.limitBytes)
    if (!bytes) return
    sender.sendBytes('downloading', answer.from, bytes, answer.isSealed)
    onAsked(resource, answer.from)
  }

  #common(question: RequestPacket) {
    return { id: question.id, node: this.#settings.node, nonce: question.nonce, extras: [] }
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
