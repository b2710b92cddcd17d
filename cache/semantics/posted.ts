/** Responses to POST that are what a GET would be answered with from now on (RFC 9110 9.3.3). */
import type { Fields } from '../../core/fields.ts'
import { fieldValues, hasField, withoutFields } from '../../core/fields.ts'
import type { Policy } from '../../core/policy.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import { hasDirective, parseCacheControl } from './cache-control.ts'
import { mayStore, type Storability, type StorableResponse } from './storable.ts'

export interface PostRequest {
  readonly method: string
  readonly uri: TargetUri
  readonly fields: Fields
}

/**
 * Whether the response to an unsafe method may be stored for later GETs: only to POST, only where it says for how long it
 * is fresh, and that it is the representation of the very URI that was posted to.
 */
export function mayStorePosted(
  { method, uri, fields }: PostRequest,
  response: StorableResponse,
  policy: Pick<Policy, 'store'>,
): Storability {
  if (method !== 'POST' || response.status !== 200)
    return { kind: 'no', reason: `${method} ${response.status}` }
  if (!isOf(response.fields, uri)) return { kind: 'no', reason: 'it is not the representation of its URI' }
  if (!hasLifetime(response.fields)) return { kind: 'no', reason: 'it has no explicit lifetime' }
  return mayStore({ method: 'GET', fields: withoutFields(fields, ABOUT_CONTENT) }, response, policy)
}

/** What the request says of its own content selects no representation. */
const ABOUT_CONTENT = ['content-length', 'content-type', 'content-encoding']

function isOf(fields: Fields, uri: TargetUri): boolean {
  const [location, ...others] = fieldValues(fields, 'content-location')
  if (location === undefined || others.length > 0 || !URL.canParse(location, uri)) return false
  return parseTargetUri(new URL(location, uri).href) === uri
}

function hasLifetime(fields: Fields): boolean {
  const directives = parseCacheControl(fields)
  return ['max-age', 's-maxage'].some((name) => hasDirective(directives, name)) || hasField(fields, 'expires')
}
