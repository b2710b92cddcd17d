/** Secondary cache keys: which stored response `Vary` selects for a request (RFC 9111 4.1). */
import type { FieldLine, Fields } from '../../core/fields.ts'
import { fieldValue, fieldValues } from '../../core/fields.ts'
import type { StoredResponse } from '../../core/store.ts'
import { dateOf } from './freshness.ts'
import { isToken, splitList, withoutOws } from './list.ts'

/** Stands for a selecting field that the request did not have. No field value is white space, so none equals it. */
const ABSENT = ' '

/**
 * The request's selecting header fields, named by the response's `Vary`: sorted, names in lower case, values
 * normalized, one line each, so that equal selections are equal values. Empty without `Vary`.
 * `'never'`: no later request matches (`*`, something that is no field name, or a credential, which is nothing
 * to write down beside a cached file).
 */
export function selectingFields(requestFields: Fields, responseFields: Fields): Fields | 'never' {
  const varying = fieldValues(responseFields, 'vary').flatMap(splitList)
  const names = [...new Set(varying.map((name) => name.toLowerCase()))].toSorted()
  const selecting = selectionBy(names, requestFields)
  return selecting.some(isUnmatchable) ? 'never' : selecting
}

/** What a request selects by the fields of these names: lower case, as `selectingFields` records them. */
export function selectionBy(names: readonly string[], requestFields: Fields): Fields {
  return names.map((name): FieldLine => [name, normalizedValue(requestFields, name)])
}

/** Whether a request's fields are those that `selecting`, from `selectingFields`, recorded. */
export function matches(selecting: Fields, requestFields: Fields): boolean {
  return selecting.every(([name, value]) => normalizedValue(requestFields, name) === value)
}

/** Whether both are of the same variant: two results of `selectingFields`. */
export function isSameSelection(one: Fields, other: Fields): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/**
 * The stored response to use for a request, of all that are stored for its URI: of those that match, the most
 * recent by `Date`; one whose `Vary` was missing by mistake only when no other matches.
 */
export function selectedResponse<R extends Pick<StoredResponse, 'selecting' | 'fields' | 'responseTime'>>(
  candidates: readonly R[],
  requestFields: Fields,
): R | undefined {
  const matching = candidates.filter((candidate) => matches(candidate.selecting, requestFields))
  const varying = matching.filter((candidate) => candidate.selecting.length > 0)
  // toSorted is stable: of the same second, the first of the list, which the store stored last.
  return (varying.length > 0 ? varying : matching).toSorted((a, b) => dateOf(b) - dateOf(a))[0]
}

function isUnmatchable([name, value]: FieldLine): boolean {
  const isCredential = ['authorization', 'cookie', 'proxy-authorization'].includes(name)
  return name === '*' || !isToken(name) || (isCredential && value !== ABSENT)
}

/** Lists without order and without case, each element weighted by `q` (RFC 9110 12.4, 12.5, 10.1.4). */
const PREFERENCES = new Set(['accept', 'accept-charset', 'accept-encoding', 'accept-language', 'te'])

/** White space around commas means nothing in any field: lines are joined by ", " on the way (RFC 9110 5.3). */
function normalizedValue(fields: Fields, name: string): string {
  const value = fieldValue(fields, name)
  if (value === undefined) return ABSENT
  // A quoted parameter may mean something by its case and its commas.
  if (value.includes('"')) return value
  if (!PREFERENCES.has(name)) return value.split(',').map(withoutOws).join(',')
  const preferences = splitList(value.toLowerCase()).map(normalizedPreference)
  return [...new Set(preferences)].toSorted().join(',')
}

/** `gzip ; q=1.0` is `gzip`; `x-gzip` is an old name for it (RFC 9110 8.4.1, 12.4.2). */
function normalizedPreference(preference: string): string {
  return preference
    .replace(/[ \t]/g, '')
    .replace(/;q=([01](?:\.[0-9]{0,3})?)$/, (_, q: string) => (Number(q) === 1 ? '' : `;q=${Number(q)}`))
    .replace(/^x-(gzip|compress)(?=;|$)/, '$1')
}
