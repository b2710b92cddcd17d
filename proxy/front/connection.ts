/**
 * One connection of a user agent, as long as its requests are plain. Each request is asked about as soon as it is read,
 * side by side with those before it; the answers go out in order. Hot hits go out at once. The first request that is
 * not plain ends this: once the answers before it are out, the connection goes to node:http with all bytes that were
 * not answered.
 */
import type { Socket } from 'node:net'
import type { Monotonic } from '../../core/clock.ts'
import { lookEveryMs, Standstill } from '../../core/standstill.ts'
import type { HotHit } from '../../retrieval/hot-responses.ts'
import type { RequestLine } from '../exchange-log.ts'
import type { HotAnswer, HotAnswers } from './hot-answers.ts'
import { MissExchange } from './miss-exchange.ts'
import { PlainExchange, type ExchangeParts } from './plain-exchange.ts'
import type { PlainRequest, PlainRequests } from './plain-requests.ts'
import type { RepeatedRequests } from './repeated-requests.ts'
import type { HeaderSection, RequestReader } from './request-reader.ts'
import type { TurnEnd } from '../turn-end.ts'

export interface ConnectionParts extends ExchangeParts {
  readonly reader: RequestReader
  readonly requests: PlainRequests
  readonly repeated: RepeatedRequests
  readonly hot: HotAnswers
  readonly turnEnd: TurnEnd
  /** From now on it is node:http's; what it unreads comes first. */
  readonly handOver: (socket: Socket) => void
  /** A head that does not come to its end. */
  readonly tooLate: (socket: Socket) => void
  readonly closed: (connection: Connection) => void
  readonly patience: Patience
  readonly isStopping: () => boolean
}

/** How long a connection may go without progress, in ms. */
export interface Patience {
  /** For a request's head, from its first byte; for the first request, from the start. */
  readonly headMs: number
  /** Between requests. */
  readonly keepAliveMs: number
  /** For taking what is sent: then it makes room for another connection that would have no place. */
  readonly stallMs: number
  /** For the same, where there are places: people pause downloads, and machines go to sleep. */
  readonly pauseMs: number
}

/** Requests of one connection that are answered side by side; package managers send ten. */
const MAX_IN_FLIGHT = 32
/** Bytes of answers that a connection holds before further requests have to wait; Node then tells when they are out. */
const MAX_UNSENT_BYTES = 262_144

export class Connection {
  readonly #socket: Socket
  readonly #parts: ConnectionParts
  /** In the order of the requests; the first one's answer is being sent. */
  readonly #waiting: PlainExchange[] = []
  /** A request that is answered as its bytes come; those behind it wait for its end. */
  #miss: MissExchange | undefined
  /** What came and was not read as a request yet, as Latin-1. */
  #text = ''
  /** The last request's: the next one's are likely the same. */
  #section: HeaderSection | undefined
  #state: 'reading' | 'handing-over' | 'ending' = 'reading'
  #isAnswering = false
  #hasServed = false
  readonly #standstill: Standstill
  /** For how long nothing of what is sent was taken, in ms. */
  #stalledMs = 0
  /** When the last answer was out, or what has come of a head began. */
  #since: Monotonic

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket
    this.#parts = parts
    this.#since = parts.clock.monotonic()
    this.#standstill = new Standstill(parts.patience.stallMs)
    for (const [event, listener] of this.#listeners) socket.on(event, listener)
  }

  get #listeners() {
    return [
      ['data', this.#onData],
      ['drain', this.#onDrain],
      ['end', this.#onEnd],
      ['timeout', this.#onTimeout],
      ['close', this.#onClose],
      ['error', ignore],
    ] as const
  }

  /** Of the client; empty when it has gone. */
  get address(): string {
    return this.#socket.remoteAddress ?? ''
  }

  /** Nothing is being asked or answered. */
  get isIdle(): boolean {
    return (
      this.#text === '' && this.#isAnswered && this.#socket.writableLength === 0 && !this.#socket.destroyed
    )
  }

  /** A request has begun to come, and nothing else is being asked or answered. */
  get isHalfAsked(): boolean {
    return (
      this.#text !== '' && this.#isAnswered && this.#socket.writableLength === 0 && !this.#socket.destroyed
    )
  }

  /** Of an answer nothing was taken for as long as others may wait for its place. */
  get isStalled(): boolean {
    return this.#stalledMs >= this.#parts.patience.stallMs && !this.#socket.destroyed
  }

  /** Closes it unless something is being asked or answered. */
  endIfIdle(): void {
    if (this.#isAnswered && this.#text === '') this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Ends what makes no progress; to be called every few seconds. */
  look(now: Monotonic): void {
    const { headMs, keepAliveMs, stallMs } = this.#parts.patience
    const socket = this.#socket
    const isSending = socket.writableLength > 0
    // Node's timer starts again with every byte that leaves, which nobody else sees.
    if (isSending !== (socket.timeout !== undefined && socket.timeout > 0))
      socket.setTimeout(isSending ? lookEveryMs(stallMs) : 0)
    if (!isSending) this.#stalledMs = 0
    if (isSending || !this.#isAnswered || !socket.writable) return
    const waitedMs = now - this.#since
    if (this.#text !== '' || !this.#hasServed) {
      // What was never asked has no answer: whoever asks at this moment would take it for theirs.
      if (waitedMs < headMs) return
      if (this.#text === '') socket.destroySoon()
      else this.#parts.tooLate(socket)
    } else if (waitedMs >= keepAliveMs) socket.destroy()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state === 'ending') return
    if (this.#text === '') this.#since = this.#parts.clock.monotonic()
    this.#text += chunk.toString('latin1')
    if (!this.#answerRepeated()) this.#read()
  }

  readonly #onDrain = (): void => {
    this.#stalledMs = 0
    if (this.#text !== '') this.#read()
  }

  /** Nothing was taken since Node looked last. */
  readonly #onTimeout = (): void => {
    const { stallMs, pauseMs } = this.#parts.patience
    const socket = this.#socket
    if (socket.writableLength === 0) return
    this.#stalledMs = this.#standstill.look(socket, this.#parts.clock.monotonic())
    if (this.#stalledMs >= pauseMs) socket.destroy()
    // It is armed again by activity, and there was none.
    else socket.setTimeout(lookEveryMs(stallMs))
  }

  /** As node:http does: who closes their side is gone, and so is what they waited for. */
  readonly #onEnd = (): void => {
    this.#state = 'ending'
    this.#abort()
    this.#socket.end()
  }

  readonly #onClose = (): void => {
    this.#state = 'ending'
    this.#abort()
    this.#parts.closed(this)
  }

  /** No request that has come waits for its answer. */
  get #isAnswered(): boolean {
    return this.#waiting.length === 0 && this.#miss === undefined
  }

  #abort(): void {
    this.#miss?.abort()
    for (const exchange of this.#waiting) exchange.abort()
  }

  /** All that has come is one request that came before. */
  #answerRepeated(): boolean {
    if (this.#state !== 'reading' || this.#isFull) return false
    const request = this.#parts.repeated.find(this.#text, this.#socket)
    if (request === undefined) return false
    this.#text = ''
    this.#answer(request)
    this.#goOn()
    return true
  }

  #read(): void {
    const text = this.#text
    const { reader, requests, repeated } = this.#parts
    let from = 0
    let isCorked = false
    while (this.#state === 'reading' && from < text.length && !this.#isFull) {
      const reading = reader.read(text, from, this.#section)
      if (reading.kind === 'incomplete') break
      const request = reading.kind === 'plain' ? requests.accept(reading.head, this.#socket) : undefined
      if (reading.kind === 'other' || request === undefined) {
        this.#state = 'handing-over'
        break
      }
      from = reading.end
      this.#section = reading.head.section
      // The answers to several requests that came together leave together.
      if (from < text.length && !isCorked) {
        this.#socket.cork()
        isCorked = true
      }
      const isHot = this.#answer(request)
      if (isHot && from === text.length && !isCorked) repeated.remember(text, request, this.#socket)
    }
    this.#text = from === text.length ? '' : text.slice(from)
    if (isCorked) this.#socket.uncork()
    this.#goOn()
  }

  /** Whether further requests have to wait until answers are out. */
  get #isFull(): boolean {
    return this.#waiting.length >= MAX_IN_FLIGHT || this.#socket.writableLength >= MAX_UNSENT_BYTES
  }

  #goOn(): void {
    const socket = this.#socket
    if ((this.#isFull && this.#text !== '') || this.#state === 'handing-over') socket.pause()
    else if (socket.isPaused()) socket.resume()
    if (this.#state === 'handing-over' && this.#isAnswered) this.#handOver()
  }

  #handOver(): void {
    const socket = this.#socket
    this.#state = 'ending'
    for (const [event, listener] of this.#listeners) socket.off(event, listener)
    socket.setTimeout(0)
    this.#parts.closed(this)
    if (socket.destroyed) return
    socket.unshift(Buffer.from(this.#text, 'latin1'))
    this.#text = ''
    this.#parts.handOver(socket)
    socket.resume()
  }

  /** @returns whether it was a hot hit. */
  #answer(request: PlainRequest): boolean {
    this.#hasServed = true
    const keepsAlive = request.keepsAlive && !this.#parts.isStopping()
    if (!keepsAlive) this.#state = 'ending'
    if (this.#isAnswered && this.#answerHot(request, keepsAlive)) return true
    if (this.#isAnswered && this.#answerMiss(request, keepsAlive)) return false
    this.#waiting.push(new PlainExchange(request, keepsAlive, this.#socket, this.#parts))
    this.#answerNext()
    return false
  }

  #answerNext(): void {
    if (this.#waiting.length > 0 && this.#miss === undefined && !this.#isAnswering) void this.#answerWaiting()
  }

  #answerMiss(request: PlainRequest, keepsAlive: boolean): boolean {
    const miss = new MissExchange(request, keepsAlive, this.#socket, this.#parts, () =>
      this.#onAnswered(miss),
    )
    this.#miss = miss
    if (miss.begin()) return true
    this.#miss = undefined
    return false
  }

  #onAnswered({ keepsAlive }: MissExchange): void {
    this.#miss = undefined
    if (!keepsAlive) this.#socket.destroySoon()
    if (!this.#socket.writable) this.#state = 'ending'
    this.#since = this.#parts.clock.monotonic()
    this.#answerNext()
    this.#read()
    if (this.#parts.isStopping()) this.endIfIdle()
  }

  #answerHot(request: PlainRequest, keepsAlive: boolean): boolean {
    const { clock, resources, hot } = this.#parts
    const began = clock.monotonic()
    const hit = resources.hot(request)
    const answer = hit && hot.answer(hit, request.method, keepsAlive)
    if (hit === undefined || answer === undefined) return false
    this.#since = began
    const isLong = answer.rest !== undefined && answer.rest.length > MAX_UNSENT_BYTES
    if (isLong) this.#writeLong(answer, request, hit, began)
    else this.#write(answer)
    if (!keepsAlive) this.#socket.destroySoon()
    if (!isLong) this.#logHot(request, hit, this.#msSince(began))
    return true
  }

  /** Who asked may go before all of it is taken: its line waits for that. */
  #writeLong(answer: HotAnswer, request: PlainRequest, hit: HotHit, began: Monotonic): void {
    const firstByteMs = this.#msSince(began)
    this.#write(answer, (error) =>
      this.#logHot(request, hit, firstByteMs, this.#msSince(began), error ? 'aborted' : 'complete'),
    )
  }

  #msSince(began: Monotonic): number {
    return Math.round((this.#parts.clock.monotonic() - began) * 10) / 10
  }

  #logHot(
    request: PlainRequest,
    hit: HotHit,
    firstByteMs: number,
    ms = firstByteMs,
    outcome: RequestLine['outcome'] = 'complete',
  ): void {
    this.#parts.log({
      method: request.method,
      url: request.shownUrl,
      client: request.address,
      way: 'resource',
      status: hit.hot.status,
      ms,
      firstByteMs,
      bytes: request.method === 'GET' ? hit.bytes.length : 0,
      rule: hit.hot.rule,
      trace: { how: 'hit', cacheStatus: { kind: 'hit', ttlMs: hit.ttlMs } },
      outcome,
      error: undefined,
      code: undefined,
    })
  }

  /** @param taken is called when the system has taken the rest, or never will. */
  #write({ text, rest }: HotAnswer, taken?: (error?: Error | null) => void): void {
    const socket = this.#socket
    this.#parts.turnEnd.hold(socket)
    socket.write(text, 'latin1')
    if (rest !== undefined) socket.write(rest, taken)
  }

  async #answerWaiting(): Promise<void> {
    this.#isAnswering = true
    for (let exchange = this.#waiting[0]; exchange !== undefined; exchange = this.#waiting[0]) {
      await exchange.send()
      if (!exchange.keepsAlive) this.#socket.destroySoon()
      if (!this.#socket.writable) this.#state = 'ending'
      this.#waiting.shift()
      this.#since = this.#parts.clock.monotonic()
      this.#read()
    }
    this.#isAnswering = false
    if (this.#parts.isStopping()) this.endIfIdle()
  }
}

function ignore(): void {}
