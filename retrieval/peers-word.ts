/**
 * The validators of a copy from a peer are a stranger's word, also where its bytes are proved. Of a file that changes they could say that
 * the application's old one is the same: a 304 would pin it, and a part behind it would make a file that nobody has. What never changes
 * is the same whatever they say.
 */
import { hasField, withoutFields, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { StoredResponse } from '../core/store.ts'
import { EXPECTATIONS } from '../cache/semantics/preconditions.ts'

/** Whether a response from there says what no application may be answered by. */
export function isPeersWord(
  source: StoredResponse['source'],
  { immutable }: Pick<Policy, 'immutable'>,
): boolean {
  return source === 'peer' && !immutable
}

/**
 * The fields of a request that a response from there may be held against: without those of a comparison with what the application holds,
 * where that would be by a peer's word; it is given the whole then (RFC 9110 13.1.2, 13.1.3, 13.1.5).
 */
export function comparable(fields: Fields, source: StoredResponse['source'], policy: Policy): Fields {
  if (!isPeersWord(source, policy)) return fields
  return withoutFields(fields, hasField(fields, 'if-range') ? [...COMPARISONS, 'range'] : COMPARISONS)
}

const COMPARISONS = ['if-none-match', 'if-modified-since', 'if-range']

/** Whether the application wants nothing but what it expects. */
export function hasExpectation(fields: Fields): boolean {
  return EXPECTATIONS.some((name) => hasField(fields, name))
}

/** Whether that could be held against nothing but a peer's word: the origin server alone knows then (RFC 9110 13.1.1, 13.1.4). */
export function isOriginsToDecide(
  fields: Fields,
  source: StoredResponse['source'],
  policy: Pick<Policy, 'immutable'>,
): boolean {
  return isPeersWord(source, policy) && hasExpectation(fields)
}
