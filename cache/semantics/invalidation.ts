/** Which stored responses a change at the origin server puts out of date (RFC 9111 4.4). */
import type { Fields } from '../../core/fields.ts'
import { fieldValues } from '../../core/fields.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { parseTargetUri } from '../../core/target-uri.ts'

/** Every other method is unsafe or of unknown safety (RFC 9110 9.2.1). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * The URIs whose stored responses are invalid after this exchange: none after a safe method or an error; else
 * the target URI, and those of `Location` and `Content-Location` that have the same origin.
 */
export function invalidatedUris(
  request: { readonly method: string; readonly uri: TargetUri },
  response: { readonly status: number; readonly fields: Fields },
): readonly TargetUri[] {
  const isError = response.status < 200 || response.status > 399
  if (SAFE_METHODS.has(request.method) || isError) return []
  const references = ['location', 'content-location'].flatMap((name) => fieldValues(response.fields, name))
  const named = references.flatMap((reference) => sameOriginUri(reference, request.uri))
  return [...new Set([request.uri, ...named])]
}

/** A reference to another origin is ignored: nobody may empty another's cache entries. */
function sameOriginUri(reference: string, base: TargetUri): TargetUri[] {
  if (!URL.canParse(reference, base)) return []
  const resolved = new URL(reference, base)
  const uri = parseTargetUri(resolved.href)
  return uri !== undefined && resolved.origin === new URL(base).origin ? [uri] : []
}
