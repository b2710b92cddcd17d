/** One plain request on the path of a resource, from the question to the last byte of its answer. */
import type { Socket } from 'node:net'
import { bodyOf, type Answer, type Written } from '../../core/answer.ts'
import type { Clock } from '../../core/clock.ts'
import { NO_LONGER_NEEDED } from '../../core/ended.ts'
import { asFault, Fault } from '../../core/fault.ts'
import type { FieldLine, Fields } from '../../core/fields.ts'
import { cacheStatus, type CacheStatusEntry } from '../../cache/semantics/cache-status.ts'
import { formatHttpDate } from '../../cache/semantics/http-date.ts'
import type { Begun } from '../../retrieval/begun.ts'
import type { Resource, Trace } from '../../retrieval/resource.ts'
import type { Resources } from '../../retrieval/resources.ts'
import { errorAnswer } from '../error-page.ts'
import { ExchangeLog, type RequestLine } from '../exchange-log.ts'
import { viaLine } from '../via.ts'
import { framingOf, sendAnswer } from './answer-writer.ts'
import { InterimResponses } from './interim-responses.ts'
import { headText } from './message-head.ts'
import type { PlainRequest } from './plain-requests.ts'
import type { SendMemory } from './send-memory.ts'

export interface ExchangeParts {
  readonly clock: Clock
  /** This node's name in `Via`. */
  readonly pseudonym: string
  readonly resources: Omit<Resources, 'content'>
  readonly log: (line: RequestLine) => void
  readonly buffers: BodyBuffers
  readonly sending: SendMemory
}

/** Memory for pieces of bodies. */
export interface BodyBuffers {
  /** @param bytes at most those of a piece. */
  readonly take: (bytes: number) => Uint8Array
  /** A piece was sent, whether it was taken from here or not. */
  readonly give: (piece: Uint8Array) => void
}

/** What has become of a request before it takes the path of a resource. */
export interface Beginning {
  readonly begun: Begun | undefined
  readonly log: ExchangeLog
  readonly interim: InterimResponses
}

export class PlainExchange {
  readonly keepsAlive: boolean
  readonly #request: PlainRequest
  readonly #socket: Socket
  readonly #parts: ExchangeParts
  readonly #log: ExchangeLog
  readonly #gone = new AbortController()
  readonly #interim: InterimResponses
  readonly #outcome: Promise<Resource | Fault>

  /** Asks at once. */
  constructor(
    request: PlainRequest,
    keepsAlive: boolean,
    socket: Socket,
    parts: ExchangeParts,
    beginning?: Beginning,
  ) {
    this.keepsAlive = keepsAlive
    this.#request = request
    this.#socket = socket
    this.#parts = parts
    this.#log = beginning?.log ?? exchangeLog(request, parts)
    this.#interim = beginning?.interim ?? new InterimResponses(socket, () => this.abort())
    this.#outcome = parts.resources
      .get({
        ...request,
        signal: this.#gone.signal,
        allocate: parts.buffers.take,
        begun: beginning?.begun,
        onInformation: (status, fields) => this.#interim.add(status, fields),
      })
      .catch((thrown: unknown) => asFault(thrown, 'STORE_FAILED'))
  }

  /** The user agent has gone. */
  abort(): void {
    this.#gone.abort(NO_LONGER_NEEDED)
  }

  /** Its turn has come. Resolves when the answer is out, or as much of it as there will be. Never throws. */
  async send(): Promise<void> {
    this.#interim.begin()
    const outcome = await this.#outcome
    this.#interim.end()
    const rule = this.#parts.resources.ruleOf(this.#request)
    if (outcome instanceof Fault) {
      const { status } = await this.#sendFault(outcome)
      return this.#log.end({ way: 'resource', status, rule, fault: outcome })
    }
    this.#log.firstByte()
    const { answer, trace } = outcome
    const fields = toldFields(answer.fields, trace, this.#parts.pseudonym)
    const written = await this.#sendAnswer({ ...answer, fields })
    this.#log.end({ way: 'resource', status: answer.status, rule, trace, written })
  }

  async #sendFault(fault: Fault): Promise<Answer> {
    const { target, accept } = this.#request
    const { body, ...head } = errorAnswer(fault, target, accept)
    const answer = { ...head, body: bodyOf(body) }
    await this.#sendAnswer(answer)
    return answer
  }

  async #sendAnswer(answer: Answer): Promise<Written> {
    const { clock, buffers } = this.#parts
    const framing = framingOf(answer, this.#request.method)
    try {
      const date = () => formatHttpDate(clock.wall())
      const head = headText(answer, { framing, keepsAlive: this.keepsAlive, date })
      return await sendAnswer(this.#socket, head, answer, framing, buffers.give)
    } catch (error) {
      this.#socket.destroy()
      return { kind: 'broken', bytes: 0, error }
    }
  }
}

export function exchangeLog(
  { method, shownUrl: url, address: client }: PlainRequest,
  { clock, log }: ExchangeParts,
): ExchangeLog {
  return new ExchangeLog({ method, url, client }, clock, log)
}

/** An answer's fields with what this node did (R6.6). */
export function toldFields(fields: Fields, { cacheStatus: entry }: Trace, pseudonym: string): Fields {
  if (last?.entry !== entry) last = { entry, line: ['Cache-Status', cacheStatus(entry)] }
  return [...fields, viaLine('1.1', pseudonym), last.line]
}

/** Plain misses have mostly the same entry. */
let last: { readonly entry: CacheStatusEntry; readonly line: FieldLine } | undefined
