/** A set of byte offsets as disjoint spans: which bytes of a body are held. Pure values; nothing is changed in place. */
import type { ByteSpan } from '../core/ranges.ts'

/** Ascending, not empty, neither overlapping nor touching. */
export type Extents = readonly ByteSpan[]

export const NO_EXTENTS: Extents = []

/** Most file systems give a file this many bytes at a time. */
const BLOCK_BYTES = 4096

/** Bytes of all blocks that a body of `size` bytes takes. */
export function wholeBlocks(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
}

/** Bytes of all blocks that a sparse file with these bytes takes. */
export function blockBytes(extents: Extents): number {
  let [bytes, taken] = [0, 0]
  for (const { start, end } of extents) {
    const first = Math.max(taken, start - (start % BLOCK_BYTES))
    taken = wholeBlocks(end)
    bytes += taken - first
  }
  return bytes
}

/** The same set with the bytes of `span` in it. */
export function withSpan(extents: Extents, span: ByteSpan): Extents {
  if (span.end <= span.start) return extents
  const first = firstEndingAtOrAfter(extents, span.start)
  const after = firstStartingAfter(extents, span.end)
  const joined = {
    start: Math.min(span.start, extents[first]?.start ?? span.start),
    end: Math.max(span.end, extents[after - 1]?.end ?? span.end),
  }
  return first < after ? extents.toSpliced(first, after - first, joined) : extents.toSpliced(first, 0, span)
}

/** Where the run of held bytes that begins at `offset` ends; `offset` itself when that byte is missing. */
export function runEnd(extents: Extents, offset: number): number {
  const span = extents[firstEndingAtOrAfter(extents, offset + 1)]
  return span !== undefined && span.start <= offset ? span.end : offset
}

/** The parts of `span` that are missing, ascending. */
export function missingFrom(extents: Extents, span: ByteSpan): ByteSpan[] {
  const missing: ByteSpan[] = []
  let start = span.start
  for (let at = firstEndingAtOrAfter(extents, start + 1); start < span.end; at += 1) {
    const held = extents[at]
    const end = Math.min(held?.start ?? span.end, span.end)
    if (end > start) missing.push({ start, end })
    start = held?.end ?? span.end
  }
  return missing
}

function firstEndingAtOrAfter(extents: Extents, offset: number): number {
  return firstIndex(extents, (span) => span.end >= offset)
}

function firstStartingAfter(extents: Extents, offset: number): number {
  return firstIndex(extents, (span) => span.start > offset)
}

/** The index of the first span that `matches`, by bisection: once one does, all after it do. */
function firstIndex(extents: Extents, matches: (span: ByteSpan) => boolean): number {
  let low = 0
  let high = extents.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const span = extents[middle]
    if (span !== undefined && matches(span)) high = middle
    else low = middle + 1
  }
  return low
}
