/** One request as the log tells it. */
import type { Written } from '../core/answer.ts'
import type { Clock, Monotonic } from '../core/clock.ts'
import { describe, type Fault, type FaultCode } from '../core/fault.ts'
import type { Trace } from '../retrieval/resource.ts'

export interface RequestLine {
  readonly method: string
  /** Without query values and userinfo: they may be credentials. */
  readonly url: string
  readonly client: string
  readonly status: number
  readonly ms: number
  /** Until the first byte of the answer could be sent. */
  readonly firstByteMs: number
  readonly bytes: number
  readonly way: 'resource' | 'pass-through' | 'tunnel' | 'own-page' | 'refused'
  readonly trace: Trace | undefined
  /** The name of the rule that it fell under. */
  readonly rule: string | undefined
  /** How the body ended. */
  readonly outcome: Written['kind'] | 'fault'
  readonly error: string | undefined
  /** The fault's code (docs/errors.md). */
  readonly code: FaultCode | undefined
}

export interface ExchangeEnd {
  readonly way: RequestLine['way']
  readonly status: number
  readonly rule?: string | undefined
  readonly trace?: Trace | undefined
  readonly written?: Written | undefined
  readonly fault?: Fault | undefined
}

/** Times one exchange and writes its line, once. */
export class ExchangeLog {
  readonly #request: Pick<RequestLine, 'method' | 'url' | 'client'>
  readonly #clock: Clock
  readonly #log: (line: RequestLine) => void
  readonly #began: Monotonic
  #firstByteMs: number | undefined
  #isOver = false

  /** @param request its `url` without secrets. */
  constructor(
    request: Pick<RequestLine, 'method' | 'url' | 'client'>,
    clock: Clock,
    log: (line: RequestLine) => void,
  ) {
    this.#request = request
    this.#clock = clock
    this.#log = log
    this.#began = clock.monotonic()
  }

  firstByte(): void {
    this.#firstByteMs = this.#elapsed()
  }

  end({ way, status, rule, trace, written, fault }: ExchangeEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    const ms = this.#elapsed()
    const { method, url, client } = this.#request
    this.#log({
      method,
      url,
      client,
      way,
      status,
      ms,
      firstByteMs: this.#firstByteMs ?? ms,
      bytes: written?.bytes ?? 0,
      rule,
      trace,
      outcome: fault === undefined ? (written?.kind ?? 'complete') : 'fault',
      error: fault?.message ?? (written?.kind === 'broken' ? describe(written.error) : undefined),
      code: fault?.code,
    })
  }

  #elapsed(): number {
    return Math.round((this.#clock.monotonic() - this.#began) * 10) / 10
  }
}
