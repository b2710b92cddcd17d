/** Validating stored responses with the origin server, and updating them (RFC 9111 4.3). */
import type { Fields } from '../../core/fields.ts'
import { endToEndFields, fieldValue, fieldValues, hasField, withoutFields } from '../../core/fields.ts'
import type { StoredResponse } from '../../core/store.ts'
import { entityTagOf, matchesStrongly, matchesWeakly } from './entity-tag.ts'
import { parseHttpDate } from './http-date.ts'

export { evaluateConditional, ifRangeMatches } from './preconditions.ts'
export type { ConditionalOutcome } from './preconditions.ts'

/**
 * The fields that make a request conditional on a stored response (RFC 9111 4.3.1); empty when it has no
 * validator, so that nothing can be asked about it. Validators go back exactly as they came, because a server
 * that writes unusual ones recognizes its own.
 */
export function conditionalFields(stored: Fields): Fields {
  const [entityTag] = fieldValues(stored, 'etag')
  const [lastModified] = fieldValues(stored, 'last-modified')
  const fields: [string, string][] = []
  if (entityTag !== undefined && entityTag !== '') fields.push(['If-None-Match', entityTag])
  if (lastModified !== undefined && parseHttpDate(lastModified) !== undefined)
    fields.push(['If-Modified-Since', lastModified])
  return fields
}

/**
 * Whether a 304 is about this stored response (RFC 9111 4.3.4): a strong validator matches strongly, a weak one
 * weakly. A 304 without any validator answers the one condition that we sent, so it is about what we asked for.
 */
export function notModifiedApplies(fields304: Fields, stored: { readonly fields: Fields }): boolean {
  const both = (name: string) => hasField(fields304, name) && hasField(stored.fields, name)
  if (both('etag')) return hasSameEntityTag(fields304, stored.fields)
  if (both('last-modified')) return hasSameLastModified(fields304, stored.fields)
  return !hasField(fields304, 'etag') && !hasField(fields304, 'last-modified')
}

/**
 * Whether the 200 answer to a HEAD shows that a stored GET response still stands (RFC 9111 4.3.5): then it is
 * `freshened` by the answer's fields; otherwise it is to be treated as stale.
 */
export function headConfirms(fieldsOfHead: Fields, stored: Pick<StoredResponse, 'fields' | 'size'>): boolean {
  const length = fieldValue(fieldsOfHead, 'content-length')
  return (
    (!hasField(fieldsOfHead, 'etag') || hasSameEntityTag(fieldsOfHead, stored.fields)) &&
    (!hasField(fieldsOfHead, 'last-modified') || hasSameLastModified(fieldsOfHead, stored.fields)) &&
    (length === undefined || (/^[0-9]+$/.test(length) && Number(length) === stored.size))
  )
}

/** They describe the bytes that were received, not those that a 304 leaves out (RFC 9111 3.2). */
const ABOUT_THE_BYTES = ['content-length', 'content-encoding', 'content-range']
/** They tell the age of the response that they came with; when the update has none, the old ones are wrong. */
const ABOUT_THE_AGE = ['age', 'date']

/**
 * The stored fields as updated by a 304, or by the answer to a HEAD (RFC 9111 3.2): every field that came
 * replaces all stored lines of its name, except what is not stored at all (3.1) or belongs to the stored bytes.
 * The caller asks `mayStore` and the sharing gate again: an update may take a permission back.
 */
export function freshened(stored: Fields, update: Fields): Fields {
  const news = withoutFields(endToEndFields(update), ABOUT_THE_BYTES)
  const replaced = [...news.map(([name]) => name), ...ABOUT_THE_AGE]
  return [...withoutFields(stored, replaced), ...news]
}

function hasSameEntityTag(fresh: Fields, stored: Fields): boolean {
  const [one] = fieldValues(fresh, 'etag')
  const [other] = fieldValues(stored, 'etag')
  if (one !== undefined && one === other) return true
  const received = entityTagOf(fresh)
  const kept = entityTagOf(stored)
  if (received === undefined || kept === undefined) return false
  return received.isWeak ? matchesWeakly(received, kept) : matchesStrongly(received, kept)
}

function hasSameLastModified(fresh: Fields, stored: Fields): boolean {
  const [one = ''] = fieldValues(fresh, 'last-modified')
  const [other = ''] = fieldValues(stored, 'last-modified')
  const received = parseHttpDate(one)
  return received === undefined ? one !== '' && one === other : received === parseHttpDate(other)
}
