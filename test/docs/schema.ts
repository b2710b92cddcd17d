/** The part of JSON Schema (2020-12) that docs/control-api.yaml uses. Properties that are not described are mistakes. */

export type Schema = Readonly<Record<string, unknown>>

/** @returns what is wrong with `value`, with the place of each; nothing when it is as described. */
export function violations(value: unknown, schema: Schema, all: Schema, place = '$'): string[] {
  const reference = schema['$ref']
  if (typeof reference === 'string') return violations(value, referred(reference, all), all, place)
  return [
    ...typeViolations(value, schema, place),
    ...oneOfViolations(value, schema, all, place),
    ...valueViolations(value, schema, place),
    ...objectViolations(value, schema, all, place),
    ...arrayViolations(value, schema, all, place),
  ]
}

/** @throws Error for a reference that leads nowhere. */
export function referred(reference: string, all: Schema): Schema {
  const found = reference
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>((at, name) => (at as Schema | undefined)?.[name], all)
  if (found === undefined) throw new Error(`${reference} leads nowhere`)
  return found as Schema
}

const KNOWN = [
  'type', 'description', 'oneOf', 'enum', 'const', 'pattern', 'minLength', 'maxLength', 'minimum', 'maximum', 'properties',
  'required', 'additionalProperties', 'maxProperties', 'items', 'minItems', 'maxItems',
] // prettier-ignore

function typeViolations(value: unknown, schema: Schema, place: string): string[] {
  const unknown = Object.keys(schema).filter((word) => !KNOWN.includes(word))
  if (unknown.length > 0) return [`${place}: this validator does not know ${unknown.join(', ')}`]
  const types = [schema['type'] ?? []].flat() as string[]
  const isOne = types.length === 0 || types.some((type) => isOfType(value, type))
  return isOne ? [] : [`${place}: expected ${types.join(' or ')}, got ${JSON.stringify(value)}`]
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}

function oneOfViolations(value: unknown, { oneOf }: Schema, all: Schema, place: string): string[] {
  if (oneOf === undefined) return []
  const tried = (oneOf as Schema[]).map((each) => violations(value, each, all, place))
  const fitting = tried.filter((found) => found.length === 0).length
  return fitting === 1 ? [] : [`${place}: fits ${fitting} of ${tried.length}: ${tried.flat().join('; ')}`]
}

function valueViolations(value: unknown, schema: Schema, place: string): string[] {
  const { pattern, minimum = -Infinity, maximum = Infinity, maxLength = Infinity, enum: words } = schema
  const isConst = !('const' in schema) || schema['const'] === value
  const isWord = words === undefined || (words as unknown[]).includes(value)
  const isText = typeof value !== 'string' || typeof pattern !== 'string' || new RegExp(pattern).test(value)
  const isShort = typeof value !== 'string' || value.length <= Number(maxLength)
  const isWithin = typeof value !== 'number' || (value >= Number(minimum) && value <= Number(maximum))
  const isRight = isConst && isWord && isText && isShort && isWithin
  return isRight ? [] : [`${place}: ${JSON.stringify(value)} is not as described`]
}

function objectViolations(value: unknown, schema: Schema, all: Schema, place: string): string[] {
  if (!isOfType(value, 'object') || (schema['type'] === undefined && schema['properties'] === undefined))
    return []
  const { properties = {}, required = [], additionalProperties = false } = schema
  const members = value as Schema
  const missing = (required as string[]).filter((name) => !(name in members))
  const described = Object.entries(members).flatMap(([name, member]) => {
    const own = (properties as Record<string, Schema>)[name]
    if (own !== undefined) return violations(member, own, all, `${place}.${name}`)
    if (additionalProperties === true) return []
    if (additionalProperties === false) return [`${place}.${name}: is not described`]
    return violations(member, additionalProperties as Schema, all, `${place}.${name}`)
  })
  return [...missing.map((name) => `${place}.${name}: is missing`), ...described]
}

function arrayViolations(value: unknown, schema: Schema, all: Schema, place: string): string[] {
  if (!Array.isArray(value)) return []
  const { items, minItems = 0, maxItems = Infinity } = schema
  const isLong = value.length >= Number(minItems) && value.length <= Number(maxItems)
  const wrong = value.flatMap((each, at) =>
    items === undefined ? [] : violations(each, items as Schema, all, `${place}[${at}]`),
  )
  return isLong ? wrong : [`${place}: ${value.length} items`, ...wrong]
}
