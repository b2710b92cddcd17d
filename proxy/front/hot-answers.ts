/** Hot hits as text and bytes that are ready to be sent, but for the numbers that change with the time (R6.6). */
import { LRUCache } from 'lru-cache'
import { cacheStatus } from '../../cache/semantics/cache-status.ts'
import { hasField } from '../../core/fields.ts'
import type { HotHit, HotResponse } from '../../retrieval/hot-responses.ts'
import { viaLine } from '../via.ts'
import { canBeSent, connectionLines, fieldLines, statusAndFields } from './message-head.ts'

export interface HotAnswer {
  /** The head, and the body where it is short, as Latin-1: one write. */
  readonly text: string
  /** What is to be sent behind it. */
  readonly rest: Uint8Array | undefined
}

/** A head cut where `Age` and the remaining freshness stand. */
interface Template {
  readonly beforeAge: string
  readonly beforeTtl: string
  readonly behindTtl: string
  /** What was sent last to a GET that keeps its connection: the same for all that come within a second. */
  last: { readonly age: number; readonly ttl: number; readonly text: string } | undefined
}

const TTL = 'ttl=0'
/** Bytes of a body that is copied behind its head: both fit the buffer that Node writes short texts from. */
const COPIED_BYTES = 14 * 1024
/** Bytes of all templates. */
const TEMPLATE_BYTES = 8 * 1024 * 1024

export class HotAnswers {
  readonly #pseudonym: string
  readonly #templates = new LRUCache<HotResponse, Template>({ maxSize: TEMPLATE_BYTES })

  /** @param pseudonym this node's name in `Via`. */
  constructor(pseudonym: string) {
    this.#pseudonym = pseudonym
  }

  /** @returns `undefined` where the head cannot be made so: without `Date`, or with what no head can hold. */
  answer({ hot, ageMs, ttlMs, bytes }: HotHit, method: string, keepsAlive: boolean): HotAnswer | undefined {
    const template = this.#templates.get(hot) ?? this.#remember(hot, bytes.length)
    if (template === undefined) return undefined
    const age = Math.floor(ageMs / 1000)
    const ttl = Math.floor(ttlMs / 1000)
    const { last } = template
    const isUsual = keepsAlive && method === 'GET'
    const rest = method === 'GET' && bytes.length > COPIED_BYTES ? bytes : undefined
    if (isUsual && last?.age === age && last.ttl === ttl) return { text: last.text, rest }
    const { beforeAge, beforeTtl, behindTtl } = template
    const head = `${beforeAge}${age}${beforeTtl}${ttl}${behindTtl}${connectionLines(keepsAlive)}\r\n`
    const text = method === 'GET' && rest === undefined ? head + latin1(bytes) : head
    if (isUsual) template.last = { age, ttl, text }
    return { text, rest }
  }

  #remember(hot: HotResponse, bodyBytes: number): Template | undefined {
    const template = this.#make(hot)
    const copied = bodyBytes > COPIED_BYTES ? 0 : bodyBytes
    if (template !== undefined)
      this.#templates.set(hot, template, { size: 4 * template.beforeAge.length + copied + 512 })
    return template
  }

  #make({ status, fields, cacheStatus: entry }: HotResponse): Template | undefined {
    const at = fields.findIndex(([name]) => name === 'Age')
    if (at < 0 || !hasField(fields, 'date') || !canBeSent({ status, fields })) return undefined
    const told = `${fieldLines([viaLine('1.1', this.#pseudonym)])}Cache-Status: `
    const [beforeTtl = '', ...behindTtl] = cacheStatus({ ...entry, ttlMs: 0 }).split(TTL)
    return {
      beforeAge: `${statusAndFields({ status, fields: fields.slice(0, at) })}Age: `,
      beforeTtl: `\r\n${fieldLines(fields.slice(at + 1))}${told}${beforeTtl}ttl=`,
      behindTtl: `${behindTtl.join(TTL)}\r\n`,
      last: undefined,
    }
  }
}

function latin1({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('latin1')
}
