/**
 * Digests of what a partial copy holds, so that its bytes can be checked after a restart (R7.3). The borders of pieces
 * cut the held spans, so that whatever is added changes the digest of one or two of them only.
 */
import { hash } from 'node:crypto'
import type { ByteSpan } from '../core/ranges.ts'
import type { Extents } from './extents.ts'
import { PIECE_BYTES } from '../core/pieces.ts'

/** Some held bytes, within one piece, and their SHA-256. */
export interface SpanDigest extends ByteSpan {
  readonly sha256: Uint8Array
}

/** The same bytes as spans none of which reaches over the border of a piece. */
export function cutAtPieces(extents: Extents): ByteSpan[] {
  return extents.flatMap(({ start, end }) => {
    const cuts: ByteSpan[] = []
    for (let at = start; at < end;) {
      const border = Math.min(end, (Math.floor(at / PIECE_BYTES) + 1) * PIECE_BYTES)
      cuts.push({ start: at, end: border })
      at = border
    }
    return cuts
  })
}

export function digestOf(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/** Are these the bytes that the digest was taken of? */
export function isRight(span: SpanDigest, bytes: Uint8Array): boolean {
  return bytes.length === span.end - span.start && isSameDigest(span, digestOf(bytes))
}

export function isSameDigest({ sha256 }: SpanDigest, digest: Uint8Array): boolean {
  return Buffer.compare(sha256, digest) === 0
}

/** So many spans that follow one on the other within a piece are worth reading to make them one. */
const MANY = 8
/** No more pieces than this are read for that at once. */
const MOST_JOINED = 4

/** Groups of spans that may be made one each: who asks for a file in small ranges would otherwise leave a digest for each of them. */
export function joinable(spans: readonly SpanDigest[]): readonly (readonly SpanDigest[])[] {
  const groups: SpanDigest[][] = []
  for (const span of spans.toSorted((one, other) => one.start - other.start)) {
    const group = groups.at(-1)
    if (group?.at(-1)?.end === span.start && span.start % PIECE_BYTES !== 0) group.push(span)
    else groups.push([span])
  }
  return groups.filter(isWorthJoining).slice(0, MOST_JOINED)
}

function isWorthJoining(group: readonly SpanDigest[]): boolean {
  const bytes = group.reduce((sum, { start, end }) => sum + end - start, 0)
  return group.length >= MANY || (group.length > 1 && bytes === PIECE_BYTES)
}
