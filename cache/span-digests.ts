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
  return bytes.length === span.end - span.start && Buffer.from(digestOf(bytes)).equals(span.sha256)
}
