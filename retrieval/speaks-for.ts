/** Which indexes may vouch for files on other servers (V2): only those that a rule names. */
import { LRUCache } from 'lru-cache'
import type { TargetUri } from '../core/target-uri.ts'
import { compileGlob, matchesGlob, type Glob } from './glob.ts'
import type { Rules } from './rules.ts'

const compiled = new LRUCache<string, Glob>({ max: 1000 })

/** Whether the rule of `index` lets it give the digest of `file`. */
export function maySpeakFor(rules: Rules, index: TargetUri, file: TargetUri): boolean {
  return (rules.policyFor(index).speaksFor ?? []).some((pattern) => {
    const glob = globOf(pattern)
    return glob !== undefined && matchesGlob(glob, file)
  })
}

/** Patterns were checked when the configuration was read; one that cannot be compiled matches nothing. */
function globOf(pattern: string): Glob | undefined {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const result = compileGlob(pattern)
  if (result.kind !== 'glob') return undefined
  compiled.set(pattern, result.glob)
  return result.glob
}
