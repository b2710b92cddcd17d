/**
 * Serving what is known of providers (FIG. 9, 412 to 422): each question for a function is answered by the machine that answers
 * questions for files, FIG. 5 (peering/machines/answer.ts). The provider itself does not wait; a third party waits its random
 * delay, and is cancelled by "I found".
 */
import type { CancelTimer, Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import {
  initialAnswer,
  isAnswerOver,
  stepAnswer,
  type AnswerCommand,
  type AnswerEvent,
  type AnswerState,
} from '../peering/machines/answer.ts'
import type { FunctionName } from './functions.ts'

/** Questions that are answered at once; one more is not heard. */
export const MAX_DISCOVERY_ANSWERS = 256

/** A question for a function; also a node that has spoken of a provider that is none any more, and is to be told. */
export interface Question {
  readonly function: FunctionName
  readonly nonce: string
  readonly from: Address
  readonly delayMs: number
  /** What the asker knows already. */
  readonly term: number | undefined
  readonly heardMs: number | undefined
  /** Of the datagram: the answer may not be longer. */
  readonly bytes: number
}

export interface DiscoveryAnswersComponents {
  readonly clock: Clock
  readonly random: Random
  /** What is known now that the asker does not know: nothing, or whether it is this node that provides. */
  readonly known: (question: Question) => 'nobody' | 'self' | 'other'
  readonly answer: (question: Question) => void
}

interface Open {
  readonly question: Question
  state: AnswerState<Question>
  cancelWake: CancelTimer
}

export class DiscoveryAnswers {
  readonly #components: DiscoveryAnswersComponents
  readonly #open = new Map<string, Open>()

  constructor(components: DiscoveryAnswersComponents) {
    this.#components = components
  }

  /** @returns `false` when too many are open. */
  request(question: Question): boolean {
    const key = keyOf(question)
    if (this.#open.has(key)) return true
    if (this.#open.size >= MAX_DISCOVERY_ANSWERS) return false
    const open: Open = { question, state: initialAnswer, cancelWake: () => {} }
    this.#open.set(key, open)
    this.#dispatch(open, { kind: 'request', maxDelayMs: question.delayMs })
    return true
  }

  /** "I found" was heard. */
  found(nonce: string, from: Address): void {
    const open = this.#open.get(keyOf({ nonce, from }))
    if (open) this.#dispatch(open, { kind: 'end-request' })
  }

  /** Who provides was said to everybody: nobody need be told. */
  told(name: FunctionName): void {
    for (const open of this.#open.values())
      if (open.question.function === name) this.#dispatch(open, { kind: 'withdrawn' })
  }

  stop(): void {
    for (const { cancelWake } of this.#open.values()) cancelWake()
    this.#open.clear()
  }

  #dispatch(open: Open, event: AnswerEvent<Question>): void {
    const [state, commands] = stepAnswer(open.state, event)
    open.state = state
    for (const command of commands) this.#run(open, command)
    if (!isAnswerOver(open.state)) return
    open.cancelWake()
    this.#open.delete(keyOf(open.question))
  }

  #run(open: Open, command: AnswerCommand<Question>): void {
    const { clock, random, answer } = this.#components
    switch (command.kind) {
      case 'locate': {
        const known = this.#components.known(open.question)
        const located = known === 'nobody' ? ABSENT : ({ kind: 'complete', offer: open.question } as const)
        const fraction = known === 'self' ? 0 : THIRD_PARTY_FROM + (1 - THIRD_PARTY_FROM) * random.fraction()
        return this.#dispatch(open, { kind: 'located', at: clock.monotonic(), located, fraction })
      }
      case 'wake':
        open.cancelWake = clock.after(command.at - clock.monotonic(), () => this.#wake(open))
        return
      case 'send-response':
      case 'send-downloading':
        return answer(command.offer)
    }
  }

  #wake(open: Open): void {
    const { clock, known } = this.#components
    const isKnown = known(open.question) !== 'nobody'
    this.#dispatch(open, isKnown ? { kind: 'wake', at: clock.monotonic() } : { kind: 'withdrawn' })
  }
}

const ABSENT = { kind: 'absent' } as const

/** The provider's own answer comes first: third parties draw from this share of the delay on. */
const THIRD_PARTY_FROM = 0.2

function keyOf({ nonce, from }: Pick<Question, 'nonce' | 'from'>): string {
  return `${from} ${nonce}`
}
