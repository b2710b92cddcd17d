/**
 * What programs without types pass by mistake: said at once, by the name of the argument. Values of the right type that make no
 * sense are the node's to refuse (Fault BAD_REQUEST).
 */
type Kind =
  | 'a string'
  | 'a function'
  | 'an object'
  | 'an array'
  | 'a number'
  | 'true or false'
  | 'an AbortSignal'
  | 'a path, bytes, or what gives them'

const IS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  'a string': (value) => typeof value === 'string',
  'a function': (value) => typeof value === 'function',
  'an object': (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'an array': Array.isArray,
  'a number': (value) => typeof value === 'number',
  'true or false': (value) => typeof value === 'boolean',
  'an AbortSignal': (value) => value instanceof AbortSignal,
  'a path, bytes, or what gives them': (value) =>
    typeof value === 'string' ||
    value instanceof Uint8Array ||
    (typeof value === 'object' && value !== null && Symbol.asyncIterator in value),
}

/** @throws TypeError that names the argument, what is expected, and what came. */
export function mustBe(kind: Kind, name: string, value: unknown): void {
  if (!IS[kind](value)) throw new TypeError(`${name}: expected ${kind}, got ${told(value)}`)
}

/** Options: what is absent, or `undefined`, is not given. @throws TypeError likewise. */
export function mustBeOptions(name: string, options: unknown, kinds: Readonly<Record<string, Kind>>): void {
  mustBe('an object', name, options)
  for (const [key, value] of Object.entries(options as object)) {
    const kind = kinds[key]
    if (kind !== undefined && value !== undefined) mustBe(kind, `${name}.${key}`, value)
  }
}

function told(value: unknown): string {
  if (typeof value === 'string') return 'a string'
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
