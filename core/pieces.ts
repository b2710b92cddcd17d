/** How a body is cut into pieces: what a digest is kept of, so that a part can be checked by itself (R7.3). */
import type { ByteSpan } from './ranges.ts'

/** Bytes of a piece; the last one of a body is shorter. */
export const PIECE_BYTES = 1024 * 1024

/** Bytes of the SHA-256 digest of one. */
export const PIECE_DIGEST_BYTES = 32

/** How many pieces a body of `size` bytes has. */
export function piecesIn(size: number): number {
  return Math.ceil(size / PIECE_BYTES)
}

/** The bytes of piece number `index` in a body of `size` bytes. */
export function pieceSpan(index: number, size: number): ByteSpan {
  return { start: index * PIECE_BYTES, end: Math.min((index + 1) * PIECE_BYTES, size) }
}

/** The digest of piece number `index`; shorter, or empty, where there are not so many. */
export function digestOfPiece(digests: Uint8Array, index: number): Uint8Array {
  return digests.subarray(index * PIECE_DIGEST_BYTES, (index + 1) * PIECE_DIGEST_BYTES)
}
