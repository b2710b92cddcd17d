/** Whether a value that came as JSON, from a file or from strangers, has the shape that a type promises. */

export type Shape = (value: unknown) => boolean

export const isText: Shape = (value) => typeof value === 'string'

/** A whole number that is not negative. */
export const isCount: Shape = (value) => Number.isSafeInteger(value) && (value as number) >= 0

export const isYesOrNo: Shape = (value) => typeof value === 'boolean'

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Members that must be there, and members that may be; others are not looked at. */
export function withMembers(
  must: Readonly<Record<string, Shape>>,
  may: Readonly<Record<string, Shape>> = {},
): Shape {
  return (value) =>
    isRecord(value) &&
    Object.entries(must).every(([name, shape]) => Object.hasOwn(value, name) && shape(value[name])) &&
    Object.entries(may).every(([name, shape]) => !Object.hasOwn(value, name) || shape(value[name]))
}

export function recordOf(shape: Shape): Shape {
  return (value) => isRecord(value) && Object.values(value).every((each) => shape(each))
}

export function listOf(shape: Shape, most = Infinity): Shape {
  return (value) => Array.isArray(value) && value.length <= most && value.every((each) => shape(each))
}
