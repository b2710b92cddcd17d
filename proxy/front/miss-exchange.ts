/**
 * One plain request that is answered from the origin server on the shortest way: what comes is written as it comes, and
 * the head together with the body where they come together. When it takes the path of a resource after all, a plain
 * exchange goes on with it.
 */
import type { Socket } from 'node:net'
import { bodyOf } from '../../core/answer.ts'
import { Fault, FAULTS } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import { formatHttpDate } from '../../cache/semantics/http-date.ts'
import type { Begun } from '../../retrieval/begun.ts'
import type { MissTaker, PlainMiss } from '../../retrieval/plain-miss.ts'
import type { Trace } from '../../retrieval/resource.ts'
import { errorAnswer } from '../error-page.ts'
import type { ExchangeEnd, ExchangeLog } from '../exchange-log.ts'
import { framingOf, sendAnswer } from './answer-writer.ts'
import { InterimResponses } from './interim-responses.ts'
import { headText, writtenHead } from './message-head.ts'
import { exchangeLog, PlainExchange, toldFields, type ExchangeParts } from './plain-exchange.ts'
import type { PlainRequest } from './plain-requests.ts'

export class MissExchange implements MissTaker {
  readonly keepsAlive: boolean
  readonly #request: PlainRequest
  readonly #socket: Socket
  readonly #parts: ExchangeParts
  readonly #done: () => void
  readonly #log: ExchangeLog
  #interim: InterimResponses | undefined
  #miss: PlainMiss | undefined
  /** The path of a resource has it. */
  #path: PlainExchange | undefined
  /** A head that waits for the first bytes behind it. */
  #head = ''
  #status = 0
  #trace: Trace | undefined
  #bytes = 0
  #isOver = false

  /** @param done is called when the answer is out, or as much of it as there will be. */
  constructor(
    request: PlainRequest,
    keepsAlive: boolean,
    socket: Socket,
    parts: ExchangeParts,
    done: () => void,
  ) {
    this.keepsAlive = keepsAlive
    this.#request = request
    this.#socket = socket
    this.#parts = parts
    this.#done = done
    this.#log = exchangeLog(request, parts)
  }

  /** Asks, where it can be asked so. @returns whether it has. */
  begin(): boolean {
    try {
      this.#miss = this.#parts.resources.miss(this.#request, this)
      return this.#miss !== undefined
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      this.onFailure(error)
      return true
    }
  }

  /** The user agent has gone. */
  abort(): void {
    if (this.#path !== undefined) return this.#path.abort()
    this.#miss?.leave()
    if (this.#trace === undefined) this.#end({ fault: new Fault('ABORTED', 'the user agent left') })
    else this.#end({ written: { kind: 'aborted', bytes: this.#bytes } })
  }

  // What the origin server sends (MissTaker).

  onInformation(status: number, fields: Fields): void {
    this.#interim ??= this.#begunInterim()
    this.#interim.add(status, fields)
  }

  onAnswer(head: { readonly status: number; readonly fields: Fields }, trace: Trace): void {
    const { clock, pseudonym } = this.#parts
    const { status } = head
    const fields = toldFields(head.fields, trace, pseudonym)
    this.#interim?.end()
    this.#log.firstByte()
    this.#trace = trace
    this.#status = status
    const date = () => formatHttpDate(clock.wall())
    // What the strict reader has read can be sent.
    this.#head = writtenHead({ status, fields }, { framing: 'length', keepsAlive: this.keepsAlive, date })
    process.nextTick(sendHead, this)
  }

  onData(bytes: Uint8Array): void {
    const socket = this.#socket
    const head = this.#head
    this.#head = ''
    this.#bytes += bytes.length
    if (socket.writable) this.#parts.sending.send(socket, head, bytes)
  }

  onEnd(): void {
    this.sendHead()
    const kind = this.#socket.writable ? 'complete' : 'aborted'
    this.#end({ written: { kind, bytes: this.#bytes } })
  }

  onFailure(fault: Fault): void {
    if (this.#trace !== undefined) return this.#cut(fault)
    if (!this.#isOver) void this.#sendFault(fault)
  }

  onPath(begun: Begun): void {
    const interim = this.#interim ?? this.#begunInterim()
    const beginning = { begun, log: this.#log, interim }
    const path = new PlainExchange(this.#request, this.keepsAlive, this.#socket, this.#parts, beginning)
    this.#path = path
    void path.send().then(() => this.#over())
  }

  /** What has not gone out with the first bytes of the body. */
  sendHead(): void {
    const head = this.#head
    this.#head = ''
    if (head !== '' && this.#socket.writable) this.#socket.write(head, 'latin1')
  }

  /** There is no end of interim responses. */
  #giveUp(): void {
    this.#miss?.leave()
    this.onFailure(new Fault('ABORTED', 'too many interim responses'))
  }

  #begunInterim(): InterimResponses {
    const interim = new InterimResponses(this.#socket, () => this.#giveUp())
    interim.begin()
    return interim
  }

  async #sendFault(fault: Fault): Promise<void> {
    const { target, accept } = this.#request
    const { body, ...head } = errorAnswer(fault, target, accept)
    const answer = { ...head, body: bodyOf(body) }
    const framing = framingOf(answer, 'GET')
    this.#interim?.end()
    this.#status = head.status
    const date = () => formatHttpDate(this.#parts.clock.wall())
    const text = headText(answer, { framing, keepsAlive: this.keepsAlive, date })
    await sendAnswer(this.#socket, text, answer, framing, () => {})
    this.#end({ fault })
  }

  /** An end that is missing shows that the part is not the whole (RFC 9112 8). */
  #cut(fault: Fault): void {
    const socket = this.#socket
    while (socket.writableCorked > 0) socket.uncork()
    socket.destroy()
    this.#end({ written: { kind: 'broken', bytes: this.#bytes, error: fault } })
  }

  #end({ written, fault }: Pick<ExchangeEnd, 'fault' | 'written'>): void {
    if (this.#isOver) return
    const rule = this.#miss?.rule ?? this.#parts.resources.ruleOf(this.#request)
    const status = fault?.code === 'ABORTED' ? FAULTS.ABORTED.status : this.#status
    this.#log.end({ way: 'resource', status, rule, trace: this.#trace, written, fault })
    this.#over()
  }

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#done()
  }
}

function sendHead(exchange: MissExchange): void {
  exchange.sendHead()
}
