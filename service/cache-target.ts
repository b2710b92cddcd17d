/** The stored responses that a person means: by one URL, or by a pattern as rules use it. */
import { Fault } from '../core/fault.ts'
import type { Store } from '../core/store.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import { compileGlob, matchesGlob, type Glob } from '../retrieval/glob.ts'

/** Does this URI belong to what was meant? */
export type Meant = (uri: TargetUri) => boolean

/** How the query of a URL is shown (core/redaction.ts). */
const SHOWN_QUERY = /\?…$/

/**
 * A URL that is stored means just that response, whatever its characters would mean in a pattern. Everything else is
 * a pattern; a URL that was copied from where its query is not shown means every query.
 * @throws Fault BAD_REQUEST, which does not repeat the text: it may hold credentials.
 */
export function meantBy(text: string, store: Pick<Store, 'lookup' | 'partials'>): Meant {
  const uri = SHOWN_QUERY.test(text) ? undefined : parseTargetUri(text)
  const isStored = uri !== undefined && store.lookup(uri).length + store.partials(uri).length > 0
  if (isStored) return (each) => each === uri
  const glob = globOf(text.replace(SHOWN_QUERY, ''), uri)
  return glob === undefined ? () => false : (each) => matchesGlob(glob, each)
}

/** No glob for a URL with characters that a pattern cannot have: it is not stored, and that is all. */
function globOf(pattern: string, uri: TargetUri | undefined): Glob | undefined {
  const compiled = compileGlob(pattern)
  if (compiled.kind === 'glob') return compiled.glob
  if (uri !== undefined) return undefined
  throw new Fault('BAD_REQUEST', `expected a URL or ${compiled.expected}`)
}
