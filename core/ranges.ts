/** Byte ranges (RFC 9110 14). */

/** Bytes from `start` up to, not including, `end`. */
export interface ByteSpan {
  readonly start: number
  readonly end: number
}

/** At most this many ranges are answered one by one; more is treated as no Range at all (RFC 9110 14.2, 17.15). */
export const MAX_RANGES = 32

/** Numbers of any length are numbers (RFC 9110 14.1.2): those that no file reaches are beyond its end. */
const SPEC = /^(\d{1,40})?-(\d{1,40})?$/

/**
 * What a `Range` field asks of a representation of `size` bytes.
 * `undefined`: not a bytes range, malformed, abusive, or of nothing at all, so to be ignored; `[]`: valid, and none is satisfiable (416).
 */
export function parseRange(value: string, size: number): readonly ByteSpan[] | undefined {
  const match = /^bytes=(.*)$/i.exec(value.trim())
  if (!match) return undefined
  const parts = (match[1] ?? '').split(',').map((part) => part.trim())
  const specs = parts.filter((part) => part !== '')
  if (specs.length === 0 || specs.length > MAX_RANGES) return undefined
  const spans: ByteSpan[] = []
  for (const spec of specs) {
    const bounds = SPEC.exec(spec)
    if (!bounds || spec === '-') return undefined
    const span = resolve(bounds[1], bounds[2], size)
    if (span === 'invalid' || span === 'nameless') return undefined
    if (span !== 'unsatisfiable') spans.push(span)
  }
  return overlapsAbusively(spans) ? undefined : spans
}

function resolve(
  first: string | undefined,
  last: string | undefined,
  size: number,
): ByteSpan | 'invalid' | 'unsatisfiable' | 'nameless' {
  if (first === undefined) {
    const suffix = Math.min(Number(last), size)
    // The last bytes of nothing can be had (RFC 9110 14.1.2), and no `Content-Range` can say so.
    if (suffix === 0) return Number(last) === 0 ? 'unsatisfiable' : 'nameless'
    return { start: size - suffix, end: size }
  }
  if (last !== undefined && Number(last) < Number(first)) return 'invalid'
  if (Number(first) >= size) return 'unsatisfiable'
  return { start: Number(first), end: last === undefined ? size : Math.min(Number(last) + 1, size) }
}

/** More than two overlapping ranges are an attack or a mistake (RFC 9110 14.2). */
function overlapsAbusively(spans: readonly ByteSpan[]): boolean {
  const sorted = spans.toSorted((a, b) => a.start - b.start)
  return sorted.filter((span, at) => span.start < (sorted[at - 1]?.end ?? 0)).length > 2
}

/** `bytes 0-499/1234`, the `Content-Range` of one part (RFC 9110 14.4). */
export function contentRange(span: ByteSpan, size: number | undefined): string {
  return `bytes ${span.start}-${span.end - 1}/${size ?? '*'}`
}

/** Reads a `Content-Range`; `undefined` when it is malformed or not in bytes. `size` is absent for `/*`. */
export function parseContentRange(value: string): (ByteSpan & { readonly size?: number }) | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(value.trim())
  if (!match) return undefined
  const start = Number(match[1])
  const end = Number(match[2]) + 1
  if (end <= start) return undefined
  if (match[3] === '*') return { start, end }
  const size = Number(match[3])
  return end > size ? undefined : { start, end, size }
}
