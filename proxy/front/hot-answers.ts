/** Hot hits as text and bytes that are ready to be sent, but for the numbers that change with the time (R6.6). */
import { LRUCache } from 'lru-cache'
import { cacheStatus } from '../../cache/semantics/cache-status.ts'
import { hasField } from '../../core/fields.ts'
import type { HotHit, HotResponse } from '../../retrieval/hot-responses.ts'
import { viaLine } from '../via.ts'
import { canBeSent, connectionLines, fieldLines, statusAndFields } from './message-head.ts'

export interface HotAnswer {
  readonly head: string
  /** The body as Latin-1 text, to go out in one write with the head; absent for larger ones. */
  readonly text: string | undefined
}

/** A head cut where `Age` and the remaining freshness stand. */
interface Template {
  readonly beforeAge: string
  readonly beforeTtl: string
  readonly behindTtl: string
  readonly text: string | undefined
}

const TTL = 'ttl=0'
/** Bytes of a body that is sent as text: with its head it fits the buffer that Node writes short texts from. */
const TEXT_BYTES = 14 * 1024
/** Bytes of all templates. */
const TEMPLATE_BYTES = 8 * 1024 * 1024

export class HotAnswers {
  readonly #pseudonym: string
  readonly #templates = new LRUCache<HotResponse, Template>({
    maxSize: TEMPLATE_BYTES,
    sizeCalculation: ({ beforeAge, text = '' }) => 2 * beforeAge.length + text.length + 512,
  })

  /** @param pseudonym this node's name in `Via`. */
  constructor(pseudonym: string) {
    this.#pseudonym = pseudonym
  }

  /** @returns `undefined` where the head cannot be made so: without `Date`, or with what no head can hold. */
  answer({ hot, ageMs, ttlMs, bytes }: HotHit, keepsAlive: boolean): HotAnswer | undefined {
    const template = this.#templates.get(hot) ?? this.#remember(hot, bytes)
    if (template === undefined) return undefined
    const age = Math.floor(ageMs / 1000)
    const ttl = Math.floor(ttlMs / 1000)
    const { beforeAge, beforeTtl, behindTtl, text } = template
    const end = connectionLines(keepsAlive)
    return { head: `${beforeAge}${age}${beforeTtl}${ttl}${behindTtl}${end}\r\n`, text }
  }

  #remember(hot: HotResponse, bytes: Uint8Array): Template | undefined {
    const template = this.#make(hot, bytes)
    if (template !== undefined) this.#templates.set(hot, template)
    return template
  }

  #make({ status, fields, cacheStatus: entry }: HotResponse, bytes: Uint8Array): Template | undefined {
    const at = fields.findIndex(([name]) => name === 'Age')
    if (at < 0 || !hasField(fields, 'date') || !canBeSent({ status, fields })) return undefined
    const told = `${fieldLines([viaLine('1.1', this.#pseudonym)])}Cache-Status: `
    const [beforeTtl = '', ...behindTtl] = cacheStatus({ ...entry, ttlMs: 0 }).split(TTL)
    return {
      beforeAge: `${statusAndFields({ status, fields: fields.slice(0, at) })}Age: `,
      beforeTtl: `\r\n${fieldLines(fields.slice(at + 1))}${told}${beforeTtl}ttl=`,
      behindTtl: `${behindTtl.join(TTL)}\r\n`,
      text: bytes.length > TEXT_BYTES ? undefined : Buffer.from(bytes).toString('latin1'),
    }
  }
}
