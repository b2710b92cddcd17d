/** The store on disk: `directory/{index.sqlite, bodies/, segments/, growing/, lock}` (R7.2). */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import { BodyFiles } from './body-files.ts'
import { IndexDatabase } from './index-database.ts'
import { ResponseStore, type StoreLimits } from './response-store.ts'
import type { StoreLog } from './store-log.ts'

export interface DiskStoreSettings extends StoreLimits {
  readonly directory: string
  /** Bytes of the file system that are left to others; 64 MiB unless given. More is safer for the rest of the machine. */
  readonly reserveBytes?: number
  /** Bytes of bodies that stay in memory, so that they need not be read again; 64 MB unless given. */
  readonly memoryBytes?: number
}

export interface DiskStoreComponents {
  readonly clock: Clock
  readonly random: Random
  readonly log?: StoreLog
}

const DEFAULT_RESERVE_BYTES = 64 * 1024 * 1024
const DEFAULT_MEMORY_BYTES = 64_000_000

/** A store that keeps its responses over restarts and crashes. It alone uses its directory while it is started. */
export function diskStore(settings: DiskStoreSettings, components: DiskStoreComponents): Store {
  const { directory, reserveBytes = DEFAULT_RESERVE_BYTES, memoryBytes = DEFAULT_MEMORY_BYTES } = settings
  const { random, log = () => {} } = components
  const index = new IndexDatabase(join(directory, 'index.sqlite'), log)
  const bodies = new BodyFiles(
    { directory, reserveBytes, memoryBytes, maxBytes: settings.maxBytes },
    { index, random, log },
  )
  return new ResponseStore(settings, { index, bodies, log })
}

/** Has a disk store ever been started in this directory? */
export function hasDiskStore(directory: string): boolean {
  return existsSync(join(directory, 'bodies'))
}
