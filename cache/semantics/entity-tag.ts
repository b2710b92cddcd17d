/** Entity tags and how they compare (RFC 9110 8.8.3). */
import type { Fields } from '../../core/fields.ts'
import { fieldValues } from '../../core/fields.ts'
import { withoutOws } from './list.ts'

export interface EntityTag {
  readonly isWeak: boolean
  /** What stands between the quotes. */
  readonly opaque: string
}

const ENTITY_TAG = /(W\/)?"([!#-~\x80-\xff]*)"/y

/** Reads one entity tag; `undefined` when it is none. A backslash is a character like any other. */
export function parseEntityTag(text: string): EntityTag | undefined {
  const tags = parseEntityTags(text)
  return tags?.length === 1 ? tags[0] : undefined
}

/** Reads a list of entity tags; `undefined` when anything in it is none. */
export function parseEntityTags(text: string): readonly EntityTag[] | undefined {
  const tags: EntityTag[] = []
  let at = endOfMatch(/[ \t,]*/y, text, 0)
  while (at < text.length) {
    ENTITY_TAG.lastIndex = at
    const match = ENTITY_TAG.exec(text)
    if (!match) return undefined
    tags.push({ isWeak: match[1] !== undefined, opaque: match[2] ?? '' })
    at = endOfMatch(/[ \t]*(?:$|,[ \t,]*)/y, text, ENTITY_TAG.lastIndex)
    if (at < 0) return undefined
  }
  return tags
}

/** The entity tag of a header section; `undefined` without one, and when it is not readable. */
export function entityTagOf(fields: Fields): EntityTag | undefined {
  return parseEntityTag(withoutOws(fieldValues(fields, 'etag')[0] ?? ''))
}

/** Strong comparison (RFC 9110 8.8.3.2): equal, and neither weak. */
export function matchesStrongly(one: EntityTag, other: EntityTag): boolean {
  return !one.isWeak && !other.isWeak && one.opaque === other.opaque
}

/** Weak comparison (RFC 9110 8.8.3.2): equal, weak or not. */
export function matchesWeakly(one: EntityTag, other: EntityTag): boolean {
  return one.opaque === other.opaque
}

function endOfMatch(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : -1
}
