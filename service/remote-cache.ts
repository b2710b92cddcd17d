/** The operations on the cache over the control API: both ends of the line. */
import { sleep, systemClock, type Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { Fault } from '../core/fault.ts'
import type {
  CacheEntry,
  CacheOperations,
  ListQuestion,
  PurgeQuestion,
  PurgeStep,
  VerifyStep,
} from './cache-operations.ts'
import type { Operations } from './control-server.ts'
import type { FunctionOperations } from './function-operations.ts'
import { ask, OPERATIONS } from './control.ts'
import type { ProductResult } from './product-updates.ts'
import type { Status } from './status.ts'

/** The cache of the node that listens at `path`. @throws Fault UNREACHABLE, and what the node's own operations throw. */
export function remoteCache(path: string): CacheOperations {
  return {
    list: (question) => ask(path, OPERATIONS.listCache, question) as AsyncIterable<CacheEntry>,
    purge: (question) => ask(path, OPERATIONS.purgeCache, question) as AsyncIterable<PurgeStep>,
    verify: () => ask(path, OPERATIONS.verifyCache) as AsyncIterable<VerifyStep>,
  }
}

/** What a running node answers. */
export function nodeOperations(
  status: () => Status,
  cache: CacheOperations,
  updates: () => AsyncIterable<ProductResult>,
  site: (question: unknown) => AsyncIterable<unknown>,
  functions: FunctionOperations,
  clock: Clock = systemClock,
): Operations {
  return {
    [OPERATIONS.status]: () => [status()],
    [OPERATIONS.listCache]: (question) => cache.list(listQuestion(question)),
    [OPERATIONS.purgeCache]: (question) => cache.purge(purgeQuestion(question)),
    [OPERATIONS.verifyCache]: () => cache.verify(),
    [OPERATIONS.site]: site,
    [OPERATIONS.checkUpdates]: () => keptAlive(updates(), clock),
    [OPERATIONS.functions]: () => functions.list(),
    [OPERATIONS.elect]: async function* (question) {
      yield await functions.elect(question)
    },
  }
}

/** Makes the node that listens at `path` check its products now. @throws Fault UNREACHABLE */
export async function* checkUpdates(path: string): AsyncGenerator<ProductResult> {
  for await (const line of ask(path, OPERATIONS.checkUpdates)) if (line !== null) yield line as ProductResult
}

/** Whoever asks takes a long silence for a node that is not well: an empty line says that it works on. */
const SIGN_OF_LIFE_MS = 15_000

/** What comes, and `null` whenever nothing has come for a while. */
export async function* keptAlive<Item>(
  items: AsyncIterable<Item>,
  clock: Clock,
): AsyncGenerator<Item | null> {
  const iterator = items[Symbol.asyncIterator]()
  let next = iterator.next()
  for (;;) {
    const come = new AbortController()
    const first = await Promise.race([next, sleep(clock, SIGN_OF_LIFE_MS, come.signal)])
    come.abort(NO_LONGER_NEEDED)
    if (first === undefined) {
      yield null
      continue
    }
    if (first.done) return
    yield first.value
    next = iterator.next()
  }
}

/** @throws Fault BAD_REQUEST, likewise below. */
function listQuestion(question: unknown): ListQuestion {
  const { target } = (question ?? {}) as Partial<Record<keyof ListQuestion, unknown>>
  if (target === undefined || typeof target === 'string') return { target }
  throw new Fault('BAD_REQUEST', 'expected { "target"?: a URL or pattern }')
}

function purgeQuestion(question: unknown): PurgeQuestion {
  const { target, isDryRun } = (question ?? {}) as Partial<Record<keyof PurgeQuestion, unknown>>
  if (typeof target === 'string' && typeof isDryRun === 'boolean') return { target, isDryRun }
  throw new Fault('BAD_REQUEST', 'expected { "target": a URL or pattern, "isDryRun": true or false }')
}
