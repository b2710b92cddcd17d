/** A header section (RFC 9110 5): its field lines in the order they came. */

/** One field line: the name as it was sent, and the value without surrounding white space. */
export type FieldLine = readonly [name: string, value: string]

/** All field lines of a message's header (or trailer) section. */
export type Fields = readonly FieldLine[]

/** The values of every field line with this name, in order; names compare without case. */
export function fieldValues(fields: Fields, name: string): string[] {
  const wanted = name.toLowerCase()
  const values: string[] = []
  for (const [each, value] of fields) if (isNamed(each, wanted)) values.push(value)
  return values
}

/** Whether a name is the wanted one, given in lower case. Most differ in length, which is compared first. */
function isNamed(name: string, wanted: string): boolean {
  return name.length === wanted.length && (name === wanted || name.toLowerCase() === wanted)
}

/** The combined field value (RFC 9110 5.3: lines joined by ", "), or `undefined` when there is no such field. */
export function fieldValue(fields: Fields, name: string): string | undefined {
  const wanted = name.toLowerCase()
  let combined: string | undefined
  for (const [each, value] of fields)
    if (isNamed(each, wanted)) combined = combined === undefined ? value : `${combined}, ${value}`
  return combined
}

export function hasField(fields: Fields, name: string): boolean {
  const wanted = name.toLowerCase()
  for (const [each] of fields) if (isNamed(each, wanted)) return true
  return false
}

/** Whether the content is the representation in a content coding, such as gzip (RFC 9110 8.4). */
export function hasContentCoding(fields: Fields): boolean {
  return hasField(fields, 'content-encoding')
}

/** Fields of a request that ask for a part, or only for a change (RFC 9110 13.1, 14.2). */
export const SELECTING_A_PART = [
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
]

/** Names of fields that others are compared with. Most names differ from all of them in length, which is compared first. */
export class FieldNames {
  readonly #names: ReadonlySet<string>
  readonly #lengths: ReadonlySet<number>

  /** @param names in lower case. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names)
    this.#lengths = new Set(names.map(({ length }) => length))
  }

  has(name: string): boolean {
    return this.#lengths.has(name.length) && this.#names.has(name.toLowerCase())
  }
}

/** The same header section without the named fields, which are few. */
export function withoutFields(fields: Fields, names: readonly string[]): Fields {
  const dropped = names.map((name) => name.toLowerCase())
  return fields.filter(([name]) => !dropped.some((each) => isNamed(name, each)))
}

/** The same header section in which the named field has this one line. */
export function withField(fields: Fields, name: string, value: string): Fields {
  return [...withoutFields(fields, [name]), [name, value]]
}

/** From Node's flat `rawHeaders`: name, value, name, value… */
export function fieldsFromRaw(raw: readonly string[]): Fields {
  const fields: FieldLine[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) fields.push([raw[at] ?? '', raw[at + 1] ?? ''])
  return fields
}

/** To Node's flat form: name, value, name, value… */
export function fieldsToRaw(fields: Fields): string[] {
  return fields.flatMap(([name, value]) => [name, value])
}

const HOP_BY_HOP = new FieldNames([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * What an intermediary forwards: without the hop-by-hop fields and without every field that `Connection`
 * names (RFC 9110 7.6.1).
 */
export function endToEndFields(fields: Fields): Fields {
  const known = endToEnd.get(fields)
  if (known !== undefined) return known
  const found = withoutHopByHop(fields)
  endToEnd.set(fields, found)
  return found
}

/** The same for who asks once: to remember it would cost more. */
export function endToEndFieldsOnce(fields: Fields): Fields {
  return withoutHopByHop(fields)
}

/** One message is asked for them several times on its way. */
const endToEnd = new WeakMap<Fields, Fields>()

function withoutHopByHop(fields: Fields): Fields {
  const options = fieldValue(fields, 'connection')?.split(',') ?? []
  const named = options.map((option) => option.trim()).filter((option) => !HOP_BY_HOP.has(option))
  const endToEndLines = fields.filter(([name]) => !HOP_BY_HOP.has(name))
  return named.length === 0 ? endToEndLines : withoutFields(endToEndLines, named)
}
