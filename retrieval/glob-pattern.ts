// URL globs: the patterns by which a rule names the URLs that it is about (R6.3).
//
// | in a pattern     | means                                                                                  |
// | ---------------- | -------------------------------------------------------------------------------------- |
// | `**`             | any characters; as a whole segment (`/a/**/b`) also no segment at all (`/a/b`)         |
// | `*`              | any characters but `/` and `?`                                                         |
// | `?`              | one character but `/`                                                                  |
// | `{a,b}`          | either; may be nested                                                                  |
// | `[0-9a-f]`       | one character of the set; also takes a special character as it is: `[?]`, `[[]`       |
// | `[0-9a-f]{64}`   | so many characters of the set                                                          |
//
// How a pattern begins says what it is compared with: `http://host/path` with the whole URI, `//host/path`
// likewise under any scheme, `/path` with the path on any host, anything else (`*.deb`, `**/pool/**`) with the
// last segments of the path, on any host. Scheme and host compare without case, the path with case.
// The query counts only when the pattern has a `?`; without one it is left aside.
import { normalizeEncoding } from '../core/target-uri.ts'

/** How often a set may be repeated: enough for SHA-512 in hexadecimal. */
export const MAX_REPEATS = 128
/** Characters of one pattern. */
export const MAX_PATTERN_LENGTH = 2000

/** A piece of a pattern. */
export type Part =
  | { readonly kind: 'one'; readonly chars: string; readonly negated: boolean; readonly repeats: number }
  | { readonly kind: 'any'; readonly except: string }
  | { readonly kind: 'either'; readonly choices: readonly (readonly Part[])[] }

export type ParsedPattern =
  | { readonly kind: 'parts'; readonly parts: readonly Part[] }
  /** `expected` completes the sentence "expected …". */
  | { readonly kind: 'invalid'; readonly expected: string }

/** Reads a pattern into parts that together stand for a whole normalized URI. */
export function parseGlobPattern(pattern: string): ParsedPattern {
  const expected = flaw(pattern)
  return expected === undefined
    ? { kind: 'parts', parts: tree(lexemes(absolute(pattern))) }
    : { kind: 'invalid', expected }
}

/** The pattern as it reads for a whole normalized URI. */
function absolute(pattern: string): string {
  const encoded = normalizeEncoding(pattern.toWellFormed().replace(/[^\x21-\x7e]/gu, encodeURIComponent))
  const authority = AUTHORITY.exec(encoded)?.[0]
  if (authority !== undefined) {
    const scheme = authority.startsWith('//') ? '*:' : ''
    return scheme + literalIpv6(authority.toLowerCase()) + encoded.slice(authority.length)
  }
  return encoded.startsWith('/') ? `*://*${encoded}` : `*://*/**/${encoded.replace(/^\*\*\//, '')}`
}

/** `[::1]` names a host, not a set. */
function literalIpv6(authority: string): string {
  return authority.replace(/\[(?=[0-9a-f]*:)/, '[[]')
}

/** Scheme (or none) and host of a pattern that names them. */
const AUTHORITY = /^(?:[^/]*:)?\/\/[^/]*/

// `**/` after the slash that ends a segment (not after `://`) is any number of segments, none included.
const SEGMENTS = /(?<=\/)(?<!\/\/)\*\*\//
const SET = /\[([^\]]+)\](?:\{(\d+)\})?/
const LEXEME = new RegExp(`${SEGMENTS.source}|\\*\\*|${SET.source}|[^]`, 'g')

function lexemes(pattern: string): readonly string[] {
  return pattern.match(LEXEME) ?? []
}

/** What is wrong with a pattern, as "expected …". */
function flaw(pattern: string): string | undefined {
  if (pattern === '' || pattern.length > MAX_PATTERN_LENGTH)
    return `a URL glob of at most ${MAX_PATTERN_LENGTH} characters`
  const authority = AUTHORITY.exec(pattern)?.[0]
  if (authority !== undefined && /[^\x21-\x7e]/.test(authority)) return 'a host in ASCII (xn--…)'
  if (authority?.length === pattern.length) return 'a URL glob with a path after the host (http://host/**)'
  const found = lexemes(pattern)
  if (!isBalanced(found)) return 'a URL glob with a } for each {'
  for (const lexeme of found) {
    if (lexeme === '[') return 'a URL glob with a set such as [0-9] after ['
    if (lexeme.length > 1 && lexeme.startsWith('[') && !isSet(lexeme))
      return `a set of ASCII characters such as [0-9a-f] or [0-9a-f]{64}, repeated 1 to ${MAX_REPEATS} times`
  }
  return undefined
}

function isBalanced(found: readonly string[]): boolean {
  let open = 0
  for (const lexeme of found) {
    if (lexeme === '{') open += 1
    if (lexeme === '}') open -= 1
    if (open < 0) return false
  }
  return open === 0
}

function isSet(lexeme: string): boolean {
  const [, members = '', repeats = '1'] = SET.exec(lexeme) ?? []
  const isAscii = /^[\x21-\x7e]+$/.test(members) && !members.includes('%')
  const isOrdered = ranges(members).every(([first, last]) => first <= last)
  return isAscii && isOrdered && Number(repeats) >= 1 && Number(repeats) <= MAX_REPEATS
}

/** A tree from balanced lexemes: each open brace is a list of choices, each choice a list of parts. */
function tree(found: readonly string[]): readonly Part[] {
  const whole: Part[] = []
  const open: Part[][][] = [[whole]]
  for (const lexeme of found) {
    const choices = open.at(-1) ?? []
    if (lexeme === '{') open.push([[]])
    else if (lexeme === ',' && open.length > 1) choices.push([])
    else if (lexeme === '}') {
      open.pop()
      open.at(-1)?.at(-1)?.push({ kind: 'either', choices })
    } else choices.at(-1)?.push(part(lexeme))
  }
  return whole
}

function part(lexeme: string): Part {
  if (lexeme === '**/') return { kind: 'either', choices: [[], [{ kind: 'any', except: '' }, literal('/')]] }
  if (lexeme === '**') return { kind: 'any', except: '' }
  if (lexeme === '*') return { kind: 'any', except: '/?' }
  if (lexeme === '?') return { kind: 'one', chars: '/', negated: true, repeats: 1 }
  const set = SET.exec(lexeme)
  if (!set) return literal(lexeme)
  return { kind: 'one', chars: spellOut(set[1] ?? ''), negated: false, repeats: Number(set[2] ?? 1) }
}

function literal(character: string): Part {
  return { kind: 'one', chars: character, negated: false, repeats: 1 }
}

function spellOut(members: string): string {
  return ranges(members)
    .map(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, at) => String.fromCharCode(first + at)).join(''),
    )
    .join('')
}

/** `a-fx` as the code ranges a to f and x to x; a hyphen at either end is itself. */
function ranges(members: string): (readonly [first: number, last: number])[] {
  return (members.match(/[^]-[^]|[^]/g) ?? []).map(
    (range) => [range.charCodeAt(0), range.charCodeAt(range.length - 1)] as const,
  )
}
