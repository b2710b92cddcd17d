/** What people do with the cache: look into it, purge, verify. The answers come piece by piece, and show no credentials. */
import { setImmediate } from 'node:timers/promises'
import { decide } from '../cache/semantics/decision.ts'
import { currentAgeMs, remainingFreshnessMs } from '../cache/semantics/freshness.ts'
import type { Clock } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { PartialAtRest, Store, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Rules } from '../retrieval/rules.ts'
import { meantBy } from './cache-target.ts'

/** A stored response, complete or not. */
export interface CacheEntry {
  /** Unique; negative for an incomplete one. */
  readonly id: number
  /** Without its query, which may be a credential. */
  readonly uri: string
  /** Bytes of body that are here. */
  readonly bytes: number
  /** Bytes of the whole body, where only some of them are here. */
  readonly ofBytes?: number
  /** Of a complete body; equal ones take their place on the disk once. */
  readonly digest?: Sha256
  /** The current age (RFC 9111 4.2.3). */
  readonly ageMs: number
  /** For how long it may still be sent without asking the origin server; 0 or less: it is stale. */
  readonly freshMs: number
  readonly source: StoredResponse['source']
  /** May peers have it? */
  readonly shared: boolean
}

export interface ListQuestion {
  /** A URL or pattern; everything without. */
  readonly target?: string | undefined
}

export interface PurgeQuestion {
  readonly target: string
  /** Only tell what would go. */
  readonly isDryRun: boolean
}

export type PurgeStep =
  /** It would go; only said of a dry run. */
  | { readonly kind: 'would-go'; readonly entry: CacheEntry }
  | { readonly kind: 'progress'; readonly responses: number; readonly ofResponses: number }
  /** The end: `bytes` of the disk are free when nobody reads them any more. */
  | { readonly kind: 'done'; readonly responses: number; readonly bytes: number }

export type VerifyStep =
  | { readonly kind: 'progress'; readonly bytes: number; readonly ofBytes: number }
  /** See `Finding`. */
  | { readonly kind: 'lost' | 'unread'; readonly uris: readonly string[]; readonly reason: string }
  | { readonly kind: 'unnamed'; readonly responses: number }
  /** The index could not be used, so that nobody can tell any more what there was; it begins anew. */
  | { readonly kind: 'index-lost'; readonly reason: string }
  /** The end: so many bodies are right, and so much as is here of so many incomplete ones, and so many bytes were read. */
  | { readonly kind: 'done'; readonly bodies: number; readonly partials: number; readonly bytes: number }

/** Every method may throw Fault BAD_REQUEST, STORE_FAILED and STORE_FULL. Whoever stops reading ends the work. */
export interface CacheOperations {
  /** The incomplete ones, then the least recently used first; what is used meanwhile may come twice. */
  list(question: ListQuestion): AsyncIterable<CacheEntry>
  purge(question: PurgeQuestion): AsyncIterable<PurgeStep>
  verify(): AsyncIterable<VerifyStep>
}

export interface CacheComponents {
  readonly clock: Clock
  readonly store: Store
  readonly rules: () => Rules
}

/** Responses that are dealt with before anything else of this process has its turn; the rules take 0.1 ms for each. */
const RESPONSES_PER_TURN = 32
/** How often `verify` tells how far it has come, in ms. */
const PROGRESS_MS = 200

export function cacheOperations(components: CacheComponents): CacheOperations {
  return {
    async *list({ target }) {
      const isMeant = target === undefined ? () => true : meantBy(target, components.store)
      for (const partial of components.store.partials())
        if (isMeant(partial.uri)) yield partialEntryOf(partial, components)
      for await (const response of everything(components.store))
        if (isMeant(response.uri)) yield entryOf(response, components)
    },
    purge: (question) => purge(question, components),
    verify: () => verify(components),
  }
}

async function* everything(store: Store): AsyncGenerator<StoredResponse> {
  let looked = 0
  for (const response of store.list('least-recent-first')) {
    yield response
    looked += 1
    if (looked % RESPONSES_PER_TURN === 0) await setImmediate()
  }
}

function entryOf(response: StoredResponse, components: CacheComponents): CacheEntry {
  const { id, size: bytes, digest } = response
  return { id, bytes, digest, ...described(response, components) }
}

/** Peers are offered nothing that is not whole. */
function partialEntryOf(partial: PartialAtRest, components: CacheComponents): CacheEntry {
  const { id, heldBytes: bytes, size: ofBytes } = partial
  return {
    id: -id,
    bytes,
    ofBytes,
    ...described({ ...partial, digest: '' as Sha256 }, components),
    shared: false,
  }
}

function described(
  response: StoredResponse,
  { clock, rules }: CacheComponents,
): Omit<CacheEntry, 'id' | 'bytes' | 'digest'> {
  const { uri, source, shareable } = response
  const policy = rules().policyFor(uri)
  const now = clock.wall()
  const decision = decide({ method: 'GET', fields: response.selecting }, [response], policy, now)
  const remainingMs = remainingFreshnessMs(response, policy, now)
  return {
    uri: withoutSecrets(uri),
    ageMs: currentAgeMs(response, now),
    freshMs: decision.kind === 'hit' ? remainingMs : Math.min(0, remainingMs),
    source,
    shared: shareable && policy.share,
  }
}

async function* purge(
  { target, isDryRun }: PurgeQuestion,
  components: CacheComponents,
): AsyncGenerator<PurgeStep> {
  const { store } = components
  const isMeant = meantBy(target, store)
  const meant = new Map<number, StoredResponse>()
  const kept = new Set<Sha256>()
  for await (const response of everything(store)) {
    if (isMeant(response.uri)) meant.set(response.id, response)
    else kept.add(response.digest)
  }
  const responses = [...meant.values()]
  const partials = store.partials().filter(({ uri }) => isMeant(uri))
  const count = responses.length + partials.length
  if (isDryRun) {
    for (const each of partials) yield { kind: 'would-go', entry: partialEntryOf(each, components) }
    for (const each of responses) yield { kind: 'would-go', entry: entryOf(each, components) }
  } else yield* removeAll([...partials, ...responses], store)
  const gone = new Map(responses.map(({ digest, size }) => [digest, kept.has(digest) ? 0 : size]))
  const held = partials.map(({ heldBytes }) => heldBytes)
  yield { kind: 'done', responses: count, bytes: sum([...gone.values(), ...held]) }
}

async function* removeAll(
  meant: readonly { readonly uri: TargetUri }[],
  store: Store,
): AsyncGenerator<PurgeStep> {
  let responses = 0
  for (const { uri } of meant) {
    // Whatever else is stored for its URI goes with the first one.
    store.remove(uri)
    responses += 1
    if (responses % RESPONSES_PER_TURN !== 0) continue
    yield { kind: 'progress', responses, ofResponses: meant.length }
    await setImmediate()
  }
}

async function* verify({ clock, store }: CacheComponents): AsyncGenerator<VerifyStep> {
  const ofBytes = store.usage().bytes
  let [bytes, bodies, partials] = [0, 0, 0]
  let toldAt = clock.monotonic()
  for await (const finding of store.verify()) {
    switch (finding.kind) {
      case 'read':
        bytes += finding.bytes
        break
      case 'right':
        bodies += 1
        break
      case 'right-part':
        partials += 1
        break
      case 'lost':
      case 'unread': {
        const { kind, responses, reason } = finding
        yield { kind, uris: responses.map(({ uri }) => withoutSecrets(uri)), reason }
        break
      }
      case 'unnamed':
        yield finding
    }
    if (clock.monotonic() - toldAt < PROGRESS_MS) continue
    toldAt = clock.monotonic()
    yield { kind: 'progress', bytes, ofBytes }
  }
  yield { kind: 'done', bodies, partials, bytes }
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, each) => total + each, 0)
}
