/**
 * `Cache-Control` (RFC 9111 5.2) and the old `Pragma` (5.4), read so that no restriction is ever lost: names
 * without case, quoted arguments, repeated lines; what cannot be read is reported and still yields its names.
 */
import type { Fields } from '../../core/fields.ts'
import { fieldValues, hasField } from '../../core/fields.ts'
import { isToken, splitList, TCHAR } from './list.ts'

/** One directive: its name in lower case, and its argument without quotes. */
interface Directive {
  readonly name: string
  readonly argument: string | undefined
}

/** Everything that a message's directives say, in order, repeated ones included. */
export interface Directives {
  readonly list: readonly Directive[]
  /** Some element is not `token`, `token=token` or `token="quoted"`. */
  readonly syntaxError: boolean
  /** Some directive comes more than once, with different arguments. */
  readonly conflict: boolean
}

/** The largest age in seconds that a cache has to tell apart (RFC 9111 1.2.2). */
export const MAX_DELTA_SECONDS = 2 ** 31

/** The directives of all `Cache-Control` lines. Never throws. */
export function parseCacheControl(fields: Fields): Directives {
  return remembered(given, fields, () => parseDirectives(fieldValues(fields, 'cache-control')))
}

/** A request's directives: `Pragma` counts only where there is no `Cache-Control` (RFC 9111 5.4). */
export function parseRequestDirectives(fields: Fields): Directives {
  return remembered(asked, fields, () => {
    const name = hasField(fields, 'cache-control') ? 'cache-control' : 'pragma'
    return parseDirectives(fieldValues(fields, name))
  })
}

/** Each rule of RFC 9111 asks for the directives of the same few header sections. */
const given = new WeakMap<Fields, Directives>()
const asked = new WeakMap<Fields, Directives>()

function remembered(known: WeakMap<Fields, Directives>, fields: Fields, read: () => Directives): Directives {
  const before = known.get(fields)
  if (before !== undefined) return before
  const directives = read()
  known.set(fields, directives)
  return directives
}

/** The directives of these field lines. A quoted string cannot run from one line into the next. */
export function parseDirectives(lines: readonly string[]): Directives {
  const elements = lines.flatMap(splitList)
  const parsed = elements.map(parseElement)
  const list = parsed.flatMap((element, at) => element ?? namesIn(elements[at] ?? ''))
  return { list, syntaxError: parsed.includes(undefined), conflict: hasConflict(list) }
}

export function hasDirective(directives: Directives, name: string): boolean {
  return directives.list.some((directive) => directive.name === name)
}

/**
 * A directive's argument in seconds, `undefined` where there is no such directive. Arguments that are no
 * delta-seconds, missing, or contradict each other count as 0, which makes a response stale (RFC 9111 4.2.1);
 * too large ones as 2^31 (1.2.2).
 */
export function deltaSeconds(directives: Directives, name: string): number | undefined {
  const seconds = directives.list
    .filter((directive) => directive.name === name)
    .map((directive) => parseDeltaSeconds(directive.argument ?? '') ?? 0)
  const [first] = seconds
  return seconds.every((each) => each === first) ? first : 0
}

/** Reads delta-seconds (RFC 9111 1.2.2): digits and nothing else; `undefined` for everything else. */
export function parseDeltaSeconds(text: string): number | undefined {
  return /^[0-9]+$/.test(text) ? Math.min(Number(text), MAX_DELTA_SECONDS) : undefined
}

/**
 * Whether `private` or `no-cache` is there for the whole response: without field names, or with something that
 * is no list of field names, such as `private=""` (RFC 9111 5.2.2.4, 5.2.2.7).
 */
export function isUnqualified(directives: Directives, name: 'private' | 'no-cache'): boolean {
  return directives.list.some((each) => each.name === name && fieldNames(each) === undefined)
}

/** The field names to which `private` or `no-cache` is limited, in lower case; none when it is not there. */
export function qualifyingFields(directives: Directives, name: 'private' | 'no-cache'): readonly string[] {
  return directives.list.filter((each) => each.name === name).flatMap((each) => fieldNames(each) ?? [])
}

function fieldNames({ argument }: Directive): readonly string[] | undefined {
  const elements = splitList(argument ?? '')
  return elements.length > 0 && elements.every(isToken)
    ? elements.map((element) => element.toLowerCase())
    : undefined
}

const ELEMENT = new RegExp(
  `^([${TCHAR}]+)(?:=(?:([${TCHAR}]+)|"((?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*)"))?$`,
)

function parseElement(element: string): Directive | undefined {
  const match = ELEMENT.exec(element)
  if (!match) return undefined
  const [, name = '', token, quoted] = match
  return { name: name.toLowerCase(), argument: token ?? quoted?.replace(/\\(.)/g, '$1') }
}

/**
 * Every word of an element that cannot be read becomes a directive without argument, so that the `no-store` of
 * `max-age=60; no-store` still forbids and its `max-age` counts as 0.
 */
function namesIn(element: string): Directive[] {
  const words = element.match(WORDS) ?? []
  return words.map((word) => ({ name: word.toLowerCase(), argument: undefined }))
}

const WORDS = new RegExp(`[${TCHAR}]+`, 'g')

function hasConflict(list: readonly Directive[]): boolean {
  const first = new Map<string, string | undefined>()
  return list.some(({ name, argument }) => {
    if (!first.has(name)) first.set(name, argument)
    return first.get(name) !== argument
  })
}
