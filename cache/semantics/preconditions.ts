/** The user agent's own conditions, answered from a stored response (RFC 9111 4.3.2, RFC 9110 13). */
import type { EpochMs } from '../../core/clock.ts'
import type { Fields } from '../../core/fields.ts'
import { fieldValue, fieldValues, hasField, SELECTING_A_PART } from '../../core/fields.ts'
import type { EntityTag } from './entity-tag.ts'
import { entityTagOf, matchesStrongly, matchesWeakly, parseEntityTag, parseEntityTags } from './entity-tag.ts'
import { parseHttpDate } from './http-date.ts'
import { withoutOws } from './list.ts'
import { isSuccessful } from './statuses.ts'

/** `precondition-failed` is what the stored response says (412); the caller may rather ask the origin server. */
export type ConditionalOutcome = 'serve' | 'not-modified' | 'precondition-failed'

/** What an application expects of the representation, or else wants nothing (RFC 9110 13.1.1, 13.1.4). */
export const EXPECTATIONS = ['if-match', 'if-unmodified-since'] as const

/** What an application holds, and needs not be sent again (RFC 9110 13.1.2, 13.1.3). */
export const COMPARISONS = ['if-none-match', 'if-modified-since'] as const

/** Whether that is all that a request says of the part it wants. */
export function isComparing(requestFields: Fields): boolean {
  const said = SELECTING_A_PART.filter((name) => hasField(requestFields, name))
  return said.length > 0 && said.every((name) => COMPARISONS.some((each) => each === name))
}

/**
 * What the conditions of a GET or HEAD make of a stored response, in the order of RFC 9110 13.2.2. Conditions
 * count only where the answer would be successful without them (13.2.1).
 */
export function evaluateConditional(
  requestFields: Fields,
  storedFields: Fields,
  status: number,
): ConditionalOutcome {
  if (!isSuccessful(status)) return 'serve'
  if (!meetsExpectations(requestFields, storedFields)) return 'precondition-failed'
  return alreadyHeld(requestFields, storedFields) ? 'not-modified' : 'serve'
}

/**
 * Whether `If-Range` names this very representation, so that a range of it continues what the user agent holds
 * (RFC 9110 13.1.5): by strong comparison, or by the exact `Last-Modified` where that is a strong validator.
 */
export function ifRangeMatches(ifRangeValue: string, storedFields: Fields): boolean {
  const value = withoutOws(ifRangeValue)
  const asked = parseEntityTag(value)
  const stored = entityTagOf(storedFields)
  if (asked !== undefined) return stored !== undefined && matchesStrongly(asked, stored)
  const date = parseHttpDate(value)
  return date !== undefined && date === dateIn(storedFields, 'last-modified') && isStrongDate(storedFields)
}

/** If-Match, or else If-Unmodified-Since; met when neither is there or the latter cannot be evaluated. */
function meetsExpectations(requestFields: Fields, storedFields: Fields): boolean {
  if (hasField(requestFields, 'if-match'))
    return listMatches(requestFields, 'if-match', storedFields, matchesStrongly)
  const limit = dateIn(requestFields, 'if-unmodified-since')
  const lastModified = dateIn(storedFields, 'last-modified')
  return limit === undefined || lastModified === undefined || lastModified <= limit
}

/** If-None-Match, or else If-Modified-Since; without `Last-Modified`, `Date` stands in (RFC 9111 4.3.2). */
function alreadyHeld(requestFields: Fields, storedFields: Fields): boolean {
  if (hasField(requestFields, 'if-none-match'))
    return listMatches(requestFields, 'if-none-match', storedFields, matchesWeakly)
  const since = dateIn(requestFields, 'if-modified-since')
  const modified = hasField(storedFields, 'last-modified')
    ? dateIn(storedFields, 'last-modified')
    : dateIn(storedFields, 'date')
  return since !== undefined && modified !== undefined && modified <= since
}

/** A list that cannot be read matches nothing: the user agent then gets the whole response. */
function listMatches(
  requestFields: Fields,
  name: 'if-match' | 'if-none-match',
  storedFields: Fields,
  compare: (one: EntityTag, other: EntityTag) => boolean,
): boolean {
  const value = withoutOws(fieldValue(requestFields, name) ?? '')
  if (value === '*') return true
  const stored = entityTagOf(storedFields)
  return stored !== undefined && (parseEntityTags(value) ?? []).some((asked) => compare(asked, stored))
}

/** At least a second between `Last-Modified` and `Date`: nothing changed later in that second (8.8.2.2). */
function isStrongDate(storedFields: Fields): boolean {
  const date = dateIn(storedFields, 'date')
  const lastModified = dateIn(storedFields, 'last-modified')
  return date !== undefined && lastModified !== undefined && date - lastModified >= 1000
}

/** A single HTTP date; several lines, or anything else, is no date. */
function dateIn(fields: Fields, name: string): EpochMs | undefined {
  const values = fieldValues(fields, name)
  return values.length === 1 ? parseHttpDate(withoutOws(values[0] ?? '')) : undefined
}
