/** The cache, wherever it can be had: from the node that runs, or from its directory while none does. */
import { hasDiskStore } from '../cache/disk-store.ts'
import type { StoreLogEvent } from '../cache/store-log.ts'
import { systemClock } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import { compileRules } from '../retrieval/rules.ts'
import { cacheOperations, type CacheOperations, type VerifyStep } from '../service/cache-operations.ts'
import type { Config } from '../service/config.ts'
import { configuredStore } from '../service/configured-store.ts'
import { controlPath, whoListens } from '../service/control.ts'
import { remoteCache } from '../service/remote-cache.ts'

/**
 * Whoever listens at the control socket has the cache. Where nobody does, the directory is opened, and locked as a
 * node would lock it: so two never have it, whatever happens at the same moment.
 * @throws Fault STORE_FAILED where neither is possible, NOT_FOUND where there is no cache, and what `work` throws.
 */
export async function withCache<Result>(
  config: Config,
  work: (cache: CacheOperations) => Promise<Result>,
): Promise<Result> {
  const socket = controlPath(config)
  const who = await whoListens(socket)
  if (who === 'somebody') return work(remoteCache(socket))
  if (who !== 'nobody') throw new Fault('STORE_FAILED', `cannot reach ${socket}: ${reasonOf(who.error)}`)
  return inDirectory(config, socket, work)
}

async function inDirectory<Result>(
  config: Config,
  socket: string,
  work: (cache: CacheOperations) => Promise<Result>,
): Promise<Result> {
  const { directory } = config.cache
  if (!hasDiskStore(directory))
    throw new Fault('NOT_FOUND', `there is no cache in ${directory}; --config FILE says where it is`)
  const lostIndexes: string[] = []
  const store = configuredStore(config, (event) => tell(event, lostIndexes), { sweeps: false })
  await store.start().catch((cause: unknown) => {
    throw new Fault('STORE_FAILED', `${describe(cause)}, and no node answers at ${socket}`, { cause })
  })
  const rules = compileRules(config.rules, config.presets, config.peering.waitForDownloads)
  const cache = cacheOperations({ clock: systemClock, store, rules: () => rules })
  try {
    return await work({ ...cache, verify: () => verifyAll(lostIndexes, cache) })
  } finally {
    await store.stop()
  }
}

/** An index that was already given up at the start is damage, too. */
async function* verifyAll(
  lostIndexes: readonly string[],
  cache: CacheOperations,
): AsyncGenerator<VerifyStep> {
  yield* lostIndexes.map((reason) => ({ kind: 'index-lost', reason }) as const)
  yield* cache.verify()
}

/** What else is lost is for the command to tell. */
function tell(event: StoreLogEvent, lostIndexes: string[]): void {
  if (event.kind === 'index-rebuilt') {
    lostIndexes.push(event.reason)
    process.stderr.write(`the index could not be used and begins anew: ${event.reason}\n`)
  }
  if (event.kind === 'removal-failed')
    process.stderr.write(`${event.path} could not be removed: ${event.reason}\n`)
}

function reasonOf(code: string): string {
  return code === 'EACCES' ? 'no permission; run this as the user of the node' : code
}
