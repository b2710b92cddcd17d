/** The two pieces of grammar that field values share: tokens and comma-separated lists (RFC 9110 5.6). */

/** One `tchar` (RFC 9110 5.6.2), as the inside of a regular expression's character class. */
export const TCHAR = "!#$%&'*+.^_`|~0-9A-Za-z\\-"

const TOKEN = new RegExp(`^[${TCHAR}]+$`)

export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/**
 * The non-empty elements of one field line that is a list (RFC 9110 5.6.1), without the white space around them.
 * Commas in quoted strings do not count, unless a quoted string is never closed: then every comma does, so that
 * nothing hides behind it. Takes time linear in the length of the line.
 */
export function splitList(value: string): readonly string[] {
  const pieces = cutOutsideQuotes(value) ?? value.split(',')
  return pieces.map(withoutOws).filter((element) => element !== '')
}

function cutOutsideQuotes(value: string): string[] | undefined {
  const pieces: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at < value.length; at++) {
    const character = value[at]
    if (quoted && character === '\\') at++
    else if (character === '"') quoted = !quoted
    else if (character === ',' && !quoted) {
      pieces.push(value.slice(start, at))
      start = at + 1
    }
  }
  return quoted ? undefined : [...pieces, value.slice(start)]
}

/**
 * Without the optional white space, space and tab only, on both sides. (`trim` would also take what is no white
 * space in HTTP and so hide a syntax error; a regular expression would take quadratic time on long runs.)
 */
export function withoutOws(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isOws(text[start])) start++
  while (end > start && isOws(text[end - 1])) end--
  return text.slice(start, end)
}

function isOws(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}
