/** Compiled code beside the cache, in a place that is this node's own: the next start takes a third less time. */
import { readdirSync, rmSync, statfsSync } from 'node:fs'
import { enableCompileCache, flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { makeDirectory } from '../core/make-directory.ts'
import type { Config } from '../service/config.ts'

/** What it takes at most, in bytes, of what `cache.reserve` does not keep free. */
const ROOM_BYTES = 50_000_000

/** What Node writes before it gives it its name. Where there is no room it leaves them, one of each module at each start. */
const UNFINISHED = /\.[A-Za-z0-9]{6}$/

/** @returns what writes down what has been compiled up to now: a node that is killed has kept it, too. */
export function keepCompiled({
  directory,
  reserve,
}: Pick<Config['cache'], 'directory' | 'reserve'>): () => void {
  const compiled = join(directory, 'compiled')
  if (!isPrepared(compiled, reserve)) return () => {}
  enableCompileCache(compiled)
  return flushCompileCache
}

function isPrepared(compiled: string, reserve: number): boolean {
  try {
    makeDirectory(compiled)
    const names = readdirSync(compiled, { recursive: true, encoding: 'utf8' })
    for (const name of names.filter((each) => UNFINISHED.test(each))) rmSync(join(compiled, name))
    const { bavail, bsize } = statfsSync(compiled)
    return bavail * bsize > reserve + ROOM_BYTES
  } catch {
    return false
  }
}
