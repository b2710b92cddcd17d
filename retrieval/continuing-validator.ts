/** Whether what came so far can be continued by ranges, and by which validator. */
import type { EpochMs } from '../core/clock.ts'
import { fieldValue, hasField, type Fields } from '../core/fields.ts'
import { entityTagOf } from '../cache/semantics/entity-tag.ts'
import { dated } from '../cache/semantics/http-date.ts'
import { ifRangeMatches } from '../cache/semantics/preconditions.ts'

/**
 * The validator by which a copy may be continued by ranges (RFC 9110 13.1.5): its strong entity tag or, where it has
 * none at all, its date when that is a strong validator.
 */
export function continuingValidator(fields: Fields, responseTime: EpochMs): string | undefined {
  const tag = entityTagOf(fields)
  if (tag !== undefined || hasField(fields, 'etag'))
    return tag?.isWeak === false ? fieldValue(fields, 'etag') : undefined
  const date = fieldValue(fields, 'last-modified')
  return date !== undefined && ifRangeMatches(date, dated(fields, responseTime)) ? date : undefined
}
