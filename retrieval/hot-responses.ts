/**
 * Hits that can be answered at once: responses that were plain hits before, whose bodies are in memory. What the path
 * of a resource decides from a request and a stored response is decided once; here is only checked, at each request,
 * that nothing it was decided from has changed. Where anything has, the request takes the path.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import type { Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { Random } from '../core/random.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import type { CacheStatusEntry } from '../cache/semantics/cache-status.ts'
import { currentAgeMs, freshnessLifetimeMs, isOfAnotherClock } from '../cache/semantics/freshness.ts'
import { matches } from '../cache/semantics/vary.ts'
import type { RetryWatch } from '../verify/retry-watch.ts'
import { fromStore, type ResourceRequest, type Reuse } from './resource.ts'
import type { Retrievals } from './retrievals.ts'
import type { Rules } from './rules.ts'

/** What does not change from one hit to the next; the same object for as long as nothing does. */
export interface HotResponse {
  readonly status: number
  /** The answer's fields; the value of `Age` is not the age. */
  readonly fields: Fields
  /** Its `ttlMs` is not the remaining freshness. */
  readonly cacheStatus: CacheStatusEntry
  readonly rule: string
}

export interface HotHit {
  readonly hot: HotResponse
  readonly ageMs: number
  /** Remaining freshness in milliseconds. */
  readonly ttlMs: number
  /** The whole body. */
  readonly bytes: Uint8Array
}

export type HotRequest = Pick<ResourceRequest, 'method' | 'uri' | 'received' | 'client'>

export interface HotComponents {
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly rules: () => Rules
  readonly retrievals: Pick<Retrievals, 'isPoisoned'>
  readonly retryWatch: RetryWatch
  readonly unverifiedPeer: (body: Sha256) => Address | undefined
}

interface Entry extends HotResponse {
  /** As the store has it. */
  readonly stored: StoredResponse
  readonly rules: Rules
  /** The age when the response came, and the freshness lifetime, in milliseconds. */
  readonly initialAgeMs: number
  readonly lifetimeMs: number
  /** Its age when the store was last told of its use, in ms. */
  usedAtAgeMs: number
}

/** Responses that are remembered, about 3 kB each. */
const REMEMBERED = 4_096

/** Resources of which it is known that there was a plain hit, of some 0.1 kB each: what is read once more, and never again, is not hot. */
const HIT_BEFORE = 4_096

/** The order of use is kept to this, in ms: to write down each hit costs as much as the hit. */
const USE_GRAIN_MS = 10_000

export class HotResponses {
  readonly #components: HotComponents
  readonly #entries = new LRUCache<TargetUri, Entry>({ max: REMEMBERED })
  readonly #hitBefore = new LRUCache<TargetUri, true>({ max: HIT_BEFORE })

  constructor(components: HotComponents) {
    this.#components = components
  }

  /** A request was answered from what is stored, because it is fresh. Where that happens again, it is hot. */
  remember(request: HotRequest, { response, ageMs, ttlMs }: Reuse, policy: Policy): void {
    const { store, random, rules } = this.#components
    const { uri, received } = request
    const [stored, ...others] = store.lookup(uri)
    if (stored?.id !== response.id || others.length > 0 || ttlMs <= 0 || !isOrdinary(received)) return
    if (this.#hitBefore.get(uri) === undefined) return void this.#hitBefore.set(stored.uri, true)
    const asked = { method: 'GET', fields: [] }
    const parts = { store, random }
    const { answer, trace } = fromStore({ response, ageMs, ttlMs }, undefined, asked, parts)
    this.#entries.set(stored.uri, {
      status: answer.status,
      fields: answer.fields,
      cacheStatus: trace.cacheStatus,
      rule: policy.rule,
      stored,
      usedAtAgeMs: ageMs,
      rules: rules(),
      initialAgeMs: currentAgeMs(response, response.responseTime),
      lifetimeMs: freshnessLifetimeMs(response, policy),
    })
  }

  /** @returns what to answer at once; `undefined`: the request takes the path of a resource. Marks the response as used. */
  find(request: HotRequest): HotHit | undefined {
    const hot = this.#entries.get(request.uri)
    if (hot === undefined || !isOrdinary(request.received)) return undefined
    const now = this.#components.clock.wall()
    const ageMs = hot.initialAgeMs + Math.max(0, now - hot.stored.responseTime)
    const ttlMs = hot.lifetimeMs - ageMs
    if (ttlMs <= 0 || isOfAnotherClock(hot.stored, now) || !this.#stillHolds(hot, request)) {
      this.#entries.delete(request.uri)
      return undefined
    }
    if (!matches(hot.stored.selecting, request.received)) return undefined
    const bytes = this.#components.store.held(hot.stored)
    if (bytes === undefined) return undefined
    this.#use(hot, ageMs)
    return { hot, ageMs, ttlMs, bytes }
  }

  #use(hot: Entry, ageMs: number): void {
    // A clock that is set back makes it younger.
    if (Math.abs(ageMs - hot.usedAtAgeMs) < USE_GRAIN_MS) return
    hot.usedAtAgeMs = ageMs
    this.#components.store.use(hot.stored)
  }

  /** Whether everything that was found out then would be found out now. */
  #stillHolds({ stored, rules }: Entry, { uri, client }: HotRequest): boolean {
    const { store, retrievals, retryWatch, unverifiedPeer, clock } = this.#components
    const candidates = store.lookup(uri)
    if (candidates.length !== 1 || candidates[0] !== stored || rules !== this.#components.rules())
      return false
    // V2, V5: who was given bytes that nobody has proved may complain by asking again.
    if (retrievals.isPoisoned(uri) || unverifiedPeer(stored.digest) !== undefined) return false
    return stored.source !== 'peer' || retryWatch.asksAgain(client, uri, clock.monotonic()) === undefined
  }
}

/** Fields that make a request more than the question for the whole, current representation. */
const SPECIAL = new Set([
  'authorization',
  'cache-control',
  'cookie',
  'pragma',
  'proxy-authorization',
  'range',
])

const ordinary = new WeakMap<Fields, boolean>()

/** Neither in somebody's name, nor for a part, nor with conditions (RFC 9110 13.1), nor with wishes to the cache. */
export function isOrdinary(fields: Fields): boolean {
  const known = ordinary.get(fields)
  if (known !== undefined) return known
  const is = fields.every(([name]) => !SPECIAL.has(name.toLowerCase()) && !/^if-/i.test(name))
  ordinary.set(fields, is)
  return is
}
