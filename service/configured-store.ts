/** The disk store as the configuration wants it. */
import { type DiskStoreSettings, diskStore } from '../cache/disk-store.ts'
import type { StoreLog } from '../cache/store-log.ts'
import { systemClock } from '../core/clock.ts'
import { systemRandom } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import type { Config } from './config.ts'

export function configuredStore(
  { cache }: Pick<Config, 'cache'>,
  log: StoreLog,
  more: Pick<DiskStoreSettings, 'sweeps'> = {},
): Store {
  const settings = {
    directory: cache.directory,
    maxBytes: cache.maxSize,
    reserveBytes: cache.reserve,
    memoryBytes: cache.memory,
    maxObjectBytes: Math.min(cache.maxObjectSize, cache.maxSize),
    ...more,
  }
  return diskStore(settings, { clock: systemClock, random: systemRandom, log })
}
