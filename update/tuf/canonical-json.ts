/** Canonical JSON as TUF signs it (OLPC): keys in order, no spaces, strings with only `"` and `\` escaped, whole numbers. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Deeper than any metadata; who nests deeper wants a reader to run out of room. */
const MAX_DEPTH = 32

/** @throws TypeError for numbers that are not whole, and what is nested too deeply */
export function canonicalJson(value: Json, depth = 0): string {
  if (depth > MAX_DEPTH) throw new TypeError('expected less nesting')
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return String(value)
    throw new TypeError(`expected a whole number, got ${value}`)
  }
  if (value === null || typeof value === 'boolean') return String(value)
  if (isList(value)) return `[${value.map((each) => canonicalJson(each, depth + 1)).join(',')}]`
  const members = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([key, each]) => `${quoted(key)}:${canonicalJson(each, depth + 1)}`).join(',')}}`
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
