/** The two pieces of grammar that field values share: tokens and comma-separated lists (RFC 9110 5.6). */

/** One `tchar` (RFC 9110 5.6.2), as the inside of a regular expression's character class. */
export const TCHAR = "!#$%&'*+.^_`|~0-9A-Za-z\\-"

const TOKEN = new RegExp(`^[${TCHAR}]+$`)

export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** The non-empty elements of a list, without the white space around them (RFC 9110 5.6.1). */
export interface ListElements {
  readonly elements: readonly string[]
  /** A quoted string was never closed, so the value was cut at every comma, inside quotes or not. */
  readonly unterminated: boolean
}

/** Splits one field line at the commas that are outside of quoted strings; takes time linear in its length. */
export function splitList(value: string): ListElements {
  const quoteAware = cutOutsideQuotes(value)
  const elements = (quoteAware ?? value.split(',')).map(withoutOws).filter((element) => element !== '')
  return { elements, unterminated: quoteAware === undefined }
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
