/** The operations on the cache over the control API: both ends of the line. */
import { systemClock, type Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { Applications } from './applications/applications.ts'
import { keptAlive } from './applications/kept-alive.ts'
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

/** The cache of the node that listens at `path`. @throws Fault NODE_UNREACHABLE, and what the node's own operations throw. */
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
  applications: Applications['operations'],
  functions: FunctionOperations,
  clock: Clock = systemClock,
): Operations {
  return {
    ...applications,
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

/** Makes the node that listens at `path` check its products now. @throws Fault NODE_UNREACHABLE */
export async function* checkUpdates(path: string): AsyncGenerator<ProductResult> {
  for await (const line of ask(path, OPERATIONS.checkUpdates)) if (line !== null) yield line as ProductResult
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
