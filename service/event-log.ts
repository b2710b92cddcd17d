/** What a node says of itself in its log (R12.2), by where it comes from: which level, and in which words. */
import type { Logger } from 'pino'
import type { Fault } from '../core/fault.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Abuse, Abuses } from '../peering/abuses.ts'
import type { SiteEvent } from '../site/site.ts'
import type { AssemblyEvent } from './assembly.ts'
import type { GatewayLogEvent } from './gateway-parts.ts'
import type { ProductEvent } from './product-updates.ts'

/** A URL in a line about a fault, in characters. */
const MAX_TARGET = 200

export class EventLog {
  readonly #log: Logger
  readonly #abuses: Abuses

  constructor(log: Logger, abuses: Abuses) {
    this.#log = log
    this.#abuses = abuses
  }

  readonly assembly = (event: AssemblyEvent): void => {
    switch (event.kind) {
      case 'shunned':
        return this.#log.warn({ peer: event.peer, reason: event.reason }, `shunned: ${event.detail}`)
      case 'stored':
        if (!this.#log.isLevelEnabled('debug')) return
        return this.#log.debug(
          { uri: withoutSecrets(event.response.uri), bytes: event.response.size },
          'stored',
        )
      case 'warning':
        return this.#log.warn(event.detail, event.message)
    }
  }

  readonly site = (event: SiteEvent): void => {
    const isBad = event.kind === 'site-failed' || event.kind === 'site-revoked'
    this.#log[isBad ? 'warn' : 'info'](event, event.kind)
  }

  /** Who is no member can ask as often as he likes: that is counted, and not a line of the log each time. */
  readonly gateway = (event: GatewayLogEvent): void => {
    const { kind, ...fields } = event
    if (event.kind === 'reach-changed' || event.kind === 'gateway-failed') return this.#log.warn(fields, kind)
    if (event.kind !== 'gateway')
      return this.#log[event.kind === 'gateway-used' ? 'debug' : 'info'](fields, kind)
    const level = event.member === undefined ? 'debug' : event.outcome === 'refused' ? 'warn' : 'info'
    this.#log[level](fields, `gateway: ${event.outcome}`)
  }

  /** Whoever abuses the port can do so as often as he likes: the 1st, 10th, 100th… of a kind is a line of the log that is seen. */
  readonly abuse = (abuse: Abuse): void => {
    const count = this.#abuses.note(abuse)
    const isTold = /^10*$/.test(String(count))
    this.#log[isTold ? 'warn' : 'debug']({ ...abuse, count }, 'refused on the port for files')
  }

  readonly update = (event: ProductEvent): void => {
    if (event.event === 'progress') return
    const { event: kind, ...fields } = event
    const isBad = kind === 'refused' || kind === 'retry' || kind === 'rolled-back'
    this.#log[isBad ? 'warn' : 'info'](fields, `update: ${kind}`)
  }

  readonly store = (event: { readonly kind: string }): void => {
    this.#log.warn(event, `cache: ${event.kind}`)
  }

  /** What was passed through or tunnelled, and failed. */
  readonly fault = (fault: Fault, target: URL | string): void => {
    const told = withoutSecrets(String(target)).slice(0, MAX_TARGET)
    this.#log.debug({ code: fault.code, target: told }, fault.message)
  }
}
