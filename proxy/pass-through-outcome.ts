/** What a request that is passed through came to, as the log tells it. */
import type { IncomingMessage } from 'node:http'
import type { Written } from '../core/answer.ts'
import { FAULTS, type Fault } from '../core/fault.ts'
import type { ExchangeEvents } from './exchange.ts'
import type { ExchangeEnd } from './exchange-log.ts'

/** `Max-Forwards: 0` is. */
const ANSWERED_HERE = 200

export class PassThroughOutcome implements ExchangeEvents {
  /** Of the origin server. */
  #status: number | undefined
  #bytes = 0
  #fault: Fault | undefined

  readonly onAnswer = (answer: IncomingMessage): void => {
    this.#status = answer.statusCode
    answer.on('data', (chunk: Buffer) => (this.#bytes += chunk.length))
  }

  readonly onSwitch = (): void => {
    this.#status = 101
  }

  readonly onFault = (fault: Fault): void => {
    this.#fault = fault
  }

  /** To be called when its response, or the connection that it was given, has closed. */
  end(): ExchangeEnd {
    const way = 'pass-through'
    const fault = this.#fault
    if (fault !== undefined && this.#status === undefined)
      return { way, status: FAULTS[fault.code].status, fault }
    return { way, status: this.#status ?? ANSWERED_HERE, written: this.#written() }
  }

  #written(): Written {
    const bytes = this.#bytes
    if (this.#fault === undefined) return { kind: 'complete', bytes }
    if (this.#fault.code === 'ABORTED') return { kind: 'aborted', bytes }
    return { kind: 'broken', bytes, error: this.#fault }
  }
}
