/** What an index may vouch for on other servers (V2): only what a rule names. */
import { LRUCache } from 'lru-cache'
import type { TargetUri } from '../core/target-uri.ts'
import type { Grant } from '../verify/index-reading.ts'
import { compileGlob, matchesGlob, type Glob } from './glob.ts'
import type { Rules } from './rules.ts'

const compiled = new LRUCache<string, Glob>({ max: 1000 })

/** What the rule of `index` lets it give digests of, beside the files below its own root. */
export function grantFor(rules: Rules, index: TargetUri): Grant {
  const patterns = rules.policyFor(index).speaksFor ?? []
  const globs = patterns.flatMap((pattern) => globOf(pattern) ?? [])
  return { id: patterns.join(' '), includes: (file) => globs.some((glob) => matchesGlob(glob, file)) }
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
